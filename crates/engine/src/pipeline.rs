//! Steps in order over a batch; what each did is written down.

use std::sync::Arc;

use serde_json::{Value, json};
use weir_model::config::OnError;
use weir_model::{Error, Kind, TaskId};
use weir_sdk::connector::Warning;
use weir_sdk::step::{Batch, Item, Services, Skipped, Verdict};

use crate::configuration::{Route, Step};
use crate::services::Session;
use crate::shared::Shared;
use crate::source::Origin;

/// An item as it came to a step.
struct Before {
    /// Where the step may change a part of it and that is recorded.
    value: Option<Value>,
    /// What nested steps add behind so many entries belongs to the step's own entry.
    traces: usize,
}

pub(crate) async fn run(steps: &[Step], batch: &mut Batch, session: &Session<'_>) {
    for step in steps {
        if !batch.items.iter().any(Item::is_going) {
            break;
        }
        let aside = set_aside(step, batch, session).await;
        let copies = session.traces && step.step.rewrites() && !step.step.replaces();
        let before = |item: &Item| {
            item.is_going().then(|| Before {
                value: copies.then(|| item.value.clone()),
                traces: item.carried.traces.len(),
            })
        };
        let before: Vec<Option<Before>> = batch.items.iter().map(before).collect();
        if before.iter().any(Option::is_some)
            && let Err(error) = step.step.apply(batch, session).await
        {
            for item in batch.items.iter_mut().filter(|item| item.is_going()) {
                item.verdict = Verdict::Fail(error.clone());
            }
        }
        for (item, before) in batch.items.iter_mut().zip(before) {
            let Some(before) = before else { continue };
            let failure = match &item.verdict {
                Verdict::Fail(error) => Some(error.clone()),
                _ => None,
            };
            if session.traces {
                let entry = entry(step, item, before, failure.as_ref());
                item.carried.traces.push(entry);
            }
            if let Some(error) = failure {
                react(step, item, error);
            }
        }
        merge(batch, aside);
    }
}

fn entry(step: &Step, item: &mut Item, before: Before, failure: Option<&Error>) -> Value {
    let nested = item.carried.traces.split_off(before.traces);
    let mut entry = json!({ "step": step.id, "kind": step.kind });
    let is_new = match before.value {
        Some(before) => before != item.value,
        None => step.step.replaces() && failure.is_none(),
    };
    if is_new {
        entry["after"] = item.value.clone();
    }
    if !nested.is_empty() {
        entry["steps"] = Value::Array(nested);
    }
    if !item.log.is_empty() {
        entry["log"] = json!(std::mem::take(&mut item.log));
    }
    if let Some(error) = failure {
        entry["error"] = json!(error);
    }
    entry
}

/// What the step says about its own failures.
fn react(step: &Step, item: &mut Item, error: Error) {
    match step.on_error {
        None => {}
        Some(OnError::Skip) => {
            let reason = format!("step `{}` failed and says skip: {error}", step.id);
            item.verdict = Verdict::Skip {
                why: Skipped::Filtered,
                reason,
            };
            item.carried.on_error = None;
        }
        Some(OnError::Continue) => {
            let message = format!("step `{}` failed and says continue: {error}", step.id);
            item.warnings.push(Warning {
                name: "step-failed".to_owned(),
                message,
            });
            item.verdict = Verdict::Go;
            item.carried.on_error = None;
        }
        Some(other) => item.carried.on_error = Some(other),
    }
}

/// Takes the items out for which `when` is not true; an error in `when` is that item's failure.
async fn set_aside(step: &Step, batch: &mut Batch, services: &dyn Services) -> Vec<(usize, Item)> {
    let Some(when) = &step.when else { return Vec::new() };
    let results = services.evaluate(when.as_ref(), batch).await;
    let mut aside = Vec::new();
    let mut kept = Vec::with_capacity(batch.items.len());
    for (index, (mut item, result)) in std::mem::take(&mut batch.items)
        .into_iter()
        .zip(results)
        .enumerate()
    {
        match result {
            Some(Ok(Some(Value::Bool(true)))) | None => kept.push(item),
            Some(Ok(_)) => aside.push((index, item)),
            Some(Err(error)) => {
                item.verdict = Verdict::Fail(error);
                kept.push(item);
            }
        }
    }
    batch.items = kept;
    aside
}

fn merge(batch: &mut Batch, aside: Vec<(usize, Item)>) {
    for (index, item) in aside {
        batch.items.insert(index.min(batch.items.len()), item);
    }
}

/// The steps under `source.steps`: `None` for an entity that they filter away. An entity that fails there goes on as it
/// was read, so that it becomes a task that can be seen; its own steps will say what is wrong.
pub(crate) async fn source_steps(
    shared: &Shared,
    route: &Route,
    origin: &Origin,
    values: Vec<Value>,
) -> Result<Vec<Option<Value>>, Error> {
    if route.source_steps.is_empty() {
        return Ok(values.into_iter().map(Some).collect());
    }
    let run = origin.run.map(|run| run.to_string()).unwrap_or_default();
    let mut session = Session::new(shared, &origin.route, run, origin.at);
    session.captures = true;
    let item = |value: Value| Item {
        steps: Value::Null,
        ..Item::new(
            TaskId(shared.context.dice.uuid()),
            String::new(),
            0,
            value.clone(),
            Arc::new(value),
        )
    };
    let mut batch = Batch {
        items: values.into_iter().map(item).collect(),
    };
    self::run(&route.source_steps, &mut batch, &session).await;
    batch
        .items
        .into_iter()
        .map(|item| match item.verdict {
            Verdict::Go => Ok(Some(item.value)),
            Verdict::Skip { .. } => Ok(None),
            Verdict::Fail(error) if error.kind.concerns_connection() => Err(error),
            Verdict::Fail(_) => Ok(Some(Arc::unwrap_or_clone(item.source))),
            Verdict::Collect { .. }
            | Verdict::Wait { .. }
            | Verdict::Split { .. }
            | Verdict::Pause { .. }
            | Verdict::Ask { .. } => Err(Error::new(
                Kind::Configuration,
                "a step under `source.steps` can neither wait nor make tasks; move it to `steps`",
            )),
        })
        .collect()
}
