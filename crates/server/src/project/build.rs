//! Steps: finding their kinds, and what a kind may ask while it is built.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use weir_model::{Finding, config, did_you_mean};
use weir_sdk::Catalog;
use weir_sdk::checker::Schema;
use weir_sdk::codec::Codec;
use weir_sdk::connector::OperationDescription;
use weir_sdk::document::Document;
use weir_sdk::expressions::{Expressions, Snippet};
use weir_sdk::step::{Build, Placed, Table};

use super::steps::{Site, borrowed, within};

/// Words that every step may say besides its kind.
const STEP_WORDS: &[&str] = &["name", "when", "on_error"];

/// Steps that are decided and not built.
const NOT_YET: &[&str] = &["file"];

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
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        strange_list(document, path, steps, catalog, &mut findings);
    }
    findings
}

fn strange_list(
    document: &Document,
    path: Vec<String>,
    steps: Option<&Value>,
    catalog: &Catalog,
    findings: &mut Vec<Finding>,
) {
    let Some(Value::Array(steps)) = steps else { return };
    for (i, step) in steps.iter().enumerate() {
        let Value::Object(words) = step else { continue };
        for (word, parameters) in words {
            if STEP_WORDS.contains(&word.as_str()) {
                continue;
            }
            let mut place = path.clone();
            place.extend([i.to_string(), word.clone()]);
            let Some(kind) = catalog.steps.get(word.as_str()) else {
                findings.push(strange_step(document, &borrowed(&place), word, catalog));
                continue;
            };
            for list in kind.nested(parameters) {
                let steps = within(parameters, &list);
                let path = place.iter().cloned().chain(list).collect();
                strange_list(document, path, steps, catalog, findings);
            }
        }
    }
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
    pub(super) site: Site<'a>,
    /// Where the step's parameters stand.
    pub(super) path: Vec<String>,
    pub(super) parameters: &'a Value,
    /// Identity within the route.
    pub(super) id: String,
    /// Name, else kind and ordinal.
    pub(super) name: String,
    /// Findings of nested steps beyond the first, which is the step's own answer.
    pub(super) more: RefCell<Vec<Finding>>,
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
        self.site.expressions
    }

    fn snippet(&self, path: &[&str], text: &str) -> Snippet {
        self.site.document.snippet(&self.full(path), text)
    }

    fn finding(&self, path: &[&str], code: &str, message: String) -> Finding {
        self.site.document.finding(&self.full(path), code, message)
    }

    fn schema(&self, name: &str) -> Result<Arc<dyn Schema>, String> {
        let schema = self.site.project.schemas.bundle(name)?;
        self.site
            .wiring
            .checker
            .compile(&schema)
            .map_err(|error| format!("the schema `{name}` cannot be used: {error}"))
    }

    fn step_id(&self) -> String {
        self.id.clone()
    }

    fn result_name(&self) -> String {
        self.name.clone()
    }

    fn is_reading(&self) -> bool {
        self.site.reading
    }

    fn is_nested(&self) -> bool {
        self.site.nested
    }

    fn is_within_each(&self) -> bool {
        self.site.within_each
    }

    fn steps(&self, path: &[&str], of_elements: bool) -> Result<Vec<Placed>, Finding> {
        let Some(Value::Array(values)) = within(self.parameters, path) else {
            let message = "here stands a list of steps, for example `[ { log: \"here\" } ]`";
            return Err(self.finding(path, "wrong-value", message.to_owned()));
        };
        let list: Vec<String> = self.full(path).into_iter().map(str::to_owned).collect();
        let mut steps: Vec<config::Step> = Vec::with_capacity(values.len());
        for (i, value) in values.iter().enumerate() {
            let place: Vec<String> = list.iter().cloned().chain([i.to_string()]).collect();
            steps.push(self.site.document.read_part(&borrowed(&place), value)?);
        }
        // `branch-1/0/map-1`: the lists of one step are told apart by their index.
        let index = path
            .first()
            .filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
        let prefix = match index {
            Some(index) => format!("{}/{index}/", self.id),
            None => format!("{}/", self.id),
        };
        let site = Site {
            nested: true,
            within_each: self.site.within_each || of_elements,
            ..self.site
        };
        let mut found = Vec::new();
        let built = site.list(&list, &steps, &prefix, &mut found);
        match found.is_empty() {
            true => Ok(built),
            false => {
                let first = found.remove(0);
                self.more.borrow_mut().append(&mut found);
                Err(first)
            }
        }
    }

    fn maps(&self) -> Vec<String> {
        self.site.project.maps().map(str::to_owned).collect()
    }

    fn codecs(&self) -> Vec<Arc<dyn Codec>> {
        self.site.wiring.codecs.clone()
    }

    fn scripts(&self) -> BTreeMap<String, String> {
        let texts = self.site.project.texts.iter();
        texts
            .filter(|(path, _)| path.starts_with("scripts/"))
            .map(|(path, text)| (path.clone(), text.clone()))
            .collect()
    }

    fn lookups(&self) -> BTreeMap<String, Table> {
        let table = |lookup: &config::Lookup| match (&lookup.file, lookup.refresh, lookup.cache) {
            _ if lookup.kept => Table::Kept,
            (Some(_), _, _) => Table::File,
            (None, Some(_), _) => Table::Refreshed,
            _ => Table::OnDemand,
        };
        let lookups = self.site.project.lookups.iter();
        lookups
            .map(|(name, part)| (name.clone(), table(&part.value)))
            .collect()
    }

    fn connections(&self) -> Vec<String> {
        self.site.project.connections.keys().cloned().collect()
    }

    fn entities(&self, connection: &str) -> Vec<String> {
        let Some(connector) = self.site.project.connector(connection) else {
            return Vec::new();
        };
        let entities = connector.description().entities.iter();
        entities
            .filter(|(_, entity)| !entity.modes.is_empty())
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn operations(&self, connection: &str) -> BTreeMap<String, OperationDescription> {
        let connector = self.site.project.connector(connection);
        connector.map_or_else(BTreeMap::new, |connector| {
            connector.description().operations.clone()
        })
    }
}
