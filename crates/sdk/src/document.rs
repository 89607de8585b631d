//! Configuration documents: YAML read strictly, with the place of every value kept, so that whatever is found wrong later
//! (an unknown key, a connection that does not exist) is shown with file, line and column.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;
use weir_model::{Finding, did_you_mean};

use crate::expressions::Snippet;

/// Largest configuration file; a file beyond it is surely not one.
pub const BYTES_MAX: usize = 4_000_000;

/// A YAML file as a JSON value with positions.
#[derive(Clone, Debug)]
pub struct Document {
    /// Path within the project.
    pub file: String,
    pub value: Value,
    /// JSON pointer → line and column of the value.
    values: HashMap<String, (u32, u32)>,
    /// JSON pointer → line and column of the key that leads there.
    keys: HashMap<String, (u32, u32)>,
}

impl Document {
    /// Reads YAML. A finding names the place of a syntax error or of a doubled key.
    pub fn parse(file: &str, text: &str) -> Result<Document, Finding> {
        if text.len() > BYTES_MAX {
            let message = format!("the file has {} bytes; at most {BYTES_MAX} are read", text.len());
            return Err(Finding::error("file-too-large", file, 0, 0, message));
        }
        // YAML 1.2: `on` and `off` are words, not booleans.
        let options = serde_saphyr::options! { strict_booleans: true };
        let node: Node = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let (line, column) = error
                .location()
                .map_or((0, 0), |at| (at.line() as u32, at.column() as u32));
            let mut message = error.without_snippet().to_string();
            if let Some(cut) = message.find(" at line ") {
                message.truncate(cut);
            }
            Finding::error(
                "yaml",
                file,
                line,
                column,
                format!("this is not valid YAML: {message}"),
            )
        })?;
        let mut document = Document {
            file: file.to_owned(),
            value: Value::Null,
            values: HashMap::new(),
            keys: HashMap::new(),
        };
        document.value = document.take(node, String::new());
        Ok(document)
    }

    fn take(&mut self, node: Node, pointer: String) -> Value {
        self.values.insert(pointer.clone(), node.at);
        match node.content {
            Content::Scalar(value) => value,
            Content::List(items) => Value::Array(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(i, item)| self.take(item, format!("{pointer}/{i}")))
                    .collect(),
            ),
            Content::Fields(fields) => {
                let mut object = Map::new();
                for (name, at, node) in fields {
                    let pointer = format!("{pointer}/{}", escape(&name));
                    self.keys.insert(pointer.clone(), at);
                    let value = self.take(node, pointer);
                    object.insert(name, value);
                }
                Value::Object(object)
            }
        }
    }

    /// Line and column of the value at a path of names and indexes; of the nearest parent where it has none.
    pub fn place(&self, path: &[&str]) -> (u32, u32) {
        let mut depth = path.len();
        loop {
            if let Some(at) = self.values.get(&pointer(&path[..depth])) {
                return *at;
            }
            match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return (1, 1),
            }
        }
    }

    /// Line and column of the key at the path, or of the value where there is no key (list items).
    pub fn key_place(&self, path: &[&str]) -> (u32, u32) {
        self.keys
            .get(&pointer(path))
            .copied()
            .unwrap_or_else(|| self.place(path))
    }

    /// An error at the value of a path.
    pub fn finding(&self, path: &[&str], code: &str, message: impl Into<String>) -> Finding {
        let (line, column) = self.place(path);
        Finding::error(code, &self.file, line, column, message)
    }

    /// An error at the key of a path.
    pub fn key_finding(&self, path: &[&str], code: &str, message: impl Into<String>) -> Finding {
        let (line, column) = self.key_place(path);
        Finding::error(code, &self.file, line, column, message)
    }

    /// The text at a path as a snippet with its position.
    pub fn snippet(&self, path: &[&str], text: &str) -> Snippet {
        let (line, column) = self.place(path);
        Snippet {
            file: self.file.clone(),
            line,
            column,
            text: text.to_owned(),
        }
    }

    /// The document as a typed value. Unknown keys and wrong types become a finding with place and suggestion.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Finding> {
        self.read_part(&[], &self.value)
    }

    /// A part of the document, which stands at `path`, as a typed value; `value` may differ from what was written (for
    /// example, variables put in).
    pub fn read_part<T: DeserializeOwned>(&self, path: &[&str], value: &Value) -> Result<T, Finding> {
        let mut track = serde_path_to_error::Track::new();
        let wrapped = serde_path_to_error::Deserializer::new(value, &mut track);
        T::deserialize(wrapped).map_err(|error| {
            let mut inner: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
            for segment in track.path().iter() {
                match segment {
                    serde_path_to_error::Segment::Map { key } => inner.push(key.clone()),
                    serde_path_to_error::Segment::Seq { index } => inner.push(index.to_string()),
                    serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => {}
                }
            }
            self.explain(inner, &error.to_string())
        })
    }

    fn explain(&self, mut path: Vec<String>, message: &str) -> Finding {
        let words: Vec<&str> = message.split('`').collect();
        let quoted: Vec<&str> = words.iter().skip(1).step_by(2).copied().collect();
        let unknown = message.starts_with("unknown field");
        if unknown
            && let Some(name) = quoted.first()
            && path.last().map(String::as_str) != Some(name)
        {
            path.push((*name).to_owned());
        }
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let (line, column) = if unknown {
            self.key_place(&parts)
        } else {
            self.place(&parts)
        };
        let shown = shown(&parts);
        let candidates = || quoted.iter().skip(1).copied();
        if unknown && let Some(name) = quoted.first() {
            let place = match parts.len() {
                0 | 1 => String::new(),
                n => format!(" in `{}`", self::shown(&parts[..n - 1])),
            };
            let suggestion = did_you_mean(name, candidates())
                .unwrap_or_else(|| format!("allowed here: {}", candidates().collect::<Vec<_>>().join(", ")));
            return Finding::error(
                "unknown-key",
                &self.file,
                line,
                column,
                format!("unknown key `{name}`{place}"),
            )
            .suggest(Some(suggestion));
        }
        if message.starts_with("unknown variant")
            && let Some(word) = quoted.first()
        {
            let suggestion = did_you_mean(word, candidates())
                .unwrap_or_else(|| format!("allowed here: {}", candidates().collect::<Vec<_>>().join(", ")));
            return Finding::error(
                "unknown-word",
                &self.file,
                line,
                column,
                format!("`{shown}` may not be `{word}`"),
            )
            .suggest(Some(suggestion));
        }
        if message.starts_with("missing field")
            && let Some(name) = quoted.first()
        {
            let place = if shown.is_empty() {
                String::new()
            } else {
                format!(" in `{shown}`")
            };
            return Finding::error(
                "missing-key",
                &self.file,
                line,
                column,
                format!("the key `{name}` is missing{place}"),
            );
        }
        let place = if shown.is_empty() {
            String::new()
        } else {
            format!("`{shown}`: ")
        };
        Finding::error(
            "wrong-value",
            &self.file,
            line,
            column,
            format!("{place}{message}"),
        )
    }
}

