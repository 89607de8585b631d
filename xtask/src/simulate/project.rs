//! The plan as the configuration of an engine, with the step kinds that Weir ships.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use weir_engine::configuration::{Configuration, On, Route, Step, Trigger, WaitsFor};
use weir_model::config::{Read, RouteLimits, Span, Switch, Trace};
use weir_model::schedule::{CatchUp, Schedule};
use weir_model::{Error, Finding};
use weir_sdk::checker::Schema;
use weir_sdk::connector::Connection;
use weir_sdk::expressions::{self, Expression, Expressions, Snippet};
use weir_sdk::step::{Build, Table};
use weir_sdk::store::Retention;

use super::plan::{RoutePlan, Since};
use super::source::Source;
use super::stage::{Stage, scope};
use super::target::Target;

/// What a new process makes of the plan; connections are new, the systems behind them are not.
pub(super) fn configuration(stage: &Arc<Stage>) -> anyhow::Result<Configuration> {
    let mut connections: BTreeMap<String, Arc<dyn Connection>> = BTreeMap::new();
    connections.insert("target".to_owned(), Arc::new(Target::new(stage)));
    let mut routes = BTreeMap::new();
    for (index, plan) in stage.plan.routes.iter().enumerate() {
        let source: Arc<dyn Connection> = Arc::new(Source::new(stage, index));
        connections.insert(source_of(index), source);
        routes.insert(plan.name.clone(), route(stage, index, plan)?);
    }
    Ok(Configuration {
        scope: scope(),
        release: 1,
        vars: json!({}),
        connections,
        routes,
        lookups: BTreeMap::new(),
        retention: Retention {
            done_days: 400,
            skipped_days: 400,
            dead_days: 400,
        },
    })
}

fn source_of(index: usize) -> String {
    format!("s{index}")
}

fn route(stage: &Stage, index: usize, plan: &RoutePlan) -> anyhow::Result<Route> {
    let read = Read {
        connection: source_of(index),
        entity: "things".to_owned(),
        filter: BTreeMap::new(),
        fields: Vec::new(),
        with: BTreeMap::new(),
    };
    let waits_for = plan.waits_for.map(|parent| WaitsFor {
        on: On::Route(stage.plan.routes[parent].name.clone()),
        keys: Some(Arc::new(Field("parent".to_owned()))),
        settled: plan.settled,
        when_delivered: None,
        timeout_ms: plan.timeout_ms,
    });
    Ok(Route {
        title: plan.name.clone(),
        reads: vec![read],
        changed_since: match plan.since {
            Since::Field => Some("updated".to_owned()),
            Since::Snapshot => Some("snapshot".to_owned()),
            Since::Always => None,
        },
        trigger: plan.every_ms.map_or(Trigger::Asked, |ms| Trigger::Time {
            schedule: Schedule::Every(Span { ms }),
            catch_up: CatchUp::Latest,
        }),
        webhook: None,
        reply: None,
        schema: None,
        key: Arc::new(Field("code".to_owned())),
        source_steps: Vec::new(),
        steps: steps(plan)?,
        waits_for: waits_for.into_iter().collect(),
        resend_on: Vec::new(),
        latest_only: plan.latest_only,
        policy: plan.policy,
        limits: RouteLimits {
            queue: plan.queue,
            tasks_per_run: plan.tasks_per_run,
            ..RouteLimits::default()
        },
        trace: Trace::OnFailure,
        switch: Switch::On,
    })
}

fn steps(plan: &RoutePlan) -> anyhow::Result<Vec<Step>> {
    let mut steps = vec![step(
        "remove",
        "remove",
        json!(["version", "updated", "mark"]),
        Vec::new(),
    )?];
    if plan.filter {
        steps.push(step("filter", "filter", json!("keep"), Vec::new())?);
    }
    if plan.dedupe {
        // The mark is taken from the entity before it is removed.
        steps.insert(0, step("dedupe", "dedupe", json!({ "by": "mark" }), Vec::new())?);
    }
    if plan.unchanged {
        steps.push(step("unchanged", "unchanged", json!("skip"), Vec::new())?);
    }
    if let Some(entity) = plan.line_entity() {
        let nested = vec![step("write", "each/write", write(&entity), Vec::new())?];
        steps.push(step(
            "each",
            "each",
            json!({ "of": "lines", "steps": [] }),
            nested,
        )?);
    }
    steps.push(step("write", "write", write(&plan.entity), Vec::new())?);
    if let Some(entity) = &plan.second {
        steps.push(step("write", "second", write(entity), Vec::new())?);
    }
    Ok(steps)
}

