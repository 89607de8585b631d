//! Reading a step's parameters.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use weir_model::{Error, Finding, did_you_mean, json as values};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Build, Item, Verdict};

use std::sync::Arc;

/// The parameters as their type. An unknown key or word is a finding with "did you mean".
pub(crate) fn read<T: DeserializeOwned>(parameters: &Value, build: &dyn Build) -> Result<T, Finding> {
    item(&[], parameters, build)
}

fn item<T: DeserializeOwned>(place: &[&str], parameters: &Value, build: &dyn Build) -> Result<T, Finding> {
    let at = |name: &str, code: &str, message: String| {
        let path: Vec<&str> = place.iter().copied().chain([name]).collect();
        build.finding(&path, code, message)
    };
    T::deserialize(parameters).map_err(|error| {
        let message = error.to_string();
        let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let (unknown, allowed) = (quoted.first().copied(), quoted.iter().skip(1).copied());
        match unknown {
            Some(name) if message.starts_with("unknown field") => {
                at(name, "unknown-key", format!("unknown key `{name}`")).suggest(
                    did_you_mean(name, allowed.clone()).or_else(|| {
                        Some(format!(
                            "allowed here: {}",
                            allowed.collect::<Vec<_>>().join(", ")
                        ))
                    }),
                )
            }
            Some(word) if message.starts_with("unknown variant") => build
                .finding(
                    place,
                    "unknown-word",
                    format!("`{word}` is not a word that stands here"),
                )
                .suggest(did_you_mean(word, allowed.clone()).or_else(|| {
                    Some(format!(
                        "allowed here: {}",
                        allowed.collect::<Vec<_>>().join(", ")
                    ))
                })),
            Some(name) if message.starts_with("missing field") => {
                build.finding(place, "missing-key", format!("the key `{name}` is missing"))
            }
            _ => build.finding(place, "wrong-value", message),
        }
    })
}

/// A list of objects. What is wrong with one stands at its place.
pub(crate) fn list<T: DeserializeOwned>(parameters: &Value, build: &dyn Build) -> Result<Vec<T>, Finding> {
    let Value::Array(items) = parameters else {
        let message = "here stands a list".to_owned();
        return Err(build.finding(&[], "wrong-value", message));
    };
    let mut read = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        read.push(self::item(&[&i.to_string()], item, build)?);
    }
    Ok(read)
}

pub(crate) fn schema<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// A JSONata expression at a place within the parameters.
pub(crate) fn expression(
    build: &dyn Build,
    path: &[&str],
    text: &str,
) -> Result<Arc<dyn Expression>, Finding> {
    build.expressions().expression(&build.snippet(path, text))
}

/// Text with `{{ … }}` at a place within the parameters.
pub(crate) fn template(build: &dyn Build, path: &[&str], text: &str) -> Result<Arc<dyn Expression>, Finding> {
    build.expressions().template(&build.snippet(path, text))
}

/// What an expression gave of an item, as a key; an error is the item's failure, and a value that is no key is `None`.
pub(crate) fn key(item: &mut Item, result: Option<Result<Option<Value>, Error>>) -> Option<String> {
    match result? {
        Ok(value) => values::key_text(&value?),
        Err(error) => {
            item.verdict = Verdict::Fail(error);
            None
        }
    }
}

/// What a template gave, as text for people.
pub(crate) fn text(value: Option<Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    }
}

/// Refuses a step anywhere but in the route's own list of steps: `why` completes "`split` …".
pub(crate) fn outermost(build: &dyn Build, kind: &str, why: &str) -> Result<(), Finding> {
    if !build.is_reading() && !build.is_nested() {
        return Ok(());
    }
    let advice = match build.is_reading() {
        true => "under `source.steps` there is no task yet: move it to `steps`",
        false => "it stands in the route's own list: say `when` there instead of nesting it",
    };
    let message = format!("`{kind}` {why}; {advice}");
    Err(build.finding(&[], "wrong-place", message))
}
