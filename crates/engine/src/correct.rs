//! A person corrects the entity of a task that has not ended; it is then tried again with what stands there now.

use json_patch::Patch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use weir_model::order::Entry;
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, TaskId, json as values};
use weir_sdk::store::{Change, Move};

use crate::configuration::Route;
use crate::family;
use crate::payload;
use crate::shared::Shared;
use crate::source;

/// What is to be changed about an entity. Exactly one of the three.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// One place and what stands there from now on: `{"path": "prices[0].gross", "value": 1990}`. Missing objects on the
    /// way are made.
    #[serde(default)]
    pub set: Option<Set>,
    /// Operations of JSON Patch (RFC 6902).
    #[serde(default)]
    #[schemars(with = "Option<Vec<Value>>")]
    pub patch: Option<Patch>,
    /// The whole entity.
    #[serde(default)]
    pub entity: Option<Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// Names with dots between them, places in lists in brackets: `values.price[0].data`.
    pub path: String,
    pub value: Value,
}

/// Corrects the entity of a task and lets it be tried again; answers the entity as it is now. Errors: `not_found`;
/// `conflict` where the task has ended or is running; `invalid` where the correction cannot be made, would change the
/// key, or breaks the schema of the route's entity where the entity kept to it before. Nothing has changed then.
pub(crate) async fn correct(shared: &Shared, task: &TaskId, correction: &Correction) -> Result<Value, Error> {
    let detail = crate::actions::find(shared, task).await?;
    let name = &detail.row.route;
    let route = shared.route(name)?;
    let before = payload::unpack(&detail.input)?;
    let after = correction.applied(&before)?;
    // What a step made is no entity as read: it keeps the key that the step gave it.
    if family::behind(&detail.effects).is_none() {
        check_key(shared, route, &detail.row.key, &after).await?;
        check_schema(route, &before, &after)?;
    }

    // Out of the order while it is changed, so that no worker takes it with the old entity.
    let entry = take(shared, name, task, &detail.row.key, detail.row.state)?;
    let at = shared.context.clock.now();
    let mut changes = vec![Change::PutInput {
        task: *task,
        input: payload::pack(&after),
    }];
    if entry.state != TaskState::Queued {
        changes.push(Change::Move(Move {
            reason: Some("corrected by a person".to_owned()),
            ..Move::to(*task, entry.state, TaskState::Queued, at)
        }));
    }
    let stored = shared.store.commit(changes).await;
    {
        let mut state = shared.lock();
        match &stored {
            Ok(_) => {
                state.unpark(name, task);
                let entry = Entry {
                    state: TaskState::Queued,
                    due: None,
                    is_aside: false,
                    ..entry
                };
                state.route(name).keys.put(entry);
            }
            Err(_) => state.route(name).keys.put(entry),
        }
    }
    shared.signal(name);
    shared.progress.notify_waiters();
    stored.map(|_| after)
}

fn take(shared: &Shared, route: &str, task: &TaskId, key: &str, stored: TaskState) -> Result<Entry, Error> {
    let mut state = shared.lock();
    let keys = &mut state.route(route).keys;
    let found = keys.get(task).map(|entry| entry.state);
    match found {
        Some(TaskState::Queued | TaskState::Waiting | TaskState::Retrying | TaskState::Dead) => Ok(keys
            .remove(task)
            .expect("the entry was found under the same lock")),
        state => {
            let hint = match state {
                Some(_) => "wait until the attempt has ended",
                None => "`weir tasks replay` makes a new task of one that has ended",
            };
            let state = state.unwrap_or(stored).name();
            let message = format!("task {task} (`{key}`) is {state} and cannot be corrected; {hint}");
            Err(Error::new(Kind::Conflict, message))
        }
    }
}

async fn check_key(shared: &Shared, route: &Route, key: &str, after: &Value) -> Result<(), Error> {
    let found = source::keys(shared, route, [after]).await;
    let found = found.into_iter().next().transpose()?.flatten();
    // A task that was read without a key is allowed to get one only at the source: its place in the order has none.
    if found.as_deref() == Some(key) {
        return Ok(());
    }
    let found = found.map_or("nothing".to_owned(), |found| format!("`{found}`"));
    let message = format!(
        "the correction would change the key of the entity from `{key}` to {found}; order and memory go by the key, so \
         correct other fields only, or correct the key at the source"
    );
    Err(Error::new(Kind::Invalid, message).with("field", "entity.key"))
}

