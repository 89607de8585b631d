//! What a step sees while it is built and while it runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::{Address, Error, Finding, TaskId};
use weir_sdk::checker::{Checker, Schema};
use weir_sdk::expressions::*;
use weir_sdk::step::{Batch, Build, Item, Services, Step, Verdict, Write};

const MAP: &str = "/** A thing, doubled.\n * @to test/thing */\n{ \"double\": $number(size) * 2 }";

pub(crate) struct Stage {
    expressions: Arc<dyn Expressions>,
    vars: Value,
    delivered: Option<[u8; 16]>,
    run: Value,
    pub(crate) written: Mutex<Vec<Value>>,
}

impl Stage {
    pub(crate) fn new(vars: Value, delivered: Option<&Value>) -> Self {
        let maps = BTreeMap::from([("double".to_owned(), Snippet::new("maps/double.jsonata", MAP))]);
        let expressions = weir_mapping::Jsonata
            .library(None, maps)
            .unwrap_or_else(|f| panic!("{f:?}"));
        Stage {
            expressions,
            vars: if vars.is_null() { json!({}) } else { vars },
            delivered: delivered.map(weir_model::json::hash),
            run: json!({ "id": "r", "route": "things", "started_at": "2026-11-24T00:00:00Z" }),
            written: Mutex::default(),
        }
    }
}

impl Build for Stage {
    fn expressions(&self) -> &dyn Expressions {
        self.expressions.as_ref()
    }
    fn snippet(&self, _: &[&str], text: &str) -> Snippet {
        Snippet::new("routes/things.yaml", text)
    }
    fn finding(&self, path: &[&str], code: &str, message: String) -> Finding {
        Finding::error(
            code,
            &format!("routes/things.yaml#{}", path.join(".")),
            0,
            0,
            message,
        )
    }
    fn schema(&self, name: &str) -> Result<Arc<dyn Schema>, String> {
        if name != "test/thing" {
            return Err(format!("there is no schema `{name}`"));
        }
        let schema = json!({
            "type": "object",
            "properties": { "double": { "type": "integer", "maximum": 100 } },
            "required": ["double"]
        });
        weir_checks::JsonSchema::new()
            .compile(&schema)
            .map_err(|error| error.message)
    }
    fn step_id(&self) -> String {
        "step".to_owned()
    }
    fn maps(&self) -> Vec<String> {
        vec!["double".to_owned()]
    }
    fn connections(&self) -> Vec<String> {
        vec!["shop".to_owned()]
    }
    fn entities(&self, _: &str) -> Vec<String> {
        vec!["products".to_owned()]
    }
}

#[async_trait]
impl Services for Stage {
    fn references(&self) -> &dyn ReferenceSource {
        &Nothing
    }
    fn vars(&self) -> &Value {
        &self.vars
    }
    fn run(&self) -> &Value {
        &self.run
    }
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
    async fn evaluate(
        &self,
        expression: &dyn Expression,
        batch: &mut Batch,
    ) -> Vec<Option<Result<Option<Value>, Error>>> {
        let evaluate = |item: &Item| {
            let bindings: Vec<(&str, &Value)> = vec![
                ("vars", &self.vars),
                ("source", &item.source),
                ("steps", &item.steps),
            ];
            let scope = Scope {
                bindings: &bindings,
                references: &NoReferences,
                now: self.now(),
            };
            expression.evaluate(&item.value, &scope)
        };
        batch
            .items
            .iter()
            .map(|item| item.is_going().then(|| evaluate(item)))
            .collect()
    }
    async fn delivered_hashes(&self, keys: &[&str]) -> Result<Vec<Option<[u8; 16]>>, Error> {
        Ok(keys.iter().map(|_| self.delivered).collect())
    }
    async fn write(&self, write: &Write, batch: &mut Batch) {
        for item in &batch.items {
            let row = json!({ "to": format!("{}/{}", write.connection, write.entity), "mode": write.mode, "row": item.value });
            self.written.lock().unwrap().push(row);
        }
    }
}

struct Nothing;

impl References for Nothing {
    fn row(&self, _: &str, _: &str) -> Known {
        Known::Missing
    }
    fn link(&self, _: &Address, _: &str) -> Known {
        Known::Missing
    }
}

#[async_trait]
impl ReferenceSource for Nothing {
    async fn fetch(&self, _: &[Want]) -> Result<(), Error> {
        Ok(())
    }
}

/// One entity through one step.
pub(crate) async fn run(step: &dyn Step, stage: &Stage, input: Value) -> Item {
    let item = Item {
        task: TaskId(uuid::Uuid::nil()),
        key: "k".to_owned(),
        attempt: 1,
        source: Arc::new(input.clone()),
        value: input,
        steps: json!({}),
        reads: Vec::new(),
        verdict: Verdict::Go,
        log: Vec::new(),
        warnings: Vec::new(),
    };
    let mut batch = Batch { items: vec![item] };
    step.apply(&mut batch, stage).await.unwrap();
    batch.items.pop().unwrap()
}
