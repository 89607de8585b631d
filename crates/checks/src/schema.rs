//! JSON Schema 2020-12 over the `jsonschema` crate. Nothing is fetched from a network or read from a disk here: other
//! schemas come through the function that the caller gives.

use std::sync::Arc;

use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;
use weir_model::{Error, Kind};
use weir_sdk::checker::{Checker, Schema, Violation};

use crate::violation::violations;

/// Gives the schema of a name, `akeneo/product`.
pub type Resolve = Arc<dyn Fn(&str) -> Option<Value> + Send + Sync>;

/// All schemas live under this address, which no network knows; `$ref: akeneo/product` is relative to it.
const BASE: &str = "weir:///";
/// Violations that are reported of one value; a list with a million bad rows is told by its first ones.
const VIOLATIONS_MAX: usize = 200;

/// The checker for JSON Schema.
#[derive(Clone, Default)]
pub struct JsonSchema {
    resolve: Option<Resolve>,
}

impl JsonSchema {
    /// Schemas that stand alone: a reference to another one is an error.
    pub fn new() -> Self {
        JsonSchema::default()
    }

    /// `"$ref": "akeneo/product"`, also with `.json` at the end, asks `resolve` for `akeneo/product`.
    pub fn with_schemas(resolve: Resolve) -> Self {
        JsonSchema {
            resolve: Some(resolve),
        }
    }
}

impl Checker for JsonSchema {
    fn compile(&self, schema: &Value) -> Result<Arc<dyn Schema>, Error> {
        let validator = jsonschema::options()
            .with_base_uri(BASE)
            .with_retriever(Retriever(self.resolve.clone()))
            .should_validate_formats(true)
            .build(schema)
            .map_err(|error| {
                let at = error.instance_path().as_str();
                let place = if at.is_empty() {
                    String::new()
                } else {
                    format!(" at `{at}`")
                };
                Error::new(
                    Kind::Configuration,
                    format!("could not compile the schema{place}: {error}"),
                )
            })?;
        Ok(Arc::new(Compiled {
            validator,
            schema: schema.clone(),
        }))
    }
}

struct Retriever(Option<Resolve>);

impl Retrieve for Retriever {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let address = uri.as_str();
        let name = address.strip_prefix(BASE).ok_or_else(|| {
            format!(
                "`{address}` is not fetched; put the schema into the project as `schemas/PREFIX/NAME.json`"
            )
        })?;
        let name = name.strip_suffix(".json").unwrap_or(name);
        self.0
            .as_ref()
            .and_then(|resolve| resolve(name))
            .ok_or_else(|| format!("there is no schema `{name}`").into())
    }
}

struct Compiled {
    validator: Validator,
    schema: Value,
}

impl Schema for Compiled {
    fn violations(&self, value: &Value) -> Vec<Violation> {
        // Most values are good, and saying so is much cheaper than looking for everything that is wrong.
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        let mut found: Vec<Violation> = self
            .validator
            .iter_errors(value)
            .take(VIOLATIONS_MAX)
            .flat_map(|error| violations(&error, value, &self.schema))
            .collect();
        found.truncate(VIOLATIONS_MAX);
        found
    }
}