fn write(entity: &str) -> Value {
    json!({ "connection": "target", "entity": entity })
}

fn step(kind: &str, id: &str, parameters: Value, nested: Vec<Step>) -> anyhow::Result<Step> {
    let kinds = weir_steps::all();
    let Some(found) = kinds.iter().find(|k| k.name() == kind) else {
        anyhow::bail!("there is no step kind `{kind}`");
    };
    let build = Plain {
        id: id.to_owned(),
        nested: std::sync::Mutex::new(nested),
    };
    let built = found
        .build(&parameters, &build)
        .map_err(|finding| anyhow::anyhow!("step `{id}`: {}", finding.message))?;
    Ok(Step {
        id: id.to_owned(),
        kind: kind.to_owned(),
        name: None,
        when: None,
        on_error: None,
        step: built,
    })
}

/// What the steps of the route make of an entity as read.
pub(super) fn mapped(input: &Value) -> Value {
    let mut value = input.clone();
    if let Value::Object(fields) = &mut value {
        for name in ["version", "updated", "mark"] {
            fields.shift_remove(name);
        }
    }
    value
}

/// A field of the entity; all that these routes need of a language.
struct Field(String);

impl Expression for Field {
    fn evaluate(&self, input: &Value, _: &expressions::Scope<'_>) -> Result<Option<Value>, Error> {
        Ok(input.get(&self.0).filter(|value| !value.is_null()).cloned())
    }
}

struct Fields;

impl Expressions for Fields {
    fn expression(&self, snippet: &Snippet) -> Result<Arc<dyn Expression>, Finding> {
        Ok(Arc::new(Field(snippet.text.clone())))
    }
    fn template(&self, snippet: &Snippet) -> Result<Arc<dyn Expression>, Finding> {
        self.expression(snippet)
    }
    fn map(&self, _: &str) -> Option<expressions::Map> {
        None
    }
}

/// Builds the steps that need nothing but names.
struct Plain {
    id: String,
    nested: std::sync::Mutex<Vec<Step>>,
}

impl Build for Plain {
    fn is_nested(&self) -> bool {
        false
    }

    fn operations(&self, _: &str) -> BTreeMap<String, weir_sdk::connector::OperationDescription> {
        BTreeMap::new()
    }

    fn expressions(&self) -> &dyn Expressions {
        &Fields
    }
    fn snippet(&self, _: &[&str], text: &str) -> Snippet {
        Snippet::new("simulated", text)
    }
    fn finding(&self, _: &[&str], code: &str, message: String) -> Finding {
        Finding::error(code, "simulated", 0, 0, message)
    }
    fn schema(&self, name: &str) -> Result<Arc<dyn Schema>, String> {
        Err(name.to_owned())
    }
    fn step_id(&self) -> String {
        self.id.clone()
    }
    fn result_name(&self) -> String {
        self.id.clone()
    }
    fn is_reading(&self) -> bool {
        false
    }
    fn codecs(&self) -> Vec<Arc<dyn weir_sdk::codec::Codec>> {
        Vec::new()
    }
    fn scripts(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
    fn lookups(&self) -> BTreeMap<String, Table> {
        BTreeMap::new()
    }
    fn is_within_each(&self) -> bool {
        false
    }
    fn steps(&self, _: &[&str], _: bool) -> Result<Vec<Step>, Finding> {
        let mut nested = self
            .nested
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(std::mem::take(&mut *nested))
    }
    fn maps(&self) -> Vec<String> {
        Vec::new()
    }
    fn connections(&self) -> Vec<String> {
        vec!["target".to_owned()]
    }
    /// Whatever it is asked for: the target has what the plan names.
    fn entities(&self, _: &str) -> Vec<String> {
        (0..8)
            .flat_map(|i| [format!("e{i}"), format!("e{i}-second"), format!("e{i}-line")])
            .collect()
    }
}
