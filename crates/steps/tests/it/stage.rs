//! What a step sees while it is built and while it runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::config::{self, OnError};
use weir_model::{Address, Error, Finding, TaskId};
use weir_sdk::checker::{Checker, Schema};
use weir_sdk::codec::Codec;
use weir_sdk::connector::OperationDescription;
use weir_sdk::expressions::{
    Expression, Expressions, Known, Language, NoReferences, ReferenceSource, Scope, Snippet, Want,
};
use weir_sdk::step::{
    Batch, Build, Call, Item, Kept, Placed, Services, Skipped, Step, Table, Verdict, Write, remember,
};

const MAP: &str = "/** A thing, doubled.\n * @to test/thing */\n{ \"double\": $number(size) * 2 }";

pub(crate) struct Stage {
    expressions: Arc<dyn Expressions>,
    vars: Value,
    delivered: Option<[u8; 16]>,
    run: Value,
    references: References,
    /// Of the project, by path.
    pub(crate) files: BTreeMap<String, String>,
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
            references: References::default(),
            files: BTreeMap::new(),
            written: Mutex::default(),
        }
    }
}

/// A step's place in a route, while it is built.
pub(crate) struct Site<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) parameters: &'a Value,
    pub(crate) path: Vec<String>,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) reading: bool,
    pub(crate) nested: bool,
    pub(crate) within_each: bool,
}

impl<'a> Site<'a> {
    pub(crate) fn new(stage: &'a Stage, kind: &str, parameters: &'a Value) -> Self {
        Site {
            stage,
            parameters,
            path: Vec::new(),
            id: format!("{kind}-1"),
            name: format!("{kind}-1"),
            reading: false,
            nested: false,
            within_each: false,
        }
    }

    fn full(&self, path: &[&str]) -> Vec<String> {
        let path = path.iter().map(|part| (*part).to_owned());
        self.path.iter().cloned().chain(path).collect()
    }

    fn nested(
        &self,
        path: &[&str],
        place: usize,
        value: &Value,
        of_elements: bool,
    ) -> Result<Placed, Finding> {
        let step: config::Step = serde_json::from_value(value.clone())
            .map_err(|error| self.finding(path, "wrong-value", error.to_string()))?;
        let kinds = weir_steps::all();
        let Some(kind) = kinds.iter().find(|kind| kind.name() == step.kind) else {
            return Err(self.finding(path, "unknown-step", format!("there is no step `{}`", step.kind)));
        };
        let name = step
            .name
            .clone()
            .unwrap_or_else(|| format!("{}-{}", step.kind, place + 1));
        let mut full = self.full(path);
        full.extend([place.to_string(), step.kind.clone()]);
        let site = Site {
            stage: self.stage,
            parameters: &step.parameters,
            path: full,
            id: format!(
                "{}/{}{name}",
                self.id,
                if path.len() > 1 {
                    format!("{}/", path[0])
                } else {
                    String::new()
                }
            ),
            name,
            reading: self.reading,
            nested: true,
            within_each: self.within_each || of_elements,
        };
        let when = step
            .when
            .as_ref()
            .map(|text| self.expressions().expression(&self.snippet(path, text)));
        Ok(Placed {
            id: site.id.clone(),
            kind: step.kind.clone(),
            name: step.name.clone(),
            when: when.transpose()?,
            on_error: step.on_error,
            step: kind.build(&step.parameters, &site)?,
        })
    }
}

impl Build for Site<'_> {
    fn expressions(&self) -> &dyn Expressions {
        self.stage.expressions.as_ref()
    }
    fn snippet(&self, _: &[&str], text: &str) -> Snippet {
        Snippet::new("routes/things.yaml", text)
    }
    fn finding(&self, path: &[&str], code: &str, message: String) -> Finding {
        Finding::error(
            code,
            &format!("routes/things.yaml#{}", self.full(path).join(".")),
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
        self.id.clone()
    }
    fn result_name(&self) -> String {
        self.name.clone()
    }
    fn is_reading(&self) -> bool {
        self.reading
    }
    fn is_nested(&self) -> bool {
        self.nested
    }
    fn is_within_each(&self) -> bool {
        self.within_each
    }
    fn steps(&self, path: &[&str], of_elements: bool) -> Result<Vec<Placed>, Finding> {
        let step = |value: &'_ Value, part: &&str| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?).cloned(),
            other => other.get(part).cloned(),
        };
        let steps = path
            .iter()
            .try_fold(self.parameters.clone(), |value, part| step(&value, part));
        let steps = steps
            .and_then(|steps| steps.as_array().cloned())
            .unwrap_or_default();
        let nested = steps.iter().enumerate();
        nested
            .map(|(i, value)| self.nested(path, i, value, of_elements))
            .collect()
    }
    fn maps(&self) -> Vec<String> {
        vec!["double".to_owned()]
    }
    fn codecs(&self) -> Vec<Arc<dyn Codec>> {
        weir_checks::codecs::all()
    }
    fn scripts(&self) -> BTreeMap<String, String> {
        self.stage.files.clone()
    }
    fn lookups(&self) -> BTreeMap<String, Table> {
        let tables = [
            ("countries", Table::File),
            ("models", Table::OnDemand),
            ("seen", Table::Kept),
            ("sizes", Table::Refreshed),
        ];
        tables.map(|(name, table)| (name.to_owned(), table)).into()
    }
    fn connections(&self) -> Vec<String> {
        vec!["shop".to_owned()]
    }
    fn entities(&self, _: &str) -> Vec<String> {
        vec!["products".to_owned()]
    }
    fn operations(&self, _: &str) -> BTreeMap<String, OperationDescription> {
        let operation = |has_effect| OperationDescription {
            has_effect,
            ..OperationDescription::default()
        };
        BTreeMap::from([
            ("order.cancel".to_owned(), operation(true)),
            ("price.get".to_owned(), operation(false)),
        ])
    }
}

