//! What tasks leave behind beside deliveries: rows of kept lookups and marks of `dedupe`; and the second look at what a
//! task was parked for on its way.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use weir_model::dependency::Need;
use weir_model::task::State as TaskState;
use weir_model::{Address, Error, TaskId};
use weir_sdk::expressions::{Known, References as _};
use weir_sdk::step::{Batch, Item, Kept, Skipped, Verdict};
use weir_sdk::store::Change;

use crate::dispatch;
use crate::services::Session;
use crate::shared::Shared;

/// Where the marks of one step are stored.
pub(crate) fn collection(shared: &Shared, route: &str, step: &str) -> String {
    let scope = &shared.configuration.scope;
    format!("marks/{scope}/{route}/{step}")
}

/// A mark is claimed in the store before its task goes on, and confirmed in the transaction that ends the task. A claim
/// holds while its task is on its way; a dead, cancelled or skipped one loses it to the next that asks.
pub(crate) async fn claim(
    session: &Session<'_>,
    step: &str,
    marks: &[Option<String>],
    batch: &mut Batch,
) -> Result<(), Error> {
    let shared = session.shared;
    let collection = collection(shared, &session.route, step);
    let asked: Vec<String> = batch
        .items
        .iter()
        .zip(marks)
        .filter(|(item, _)| item.is_going())
        .filter_map(|(_, mark)| mark.clone())
        .collect();
    let names = asked.iter().map(|mark| (collection.as_str(), mark.as_str()));
    let _claims = shared.claims.hold(names).await;
    let stored = shared.store.documents_of(&collection, &asked).await?;
    let stored: HashMap<String, Value> = asked
        .into_iter()
        .zip(stored)
        .filter_map(|(mark, document)| Some((mark, document?)))
        .collect();
    let mut changes = Vec::new();
    let mut claimed: Vec<(String, TaskId, String)> = Vec::new();
    for (item, mark) in batch.items.iter_mut().zip(marks) {
        let Some(mark) = mark.as_ref().filter(|_| item.is_going()) else {
            continue;
        };
        let holder = match claimed.iter().find(|(other, _, _)| other == mark) {
            Some((_, task, key)) => Some(Holder {
                task: task.to_string(),
                key: key.clone(),
                is_confirmed: false,
            }),
            None => match stored.get(mark) {
                Some(document) => holder(shared, document).await?,
                None => None,
            },
        };
        match holder {
            Some(holder) if holder.task == item.task.to_string() => {}
            Some(holder) if holder.is_confirmed => {
                let reason = format!(
                    "a duplicate: `{mark}` was done by task {} (`{}`)",
                    holder.task, holder.key
                );
                item.verdict = Verdict::Skip {
                    why: Skipped::Filtered,
                    reason,
                };
                continue;
            }
            Some(holder) => {
                let reason = format!("task {} (`{}`) has `{mark}` under way", holder.task, holder.key);
                let need = Need::Key {
                    route: session.route.clone(),
                    key: holder.key,
                };
                item.verdict = Verdict::Wait { need, reason };
                continue;
            }
            None => {
                claimed.push((mark.clone(), item.task, item.key.clone()));
                changes.push(Change::PutDocument {
                    collection: collection.clone(),
                    key: mark.clone(),
                    document: Some(json!({ "task": item.task.to_string(), "key": item.key })),
                });
            }
        }
        item.carried.kept.push(Kept::Mark {
            step: step.to_owned(),
            mark: mark.clone(),
        });
    }
    if changes.is_empty() || session.captures {
        return Ok(());
    }
    shared.store.commit(changes).await.map(drop)
}

struct Holder {
    task: String,
    key: String,
    is_confirmed: bool,
}

/// Who has a mark, if anybody still has.
async fn holder(shared: &Shared, document: &Value) -> Result<Option<Holder>, Error> {
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    let holder = Holder {
        task: text("task"),
        key: text("key"),
        is_confirmed: document.get("confirmed_at").is_some(),
    };
    if holder.is_confirmed {
        return Ok(Some(holder));
    }
    let Ok(task) = holder.task.parse::<TaskId>() else {
        return Ok(None);
    };
    let live = shared.store.load(&[task]).await?;
    let is_under_way = live.iter().any(|loaded| loaded.task.state != TaskState::Dead);
    Ok(is_under_way.then_some(holder))
}

/// The tasks that have these marks.
pub(crate) async fn holders(
    shared: &Shared,
    collection: &str,
    marks: &[String],
) -> Result<HashMap<String, TaskId>, Error> {
    if marks.is_empty() {
        return Ok(HashMap::new());
    }
    let stored = shared.store.documents_of(collection, marks).await?;
    let holder = |(mark, document): (&String, Option<Value>)| {
        let task = document?["task"].as_str()?.parse().ok()?;
        Some((mark.clone(), task))
    };
    Ok(marks.iter().zip(stored).filter_map(holder).collect())
}

