//! Entity schemas by `PREFIX/NAME`: the project's own first, then the connector's behind the connection, then the base
//! model. References between files are put into one document, so that a checker needs no files.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use weir_model::{Finding, did_you_mean};

use super::files::Texts;

/// Schemas by full name, `akeneo/product`.
#[derive(Clone, Default)]
pub(crate) struct Schemas {
    by_name: BTreeMap<String, Value>,
}

impl Schemas {
    /// Adds the schemas of a connector under a connection's name (or those of the base model under `base`).
    pub(crate) fn add(&mut self, prefix: &str, schemas: &BTreeMap<String, Value>) {
        for (name, schema) in schemas {
            self.by_name.insert(format!("{prefix}/{name}"), schema.clone());
        }
    }

    /// Adds the project's own, `schemas/PREFIX/NAME.json`; they come first.
    pub(crate) fn add_own(&mut self, texts: &Texts, findings: &mut Vec<Finding>) {
        for (path, text) in texts {
            let Some(name) = path
                .strip_prefix("schemas/")
                .and_then(|rest| rest.strip_suffix(".json"))
            else {
                continue;
            };
            if name.split('/').count() != 2 {
                let message =
                    "a schema file stands at `schemas/PREFIX/NAME.json`; PREFIX is `base` or a connection";
                findings.push(Finding::error("misplaced-schema", path, 0, 0, message));
                continue;
            }
            match serde_json::from_str(text) {
                Ok(schema) => {
                    self.by_name.insert(name.to_owned(), schema);
                }
                Err(error) => {
                    let (line, column) = (error.line() as u32, error.column() as u32);
                    let message = format!("this is not valid JSON: {error}");
                    findings.push(Finding::error("json", path, line, column, message));
                }
            }
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// "there is no schema …", with what was probably meant.
    pub(crate) fn missing(&self, name: &str) -> (String, Option<String>) {
        let suggestion = did_you_mean(name, self.names()).or_else(|| {
            let prefix = name.split('/').next().unwrap_or(name);
            let near: Vec<&str> = self
                .names()
                .filter(|n| n.split('/').next() == Some(prefix))
                .collect();
            (!near.is_empty()).then(|| format!("there are: {}", near.join(", ")))
        });
        (format!("there is no schema `{name}`"), suggestion)
    }

    /// One schema with everything it refers to inside.
    pub(crate) fn bundle(&self, name: &str) -> Result<Value, String> {
        let Some(schema) = self.by_name.get(name) else {
            let (message, suggestion) = self.missing(name);
            return Err(suggestion.map_or(message.clone(), |s| format!("{message}; {s}")));
        };
        let mut bundle = Bundle {
            schemas: self,
            root: name,
            wanted: vec![],
            seen: BTreeSet::new(),
        };
        let mut root = bundle.rewrite(schema, name, "")?;
        let mut definitions = Map::new();
        while let Some(next) = bundle.wanted.pop() {
            let schema = self.by_name.get(&next).ok_or_else(|| {
                let (message, suggestion) = self.missing(&next);
                format!(
                    "{message}, which `{name}` refers to{}",
                    suggestion.map_or(String::new(), |s| format!("; {s}"))
                )
            })?;
            let inside = format!("/$defs/{}", mangled(&next));
            let schema = bundle.rewrite(schema, &next, &inside)?;
            definitions.insert(mangled(&next), schema);
        }
        if let (Value::Object(root), false) = (&mut root, definitions.is_empty()) {
            let own = root.entry("$defs").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(own) = own {
                own.extend(definitions);
            }
        }
        Ok(root)
    }
}

struct Bundle<'a> {
    schemas: &'a Schemas,
    root: &'a str,
    wanted: Vec<String>,
    seen: BTreeSet<String>,
}

impl Bundle<'_> {
    /// A copy of a schema that will stand at `inside` of the bundle, with its references pointing there.
    fn rewrite(&mut self, schema: &Value, name: &str, inside: &str) -> Result<Value, String> {
        Ok(match schema {
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.rewrite(item, name, inside))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(fields) => {
                let mut copy = Map::new();
                for (key, value) in fields {
                    let value = match (key.as_str(), value) {
                        ("$ref", Value::String(target)) => Value::String(self.target(target, name, inside)?),
                        // An identifier would change what `#` means for everything below it.
                        ("$id", Value::String(_)) => continue,
                        _ => self.rewrite(value, name, inside)?,
                    };
                    copy.insert(key.clone(), value);
                }
                Value::Object(copy)
            }
            other => other.clone(),
        })
    }

    fn target(&mut self, target: &str, name: &str, inside: &str) -> Result<String, String> {
        let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
        if file.is_empty() {
            return Ok(format!("#{inside}{fragment}"));
        }
        if file.contains("://") {
            return Err(format!(
                "`{name}` refers to `{target}`: schemas are not fetched, put a copy into the project"
            ));
        }
        let wanted = resolve(name, file);
        if wanted == self.root {
            return Ok(format!("#{fragment}"));
        }
        if !self.schemas.contains(&wanted) {
            let (message, suggestion) = self.schemas.missing(&wanted);
            let suggestion = suggestion.map_or(String::new(), |s| format!("; {s}"));
            return Err(format!(
                "`{name}` refers to `{target}`, but {message}{suggestion}"
            ));
        }
        if self.seen.insert(wanted.clone()) {
            self.wanted.push(wanted.clone());
        }
        Ok(format!("#/$defs/{}{fragment}", mangled(&wanted)))
    }
}

/// `product.json` seen from `akeneo/model-or-product` is `akeneo/product`; `../base/price.json` is `base/price`.
fn resolve(from: &str, file: &str) -> String {
    let file = file.strip_suffix(".json").unwrap_or(file);
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn mangled(name: &str) -> String {
    name.replace('/', ".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_between_files_become_one_document() {
        let mut schemas = Schemas::default();
        let product = json!({"$id": "x", "$defs": {"v": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/v"}}});
        let model = json!({"properties": {"p": {"$ref": "product.json"}, "q": {"$ref": "../base/price.json#/$defs/m"}}});
        schemas.add(
            "akeneo",
            &BTreeMap::from([("product".to_owned(), product), ("model".to_owned(), model)]),
        );
        schemas.add(
            "base",
            &BTreeMap::from([("price".to_owned(), json!({"$defs": {"m": {}}}))]),
        );
        let bundle = schemas.bundle("akeneo/model").expect("everything is there");
        assert_eq!(bundle["properties"]["p"]["$ref"], "#/$defs/akeneo.product");
        assert_eq!(bundle["properties"]["q"]["$ref"], "#/$defs/base.price/$defs/m");
        assert_eq!(
            bundle["$defs"]["akeneo.product"]["properties"]["a"]["$ref"],
            "#/$defs/akeneo.product/$defs/v"
        );
        let error = schemas.bundle("akeneo/modell").expect_err("it does not exist");
        assert!(error.contains("did you mean `akeneo/model`?"), "{error}");
    }
}
