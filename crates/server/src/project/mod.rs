//! A project folder as a typed value, with the place of everything that stands in it.
//!
//! Loading goes in four steps, and each collects all its findings: [`files`] reads the folder, [`load`] reads the
//! documents and puts variables in, [`references`] asks whether what is named exists, [`compile`] makes what the engine
//! runs. [`check`] does all four.

mod build;
mod check;
mod compile;
mod connect;
mod fields;
mod files;
mod names;
mod reads;
mod references;
mod release;
mod schemas;
mod settings;
mod steps;
mod substitution;
mod triggers;
mod used;
mod webhook;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use weir_model::config::{Connection, Environment, Lookup, Project as Settings, Route};
use weir_model::{Finding, Scope, Severity, did_you_mean};
use weir_sdk::connector::Connector;
use weir_sdk::document::Document;
use weir_sdk::expressions::{Expressions, Snippet};

use crate::wiring::Wiring;
pub(crate) use check::{check, look, tidy};
pub(crate) use compile::compile;
pub(crate) use connect::{Secrets, connect};
pub(crate) use files::Texts;
pub(crate) use release::put_release;
use schemas::Schemas;
use substitution::Names;
pub(crate) use webhook::hooks;

/// One document and what it says.
pub(crate) struct Part<T> {
    pub(crate) document: Document,
    pub(crate) value: T,
    /// The document's value with variables put in.
    pub(crate) written: Value,
}

/// A project as one environment sees it.
pub(crate) struct Project {
    pub(crate) scope: Scope,
    pub(crate) texts: Texts,
    pub(crate) settings: Part<Settings>,
    pub(crate) environment: Part<Environment>,
    /// The project's variables overlaid by the environment's.
    pub(crate) vars: BTreeMap<String, Value>,
    pub(crate) connections: BTreeMap<String, Part<Connection>>,
    pub(crate) routes: BTreeMap<String, Part<Route>>,
    pub(crate) lookups: BTreeMap<String, Part<Lookup>>,
    /// Shipped ones and the project's own.
    pub(crate) connectors: BTreeMap<String, Arc<dyn Connector>>,
    pub(crate) schemas: Schemas,
    /// Maps and functions; missing when they do not compile.
    pub(crate) expressions: Option<Arc<dyn Expressions>>,
}

/// What loading gives: the project where it can be made at all, and everything found on the way.
pub(crate) struct Loaded {
    pub(crate) project: Option<Project>,
    pub(crate) findings: Vec<Finding>,
    /// Every environment that weir.yaml names.
    pub(crate) environments: Vec<String>,
}

impl Project {
    /// The connector behind a connection, where both exist.
    pub(crate) fn connector(&self, connection: &str) -> Option<&Arc<dyn Connector>> {
        self.connectors
            .get(&self.connections.get(connection)?.value.connector)
    }

    /// Every connection could be read, and its connector exists.
    pub(crate) fn connections_are_known(&self) -> bool {
        let files = self
            .texts
            .keys()
            .filter(|path| path.starts_with("connections/"))
            .count();
        files == self.connections.len()
            && self
                .connections
                .values()
                .all(|part| self.connectors.contains_key(&part.value.connector))
    }

    /// Names of the maps.
    pub(crate) fn maps(&self) -> impl Iterator<Item = &str> {
        self.texts
            .keys()
            .filter_map(|path| path.strip_prefix("maps/")?.strip_suffix(".jsonata"))
    }

    pub(crate) fn hash(&self) -> String {
        files::hash(&self.texts)
    }
}

/// Reads the texts of a folder.
pub(crate) fn read(root: &Path) -> anyhow::Result<(Texts, Vec<Finding>)> {
    files::read(root)
}

