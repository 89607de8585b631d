use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use weir_model::{Error, Finding, did_you_mean};
use weir_sdk::expressions::{Expression, Want};
use weir_sdk::step::{Batch, Build, Services, Step, StepKind, Table};

use crate::missing::{self, OnMissing, Search};
use crate::parameters;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Name of the lookup: `tax-sets` for `lookups/tax-sets.yaml`.
    table: String,
    /// JSONata that gives the key of the row.
    key: String,
    /// The field (dotted path) that gets the row.
    into: String,
    /// Where there is no such row. `wait` is for lookups that say when a row comes: `refresh` and `kept`.
    #[serde(default)]
    on_missing: OnMissing,
}

pub(crate) struct Kind;

struct Lookup {
    table: String,
    key: Arc<dyn Expression>,
    into: String,
    on_missing: OnMissing,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "lookup"
    }
    fn summary(&self) -> &'static str {
        "Puts a row of a lookup into a field."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Parameters>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let read: Parameters = parameters::read(parameters, build)?;
        let tables = build.lookups();
        let Some(table) = tables.get(&read.table) else {
            let hint = did_you_mean(&read.table, tables.keys().map(String::as_str));
            let message = format!("there is no lookup `{}`", read.table);
            return Err(build.finding(&["table"], "unknown-lookup", message).suggest(hint));
        };
        if read.on_missing == OnMissing::Wait && matches!(table, Table::File | Table::OnDemand) {
            let message = format!(
                "nobody could say when a row of `{}` comes, so nothing can wait for it: give the lookup `refresh`, or let \
                 the task be `dead` and retry it",
                read.table
            );
            return Err(build.finding(&["on_missing"], "wrong-value", message));
        }
        read.on_missing.check(build)?;
        Ok(Arc::new(Lookup {
            key: parameters::expression(build, &["key"], &read.key)?,
            table: read.table,
            into: read.into,
            on_missing: read.on_missing,
        }))
    }
}

#[async_trait]
impl Step for Lookup {
    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let search = Search {
            key: self.key.as_ref(),
            want: &|key| Want::Row {
                table: self.table.clone(),
                key,
            },
            what: format!("row of the lookup `{}`", self.table),
            on_missing: self.on_missing,
        };
        missing::find(&search, &self.into, |row| Some(row.clone()), batch, services).await
    }
}
