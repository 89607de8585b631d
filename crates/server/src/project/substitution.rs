//! `${vars.NAME}` and `${secrets.NAME}` in the strings of configuration files.

use std::collections::BTreeMap;

use serde_json::Value;
use weir_model::{Finding, did_you_mean};
use weir_sdk::document::Document;

/// What may be put in, by name.
pub(crate) struct Names<'a> {
    pub(crate) vars: &'a BTreeMap<String, Value>,
    /// Declared secrets; their values come when a connection is made.
    pub(crate) secrets: Vec<&'a str>,
}

/// The document's value with variables put in. A string that is one `${vars.NAME}` becomes the variable with its type.
/// `${secrets.NAME}` stays, once it is known that the secret is declared.
pub(crate) fn substitute(document: &Document, names: &Names<'_>, findings: &mut Vec<Finding>) -> Value {
    let mut walk = Walk {
        document,
        names,
        findings,
        path: Vec::new(),
    };
    walk.value(&document.value)
}

/// Names of the secrets in a string, `${secrets.NAME}`.
pub(crate) fn secrets_in(text: &str) -> Vec<&str> {
    pieces(text)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Reference(inside) => inside.strip_prefix("secrets."),
            _ => None,
        })
        .collect()
}

/// Puts secrets in.
pub(crate) fn reveal(text: &str, secret: &dyn Fn(&str) -> Option<String>) -> String {
    pieces(text)
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Open(text) => text.to_owned(),
            Piece::Reference(inside) => inside
                .strip_prefix("secrets.")
                .and_then(secret)
                .unwrap_or_else(|| format!("${{{inside}}}")),
        })
        .collect()
}

enum Piece<'a> {
    Text(&'a str),
    /// What stands between `${` and `}`.
    Reference(&'a str),
    /// `${` that is never closed, to the end.
    Open(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if start > 0 {
            pieces.push(Piece::Text(&rest[..start]));
        }
        match rest[start..].find('}') {
            Some(end) => {
                pieces.push(Piece::Reference(rest[start + 2..start + end].trim()));
                rest = &rest[start + end + 1..];
            }
            None => {
                pieces.push(Piece::Open(&rest[start..]));
                return pieces;
            }
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

struct Walk<'a> {
    document: &'a Document,
    names: &'a Names<'a>,
    findings: &'a mut Vec<Finding>,
    path: Vec<String>,
}

impl Walk<'_> {
    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) if text.contains("${") => self.text(text),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                Value::Array(items.map(|(i, item)| self.within(i.to_string(), item)).collect())
            }
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), self.within(name.clone(), value)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    fn within(&mut self, part: String, value: &Value) -> Value {
        self.path.push(part);
        let value = self.value(value);
        self.path.pop();
        value
    }

    fn text(&mut self, text: &str) -> Value {
        let pieces = pieces(text);
        if let [Piece::Reference(inside)] = pieces[..]
            && let Some(name) = inside.strip_prefix("vars.")
            && let Some(value) = self.names.vars.get(name)
        {
            return value.clone();
        }
        let mut put = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => put.push_str(text),
                Piece::Open(text) => {
                    put.push_str(text);
                    self.finding("bad-substitution", "`${` is never closed by `}`".to_owned(), None);
                }
                Piece::Reference(inside) => put.push_str(&self.reference(inside)),
            }
        }
        Value::String(put)
    }

    fn reference(&mut self, inside: &str) -> String {
        let kept = format!("${{{inside}}}");
        match inside.split_once('.') {
            Some(("vars", name)) => match self.names.vars.get(name) {
                Some(Value::String(text)) => return text.clone(),
                Some(Value::Array(_) | Value::Object(_)) => {
                    let message = format!(
                        "the variable `{name}` is a list or an object and cannot stand within a text"
                    );
                    self.finding("bad-substitution", message, None);
                }
                Some(other) => return other.to_string(),
                None => {
                    let suggestion = did_you_mean(name, self.names.vars.keys().map(String::as_str))
                        .unwrap_or_else(|| {
                            "add it under `vars` in weir.yaml or in the environment's file".to_owned()
                        });
                    self.finding(
                        "unknown-variable",
                        format!("there is no variable `{name}`"),
                        Some(suggestion),
                    );
                }
            },
            Some(("secrets", name)) => {
                if !self.names.secrets.contains(&name) {
                    let suggestion =
                        did_you_mean(name, self.names.secrets.iter().copied()).unwrap_or_else(|| {
                            format!("add it to `secrets` of the environment's file: `{name}: store`")
                        });
                    let message = format!("the secret `{name}` is not declared");
                    self.finding("unknown-secret", message, Some(suggestion));
                }
            }
            _ => {
                let message =
                    format!("`${{{inside}}}` means nothing: write `${{vars.NAME}}` or `${{secrets.NAME}}`");
                let word = inside.split('.').next().unwrap_or(inside);
                self.finding(
                    "bad-substitution",
                    message,
                    did_you_mean(word, ["vars", "secrets"]),
                );
            }
        }
        kept
    }

    fn finding(&mut self, code: &str, message: String, suggestion: Option<String>) {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        self.findings
            .push(self.document.finding(&path, code, message).suggest(suggestion));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str, expected: Value, complaint: &str) {
        let vars = BTreeMap::from([
            ("URL".to_owned(), json!("http://x")),
            ("N".to_owned(), json!(3)),
            ("LIST".to_owned(), json!(["a"])),
        ]);
        let document = Document::parse("x.yaml", &format!("v: \"{text}\"\n")).expect("valid YAML");
        let mut findings = Vec::new();
        let names = Names {
            vars: &vars,
            secrets: vec!["KEY"],
        };
        let value = substitute(&document, &names, &mut findings);
        assert_eq!(value["v"], expected, "{text}");
        let said = findings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n");
        assert!(
            said.contains(complaint) && said.is_empty() == complaint.is_empty(),
            "{text}: {said}"
        );
    }

    #[test]
    fn variables_are_put_in_and_secrets_stay() {
        check("${vars.LIST}", json!(["a"]), "");
        check("${vars.URL}/p/${vars.N}", json!("http://x/p/3"), "");
        check("${ vars.N }", json!(3), "");
        check("Bearer ${secrets.KEY}", json!("Bearer ${secrets.KEY}"), "");
        check("no $ {here}", json!("no $ {here}"), "");
    }

    #[test]
    fn what_is_wrong_is_said_with_place_and_suggestion() {
        check(
            "${vars.UR}",
            json!("${vars.UR}"),
            "x.yaml:1:4: error[unknown-variable]: there is no variable `UR`; did you mean `URL`?",
        );
        check("${secrets.KEI}", json!("${secrets.KEI}"), "did you mean `KEY`?");
        check("${var.URL}", json!("${var.URL}"), "did you mean `vars`?");
        check(
            "a ${vars.LIST}",
            json!("a ${vars.LIST}"),
            "cannot stand within a text",
        );
        check("${vars.URL", json!("${vars.URL"), "never closed");
    }

    #[test]
    fn secrets_are_found_and_put_in() {
        assert_eq!(secrets_in("a ${secrets.X} ${vars.Y} ${secrets.Z}"), ["X", "Z"]);
        let secret = |name: &str| (name == "X").then(|| "s3".to_owned());
        assert_eq!(
            reveal("a ${secrets.X} ${secrets.Z}", &secret),
            "a s3 ${secrets.Z}"
        );
    }
}