/// Reads the documents for one environment; the first of weir.yaml when none is named.
pub(crate) fn load(texts: &Texts, environment: Option<&str>, wiring: &Wiring) -> Loaded {
    let mut findings = Vec::new();
    let settings = texts
        .get("weir.yaml")
        .and_then(|text| plain::<Settings>("weir.yaml", text, &mut findings));
    let Some(settings) = settings else {
        return Loaded {
            project: None,
            findings,
            environments: vec![],
        };
    };
    names::check(&settings, texts, &mut findings);
    let environments = settings.value.environments.clone();
    let name = match environment {
        Some(name) => name.to_owned(),
        None => environments.first().cloned().unwrap_or_else(|| "dev".to_owned()),
    };
    if !environments.contains(&name) {
        let suggestion = did_you_mean(&name, environments.iter().map(String::as_str))
            .or_else(|| Some(format!("there are: {}", environments.join(", "))));
        let message = format!("weir.yaml names no environment `{name}`");
        findings.push(
            settings
                .document
                .finding(&["environments"], "unknown-environment", message)
                .suggest(suggestion),
        );
        return Loaded {
            project: None,
            findings,
            environments,
        };
    }
    let file = format!("environments/{name}.yaml");
    let text = texts.get(&file).map_or("{}", String::as_str);
    let Some(environment) = plain::<Environment>(&file, text, &mut findings) else {
        return Loaded {
            project: None,
            findings,
            environments,
        };
    };
    let mut vars = settings.value.vars.clone();
    vars.extend(environment.value.vars.clone());

    let names = Names {
        vars: &vars,
        secrets: environment.value.secrets.keys().map(String::as_str).collect(),
    };
    let mut reader = Reader {
        texts,
        names,
        wiring,
        findings,
    };
    let connections = reader.folder("connections");
    let routes = reader.folder("routes");
    let lookups = reader.folder("lookups");
    let mut findings = reader.findings;

    let shipped_and_own = wiring.connectors(texts, &mut findings);
    let mut schemas = Schemas::default();
    schemas.add("base", &wiring.base_schemas());
    for (name, part) in &connections {
        let part: &Part<Connection> = part;
        if let Some(of_connector) = shipped_and_own.schemas.get(&part.value.connector) {
            schemas.add(name, of_connector);
        }
    }
    schemas.add_own(texts, &mut findings);
    let expressions = library(texts, wiring, &mut findings);

    let project = Project {
        scope: Scope::new(settings.value.project.clone(), name),
        texts: texts.clone(),
        settings,
        environment,
        vars,
        connections,
        routes,
        lookups,
        connectors: shipped_and_own.connectors,
        schemas,
        expressions,
    };
    Loaded {
        project: Some(project),
        findings,
        environments,
    }
}

/// True when nothing stands in the way of running.
pub(crate) fn is_clean(findings: &[Finding]) -> bool {
    findings
        .iter()
        .all(|finding| finding.severity == Severity::Warning)
}

/// A document that takes no variables.
fn plain<T: DeserializeOwned>(file: &str, text: &str, findings: &mut Vec<Finding>) -> Option<Part<T>> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    let read = Document::parse(file, text).and_then(|document| {
        let value = document.read::<T>()?;
        Ok(Part {
            written: document.value.clone(),
            document,
            value,
        })
    });
    read.map_err(|finding| findings.push(finding)).ok()
}

fn library(texts: &Texts, wiring: &Wiring, findings: &mut Vec<Finding>) -> Option<Arc<dyn Expressions>> {
    let functions = texts
        .get("functions.jsonata")
        .map(|text| Snippet::new("functions.jsonata", text.clone()));
    let maps = texts
        .iter()
        .filter_map(|(path, text)| {
            let name = path.strip_prefix("maps/")?.strip_suffix(".jsonata")?;
            Some((name.to_owned(), Snippet::new(path.clone(), text.clone())))
        })
        .collect();
    wiring
        .language
        .library(functions, maps)
        .map_err(|found| findings.extend(found))
        .ok()
}

struct Reader<'a> {
    texts: &'a Texts,
    names: Names<'a>,
    wiring: &'a Wiring,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    /// Every document of a folder, by the name of its file.
    fn folder<T: DeserializeOwned>(&mut self, folder: &str) -> BTreeMap<String, Part<T>> {
        let mut parts = BTreeMap::new();
        for (path, text) in self.texts {
            let Some(name) = path
                .strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/')?.strip_suffix(".yaml"))
            else {
                continue;
            };
            if let Some(part) = self.part(path, text) {
                parts.insert(name.to_owned(), part);
            }
        }
        parts
    }

    fn part<T: DeserializeOwned>(&mut self, path: &str, text: &str) -> Option<Part<T>> {
        let document = match Document::parse(path, text) {
            Ok(document) => document,
            Err(finding) => {
                self.findings.push(finding);
                return None;
            }
        };
        let strange = build::strange_steps(&document, &self.wiring.catalog);
        let written = substitution::substitute(&document, &self.names, &mut self.findings);
        if !strange.is_empty() {
            self.findings.extend(strange);
            return None;
        }
        match document.read_part(&[], &written) {
            Ok(value) => Some(Part {
                document,
                value,
                written,
            }),
            Err(finding) => {
                self.findings.push(finding);
                None
            }
        }
    }
}

/// An object of the variables, as `$vars`.
pub(crate) fn vars_value(vars: &BTreeMap<String, Value>) -> Value {
    Value::Object(
        vars.iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect::<Map<_, _>>(),
    )
}
