//! Which entities of which connections a project uses: what `weir doctor` tries.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Project;

impl Project {
    /// By connection: the entities that routes and lookups read, write or link to, at whatever depth they are named.
    pub(crate) fn used(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut used = BTreeMap::new();
        let routes = self.routes.values().map(|part| &part.written);
        for written in routes.chain(self.lookups.values().map(|part| &part.written)) {
            collect(written, &mut used);
        }
        used
    }
}

/// Wherever a `connection` stands beside an `entity`, both are names.
fn collect(written: &Value, used: &mut BTreeMap<String, BTreeSet<String>>) {
    match written {
        Value::Object(fields) => {
            let name = |field: &str| fields.get(field).and_then(Value::as_str);
            if let (Some(connection), Some(entity)) = (name("connection"), name("entity")) {
                used.entry(connection.to_owned())
                    .or_default()
                    .insert(entity.to_owned());
            }
            fields.values().for_each(|value| collect(value, used));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, used)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_writes_and_nested_steps_name_entities() {
        let mut used = BTreeMap::new();
        let route = json!({
            "source": { "read": [{ "connection": "pim", "entity": "products" }] },
            "steps": [{ "branch": [{ "steps": [{ "write": { "connection": "shop", "entity": "prices" } }] }] }],
            "write": { "connection": "shop", "entity": "products" }
        });
        collect(&route, &mut used);
        let found: Vec<String> = used
            .iter()
            .flat_map(|(connection, entities)| {
                entities
                    .iter()
                    .map(move |entity| format!("{connection}/{entity}"))
            })
            .collect();
        assert_eq!(found, ["pim/products", "shop/prices", "shop/products"]);
    }
}
