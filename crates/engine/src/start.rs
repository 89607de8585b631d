//! Where an attempt begins: at the first step, or at a later one with the entity as it was before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_model::{Error, Kind, Scope, TaskId};
use weir_sdk::step::Batch;
use weir_sdk::store::{Change, TaskDetail};

use crate::configuration::Route;
use crate::payload;
use crate::pipeline;
use crate::services::Session;
use crate::shared::Shared;

/// A later step, and what it gets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) step: String,
    pub(crate) entity: Value,
}

/// The entity as the step got it in the newest recorded attempt that came so far. Errors: `not_found` for a step that the
/// route has not (any more), `conflict` where no record shows the entity.
pub(crate) fn find(route: &Route, detail: &TaskDetail, step: &str) -> Result<Start, Error> {
    place(route, step)?;
    for (_, _, bytes) in detail.attempts.iter().rev() {
        let record = payload::unpack(bytes)?;
        let first = match record.pointer("/start/entity") {
            Some(entity) => entity.clone(),
            None => payload::unpack(&detail.input)?,
        };
        if let Some(entity) = before(&record, first, step) {
            return Ok(Start {
                step: step.to_owned(),
                entity,
            });
        }
    }
    let (task, key) = (detail.row.id, &detail.row.key);
    let message = match detail.attempts.is_empty() {
        true => format!(
            "no attempt of task {task} (`{key}`) is on record, so the entity before `{step}` is not known (the route's \
             `trace` says what is recorded); replay it from the beginning"
        ),
        false => format!(
            "no recorded attempt of task {task} (`{key}`) went through `{step}`; `weir tasks show {task}` lists the steps \
             that it went through"
        ),
    };
    Err(Error::new(Kind::Conflict, message).with("field", "from"))
}

/// The record holds what a step changed; what came to it is the last such change before.
fn before(record: &Value, first: Value, step: &str) -> Option<Value> {
    let mut entity = first;
    for entry in record["steps"].as_array()? {
        if entry["step"] == step {
            return Some(entity);
        }
        if let Some(after) = entry.get("after") {
            entity = after.clone();
        }
    }
    None
}

fn place(route: &Route, step: &str) -> Result<usize, Error> {
    route
        .steps
        .iter()
        .position(|placed| placed.id == step)
        .ok_or_else(|| {
            let known = || route.steps.iter().map(|placed| placed.id.as_str());
            let hint = weir_model::did_you_mean(step, known())
                .unwrap_or_else(|| format!("its steps are: {}", known().collect::<Vec<_>>().join(", ")));
            let message = format!("the route has no step `{step}`, or no longer has it; {hint}");
            Error::new(Kind::NotFound, message).with("field", "from")
        })
}

/// Takes the batch through the route's steps. One that begins later is a batch of its own: of the steps before it only
/// those with a journalled write are run, which take their result from the journal and send nothing.
pub(crate) async fn run(route: &Route, start: Option<&Start>, batch: &mut Batch, session: &Session<'_>) {
    let Some(start) = start else {
        return pipeline::run(&route.steps, batch, session).await;
    };
    let first = match place(route, &start.step) {
        Ok(first) => first,
        Err(error) => {
            let error = Error {
                kind: Kind::Configuration,
                ..error
            };
            for item in &mut batch.items {
                item.verdict = weir_sdk::step::Verdict::Fail(error.clone());
            }
            return;
        }
    };
    for item in batch.items.iter_mut().filter(|item| item.is_going()) {
        item.value = start.entity.clone();
    }
    let is_journalled = |id: &str| {
        session
            .loaded
            .values()
            .any(|loaded| matches!(loaded.effects.get(id), Some(Some(_))))
    };
    for step in &route.steps[..first] {
        if is_journalled(&step.id) {
            pipeline::run(std::slice::from_ref(step), batch, session).await;
        }
    }
    pipeline::run(&route.steps[first..], batch, session).await;
}

fn collection(scope: &Scope) -> String {
    format!("starts/{}/{}", scope.project, scope.environment)
}

/// `None`: from the first step on.
pub(crate) fn put(scope: &Scope, task: &TaskId, start: Option<&Start>) -> Change {
    Change::PutDocument {
        collection: collection(scope),
        key: task.to_string(),
        document: start.map(|start| {
            serde_json::to_value(start).expect("a name and a JSON value are written into memory")
        }),
    }
}

/// Brings what is stored into memory, behind the live tasks; what belongs to ended ones goes.
pub(crate) async fn adopt(shared: &Shared) -> Result<(), Error> {
    let scope = &shared.configuration.scope;
    let stored: BTreeMap<String, Value> = shared
        .store
        .documents(&collection(scope))
        .await?
        .into_iter()
        .collect();
    let mut ended = Vec::new();
    {
        let mut state = shared.lock();
        for (key, document) in stored {
            let (Ok(task), Ok(start)) = (key.parse::<TaskId>(), serde_json::from_value::<Start>(document))
            else {
                continue;
            };
            let place = state
                .routes
                .values_mut()
                .find(|place| place.keys.get(&task).is_some());
            match place {
                Some(place) => drop(place.starts.insert(task, Arc::new(start))),
                None => ended.push(put(scope, &task, None)),
            }
        }
    }
    if !ended.is_empty() {
        shared.store.commit(ended).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_came_to_a_step_is_the_last_change_before_it() {
        let record = json!({ "steps": [
            { "step": "filter-1" },
            { "step": "map-1", "after": { "v": 1 } },
            { "step": "unchanged-1" },
            { "step": "set-1", "after": { "v": 2 } },
            { "step": "write-1", "error": {} },
        ] });
        for (step, expected) in [
            ("filter-1", Some(json!({ "v": 0 }))),
            ("map-1", Some(json!({ "v": 0 }))),
            ("unchanged-1", Some(json!({ "v": 1 }))),
            ("set-1", Some(json!({ "v": 1 }))),
            ("write-1", Some(json!({ "v": 2 }))),
            ("write-2", None),
        ] {
            assert_eq!(before(&record, json!({ "v": 0 }), step), expected, "{step}");
        }
    }
}