/// Only what the correction makes worse counts: an entity that broke a rule before may be corrected step by step.
fn check_schema(route: &Route, before: &Value, after: &Value) -> Result<(), Error> {
    let Some(schema) = &route.schema else {
        return Ok(());
    };
    let known = schema.violations(before);
    let new = schema.violations(after).into_iter().find(|violation| {
        !known
            .iter()
            .any(|old| old.path == violation.path && old.rule == violation.rule)
    });
    match new {
        None => Ok(()),
        Some(violation) => {
            let message = format!(
                "the correction would break the schema of the entity at `{}`: {}; nothing was changed",
                violation.path, violation.message
            );
            Err(Error::new(Kind::Invalid, message)
                .with("field", violation.path)
                .with("rule", violation.rule))
        }
    }
}

impl Correction {
    fn applied(&self, entity: &Value) -> Result<Value, Error> {
        let mut after = entity.clone();
        match (&self.set, &self.patch, &self.entity) {
            (Some(set), None, None) => put(&mut after, set)?,
            (None, Some(patch), None) => {
                json_patch::patch(&mut after, patch).map_err(|error| {
                    Error::new(
                        Kind::Invalid,
                        format!("the patch does not fit the entity: {error}; `weir tasks show` prints it"),
                    )
                })?;
            }
            (None, None, Some(entity)) => after = entity.clone(),
            _ => {
                let message = "a correction is one of `set`, `patch` and `entity`: give exactly one";
                return Err(Error::new(Kind::Invalid, message));
            }
        }
        if values::same(&after, entity) {
            let message = "the correction changes nothing; `weir tasks retry` tries the task again as it is";
            return Err(Error::new(Kind::Invalid, message));
        }
        Ok(after)
    }
}

/// Objects that are missing on the way are made; lists are not made longer by accident.
pub(crate) fn put(entity: &mut Value, set: &Set) -> Result<(), Error> {
    let wrong = |why: &str| {
        Error::new(
            Kind::Invalid,
            format!(
                "cannot set `{}`: {why}; write it like `prices[0].gross`",
                set.path
            ),
        )
        .with("field", &set.path)
    };
    let mut place = entity;
    for token in tokens(&set.path).ok_or_else(|| wrong("it is no path"))? {
        place = match place {
            Value::Object(fields) => fields.entry(token).or_insert(Value::Object(Map::new())),
            Value::Array(items) => {
                let count = items.len();
                token
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get_mut(index))
                    .ok_or_else(|| wrong(&format!("the list has {count} items and no `{token}`")))?
            }
            other => {
                return Err(wrong(&format!(
                    "`{token}` would stand below {other}, which is no object"
                )));
            }
        };
    }
    *place = set.value.clone();
    Ok(())
}

/// `a.b[0]` as `a`, `b`, `0`.
fn tokens(path: &str) -> Option<Vec<String>> {
    let mut tokens = Vec::new();
    for part in path.split('.') {
        let (name, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
        if name.is_empty() && (tokens.is_empty() || rest.is_empty()) && !path.starts_with('[') {
            return None;
        }
        if !name.is_empty() {
            tokens.push(name.to_owned());
        }
        while let Some(inside) = rest.strip_prefix('[') {
            let (index, behind) = inside.split_once(']')?;
            index.parse::<usize>().ok()?;
            tokens.push(index.to_owned());
            rest = behind;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (!tokens.is_empty()).then_some(tokens)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_set_and_nothing_else() {
        let check = |path: &str, expected: Result<Value, &str>| {
            let correction = Correction {
                set: Some(Set {
                    path: path.to_owned(),
                    value: json!(1),
                }),
                ..Correction::default()
            };
            let found = correction.applied(&json!({ "a": { "b": [{ "c": 0 }] }, "t": "x" }));
            match expected {
                Ok(value) => assert_eq!(found.expect(path), value, "{path}"),
                Err(part) => {
                    let error = found.expect_err(path);
                    assert!(error.message.contains(part), "{path}: {error}");
                }
            }
        };
        check("a.b[0].c", Ok(json!({ "a": { "b": [{ "c": 1 }] }, "t": "x" })));
        check("t", Ok(json!({ "a": { "b": [{ "c": 0 }] }, "t": 1 })));
        check(
            "n.m",
            Ok(json!({ "a": { "b": [{ "c": 0 }] }, "t": "x", "n": { "m": 1 } })),
        );
        check("a.b[1].c", Err("the list has 1 items and no `1`"));
        check("t.u", Err("which is no object"));
        check("a..b", Err("it is no path"));
        check("a.b[x]", Err("it is no path"));
        check("", Err("it is no path"));
    }
}
