use std::sync::Arc;

use serde_json::{Value, json};
use weir_checks::JsonSchema;
use weir_sdk::checker::Checker;

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect(text)
}

/// `path | rule | message` of each violation.
fn check_with(checker: &JsonSchema, schema: &str, value: &str, expected: &[&str]) {
    let schema = checker.compile(&parse(schema)).unwrap();
    let shown: Vec<String> = schema
        .violations(&parse(value))
        .into_iter()
        .map(|found| format!("{} | {} | {}", found.path, found.rule, found.message))
        .collect();
    assert_eq!(shown, expected, "{value}");
}

fn check(schema: &str, value: &str, expected: &[&str]) {
    check_with(&JsonSchema::new(), schema, value, expected);
}

#[test]
fn violations_are_sentences_with_a_path() {
    let product = r#"{
        "type": "object", "required": ["sku"], "additionalProperties": false,
        "properties": {
            "sku": {"type": "string", "minLength": 1, "pattern": "^[a-z0-9-]+$"},
            "state": {"enum": ["approved", "denied"]},
            "at": {"type": "string", "format": "date-time"},
            "1": {"type": "integer"},
            "prices": {"type": "array", "maxItems": 2, "items": {"type": "object", "properties": {"gross": {"type": ["integer", "null"], "minimum": 0}}, "required": ["gross"]}}
        }
    }"#;
    check(product, r#"{"sku": "tee-1", "prices": [{"gross": 1}]}"#, &[]);
    check(
        product,
        r#"{"prices": [{"gross": "abc"}, {"gross": -1}]}"#,
        &[
            "prices[0].gross | type | `prices[0].gross` must be an integer or null, not the text \"abc\"",
            "prices[1].gross | minimum | `prices[1].gross` must be at least 0, not -1",
            "sku | required | `sku` is required and missing",
        ],
    );
    check(
        product,
        r#"{"sku": "a", "prices": [{}]}"#,
        &["prices[0].gross | required | `prices[0].gross` is required and missing"],
    );
    check(
        product,
        r#"{"sku": "a", "stat": 1}"#,
        &["stat | additionalProperties | `stat` is not a field that is allowed here; did you mean `state`?"],
    );
    check(
        product,
        r#"{"sku": "a", "state": "new"}"#,
        &["state | enum | `state` must be one of \"approved\", \"denied\", not the text \"new\""],
    );
    check(
        product,
        r#"{"sku": "a", "at": "now"}"#,
        &["at | format | `at` must be a time such as 2026-03-01T12:00:00Z, not the text \"now\""],
    );
    check(
        product,
        r#"{"sku": "A"}"#,
        &["sku | pattern | `sku` must look like the pattern `^[a-z0-9-]+$`, not the text \"A\""],
    );
    check(
        product,
        r#"{"sku": "a", "1": "x"}"#,
        &["1 | type | `1` must be an integer, not the text \"x\""],
    );
    check(
        product,
        r#"{"sku": "a", "prices": [{"gross": 1}, {"gross": 1}, {"gross": 1}]}"#,
        &["prices | maxItems | `prices` must have at most 2 items, not 3"],
    );
    check(
        product,
        "[]",
        &[" | type | the value must be an object, not a list of 0"],
    );
}

#[test]
fn numbers_of_any_length_are_compared_by_their_digits() {
    let schema = r#"{"type": "integer", "maximum": 9007199254740992}"#;
    check(schema, "9007199254740992", &[]);
    check(
        schema,
        "9007199254740993",
        &[" | maximum | the value must be at most 9007199254740992, not 9007199254740993"],
    );
    check(r#"{"type": "integer"}"#, "123456789012345678901234567890", &[]);
    check(r#"{"type": "integer"}"#, "1.0", &[]);
    check(
        r#"{"type": "integer"}"#,
        "1.50",
        &[" | type | the value must be an integer, not 1.50"],
    );
    check(r#"{"multipleOf": 0.01}"#, "19.90", &[]);
    check(
        r#"{"multipleOf": 0.01}"#,
        "19.905",
        &[" | multipleOf | the value must be a multiple of 0.01, not 19.905"],
    );
    check(r#"{"const": 19.9}"#, "19.90", &[]);
    check(r#"{"enum": [1, 2]}"#, "1.0", &[]);
}

#[test]
fn alternatives_tell_the_nearest_reason() {
    let schema = r#"{"anyOf": [
        {"type": "object", "required": ["a", "b", "c"]},
        {"type": "object", "required": ["identifier"]}
    ]}"#;
    check(schema, r#"{"identifier": 1}"#, &[]);
    check(
        schema,
        r#"{"x": 1}"#,
        &[
            " | anyOf | the value fits none of 2 alternatives; for the nearest: `identifier` is required and missing",
        ],
    );
}

#[test]
fn other_schemas_come_only_through_the_caller() {
    let checker = JsonSchema::with_schemas(Arc::new(|name: &str| match name {
        "akeneo/product" => {
            Some(json!({"required": ["identifier"], "properties": {"model": {"$ref": "product-model"}}}))
        }
        "akeneo/product-model" => Some(json!({"required": ["code"]})),
        _ => None,
    }));
    let both = r#"{"$ref": "akeneo/product.json"}"#;
    check_with(
        &checker,
        both,
        r#"{"identifier": "a", "model": {}}"#,
        &["model.code | required | `model.code` is required and missing"],
    );
    let message = |schema: &str| {
        checker
            .compile(&parse(schema))
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    assert!(message(r#"{"$ref": "akeneo/nothing"}"#).contains("there is no schema `akeneo/nothing`"));
    assert!(
        message(r#"{"$ref": "https://example.org/s.json"}"#)
            .contains("is not fetched; put the schema into the project")
    );
    assert!(message(r#"{"$ref": "file:///etc/passwd"}"#).contains("is not fetched"));
    assert!(message(r#"{"type": "strnig"}"#).starts_with("could not compile the schema at `/type`"));
}

#[test]
fn a_value_with_endless_violations_is_told_by_its_first() {
    let schema = JsonSchema::new()
        .compile(&json!({"items": {"type": "string"}}))
        .unwrap();
    let value: Value = (0..1000).collect();
    assert_eq!(schema.violations(&value).len(), 200);
}