#[async_trait]
impl Services for Stage {
    fn references(&self) -> &dyn ReferenceSource {
        &self.references
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
    /// As the engine runs them, in short.
    async fn steps(&self, steps: &[Placed], batch: &mut Batch) {
        for placed in steps {
            for item in &mut batch.items {
                let mut one = Batch {
                    items: vec![item.take()],
                };
                let goes = match &placed.when {
                    Some(when) => matches!(
                        self.evaluate(when.as_ref(), &mut one).await[..],
                        [Some(Ok(Some(Value::Bool(true))))]
                    ),
                    None => one.items[0].is_going(),
                };
                if goes {
                    placed.step.apply(&mut one, self).await.unwrap();
                }
                *item = one.items.pop().unwrap();
                if let (Verdict::Fail(_), Some(OnError::Continue)) = (&item.verdict, placed.on_error) {
                    item.verdict = Verdict::Go;
                }
            }
        }
    }
    async fn delivered_hashes(&self, keys: &[&str]) -> Result<Vec<Option<[u8; 16]>>, Error> {
        Ok(keys.iter().map(|_| self.delivered).collect())
    }
    /// The mark `taken` is confirmed, and `busy` is under way.
    async fn claim(&self, step: &str, marks: &[Option<String>], batch: &mut Batch) -> Result<(), Error> {
        for (item, mark) in batch.items.iter_mut().zip(marks) {
            let Some(mark) = mark.as_ref().filter(|_| item.is_going()) else {
                continue;
            };
            match mark.as_str() {
                "taken" => {
                    item.verdict = Verdict::Skip {
                        why: Skipped::Filtered,
                        reason: "a duplicate".to_owned(),
                    }
                }
                mark => item.carried.kept.push(Kept::Mark {
                    step: step.to_owned(),
                    mark: mark.to_owned(),
                }),
            }
        }
        Ok(())
    }
    /// Answers what it was asked.
    async fn call(&self, call: &Call, with: Vec<Value>, batch: &mut Batch) -> Vec<Option<Value>> {
        let of = format!("{}/{}", call.connection, call.operation);
        let answer = |(item, with): (&mut Item, Value)| match (&item.verdict, with["sku"].as_str()) {
            (Verdict::Go, Some("none")) => {
                item.verdict = Verdict::Fail(Error::new(weir_model::Kind::NotFound, "no such price"));
                None
            }
            (Verdict::Go, _) => Some(json!({ "asked": with, "of": of })),
            _ => None,
        };
        batch.items.iter_mut().zip(with).map(answer).collect()
    }
    async fn write(&self, write: &Write, batch: &mut Batch) {
        for item in batch.items.iter_mut().filter(|item| item.is_going()) {
            let element = item.carried.element.as_ref().map(|element| format!("#{element}"));
            let step = format!("{}{}", write.step, element.unwrap_or_default());
            remember(&mut item.steps, &write.name, json!({ "id": item.key }));
            let row = json!({ "step": step, "key": item.key, "to": format!("{}/{}", write.connection, write.entity), "mode": write.mode, "row": item.value });
            self.written.lock().unwrap().push(row);
        }
    }
}

/// One row in each table and one link, which have to be fetched first.
#[derive(Default)]
struct References(AtomicBool);

impl References {
    fn known(&self, is_there: bool, value: Value) -> Known {
        match (self.0.load(Ordering::SeqCst), is_there) {
            (false, _) => Known::Pending,
            (true, true) => Known::Found(Arc::new(value)),
            (true, false) => Known::Missing,
        }
    }
}

impl weir_sdk::expressions::References for References {
    fn row(&self, table: &str, key: &str) -> Known {
        self.known(key == "a", json!({ "of": table }))
    }
    fn link(&self, address: &Address, key: &str) -> Known {
        let is_there = key == "a" && address.to_string() == "shop/products";
        self.known(is_there, json!({ "id_product": 7, "id_other": null }))
    }
}

#[async_trait]
impl ReferenceSource for References {
    async fn fetch(&self, wants: &[Want]) -> Result<(), Error> {
        assert!(!wants.is_empty());
        self.0.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// One entity through one step.
pub(crate) async fn run(
    step: &dyn Step,
    stage: &Stage,
    input: Value,
    notes: &BTreeMap<String, Value>,
) -> Item {
    let source = Arc::new(input.clone());
    let mut item = Item::new(TaskId(uuid::Uuid::nil()), "k".to_owned(), 1, input, source);
    item.carried.notes.clone_from(notes);
    let mut batch = Batch { items: vec![item] };
    step.apply(&mut batch, stage).await.unwrap();
    batch.items.pop().unwrap()
}
