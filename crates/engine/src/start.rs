//! Where an attempt begins: at the first step, or at a later one with the entity as it was before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_model::{Error, Kind, Scope, TaskId};
use weir_sdk::step::{Batch, Item, Verdict};
use weir_sdk::store::{Change, TaskDetail};

use crate::configuration::Route;
use crate::family;
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
    let first = place(route, step)?;
    check_family(route, detail, (step, first))?;
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

/// What a step made never was before that step.
fn check_family(route: &Route, detail: &TaskDetail, (step, first): (&str, usize)) -> Result<(), Error> {
    let Some(made_by) = family::behind(&detail.effects) else {
        return Ok(());
    };
    if place(route, made_by).is_ok_and(|made| first <= made) {
        let message = format!(
            "task {} (`{}`) was made by the step `{made_by}` and begins behind it, so it cannot be replayed from `{step}`; \
             name a later step, or replay the task that `{made_by}` made it of",
            detail.row.id, detail.row.key
        );
        return Err(Error::new(Kind::Conflict, message).with("field", "from"));
    }
    Ok(())
}

/// The start that a person chose for the task. One that no longer lies behind the step that made the task is dropped: the
/// task begins behind that step then.
pub(crate) fn chosen(session: &Session<'_>, route: &Route, task: &TaskId) -> Option<Arc<Start>> {
    let shared = session.shared;
    let start = shared.lock().route(&session.route).starts.get(task).cloned()?;
    let loaded = session.loaded.get(task);
    let made_by = loaded.and_then(|loaded| family::behind(&loaded.effects));
    let is_behind = match (made_by.map(|step| place(route, step)), place(route, &start.step)) {
        (Some(Ok(made)), Ok(first)) => first > made,
        _ => true,
    };
    if is_behind {
        return Some(start);
    }
    shared.lock().route(&session.route).starts.remove(task);
    let change = put(&shared.configuration.scope, task, None);
    session.notes().due.push(change);
    None
}

/// Takes each item through the steps from where it begins: what a step made begins behind that step.
async fn run_all(route: &Route, batch: &mut Batch, session: &Session<'_>) {
    let mut starts: BTreeMap<usize, Vec<Item>> = BTreeMap::new();
    for mut item in std::mem::take(&mut batch.items) {
        let loaded = session.loaded.get(&item.task);
        let start = match loaded.and_then(|loaded| family::behind(&loaded.effects)) {
            None => 0,
            Some(step) => match place(route, step) {
                Ok(place) => place + 1,
                Err(_) => {
                    let message = format!(
                        "`{}` was made by the step `{step}`, which the route has no more; give the step back its place and \
                         its name, or skip the task",
                        item.key
                    );
                    item.verdict = Verdict::Fail(Error::new(Kind::Configuration, message));
                    0
                }
            },
        };
        starts.entry(start).or_default().push(item);
    }
    for (start, items) in starts {
        let mut part = Batch { items };
        pipeline::run(&route.steps[start..], &mut part, session).await;
        batch.items.append(&mut part.items);
    }
}

/// Takes the batch through the route's steps. One that begins where a person said is a batch of its own: of the steps
/// before it only those with a journalled effect are run, which take their result from the journal and send nothing.
pub(crate) async fn run(route: &Route, start: Option<&Start>, batch: &mut Batch, session: &Session<'_>) {
    let Some(start) = start else {
        return run_all(route, batch, session).await;
    };
    let first = match place(route, &start.step) {
        Ok(first) => first,
        Err(error) => {
            let error = Error {
                kind: Kind::Configuration,
                ..error
            };
            for item in &mut batch.items {
                item.verdict = Verdict::Fail(error.clone());
            }
            return;
        }
    };
    for item in batch.items.iter_mut().filter(|item| item.is_going()) {
        item.value = start.entity.clone();
    }
    let ids: Vec<TaskId> = batch.items.iter().map(|item| item.task).collect();
    let is_journalled = |id: &str| {
        let mut loaded = ids.iter().filter_map(|task| session.loaded.get(task));
        loaded.any(|loaded| matches!(loaded.effects.get(id), Some(Some(_))))
    };
    for step in &route.steps[..first] {
        if is_journalled(&step.id) {
            pipeline::run(std::slice::from_ref(step), batch, session).await;
        }
    }
    pipeline::run(&route.steps[first..], batch, session).await;
}

fn collection(scope: &Scope) -> String {
    format!("starts/{scope}")
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
