//! Connections: from a document and its secrets to something that can be called.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use weir_model::Finding;
use weir_model::config::SecretSource;
use weir_sdk::Context;
use weir_sdk::connector::{Connection, Setup};
use weir_sdk::document::Document;

use super::substitution::{reveal, secrets_in};
use super::{Part, Project};
use crate::config;

/// Values of the secrets of one environment, for as long as connections are made. Cannot be printed.
#[derive(Default)]
pub(crate) struct Secrets {
    values: BTreeMap<String, String>,
    /// Why a declared secret has no value.
    missing: BTreeMap<String, String>,
    /// Leaves `${secrets.NAME}` where a value is missing: for checks, which need none.
    placeholders: bool,
}

impl Secrets {
    /// For checks without a server: settings are looked at, secrets are not.
    pub(crate) fn placeholders() -> Secrets {
        Secrets {
            placeholders: true,
            ..Secrets::default()
        }
    }

    /// The same with placeholders where a value is missing.
    pub(crate) fn or_placeholders(self) -> Secrets {
        Secrets {
            placeholders: true,
            ..self
        }
    }

    /// From the environment of the process, from files (relative ones stand in the project folder), and from `stored`.
    pub(crate) fn gather(project: &Project, root: &Path, stored: &BTreeMap<String, String>) -> Secrets {
        let mut secrets = Secrets::default();
        for (name, source) in &project.environment.value.secrets {
            let value = match source {
                SecretSource::Env(variable) => config::secret(variable)
                    .ok_or_else(|| format!("the environment variable {variable} is not set")),
                SecretSource::File(path) => std::fs::read_to_string(root.join(path))
                    .map(|text| text.trim_end_matches(['\n', '\r']).to_owned())
                    .map_err(|error| format!("the file {path} cannot be read: {error}")),
                SecretSource::Store => stored
                    .get(name)
                    .cloned()
                    .ok_or_else(|| format!("it was never entered: `weir secrets set {name}`")),
            };
            match value {
                Ok(value) => drop(secrets.values.insert(name.clone(), value)),
                Err(why) => drop(secrets.missing.insert(name.clone(), why)),
            }
        }
        secrets
    }
}

/// Makes every connection, without touching the network. What is wrong with one does not hide what is wrong with
/// another.
pub(crate) fn connect(
    project: &Project,
    secrets: &Secrets,
    context: &Context,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, Arc<dyn Connection>> {
    let mut connections = BTreeMap::new();
    for (name, part) in &project.connections {
        let Some(connector) = project.connectors.get(&part.value.connector) else {
            continue; // a finding of the references
        };
        let Some(setup) = setup(name, part, secrets, findings) else {
            continue;
        };
        match connector.connect(setup, context) {
            Ok(connection) => drop(connections.insert(name.clone(), connection)),
            Err(found) => findings.extend(found),
        }
    }
    connections
}

fn setup(
    name: &str,
    part: &Part<weir_model::config::Connection>,
    secrets: &Secrets,
    findings: &mut Vec<Finding>,
) -> Option<Setup> {
    let connection = &part.value;
    let mut put = Put::new(&part.document, secrets, findings);
    let settings = connection
        .settings
        .iter()
        .map(|(key, value)| (key.clone(), put.value(&["settings", key], value)));
    let settings: BTreeMap<String, Value> = settings.collect();
    let auth = connection.auth.iter().next().map(|(way, values)| {
        let values = values
            .iter()
            .map(|(key, value)| (key.clone(), put.value(&["auth", way, key], value)));
        (way.clone(), values.collect())
    });
    put.complete.then(|| Setup {
        name: name.to_owned(),
        file: part.document.file.clone(),
        settings,
        auth,
        concurrency: connection.limits.concurrency,
        rate: connection.limits.rate.map(|rate| (rate.count, rate.per_ms)),
        allow_private: connection.network.allow_private,
    })
}

/// Puts secrets into what stands in a document.
pub(super) struct Put<'a> {
    document: &'a Document,
    secrets: &'a Secrets,
    findings: &'a mut Vec<Finding>,
    complete: bool,
}

impl<'a> Put<'a> {
    pub(super) fn new(document: &'a Document, secrets: &'a Secrets, findings: &'a mut Vec<Finding>) -> Self {
        Put {
            document,
            secrets,
            findings,
            complete: true,
        }
    }

    pub(super) fn say(&mut self, path: &[&str], code: &str, message: impl Into<String>) {
        self.findings.push(self.document.finding(path, code, message));
    }

    /// `None` where a secret has no value.
    pub(super) fn text(&mut self, path: &[&str], text: &str) -> Option<String> {
        let mut is_whole = true;
        for name in secrets_in(text) {
            if self.secrets.values.contains_key(name) || self.secrets.placeholders {
                continue;
            }
            is_whole = false;
            let why = self
                .secrets
                .missing
                .get(name)
                .map_or("it is not declared", String::as_str);
            self.say(
                path,
                "missing-secret",
                format!("the secret `{name}` has no value: {why}"),
            );
        }
        is_whole.then(|| reveal(text, &|name| self.secrets.values.get(name).cloned()))
    }

    fn value(&mut self, path: &[&str], value: &Value) -> Value {
        match value {
            Value::String(text) => match self.text(path, text) {
                Some(text) => Value::String(text),
                None => {
                    self.complete = false;
                    Value::Null
                }
            },
            Value::Array(items) => Value::Array(items.iter().map(|item| self.value(path, item)).collect()),
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(key, value)| (key.clone(), self.value(path, value)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }
}