/// A mark that stays its task's for good.
pub(crate) fn confirmed(collection: &str, mark: &str, task: &TaskId, key: &str, at: Timestamp) -> Change {
    Change::PutDocument {
        collection: collection.to_owned(),
        key: mark.to_owned(),
        document: Some(json!({ "task": task.to_string(), "key": key, "confirmed_at": at.to_string() })),
    }
}

/// What a success writes.
pub(crate) fn changes(
    session: &Session<'_>,
    route: &str,
    item: &mut Item,
    at: Timestamp,
    changes: &mut Vec<Change>,
) {
    let kept = std::mem::take(&mut item.carried.kept);
    changes.extend(written(session.shared, route, &item.task, &item.key, kept, at));
}

/// The same of a task that ends outside of its attempts.
pub(crate) fn written(
    shared: &Shared,
    route: &str,
    task: &TaskId,
    key: &str,
    kept: Vec<Kept>,
    at: Timestamp,
) -> Vec<Change> {
    let change = |kept| match kept {
        Kept::Row { table, key, row } => Change::PutLookupRow {
            scope: shared.configuration.scope.clone(),
            table,
            key,
            row,
        },
        Kept::Mark { step, mark } => confirmed(&collection(shared, route, &step), &mark, task, key, at),
    };
    kept.into_iter().map(change).collect()
}

/// Rows among changes: table, key, row.
pub(crate) fn rows<'a>(changes: impl Iterator<Item = &'a Change>) -> Vec<(String, String, Option<Value>)> {
    let row = |change: &Change| match change {
        Change::PutLookupRow { table, key, row, .. } => Some((table.clone(), key.clone(), row.clone())),
        _ => None,
    };
    changes.filter_map(row).collect()
}

/// Stored rows come into force; answers the needs that they meet.
pub(crate) async fn in_force(shared: &Shared, rows: &[(String, String, Option<Value>)]) -> Vec<Need> {
    for (table, key, row) in rows {
        shared.references.put_row(table, key, row.as_ref());
    }
    if !rows.is_empty() {
        dispatch::retry_stuck(shared).await;
    }
    let there = rows.iter().filter(|(_, _, row)| row.is_some());
    there
        .map(|(table, key, _)| Need::Row {
            table: table.clone(),
            key: key.clone(),
        })
        .collect()
}

/// Tasks that are about to be parked, with what for.
pub(crate) fn parked<'a>(nexts: impl Iterator<Item = (TaskId, &'a Vec<Need>)>) -> Vec<(TaskId, Vec<Need>)> {
    nexts
        .filter(|(_, needs)| !needs.is_empty())
        .map(|(task, needs)| (task, needs.clone()))
        .collect()
}

/// What came between a step's look and the parking of its task woke nobody: looks again.
pub(crate) async fn second_look(
    shared: &Shared,
    route: &str,
    parked: &[(TaskId, Vec<Need>)],
    since: Timestamp,
) {
    let mut free = Vec::new();
    for (task, needs) in parked {
        let mut still = Vec::new();
        for need in needs {
            if !is_met(shared, task, need, since).await {
                still.push(need.clone());
            }
        }
        if still.len() < needs.len() && shared.lock().keep_needs(route, task, &still) {
            free.push((route.to_owned(), *task));
        }
    }
    if !free.is_empty() {
        shared.queue_waiting(&free).await;
    }
}

async fn is_met(shared: &Shared, task: &TaskId, need: &Need, since: Timestamp) -> bool {
    match need {
        Need::Link {
            connection,
            entity,
            key,
        } => {
            let address = Address {
                connection: connection.clone(),
                entity: entity.clone(),
            };
            let scope = &shared.configuration.scope;
            let links = shared
                .store
                .links(scope, &address, std::slice::from_ref(key))
                .await;
            // An older link was known to who asked, and was not what it asked for.
            links.is_ok_and(|links| links.iter().flatten().any(|link| link.at >= since))
        }
        Need::Answer { .. } | Need::Group { .. } => false,
        Need::Row { table, key } => matches!(shared.references.row(table, key), Known::Found(_)),
        Need::Run { route, after } => shared.lock().runs.has_settled_after(route, Some(*after)),
        // Met by the end of whoever had the key.
        Need::Key { route, key } => {
            let mut state = shared.lock();
            let keys = &state.route(route).keys;
            keys.tasks_of(key)
                .all(|entry| entry.task == *task || entry.state == TaskState::Dead)
        }
    }
}
