use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use weir_model::{Error, Finding, Kind as ErrorKind, did_you_mean};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Kept, Services, Step, StepKind, Table, Verdict};

use crate::parameters;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Name of a lookup with `kept: true`.
    table: String,
    /// JSONata that gives the key of the row.
    key: String,
    /// The row: field → JSONata; a value that gives nothing leaves the field out. Without `with` the row is removed.
    #[serde(default)]
    with: Option<BTreeMap<String, String>>,
}

pub(crate) struct Kind;

type Fields = Vec<(String, Arc<dyn Expression>)>;

struct Keep {
    table: String,
    key: Arc<dyn Expression>,
    with: Option<Fields>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "keep"
    }
    fn summary(&self) -> &'static str {
        "Keeps a row of a lookup for later entities, or removes it; written with the task's success."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Parameters>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let read: Parameters = parameters::read(parameters, build)?;
        let tables = build.lookups();
        let kept = tables.iter().filter(|(_, table)| **table == Table::Kept);
        let hint = did_you_mean(&read.table, kept.map(|(name, _)| name.as_str()));
        match tables.get(&read.table) {
            Some(Table::Kept) => {}
            Some(_) => {
                let message = format!(
                    "rows can be kept only in a lookup with `kept: true`, and `{}` is none",
                    read.table
                );
                return Err(build.finding(&["table"], "wrong-value", message).suggest(hint));
            }
            None => {
                let message = format!("there is no lookup `{}`", read.table);
                return Err(build.finding(&["table"], "unknown-lookup", message).suggest(hint));
            }
        }
        if build.is_reading() {
            let message = "rows are kept with the success of a task, and under `source.steps` there is none yet; move \
                           `keep` to `steps`";
            return Err(build.finding(&[], "wrong-place", message.to_owned()));
        }
        let field = |(name, text): (&String, &String)| {
            let expression = parameters::expression(build, &["with", name], text)?;
            Ok((name.clone(), expression))
        };
        let with = match &read.with {
            Some(with) => Some(with.iter().map(field).collect::<Result<Fields, Finding>>()?),
            None => None,
        };
        Ok(Arc::new(Keep {
            key: parameters::expression(build, &["key"], &read.key)?,
            table: read.table,
            with,
        }))
    }
}

#[async_trait]
impl Step for Keep {
    fn rewrites(&self) -> bool {
        false
    }

    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let keys = services.evaluate(self.key.as_ref(), batch).await;
        let mut rows: Vec<Map<String, Value>> = batch.items.iter().map(|_| Map::new()).collect();
        for (name, expression) in self.with.iter().flatten() {
            let results = services.evaluate(expression.as_ref(), batch).await;
            for ((item, row), result) in batch.items.iter_mut().zip(&mut rows).zip(results) {
                match result {
                    Some(Ok(Some(value))) => drop(row.insert(name.clone(), value)),
                    Some(Ok(None)) | None => {}
                    Some(Err(error)) => item.verdict = Verdict::Fail(error.with("field", name)),
                }
            }
        }
        for ((item, key), row) in batch.items.iter_mut().zip(keys).zip(rows) {
            if !item.is_going() {
                continue;
            }
            match parameters::key(item, key) {
                Some(key) => item.carried.kept.push(Kept::Row {
                    table: self.table.clone(),
                    key,
                    row: self.with.as_ref().map(|_| Value::Object(row)),
                }),
                None if item.is_going() => {
                    let message = format!(
                        "`{}` says no key for its row of `{}`: `key` gives nothing for it",
                        item.key, self.table
                    );
                    item.verdict =
                        Verdict::Fail(Error::new(ErrorKind::Invalid, message).with("field", "key"));
                }
                None => {}
            }
        }
        Ok(())
    }
}
