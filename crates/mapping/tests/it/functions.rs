//! The examples of every function, and the reference page made of them.

use std::sync::Arc;

use serde_json::json;
use weir_model::Address;
use weir_model::json::same;
use weir_sdk::expressions::{Known, References};

use crate::project::{evaluate_with, json, library};

struct Examples;

impl References for Examples {
    fn row(&self, table: &str, key: &str) -> Known {
        match (table, key) {
            ("tax-sets", "full") => Known::Found(Arc::new(
                json!({"akeneo": "full", "spryker": "DE-full", "rate": {"percent": 19}}),
            )),
            _ => Known::Missing,
        }
    }
    fn link(&self, address: &Address, key: &str) -> Known {
        match (address.to_string().as_str(), key) {
            ("spryker/categories", "shirts") => {
                Known::Found(Arc::new(json!({"id_category": 12, "id_category_node": 17})))
            }
            ("spryker/stores", "DE") => Known::Found(Arc::new(json!({"id_store": 1}))),
            _ => Known::Missing,
        }
    }
}

#[test]
fn every_function_does_what_its_examples_say() {
    let library = library(None, &[]).unwrap();
    let input = json!({
        "name": [{"locale": "de_DE", "scope": null, "data": "Hemd"}, {"locale": "en_US", "scope": null, "data": "Shirt"}],
        "description": [
            {"locale": "de_DE", "scope": null, "data": "Überall"},
            {"locale": "de_DE", "scope": "web", "data": "Im Netz"}
        ]
    });
    let mut wrong = Vec::new();
    for (_, function) in weir_mapping::functions() {
        assert!(
            function.examples.len() > 1,
            "${} has too few examples",
            function.name
        );
        for example in function.examples {
            let outcome = evaluate_with(library.as_ref(), example.expression, &input, &[], &Examples);
            let good = match (&outcome, example.gives.strip_prefix("error: ")) {
                (Err(error), Some(part)) => error.message.contains(part),
                (Ok(None), None) => example.gives == "nothing",
                (Ok(Some(value)), None) => {
                    let written = value.to_string();
                    example.gives != "nothing"
                        && same(value, &json(example.gives))
                        && (!value.is_number() || written == example.gives)
                }
                _ => false,
            };
            if !good {
                wrong.push(format!(
                    "{} should give {} and gives {outcome:?}",
                    example.expression, example.gives
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reference_page_is_true() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mapping/functions.md");
    let page = weir_mapping::reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page,
        "docs/mapping/functions.md is old; write it with UPDATE=1"
    );
}
