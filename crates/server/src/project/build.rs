//! Steps: finding their kinds, and what a kind may ask while it is built.

use std::sync::Arc;

use serde_json::Value;
use weir_model::{Finding, did_you_mean};
use weir_sdk::Catalog;
use weir_sdk::checker::Schema;
use weir_sdk::document::Document;
use weir_sdk::expressions::{Expressions, Snippet};
use weir_sdk::step::Build;

use super::Project;
use crate::wiring::Wiring;

/// Words that every step may say besides its kind.
const STEP_WORDS: &[&str] = &["name", "when", "on_error"];

/// Steps of formats.md that are decided and not built.
const NOT_YET: &[&str] = &[
    "call", "branch", "each", "split", "dedupe", "keep", "collect", "script",
];

/// Words in the steps of a route that are no kind of step: found before the document is read as a route, because a
/// mistyped `when` would otherwise be taken for a second kind.
pub(super) fn strange_steps(document: &Document, catalog: &Catalog) -> Vec<Finding> {
    if !document.file.starts_with("routes/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for path in [&["steps"][..], &["source", "steps"]] {
        let steps = path
            .iter()
            .try_fold(&document.value, |value, part| value.get(part));
        let Some(Value::Array(steps)) = steps else {
            continue;
        };
        for (i, step) in steps.iter().enumerate() {
            let Value::Object(words) = step else { continue };
            let index = i.to_string();
            let known = |word: &&String| {
                !STEP_WORDS.contains(&word.as_str()) && !catalog.steps.contains_key(word.as_str())
            };
            for word in words.keys().filter(known) {
                let place: Vec<&str> = path
                    .iter()
                    .copied()
                    .chain([index.as_str(), word.as_str()])
                    .collect();
                findings.push(strange_step(document, &place, word, catalog));
            }
        }
    }
    findings
}

fn strange_step(document: &Document, place: &[&str], word: &str, catalog: &Catalog) -> Finding {
    let (line, column) = document.key_place(place);
    let kinds = catalog.steps.keys().copied();
    if NOT_YET.contains(&word) {
        let message = format!("steps of kind `{word}` are not built in this version of Weir yet");
        return Finding::error("not-yet", &document.file, line, column, message).suggest(Some(format!(
            "built are: {}",
            kinds.collect::<Vec<_>>().join(", ")
        )));
    }
    let suggestion = did_you_mean(word, kinds.clone().chain(STEP_WORDS.iter().copied()))
        .unwrap_or_else(|| format!("there are: {}", kinds.collect::<Vec<_>>().join(", ")));
    Finding::error(
        "unknown-step",
        &document.file,
        line,
        column,
        format!("there is no step `{word}`"),
    )
    .suggest(Some(suggestion))
}

/// What a step kind sees of the project while it is built.
pub(super) struct StepBuild<'a> {
    pub(super) project: &'a Project,
    pub(super) wiring: &'a Wiring,
    pub(super) expressions: &'a dyn Expressions,
    pub(super) document: &'a Document,
    /// Where the step's parameters stand.
    pub(super) path: Vec<String>,
    /// Name of the step, else kind and ordinal.
    pub(super) id: String,
}

impl StepBuild<'_> {
    fn full<'b>(&'b self, path: &[&'b str]) -> Vec<&'b str> {
        self.path
            .iter()
            .map(String::as_str)
            .chain(path.iter().copied())
            .collect()
    }
}

impl Build for StepBuild<'_> {
    fn expressions(&self) -> &dyn Expressions {
        self.expressions
    }

    fn snippet(&self, path: &[&str], text: &str) -> Snippet {
        self.document.snippet(&self.full(path), text)
    }

    fn finding(&self, path: &[&str], code: &str, message: String) -> Finding {
        self.document.finding(&self.full(path), code, message)
    }

    fn schema(&self, name: &str) -> Result<Arc<dyn Schema>, String> {
        let schema = self.project.schemas.bundle(name)?;
        self.wiring
            .checker
            .compile(&schema)
            .map_err(|error| format!("the schema `{name}` cannot be used: {error}"))
    }

    fn step_id(&self) -> String {
        self.id.clone()
    }

    fn maps(&self) -> Vec<String> {
        self.project.maps().map(str::to_owned).collect()
    }

    fn connections(&self) -> Vec<String> {
        self.project.connections.keys().cloned().collect()
    }

    fn entities(&self, connection: &str) -> Vec<String> {
        let Some(connector) = self.project.connector(connection) else {
            return Vec::new();
        };
        let entities = connector.description().entities.iter();
        entities
            .filter(|(_, entity)| !entity.modes.is_empty())
            .map(|(name, _)| name.clone())
            .collect()
    }
}
