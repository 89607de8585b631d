use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use weir_model::{Error, Finding, did_you_mean, json as values};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Call, Services, Step, StepKind, Verdict, remember};

use crate::parameters;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Name of a connection.
    connection: String,
    /// One of the connector's operations: `price.get`.
    operation: String,
    /// What the operation is given, each JSONata on the entity: `{ sku: sku, customer: customer.id }`. What gives nothing
    /// is `null`.
    #[serde(default)]
    with: BTreeMap<String, String>,
    /// The field (dotted path) that gets the result; it is `$steps.NAME` too.
    #[serde(default)]
    into: Option<String>,
}

pub(crate) struct Kind;

struct Ask {
    call: Call,
    with: Vec<(String, Arc<dyn Expression>)>,
    into: Option<String>,
    name: String,
    has_effect: bool,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "call"
    }
    fn summary(&self) -> &'static str {
        "Calls an operation of a connection; its result goes into a field and is `$steps.NAME`."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Parameters>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let read: Parameters = parameters::read(parameters, build)?;
        let unknown = |field: &str, message: String, word: &str, known: Vec<String>| {
            let hint = did_you_mean(word, known.iter().map(String::as_str)).or_else(|| {
                let known = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                Some(format!("there are: {known}"))
            });
            build
                .finding(&[field], &format!("unknown-{field}"), message)
                .suggest(hint)
        };
        let connections = build.connections();
        if !connections.contains(&read.connection) {
            let message = format!("there is no connection `{}`", read.connection);
            return Err(unknown("connection", message, &read.connection, connections));
        }
        let operations = build.operations(&read.connection);
        let Some(operation) = operations.get(&read.operation) else {
            let message = format!("`{}` has no operation `{}`", read.connection, read.operation);
            let known = operations.into_keys().collect();
            return Err(unknown("operation", message, &read.operation, known));
        };
        if operation.has_effect && build.is_reading() {
            let message = format!(
                "`{}` changes something, which nobody remembers under `source.steps`; move it to `steps`",
                read.operation
            );
            return Err(build.finding(&["operation"], "wrong-place", message));
        }
        let mut with = Vec::with_capacity(read.with.len());
        for (name, text) in &read.with {
            with.push((
                name.clone(),
                parameters::expression(build, &["with", name], text)?,
            ));
        }
        Ok(Arc::new(Ask {
            has_effect: operation.has_effect,
            call: Call {
                connection: read.connection,
                operation: read.operation,
                step: build.step_id(),
            },
            with,
            into: read.into,
            name: build.result_name(),
        }))
    }
}

#[async_trait]
impl Step for Ask {
    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let mut with: Vec<Map<String, Value>> = batch.items.iter().map(|_| Map::new()).collect();
        for (name, expression) in &self.with {
            let results = services.evaluate(expression.as_ref(), batch).await;
            for ((item, with), result) in batch.items.iter_mut().zip(&mut with).zip(results) {
                match result {
                    Some(Ok(value)) => drop(with.insert(name.clone(), value.unwrap_or(Value::Null))),
                    Some(Err(error)) => item.verdict = Verdict::Fail(error),
                    None => {}
                }
            }
        }
        let with = with.into_iter().map(Value::Object).collect();
        let results = services.call(&self.call, with, batch).await;
        for (item, result) in batch.items.iter_mut().zip(results) {
            let Some(result) = result.filter(|_| item.is_going()) else {
                continue;
            };
            if let Some(into) = &self.into {
                values::set(&mut item.value, into, result.clone());
            }
            remember(&mut item.steps, &self.name, result);
        }
        Ok(())
    }
    fn connections(&self) -> Vec<String> {
        vec![self.call.connection.clone()]
    }
    fn rewrites(&self) -> bool {
        self.into.is_some()
    }
    fn has_effect(&self) -> bool {
        self.has_effect
    }
}
