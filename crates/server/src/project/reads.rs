//! What routes and lookups read and write, against what their connectors can.

use serde_json::Value;
use weir_model::config::{Read, WriteMode};
use weir_model::{Finding, did_you_mean};
use weir_sdk::connector::EntityDescription;
use weir_sdk::document::Document;

use super::Project;

/// Looks at one place of one document.
pub(super) struct Place<'a, 'f> {
    pub(super) project: &'a Project,
    pub(super) document: &'f Document,
    pub(super) path: Vec<String>,
    pub(super) findings: &'f mut Vec<Finding>,
}

impl<'a> Place<'a, '_> {
    /// A connection and an entity of it; findings where one does not exist.
    pub(super) fn entity(&mut self, connection: &str, entity: &str) -> Option<&'a EntityDescription> {
        let project = self.project;
        if !project.connections.contains_key(connection) {
            // A connection whose file cannot be read has its finding already.
            if !project
                .texts
                .contains_key(&format!("connections/{connection}.yaml"))
            {
                let message = format!("there is no connection `{connection}`");
                let known = || project.connections.keys().map(String::as_str);
                let suggestion = did_you_mean(connection, known())
                    .unwrap_or_else(|| format!("there are: {}", known().collect::<Vec<_>>().join(", ")));
                self.say(&["connection"], "unknown-connection", message, Some(suggestion));
            }
            return None;
        }
        let entities = &project.connector(connection)?.description().entities;
        let found = entities.get(entity);
        if found.is_none() {
            let message = format!("`{connection}` has no entity `{entity}`");
            let suggestion = did_you_mean(entity, entities.keys().map(String::as_str)).unwrap_or_else(|| {
                format!(
                    "there are: {}",
                    entities.keys().cloned().collect::<Vec<_>>().join(", ")
                )
            });
            self.say(&["entity"], "unknown-entity", message, Some(suggestion));
        }
        found
    }

    /// `needs_lookup`: rows are fetched by key instead of read page by page.
    pub(super) fn read(&mut self, read: &Read, needs_lookup: bool) -> Option<&'a EntityDescription> {
        let description = self.entity(&read.connection, &read.entity)?;
        if needs_lookup && !description.can_lookup {
            let message = format!("`{}/{}` cannot be fetched by key", read.connection, read.entity);
            self.say(
                &["entity"],
                "cannot-look-up",
                message,
                Some("read the whole table with `refresh`".to_owned()),
            );
        }
        if !needs_lookup && !description.can_read {
            self.say(
                &["entity"],
                "cannot-read",
                format!("`{}/{}` cannot be read", read.connection, read.entity),
                None,
            );
        }
        self.filter(read, description);
        for (name, entity) in &read.with {
            let entities = &self.project.connector(&read.connection)?.description().entities;
            if !entities.contains_key(entity) {
                let message = format!("`{}` has no entity `{entity}`", read.connection);
                let suggestion = did_you_mean(entity, entities.keys().map(String::as_str));
                self.say(&["with", name], "unknown-entity", message, suggestion);
            }
        }
        Some(description)
    }

    fn filter(&mut self, read: &Read, description: &EntityDescription) {
        for (word, condition) in &read.filter {
            let Some(operators) = description.filters.get(word) else {
                let message = format!("`{}/{}` has no filter `{word}`", read.connection, read.entity);
                let known: Vec<&str> = description.filters.keys().map(String::as_str).collect();
                let suggestion = did_you_mean(word, known.iter().copied()).or_else(|| listed(&known));
                self.say_key(&["filter", word], "unknown-filter", message, suggestion);
                continue;
            };
            let Value::Object(condition) = condition else {
                let message = format!("a filter is an object of an operator and a value, `{word}: {{ … }}`");
                let known: Vec<&str> = operators.iter().map(String::as_str).collect();
                self.say(&["filter", word], "wrong-value", message, listed(&known));
                continue;
            };
            for operator in condition.keys().filter(|operator| !operators.contains(operator)) {
                let message = format!("the filter `{word}` has no operator `{operator}`");
                let known: Vec<&str> = operators.iter().map(String::as_str).collect();
                let suggestion = did_you_mean(operator, known.iter().copied()).or_else(|| listed(&known));
                self.say_key(
                    &["filter", word, operator],
                    "unknown-operator",
                    message,
                    suggestion,
                );
            }
        }
    }

    pub(super) fn changed_since(&mut self, field: &str, description: &EntityDescription) {
        let known: Vec<&str> = description
            .changed_since
            .iter()
            .map(String::as_str)
            .chain(["snapshot"])
            .collect();
        if !known.contains(&field) {
            let message = format!("this source cannot say what changed by `{field}`");
            let suggestion = did_you_mean(field, known.iter().copied()).or_else(|| listed(&known));
            self.say(&[], "unknown-field", message, suggestion);
        }
    }

    pub(super) fn write(&mut self, connection: &str, entity: &str, mode: WriteMode) {
        let Some(description) = self.entity(connection, entity) else {
            return;
        };
        if !description.modes.contains(&mode) {
            let word = |mode: &WriteMode| {
                serde_json::to_value(mode)
                    .ok()
                    .and_then(|v| v.as_str().map(str::to_owned))
                    .unwrap_or_default()
            };
            let known: Vec<String> = description.modes.iter().map(word).collect();
            let message = format!("`{connection}/{entity}` cannot be written with `{}`", word(&mode));
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            self.say(&["mode"], "unknown-mode", message, listed(&known));
        }
    }

    pub(super) fn say(&mut self, path: &[&str], code: &str, message: String, suggestion: Option<String>) {
        let full: Vec<&str> = self
            .path
            .iter()
            .map(String::as_str)
            .chain(path.iter().copied())
            .collect();
        let finding = self.document.finding(&full, code, message).suggest(suggestion);
        self.findings.push(finding);
    }

    fn say_key(&mut self, path: &[&str], code: &str, message: String, suggestion: Option<String>) {
        let full: Vec<&str> = self
            .path
            .iter()
            .map(String::as_str)
            .chain(path.iter().copied())
            .collect();
        let finding = self
            .document
            .key_finding(&full, code, message)
            .suggest(suggestion);
        self.findings.push(finding);
    }
}

fn listed(known: &[&str]) -> Option<String> {
    (!known.is_empty()).then(|| format!("there are: {}", known.join(", ")))
}
