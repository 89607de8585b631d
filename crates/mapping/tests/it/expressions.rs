//! `cases/expressions/*.yaml`

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use weir_model::json::same;
use weir_sdk::document::Document;
use weir_sdk::expressions::NoReferences;

use crate::project::{evaluate_with, library};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    expression: String,
    #[serde(default)]
    input: Option<Value>,
    #[serde(default)]
    functions: Option<String>,
    #[serde(default)]
    maps: BTreeMap<String, String>,
    #[serde(default)]
    vars: Map<String, Value>,
    #[serde(default)]
    bind: Map<String, Value>,
    #[serde(default)]
    gives: Value,
    #[serde(default)]
    nothing: bool,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    /// The field of the result where the error is.
    #[serde(default)]
    field: Option<String>,
}

#[test]
fn cases_give_what_they_say() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/expressions");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let document = Document::parse(&path.display().to_string(), &text).unwrap();
        for case in document.read::<Vec<Case>>().unwrap() {
            check(case);
            count += 1;
        }
    }
    assert!(count > 20, "only {count} cases were found");
}

fn check(case: Case) {
    let maps: Vec<(&str, &str)> = case
        .maps
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let library = library(case.functions.as_deref(), &maps).unwrap();
    let vars = Value::Object(case.vars);
    let mut bindings = vec![("vars", &vars)];
    bindings.extend(case.bind.iter().map(|(name, value)| (name.as_str(), value)));
    let input = case.input.unwrap_or(json!({}));
    let outcome = evaluate_with(
        library.as_ref(),
        &case.expression,
        &input,
        &bindings,
        &NoReferences,
    );
    match (outcome, case.error) {
        (Ok(actual), None) if case.nothing => assert_eq!(actual, None, "{}", case.expression),
        (Ok(Some(actual)), None) => assert!(same(&actual, &case.gives), "{}: {actual}", case.expression),
        (Err(error), Some(part)) => {
            assert!(error.message.contains(&part), "{}: {error}", case.expression);
            if let Some(field) = case.field {
                assert_eq!(
                    error.get("field"),
                    Some(field.as_str()),
                    "{}: {error:?}",
                    case.expression
                );
            }
            let kind =
                case.kind
                    .as_deref()
                    .unwrap_or(if part.contains("deep") { "limit" } else { "invalid" });
            assert_eq!(error.kind.name(), kind, "{}: {error}", case.expression);
        }
        (outcome, expected) => panic!("{}: {outcome:?}, expected error {expected:?}", case.expression),
    }
}

/// `a.b` is read straight from the input, `(a.b)` by the engine.
#[test]
fn a_path_of_names_gives_what_the_engine_gives() {
    let library = library(None, &[]).unwrap();
    let inputs = [
        json!({ "a": { "b": 1 } }),
        json!({ "a": { "b": null } }),
        json!({ "a": { "b": [] } }),
        json!({ "a": { "b": [1] } }),
        json!({ "a": { "b": [[1]] } }),
        json!({ "a": { "b": [[1], [2, [3]]] } }),
        json!({ "a": { "b": [1, null, 2] } }),
        json!({ "a": { "b": { "c": [] } } }),
        json!({ "a": [{ "b": 1 }, { "b": [2, 3] }] }),
        json!({ "a": [[{ "b": 1 }]] }),
        json!({ "a": {} }),
        json!({ "a": "text" }),
        json!([{ "a": { "b": 1 } }]),
        json!(null),
    ];
    for input in &inputs {
        for path in ["a", "a.b", "a.b.c", "`a`.b", "a.b[]", "a.b[0]", "a[b=1].b"] {
            let of = |text: &str| evaluate_with(&*library, text, input, &[], &NoReferences);
            assert_eq!(
                of(path).map_err(|error| error.message),
                of(&format!("({path})")).map_err(|error| error.message),
                "{path} on {input}"
            );
        }
    }
}