fn pointer(path: &[&str]) -> String {
    path.iter().map(|part| format!("/{}", escape(part))).collect()
}

fn escape(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

/// `source.read[0].entity`
fn shown(path: &[&str]) -> String {
    let mut text = String::new();
    for part in path {
        if part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty() {
            text.push_str(&format!("[{part}]"));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(part);
        }
    }
    text
}

/// A YAML node with its place.
struct Node {
    at: (u32, u32),
    content: Content,
}

enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Fields(Vec<(String, (u32, u32), Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        let at = (
            spanned.referenced.line() as u32,
            spanned.referenced.column() as u32,
        );
        Ok(Node {
            at,
            content: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Content;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a YAML value")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
                Ok(Content::Scalar(Value::Bool(value)))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
                Ok(Content::Scalar(Value::from(value)))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
                Ok(Content::Scalar(Value::from(value)))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
                Ok(Content::Scalar(
                    Number::from_f64(value).map_or(Value::Null, Value::Number),
                ))
            }
            fn visit_str<E>(self, value: &str) -> Result<Content, E> {
                Ok(Content::Scalar(Value::String(value.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Content, E> {
                Ok(Content::Scalar(Value::Null))
            }
            fn visit_none<E>(self) -> Result<Content, E> {
                Ok(Content::Scalar(Value::Null))
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
                Content::deserialize(deserializer)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Content::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
                let mut fields: Vec<(String, (u32, u32), Node)> = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    let at = (key.referenced.line() as u32, key.referenced.column() as u32);
                    if fields.iter().any(|(name, _, _)| *name == key.value) {
                        return Err(serde::de::Error::custom(format!(
                            "the key `{}` stands here twice",
                            key.value
                        )));
                    }
                    fields.push((key.value, at, map.next_value()?));
                }
                Ok(Content::Fields(fields))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use weir_model::config::{Project, Route};

    use super::*;

    fn check<T: DeserializeOwned + fmt::Debug>(text: &str, expected: &str) {
        let finding = match Document::parse("x.yaml", text).and_then(|document| document.read::<T>()) {
            Ok(value) => panic!("expected a finding, read {value:?}"),
            Err(finding) => finding.to_string(),
        };
        assert_eq!(finding, expected, "{text}");
    }

    #[test]
    fn every_mistake_has_a_place_and_says_what_was_meant() {
        check::<Project>(
            "project: shop\nvarz: {}\n",
            "x.yaml:2:1: error[unknown-key]: unknown key `varz`; did you mean `vars`?",
        );
        check::<Project>(
            "project: shop\ndefaults:\n  retry: { atempts: 8 }\n",
            "x.yaml:3:12: error[unknown-key]: unknown key `atempts` in `defaults.retry`; did you mean `attempts`?",
        );
        check::<Project>(
            "project: shop\ntrace: fulll\n",
            "x.yaml:2:8: error[unknown-word]: `trace` may not be `fulll`; did you mean `full`?",
        );
        check::<Project>(
            "vars: {}\n",
            "x.yaml:1:1: error[missing-key]: the key `project` is missing",
        );
        check::<Route>(
            "source:\n  read: { connection: a, entity: b, filtre: {} }\nentity: { key: code }\n",
            "x.yaml:2:37: error[unknown-key]: unknown key `filtre` in `source.read`; did you mean `filter`?",
        );
        check::<Route>(
            "source:\n  every: 5 weeks\n  read: { connection: a, entity: b }\nentity: { key: code }\n",
            "x.yaml:2:10: error[wrong-value]: `source.every`: `5 weeks` is not a length of time: \
             write a number and ms, s, m, h or d, for example `5m`",
        );
    }

    #[test]
    fn broken_yaml_and_doubled_keys_have_a_place() {
        let place = |text: &str| {
            Document::parse("x.yaml", text)
                .map(|_| ())
                .map_err(|f| (f.line, f.code))
        };
        assert_eq!(
            place("a: [1, 2\nb: 3\n").map_err(|(_, code)| code),
            Err("yaml".to_owned())
        );
        assert_eq!(place("a: 1\nb: 2\na: 3\n"), Err((3, "yaml".to_owned())));
    }

    #[test]
    fn words_that_older_yaml_takes_for_booleans_stay_words() {
        let document = Document::parse("x.yaml", "a: on\nb: off\nc: yes\nd: true\n").expect("valid");
        assert_eq!(
            document.value,
            serde_json::json!({"a": "on", "b": "off", "c": "yes", "d": true})
        );
    }
}
