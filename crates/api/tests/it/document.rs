//! docs/openapi.json is what the code says. `UPDATE=1` rewrites it; read the diff.

use std::path::Path;

use serde_json::Value;

#[test]
fn the_document_that_is_checked_in_is_the_one_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let fresh = format!(
        "{}\n",
        serde_json::to_string_pretty(&weir_api::openapi()).unwrap()
    );
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == fresh,
        "docs/openapi.json is stale: UPDATE=1 cargo test -p weir-api, and read the diff"
    );
}

#[test]
fn every_reference_of_the_document_has_its_target() {
    let document = weir_api::openapi();
    assert_eq!(
        document["openapi"].as_str().map(|version| &version[..3]),
        Some("3.1")
    );
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|field| collect(field, references));
        }
        _ => {}
    }
}
