//! Typing errors in maps that are no errors of the language: a field of the source or of the target that its schema does
//! not know, one or two letters beside one that it does. Maps may use free fields (an attribute's code, say), so only a
//! near miss is worth a warning.

use std::collections::BTreeSet;

use serde_json::Value;
use weir_model::Finding;

use super::Project;
use super::references::place_of;

/// Shorter names are near to everything.
const CHARACTERS_MIN: usize = 4;
const KEYWORDS: &[&str] = &["and", "or", "in", "true", "false", "null", "function"];

pub(super) fn check(project: &Project, findings: &mut Vec<Finding>) {
    let Some(expressions) = &project.expressions else {
        return;
    };
    for name in project.maps() {
        let Some(map) = expressions.map(name) else {
            continue;
        };
        let names = |schema: &Option<String>| -> BTreeSet<String> {
            let bundle = schema.as_ref().and_then(|name| project.schemas.bundle(name).ok());
            let mut names = BTreeSet::new();
            if let Some(bundle) = bundle {
                properties(&bundle, &mut names);
            }
            names
        };
        let (from, to) = (names(&map.from), names(&map.to));
        let path = format!("maps/{name}.jsonata");
        let text = project.texts.get(&path).map_or("", String::as_str);
        for word in words(text) {
            let (schema, known, other) = match word.role {
                Role::Target => (&map.to, &to, &from),
                Role::Source => (&map.from, &from, &to),
            };
            let Some(schema) = schema else { continue };
            if known.contains(word.text) || other.contains(word.text) {
                continue;
            }
            if let Some(meant) = known.iter().find(|known| is_near(word.text, known)) {
                let (line, column) = place_of(text, word.offset);
                let message = format!("`{}` is no field of `{schema}`", word.text);
                let finding = Finding::warning("unknown-field", &path, line, column, message);
                findings.push(finding.suggest(Some(format!("did you mean `{meant}`?"))));
            }
        }
    }
}

/// Names of all properties, at any depth.
fn properties(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                names.extend(properties.keys().cloned());
            }
            fields.values().for_each(|field| properties(field, names));
        }
        Value::Array(items) => items.iter().for_each(|item| properties(item, names)),
        _ => {}
    }
}

fn is_near(word: &str, known: &str) -> bool {
    let longest = word.chars().count().max(known.chars().count());
    let allowed = if longest < CHARACTERS_MIN {
        0
    } else if longest < 8 {
        1
    } else {
        2
    };
    let distance = strsim::damerau_levenshtein(word, known);
    distance > 0 && distance <= allowed
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The name of a field that is made: a string before a colon.
    Target,
    /// A bare name: a field that is read.
    Source,
}

#[derive(Debug, PartialEq, Eq)]
struct Word<'a> {
    role: Role,
    text: &'a str,
    offset: usize,
}

/// Names in a JSONata text, outside of comments and of strings that are values.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = text[at..].find("*/").map_or(bytes.len(), |end| at + end + 2);
            }
            quote @ (b'"' | b'\'') => {
                let start = at + 1;
                at = end_of_string(bytes, start, quote);
                let content = &text[start..at.min(bytes.len())];
                at += 1;
                let is_name = text
                    .get(at..)
                    .is_some_and(|rest| rest.trim_start().starts_with(':'));
                if is_name {
                    words.push(Word {
                        role: Role::Target,
                        text: content,
                        offset: start,
                    });
                }
            }
            b'$' => at = end_of_name(bytes, at + 1),
            b'`' => at = text[at + 1..].find('`').map_or(bytes.len(), |end| at + end + 2),
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                let end = end_of_name(bytes, at);
                let name = &text[at..end];
                if !KEYWORDS.contains(&name) {
                    words.push(Word {
                        role: Role::Source,
                        text: name,
                        offset: at,
                    });
                }
                at = end;
            }
            byte if byte.is_ascii_digit() => at = end_of_name(bytes, at),
            // A byte of a longer character is passed over like any other sign.
            _ => at += 1,
        }
    }
    words
}

fn end_of_string(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn end_of_name(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_') {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_values_variables_and_comments() {
        let text = "/* the \"note\": x */ { \"sku\": code, 'name' : labels.de_DE & \"text\", \"p\": $price(`a b`, 1e5) ä }";
        let found: Vec<(Role, &str)> = words(text).iter().map(|word| (word.role, word.text)).collect();
        use Role::{Source, Target};
        assert_eq!(
            found,
            [
                (Target, "sku"),
                (Source, "code"),
                (Target, "name"),
                (Source, "labels"),
                (Source, "de_DE"),
                (Target, "p")
            ]
        );
    }

    #[test]
    fn only_a_near_miss_is_near() {
        for (word, known, expected) in [
            ("lables", "labels", true),
            ("label", "labels", true),
            ("identifer", "identifier", true),
            ("sku", "sko", false),
            ("color", "labels", false),
            ("labels", "labels", false),
        ] {
            assert_eq!(is_near(word, known), expected, "{word} {known}");
        }
    }
}
