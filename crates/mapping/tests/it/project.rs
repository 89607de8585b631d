//! A library for a test, and the evaluation of one text in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use weir_mapping::Jsonata;
use weir_model::{Error, Finding};
use weir_sdk::expressions::{Expressions, Language, NoReferences, References, Scope, Snippet};

pub(crate) const NOW: &str = "2026-03-01T12:00:00Z";

pub(crate) fn library(
    functions: Option<&str>,
    maps: &[(&str, &str)],
) -> Result<Arc<dyn Expressions>, Vec<Finding>> {
    let maps: BTreeMap<String, Snippet> = maps
        .iter()
        .map(|(name, text)| {
            let file = format!("maps/{name}.jsonata");
            ((*name).to_owned(), Snippet::new(file, *text))
        })
        .collect();
    Jsonata.library(
        functions.map(|text| Snippet::new("functions.jsonata", text)),
        maps,
    )
}

pub(crate) fn evaluate_with(
    library: &dyn Expressions,
    text: &str,
    input: &Value,
    bindings: &[(&str, &Value)],
    references: &dyn References,
) -> Result<Option<Value>, Error> {
    let expression = library
        .expression(&Snippet::new("test.jsonata", text))
        .expect(text);
    let now = NOW.parse().unwrap();
    expression.evaluate(
        input,
        &Scope {
            bindings,
            references,
            now,
        },
    )
}

pub(crate) fn evaluate(text: &str, input: &Value) -> Result<Option<Value>, Error> {
    let library = library(None, &[]).unwrap();
    evaluate_with(library.as_ref(), text, input, &[], &NoReferences)
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).expect(text)
}
