//! Lists of steps: from what was read to steps at their places, nested ones included.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use weir_model::{Finding, config};
use weir_sdk::Catalog;
use weir_sdk::document::Document;
use weir_sdk::expressions::{Expression, Expressions};
use weir_sdk::step::Placed;

use super::build::StepBuild;
use super::{Part, Project};
use crate::wiring::Wiring;

/// A route's file, while its steps are built.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) project: &'a Project,
    pub(super) wiring: &'a Wiring,
    pub(super) expressions: &'a dyn Expressions,
    pub(super) document: &'a Document,
    /// The steps run while a source reads.
    pub(super) reading: bool,
    /// The steps stand in a list of another step.
    pub(super) nested: bool,
    /// The steps work on elements of an entity.
    pub(super) within_each: bool,
}

impl Site<'_> {
    /// Builds a list that stands at `path`; what cannot be built is in the findings.
    pub(super) fn list(
        &self,
        path: &[String],
        steps: &[config::Step],
        prefix: &str,
        findings: &mut Vec<Finding>,
    ) -> Vec<Placed> {
        let mut ordinals: BTreeMap<&str, usize> = BTreeMap::new();
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut built = Vec::new();
        for (i, step) in steps.iter().enumerate() {
            let ordinal = ordinals.entry(&step.kind).or_default();
            *ordinal += 1;
            let name = step
                .name
                .clone()
                .unwrap_or_else(|| format!("{}-{ordinal}", step.kind));
            let mut path: Vec<String> = path.to_vec();
            path.push(i.to_string());
            if !names.insert(name.clone()) {
                let message = format!(
                    "two steps of this list are called `{name}`; what was sent is remembered by the name, so \
                     each needs its own"
                );
                findings.push(self.document.finding(&borrowed(&path), "double-name", message));
            }
            path.push(step.kind.clone());
            // A named step of the outermost list is its name alone, also under `source`.
            let id = match (&step.name, prefix) {
                (Some(name), "source.") => name.clone(),
                _ => format!("{prefix}{name}"),
            };
            built.extend(self.one(&path, step, id, name, findings));
        }
        built
    }

    /// Builds one step whose parameters stand at `path`.
    pub(super) fn one(
        &self,
        path: &[String],
        step: &config::Step,
        id: String,
        name: String,
        findings: &mut Vec<Finding>,
    ) -> Option<Placed> {
        let kind = self.wiring.catalog.steps.get(step.kind.as_str())?.clone();
        let build = StepBuild {
            site: *self,
            path: path.to_vec(),
            parameters: &step.parameters,
            id: id.clone(),
            name,
            more: RefCell::default(),
        };
        let built = kind.build(&step.parameters, &build);
        findings.append(&mut build.more.into_inner());
        let when = match &step.when {
            Some(text) => {
                let parent = path[..path.len() - 1].iter().map(String::as_str);
                let place: Vec<&str> = parent.chain(["when"]).collect();
                Some(self.expression(&place, text, findings)?)
            }
            None => None,
        };
        match built {
            Ok(built) => Some(Placed {
                id,
                kind: step.kind.clone(),
                name: step.name.clone(),
                when,
                on_error: step.on_error,
                step: built,
            }),
            Err(finding) => {
                findings.push(finding);
                None
            }
        }
    }

    fn expression(
        &self,
        path: &[&str],
        text: &str,
        findings: &mut Vec<Finding>,
    ) -> Option<Arc<dyn Expression>> {
        let snippet = self.document.snippet(path, text);
        self.expressions
            .expression(&snippet)
            .map_err(|finding| findings.push(finding))
            .ok()
    }
}

/// Every step of a route, nested ones too, with the path of its parameters.
pub(super) fn all(part: &Part<config::Route>, catalog: &Catalog) -> Vec<(Vec<String>, config::Step)> {
    let mut found = Vec::new();
    let route = &part.value;
    for (place, steps) in [
        (&["source", "steps"][..], &route.source.steps),
        (&["steps"], &route.steps),
    ] {
        let place: Vec<String> = place.iter().map(|part| (*part).to_owned()).collect();
        walk(&place, steps, catalog, &mut found);
    }
    found
}

fn walk(
    place: &[String],
    steps: &[config::Step],
    catalog: &Catalog,
    found: &mut Vec<(Vec<String>, config::Step)>,
) {
    for (i, step) in steps.iter().enumerate() {
        let mut path = place.to_vec();
        path.extend([i.to_string(), step.kind.clone()]);
        found.push((path.clone(), step.clone()));
        let Some(kind) = catalog.steps.get(step.kind.as_str()) else {
            continue;
        };
        for list in kind.nested(&step.parameters) {
            let Some(Value::Array(nested)) = within(&step.parameters, &list) else {
                continue;
            };
            // What cannot be read is a finding of the build.
            let read = |value: &Value| serde_json::from_value(value.clone()).ok();
            let nested: Option<Vec<config::Step>> = nested.iter().map(read).collect();
            let place: Vec<String> = path.iter().cloned().chain(list).collect();
            walk(&place, &nested.unwrap_or_default(), catalog, found);
        }
    }
}

/// The value at a path of names and indexes.
pub(super) fn within<'v>(value: &'v Value, path: &[impl AsRef<str>]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, part| {
        let part = part.as_ref();
        match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        }
    })
}

pub(super) fn borrowed(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}
