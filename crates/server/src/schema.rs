//! JSON Schemas of the files people write, from the types that read them; steps come from the catalogue.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use weir_model::config;
use weir_sdk::Catalog;

/// Every schema by name.
pub(crate) fn all(catalog: &Catalog) -> BTreeMap<String, Value> {
    let mut schemas = BTreeMap::from([
        ("project".to_owned(), of::<config::Project>()),
        ("environment".to_owned(), of::<config::Environment>()),
        ("connection".to_owned(), of::<config::Connection>()),
        ("route".to_owned(), of::<config::Route>()),
        ("lookup".to_owned(), of::<config::Lookup>()),
    ]);
    schemas.extend(crate::wiring::more_schemas());
    if let Some(route) = schemas.get_mut("route") {
        steps(route, catalog);
    }
    schemas
}

fn of<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<T>().to_value()
}

/// Puts one alternative a kind of step in the place of "any step".
fn steps(route: &mut Value, catalog: &Catalog) {
    let Some(step) = route.pointer_mut("/$defs/Step") else {
        return;
    };
    let words = step.get("properties").cloned().unwrap_or_else(|| json!({}));
    let mut definitions = Map::new();
    let alternatives: Vec<Value> = catalog
        .steps
        .values()
        .map(|kind| {
            let mut parameters = kind.schema();
            lift(&mut parameters, &mut definitions);
            if let Value::Object(fields) = &mut parameters {
                fields.insert("description".to_owned(), json!(kind.summary()));
            }
            let mut properties = json!({ kind.name(): parameters });
            if let (Value::Object(properties), Value::Object(words)) = (&mut properties, &words) {
                properties.extend(words.clone());
            }
            json!({
                "type": "object",
                "properties": properties,
                "required": [kind.name()],
                "additionalProperties": false,
            })
        })
        .collect();
    *step = json!({ "description": "One step: a kind with its parameters.", "oneOf": alternatives });
    if let Some(Value::Object(all)) = route.get_mut("$defs") {
        for (name, definition) in definitions {
            all.entry(name).or_insert(definition);
        }
    }
}

/// Definitions of a step's own schema go to the route's.
fn lift(schema: &mut Value, definitions: &mut Map<String, Value>) {
    if let Value::Object(fields) = schema {
        fields.shift_remove("$schema");
        fields.shift_remove("title");
        if let Some(Value::Object(own)) = fields.shift_remove("$defs") {
            // Nested steps are steps like the others.
            definitions.extend(own.into_iter().filter(|(name, _)| name != "Step"));
        }
    }
}
