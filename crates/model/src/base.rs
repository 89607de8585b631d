//! The base model: Weir's own canonical commerce schemas. Optional: maps may go straight across.

use serde_json::Value;

/// JSON Schemas (2020-12) by name: `base/order` in a map's `@from`.
pub fn schemas() -> Vec<(&'static str, Value)> {
    let read =
        |text: &str| serde_json::from_str(text).expect("the base model is valid JSON; a test reads it");
    vec![
        ("attribute", read(include_str!("../base/attribute.json"))),
        ("category", read(include_str!("../base/category.json"))),
        ("customer", read(include_str!("../base/customer.json"))),
        ("order", read(include_str!("../base/order.json"))),
        ("price", read(include_str!("../base/price.json"))),
        ("product", read(include_str!("../base/product.json"))),
        ("shipment", read(include_str!("../base/shipment.json"))),
        ("stock", read(include_str!("../base/stock.json"))),
    ]
}

#[cfg(test)]
mod tests {
    /// Every schema names itself, has a key, and says of each property what it is or what type it has.
    #[test]
    fn the_base_model_is_whole() {
        let schemas = super::schemas();
        assert_eq!(schemas.len(), 8);
        for (name, schema) in schemas {
            assert_eq!(schema["title"], *name);
            let properties = schema["properties"].as_object().expect("properties");
            assert!(
                properties.values().any(|p| p["x-weir"]["key"] == true),
                "{name} has a key"
            );
            for required in schema["required"].as_array().expect("required") {
                assert!(
                    properties.contains_key(required.as_str().expect("a name")),
                    "{name}: {required}"
                );
            }
        }
    }
}
