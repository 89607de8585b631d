//! Which connectors, steps, language and checker this build has: the one place that names them all.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;
use weir_connectors::{Loaded, Source, load, manifest_schema, shipped};
use weir_mapping::CaseResult;
use weir_model::Finding;
use weir_sdk::checker::Checker;
use weir_sdk::codec::Codec;
use weir_sdk::connector::Connector;
use weir_sdk::expressions::{Expressions, Language, Snippet};
use weir_sdk::http::Http;
use weir_sdk::{Catalog, Context};

use crate::context;
use crate::project::Texts;

/// Names that expressions of a project see, besides their own.
const BOUND: &[&str] = &["vars", "source", "steps", "run", "task", "for"];

/// Everything that is chosen at build time.
pub(crate) struct Wiring {
    pub(crate) catalog: Catalog,
    pub(crate) language: Arc<dyn Language>,
    pub(crate) checker: Arc<dyn Checker>,
    pub(crate) codecs: Vec<Arc<dyn Codec>>,
    pub(crate) context: Context,
    /// Schemas of the shipped connectors, by `akeneo@1` and name.
    schemas: BTreeMap<String, Schemas>,
}

/// Schemas by name.
pub(crate) type Schemas = BTreeMap<String, Value>;

/// Connectors and their schemas, by name with major version.
#[derive(Default)]
pub(crate) struct Connectors {
    pub(crate) connectors: BTreeMap<String, Arc<dyn Connector>>,
    pub(crate) schemas: BTreeMap<String, Schemas>,
}

impl Connectors {
    fn add(&mut self, loaded: Loaded) {
        self.schemas.insert(loaded.name.clone(), loaded.schemas);
        self.connectors.insert(loaded.name, loaded.connector);
    }
}

impl Wiring {
    pub(crate) fn new() -> anyhow::Result<Wiring> {
        let language: Arc<dyn Language> = Arc::new(weir_mapping::Jsonata);
        let mut connectors = Connectors::default();
        for source in shipped() {
            let loaded = load(&source, &*language).map_err(|findings| {
                let words: Vec<String> = findings.iter().map(ToString::to_string).collect();
                anyhow::anyhow!(
                    "a shipped connector is broken, which is a fault of Weir: {}",
                    words.join("; ")
                )
            })?;
            connectors.add(loaded);
        }
        let steps = weir_steps::all()
            .into_iter()
            .map(|kind| (kind.name(), kind))
            .collect();
        Ok(Wiring {
            catalog: Catalog {
                connectors: connectors.connectors,
                steps,
            },
            language,
            checker: Arc::new(weir_checks::JsonSchema::new()),
            codecs: weir_checks::codecs::all(),
            context: context::system(http()?),
            schemas: connectors.schemas,
        })
    }

    /// Shipped connectors and those in the project's own `connectors/` folder, which come first.
    pub(crate) fn connectors(&self, texts: &Texts, findings: &mut Vec<Finding>) -> Connectors {
        let mut connectors = Connectors {
            connectors: self.catalog.connectors.clone(),
            schemas: self.schemas.clone(),
        };
        for source in own_sources(texts) {
            match load(&source, &*self.language) {
                Ok(loaded) => connectors.add(loaded),
                Err(found) => findings.extend(found),
            }
        }
        connectors
    }

    /// The base model's schemas, by name.
    pub(crate) fn base_schemas(&self) -> Schemas {
        weir_model::base::schemas()
            .into_iter()
            .map(|(name, schema)| (name.to_owned(), schema))
            .collect()
    }

    /// Rows of a CSV text, by the names in its first line.
    pub(crate) fn table(&self, file: &str, text: &str) -> Result<Vec<Value>, Finding> {
        weir_checks::csv::read(text).map_err(|finding| Finding {
            file: file.to_owned(),
            ..finding
        })
    }

    /// Runs the cases of a map; `file` is the path and text of the file they stand in.
    pub(crate) fn cases(
        &self,
        expressions: &dyn Expressions,
        map: &str,
        file: (&str, &str),
        vars: &Value,
    ) -> Result<Vec<CaseResult>, Vec<Finding>> {
        weir_mapping::run_cases(expressions, map, file.0, file.1, vars)
    }

    /// What can be said about a map beyond that it compiles.
    pub(crate) fn lint(&self, map: &Snippet, functions: Option<&Snippet>) -> Vec<Finding> {
        weir_mapping::lint(map, functions, BOUND)
    }
}

/// The one client of a process.
pub(crate) fn http() -> anyhow::Result<Arc<dyn Http>> {
    Ok(Arc::new(
        weir_connectors::http::Client::new().context("could not make the HTTP client")?,
    ))
}

/// Schemas of files that other crates read.
pub(crate) fn more_schemas() -> Schemas {
    BTreeMap::from([("connector".to_owned(), manifest_schema())])
}

/// The files of each folder in `connectors/`.
fn own_sources(texts: &Texts) -> Vec<Source> {
    let mut sources: BTreeMap<&str, Source> = BTreeMap::new();
    for (path, text) in texts {
        let Some((folder, file)) = path
            .strip_prefix("connectors/")
            .and_then(|rest| rest.split_once('/'))
        else {
            continue;
        };
        let source = sources.entry(folder).or_insert_with(|| Source {
            folder: format!("connectors/{folder}"),
            manifest: String::new(),
            functions: None,
            schemas: BTreeMap::new(),
        });
        if let Some(name) = file
            .strip_prefix("schemas/")
            .and_then(|name| name.strip_suffix(".json"))
        {
            source.schemas.insert(name.to_owned(), text.clone());
        }
        match file {
            "connector.yaml" => source.manifest.clone_from(text),
            "functions.jsonata" => source.functions = Some(text.clone()),
            _ => {}
        }
    }
    sources.into_values().collect()
}
