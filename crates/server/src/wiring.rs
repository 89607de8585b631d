//! Which connectors, steps, language and checker this build has: the one place that names them all.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use weir_model::Finding;
use weir_sdk::checker::Checker;
use weir_sdk::connector::Connector;
use weir_sdk::expressions::{Language, Snippet};
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
    pub(crate) context: Context,
}

impl Wiring {
    pub(crate) fn new() -> anyhow::Result<Wiring> {
        let language: Arc<dyn Language> = Arc::new(weir_mapping::Jsonata);
        let steps = weir_steps::all()
            .into_iter()
            .map(|kind| (kind.name(), kind))
            .collect();
        let catalog = Catalog {
            connectors: connectors(&language)?,
            steps,
        };
        let context = context::system(http()?);
        Ok(Wiring {
            catalog,
            language,
            checker: Arc::new(weir_checks::JsonSchema::new()),
            context,
        })
    }

    /// Connectors in the project's own `connectors/` folder.
    pub(crate) fn own_connectors(
        &self,
        _texts: &Texts,
    ) -> (BTreeMap<String, Arc<dyn Connector>>, Vec<Finding>) {
        (BTreeMap::new(), Vec::new())
    }

    /// Schemas that a connector (`akeneo@1`) ships, by name.
    pub(crate) fn schemas_of(&self, _connector: &str, _texts: &Texts) -> BTreeMap<String, Value> {
        BTreeMap::new()
    }

    /// The base model's schemas, by name.
    pub(crate) fn base_schemas(&self) -> BTreeMap<String, Value> {
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

    /// What can be said about a map beyond that it compiles.
    pub(crate) fn lint(&self, map: &Snippet, functions: Option<&Snippet>) -> Vec<Finding> {
        weir_mapping::lint(map, functions, BOUND)
    }
}

fn connectors(_language: &Arc<dyn Language>) -> anyhow::Result<BTreeMap<String, Arc<dyn Connector>>> {
    Ok(BTreeMap::new())
}

/// The one client of a process.
pub(crate) fn http() -> anyhow::Result<Arc<dyn weir_sdk::http::Http>> {
    struct None;
    #[async_trait::async_trait]
    impl weir_sdk::http::Http for None {
        async fn send(
            &self,
            _: weir_sdk::http::Request,
        ) -> Result<weir_sdk::http::Answer, weir_model::Error> {
            Err(weir_model::Error::bug("no client"))
        }
    }
    Ok(Arc::new(None))
}

/// Schemas of files that other crates read.
pub(crate) fn more_schemas() -> BTreeMap<String, Value> {
    BTreeMap::new()
}
