//! One attempt of a batch: lease, work outside any transaction, then everything that came of it in one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use weir_model::config::{OnError, Trace};
use weir_model::dependency::Need;
use weir_model::order::Entry;
use weir_model::retry::{self, Repeat};
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, TaskId, json as values};
use weir_sdk::connector::{Exchange, Written};
use weir_sdk::step::{Batch, Item, Skipped, Verdict};
use weir_sdk::store::{Change, Delivered, End, Link, Loaded, Move, NOTE};

use crate::collect;
use crate::configuration::Route;
use crate::dispatch::Ready;
use crate::family;
use crate::kept;
use crate::order;
use crate::parking;
use crate::payload;
use crate::reply;
use crate::services::{Notes, Session};
use crate::shared::Shared;
use crate::source::NO_KEY;
use crate::start::{self, Start};
use crate::state::is_member;

/// Bodies of requests and answers are kept up to this size in a task's attempt; of a request that carried many rows a
/// part is enough, since each task has its own entity beside it.
const BODY_BYTES_MAX: usize = 16_000;
const SHARED_BODY_BYTES_MAX: usize = 2_000;
/// From so many changes on, those of the next task go into another transaction.
const COMMIT_CHANGES_MAX: usize = 1_000;

pub(crate) async fn attempt(
    shared: &Shared,
    name: &str,
    route: &Route,
    ready: Vec<Ready>,
) -> Result<(), Error> {
    let at = shared.context.clock.now();
    let release = shared.configuration.release;
    let lease = ready
        .iter()
        .map(|r| Change::Lease {
            task: r.loaded.task.id,
            at,
            release,
        })
        .collect();
    shared.store.commit(lease).await?;

    let run = ready
        .first()
        .and_then(|r| r.loaded.task.run)
        .map(|run| run.to_string())
        .unwrap_or_default();
    let mut session = Session::new(shared, name, run, at);
    let mut batch = Batch {
        items: Vec::with_capacity(ready.len()),
    };
    for Ready { loaded, source } in ready {
        batch.items.push(item(route, &loaded, source));
        session.loaded.insert(loaded.task.id, loaded);
    }
    session.traces = route.trace != Trace::Off;
    session.start = match &batch.items[..] {
        [one] => start::chosen(&session, route, &one.task),
        _ => None,
    };
    start::run(route, session.start.as_deref(), &mut batch, &session).await;
    conclude(&session, name, route, batch).await
}

/// The entity of a task at the start of an attempt.
pub(crate) fn item(route: &Route, loaded: &Loaded, source: Value) -> Item {
    let mut verdict = Verdict::Go;
    if loaded.task.key.starts_with(NO_KEY) {
        let message = "the entity has no key: the route's `entity.key` gives nothing for it. Correct the expression or the \
                       record at the source";
        verdict = Verdict::Fail(Error::new(Kind::Invalid, message).with("field", "entity.key"));
    }
    // The packed size is a lower bound; only what looks large is measured.
    let limit = route.limits.entity_bytes.count;
    if loaded.input.len() as u64 > limit / 20 && source.to_string().len() as u64 > limit {
        let message = format!(
            "the entity is larger than the limit entity_bytes of {}",
            route.limits.entity_bytes
        );
        verdict = Verdict::Fail(Error::new(Kind::Limit, message));
    }
    let (task, key, attempt) = (loaded.task.id, loaded.task.key.clone(), loaded.task.attempts + 1);
    let mut item = Item {
        verdict,
        ..Item::new(task, key, attempt, source.clone(), Arc::new(source))
    };
    item.carried.notes = family::notes(&loaded.effects);
    item
}

/// Where a task goes from here, for the memory.
pub(crate) struct Next {
    pub(crate) task: TaskId,
    pub(crate) state: TaskState,
    pub(crate) due: Option<jiff::Timestamp>,
    pub(crate) needs: Vec<Need>,
    pub(crate) has_effect: bool,
}

/// Decides for each item, writes all decisions down in one transaction, then moves the memory along and wakes.
async fn conclude(session: &Session<'_>, name: &str, route: &Route, mut batch: Batch) -> Result<(), Error> {
    let shared = session.shared;
    for item in &mut batch.items {
        family::refuse_large_split(route, item);
    }
    let mut told = reply::prepare(session, route, &batch).await;
    let mut notes = std::mem::take(&mut *session.notes());
    if let Some((connection, error)) = &notes.failing {
        shared
            .breakers
            .open(connection, error, shared.context.clock.monotonic_ms());
    }
    let calls = calls(&mut notes);
    let at = shared.context.clock.now();
    let (mut changes, mut nexts, mut met) = (std::mem::take(&mut notes.due), Vec::new(), Vec::new());
    // What is too much for one transaction goes in several; the changes of one task stay together.
    let mut lists: Vec<Vec<Change>> = Vec::new();
    // Children by parent, in the order of their changes.
    let mut members: HashMap<TaskId, collect::Member> = HashMap::new();
    let mut born: Vec<(TaskId, Vec<(TaskId, String)>)> = Vec::new();
    // The target holds what the key should be: its older failures are over.
    let mut settled: HashSet<TaskId> = HashSet::new();
    let mut remembered = collect::all_remembered(session, &batch, at).await?;
    for item in &mut batch.items {
        let Some(loaded) = session.loaded.get(&item.task) else {
            continue;
        };
        let failed = matches!(item.verdict, Verdict::Fail(_));
        if route.trace == Trace::Full || (route.trace == Trace::OnFailure && failed) {
            let record = Record {
                steps: std::mem::take(&mut item.carried.traces),
                start: session.start.as_deref(),
                calls: calls.get(&item.task).map_or(&[], Vec::as_slice),
            };
            let bytes = payload::pack(&record);
            changes.push(Change::PutAttempt {
                task: item.task,
                attempt: item.attempt,
                at,
                bytes,
            });
        }
        if matches!(
            item.verdict,
            Verdict::Go
                | Verdict::Split { .. }
                | Verdict::Skip {
                    why: Skipped::Unchanged,
                    ..
                }
        ) {
            settled.insert(item.task);
        }
        let next = match std::mem::replace(&mut item.verdict, Verdict::Go) {
            Verdict::Go => done(session, name, loaded, item, &mut notes, at, &mut changes),
            Verdict::Split { parts, .. } if parts.is_empty() => {
                done(session, name, loaded, item, &mut notes, at, &mut changes)
            }
            Verdict::Split { step, parts } => {
                let reason = format!("split into {} tasks by the step `{step}`", parts.len());
                let children = family::split(session, loaded, item, (&step, parts), at, &mut changes);
                born.push((item.task, children));
                finish(session, name, item, &mut notes, at, Some(reason), &mut changes)
            }
            Verdict::Skip { why, reason } => {
                skipped(session, name, loaded, item, why, reason, at, &mut changes)
            }
            Verdict::Wait { need, reason } => {
                keep_written(&notes, item.task, &mut changes);
                let until = parking::given_up_at(at);
                parking::waiting(item.task, need, reason, Some(until), at, &mut changes)
            }
            Verdict::Collect { step, by } => {
                keep_written(&notes, item.task, &mut changes);
                // What was written stands, whatever becomes of the group.
                for (_, address, key, written) in notes.written.remove(&item.task).unwrap_or_default() {
                    changes.extend(link(&shared.configuration.scope, address, key, written, at));
                }
                collect::buffer(item, &step, &mut changes);
                let member = collect::Member {
                    task: item.task,
                    since: at,
                    run: loaded.task.run,
                };
                members.insert(item.task, member);
                let reason = format!("collected for `{by}` by the step `{step}`");
                let need = Need::Group { step, by };
                parking::waiting(item.task, need, reason, None, at, &mut changes)
            }
            Verdict::Ask {
                step,
                question,
                until,
            } => {
                keep_written(&notes, item.task, &mut changes);
                let need = Need::Answer { step };
                parking::waiting(item.task, need, question, Some(until), at, &mut changes)
            }
            Verdict::Pause { step, until } => {
                keep_written(&notes, item.task, &mut changes);
                parking::paused(item.task, &step, until, at, &mut changes)
            }
            Verdict::Fail(error) => {
                keep_written(&notes, item.task, &mut changes);
                let repeat = notes.repeats.get(&item.task).copied().unwrap_or(Repeat::Safe);
                failed_task(
                    shared,
                    route,
                    loaded,
                    item,
                    error,
                    item.carried.on_error,
                    repeat,
                    at,
                    &mut changes,
                )
            }
        };
        if next.state.is_finished()
            && let Some(group) = remembered.remove(&item.task)
        {
            changes.push(group.forget);
            if settled.contains(&item.task) {
                changes.extend(group.deliveries);
                met.extend(group.keys.into_iter().map(|key| Need::Key {
                    route: name.to_owned(),
                    key,
                }));
            }
        }
        if matches!(next.state, TaskState::Done | TaskState::Skipped | TaskState::Dead) {
            met.push(Need::Key {
                route: name.to_owned(),
                key: item.key.clone(),
            });
        }
        if session.start.is_some() && next.state.is_finished() {
            changes.push(start::put(&shared.configuration.scope, &item.task, None));
        }
        let has_effect = notes.has_effect.contains(&item.task)
            || loaded.effects.keys().any(|name| !name.starts_with(NOTE));
        nexts.push(Next { has_effect, ..next });
        if changes.len() >= COMMIT_CHANGES_MAX {
            lists.push(std::mem::take(&mut changes));
        }
    }
    let resolved = resolve_dead(shared, name, &batch, &settled, at, &mut changes);
    let children: Vec<(TaskId, String)> = born.iter().flat_map(|(_, children)| children).cloned().collect();
    // Held until the memory knows the children, as whoever makes tasks does.
    let keys = children.iter().map(|(_, key)| (name, key.as_str()));
    let held = shared.arrivals.hold(keys).await;
    let replaced = match route.latest_only {
        true => order::replace(shared, name, &children, at, &mut changes),
        false => Vec::new(),
    };
    lists.push(changes);
    let links: Vec<Link> = lists
        .iter()
        .flatten()
        .filter_map(|change| match change {
            Change::PutLink(link) => Some(link.clone()),
            _ => None,
        })
        .collect();
    let rows = kept::rows(lists.iter().flatten());
    let (sequences, outcome) = commit(shared, lists).await;
    if outcome.is_ok() {
        order::forget(&mut shared.lock(), name, &replaced);
    }
    family::bear(shared, name, born, sequences);
    drop(held);
    if let Err(error) = outcome {
        shared.let_go(name, &replaced).await;
        shared.let_go(name, &resolved).await;
        return Err(error);
    }
    for next in &nexts {
        if let Some(ended) = told.remove(&next.task) {
            shared.callers.tell(&next.task, next.state, ended);
        }
    }
    for link in &links {
        shared.references.put_link(&link.address, &link.key, &link.ids);
        let (connection, entity) = (link.address.connection.clone(), link.address.entity.clone());
        met.push(Need::Link {
            connection,
            entity,
            key: link.key.clone(),
        });
    }
    let parked: Vec<(TaskId, Vec<Need>)> = kept::parked(nexts.iter().map(|next| (next.task, &next.needs)));
    let stopped: Vec<String> = parked
        .iter()
        .filter_map(|(task, _)| batch.items.iter().find(|item| item.task == *task))
        .map(|item| item.key.clone())
        .collect();
    let ended = remember(shared, name, nexts, &resolved, members);
    family::ended(shared, ended).await;
    order::ended(shared, name, replaced).await;
    met.extend(kept::in_force(shared, &rows).await);
    shared.wake(&met).await;
    kept::second_look(shared, name, &parked, session.now).await;
    shared.wake_for_delivered(name, stopped).await;
    shared.lock().wakings -= 1;
    Ok(())
}

/// What a confirmed write tells of ids.
fn link(
    scope: &weir_model::Scope,
    address: weir_model::Address,
    key: String,
    written: Written,
    at: jiff::Timestamp,
) -> Option<Change> {
    let link = Link {
        scope: scope.clone(),
        address,
        key,
        ids: written.ids,
        at,
    };
    (!link.ids.is_empty()).then_some(Change::PutLink(link))
}

/// All lists in order, as far as it goes; answers the sequences of what was inserted.
async fn commit(shared: &Shared, lists: Vec<Vec<Change>>) -> (Vec<i64>, Result<(), Error>) {
    let mut sequences = Vec::new();
    for changes in lists {
        match shared.commit_surely(changes).await {
            Ok(more) => sequences.extend(more),
            Err(error) => return (sequences, Err(error)),
        }
    }
    (sequences, Ok(()))
}

/// The memory follows the store; answers which tasks have ended, the failures that are over included. Counts one waking,
/// so that nothing looks settled before the woken ones are queued.
fn remember(
    shared: &Shared,
    name: &str,
    nexts: Vec<Next>,
    resolved: &[Entry],
    mut members: HashMap<TaskId, collect::Member>,
) -> Vec<TaskId> {
    let mut ended: Vec<TaskId> = resolved.iter().map(|dead| dead.task).collect();
    let mut state = shared.lock();
    state.wakings += 1;
    for dead in resolved {
        state.route(name).keys.remove(&dead.task);
    }
    for next in nexts {
        if !next.needs.is_empty() {
            state.park(name, next.task, &next.needs);
        }
        if let Some(member) = members.remove(&next.task) {
            state.route(name).join(&next.needs, member);
        }
        let route = state.route(name);
        match next.state {
            TaskState::Done | TaskState::Skipped => {
                ended.push(next.task);
                route.keys.remove(&next.task);
                route.released.remove(&next.task);
                route.starts.remove(&next.task);
                if next.state == TaskState::Done {
                    route.delivered += 1;
                } else {
                    route.skipped += 1;
                }
            }
            live => {
                if let Some(entry) = route.keys.get(&next.task) {
                    let entry = weir_model::order::Entry {
                        state: live,
                        due: next.due,
                        is_aside: is_member(&next.needs),
                        has_effect: next.has_effect,
                        ..entry.clone()
                    };
                    route.keys.put(entry);
                }
            }
        }
    }
    ended
}

fn done(
    session: &Session<'_>,
    name: &str,
    loaded: &Loaded,
    item: &mut Item,
    notes: &mut Notes,
    at: jiff::Timestamp,
    changes: &mut Vec<Change>,
) -> Next {
    let scope = &session.shared.configuration.scope;
    changes.push(Change::PutDelivered {
        scope: scope.clone(),
        route: name.to_owned(),
        key: item.key.clone(),
        delivered: Delivered {
            version: loaded.task.sequence,
            hash: Some(values::hash(&item.value)),
            release: session.shared.configuration.release,
            at,
            entity: Some(payload::pack(&item.value)),
            filtered: false,
        },
        reads: Some(std::mem::take(&mut item.reads)),
    });
    finish(session, name, item, notes, at, None, changes)
}

/// Ends a task as done, with all that its success writes but its own delivery.
fn finish(
    session: &Session<'_>,
    name: &str,
    item: &mut Item,
    notes: &mut Notes,
    at: jiff::Timestamp,
    reason: Option<String>,
    changes: &mut Vec<Change>,
) -> Next {
    let scope = &session.shared.configuration.scope;
    kept::changes(session, name, item, at, changes);
    for (_, address, key, written) in notes.written.remove(&item.task).unwrap_or_default() {
        changes.extend(link(scope, address, key, written, at));
    }
    changes.push(Change::End(End {
        task: item.task,
        from: TaskState::Running,
        to: TaskState::Done,
        at,
        reason,
        warnings: std::mem::take(&mut item.warnings),
    }));
    Next {
        task: item.task,
        state: TaskState::Done,
        due: None,
        needs: Vec::new(),
        has_effect: false,
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call, and each is a different thing"
)]
fn skipped(
    session: &Session<'_>,
    name: &str,
    loaded: &Loaded,
    item: &mut Item,
    why: Skipped,
    reason: String,
    at: jiff::Timestamp,
    changes: &mut Vec<Change>,
) -> Next {
    if why == Skipped::Filtered {
        changes.push(Change::PutDelivered {
            scope: session.shared.configuration.scope.clone(),
            route: name.to_owned(),
            key: item.key.clone(),
            delivered: Delivered {
                version: loaded.task.sequence,
                hash: None,
                release: session.shared.configuration.release,
                at,
                entity: None,
                filtered: true,
            },
            reads: Some(std::mem::take(&mut item.reads)),
        });
    }
    changes.push(Change::End(End {
        task: item.task,
        from: TaskState::Running,
        to: TaskState::Skipped,
        at,
        reason: Some(reason),
        warnings: std::mem::take(&mut item.warnings),
    }));
    Next {
        task: item.task,
        state: TaskState::Skipped,
        due: None,
        needs: Vec::new(),
        has_effect: false,
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call, and each is a different thing"
)]
fn failed_task(
    shared: &Shared,
    route: &Route,
    loaded: &Loaded,
    item: &Item,
    error: Error,
    on_error: Option<OnError>,
    repeat: Repeat,
    at: jiff::Timestamp,
    changes: &mut Vec<Change>,
) -> Next {
    let connection = error.get("connection").map(str::to_owned);
    let is_open = connection
        .as_deref()
        .is_some_and(|c| shared.breakers.reason(c).is_some());
    let since = loaded.first_attempt_at.unwrap_or(at);
    let failure = retry::Failure {
        kind: error.kind,
        retry_after_ms: error.retry_after_ms,
        // Attempts made while a circuit is open do not count.
        attempts: if is_open { 1 } else { item.attempt },
        age_ms: if is_open {
            0
        } else {
            (at.as_millisecond() - since.as_millisecond()).max(0) as u64
        },
        repeat,
        dice: shared.context.dice.roll(),
    };
    let decision = match on_error {
        Some(OnError::Dead) => retry::Decision::Bury,
        Some(OnError::Retry) if failure.attempts < route.policy.attempts_max => {
            match retry::decide(
                retry::Failure {
                    kind: Kind::Unavailable,
                    ..failure
                },
                route.policy,
            ) {
                retry::Decision::Bury => retry::Decision::Bury,
                other => other,
            }
        }
        _ => retry::decide(failure, route.policy),
    };
    let move_to = |to| Move {
        error: Some(error.clone()),
        ..Move::to(item.task, TaskState::Running, to, at)
    };
    let next = |state, due| Next {
        task: item.task,
        state,
        due,
        needs: Vec::new(),
        has_effect: false,
    };
    match decision {
        retry::Decision::Retry { after_ms } | retry::Decision::LookFirst { after_ms } => {
            let wait = jiff::SignedDuration::from_millis(i64::try_from(after_ms).unwrap_or(i64::MAX));
            let due = at.checked_add(wait).unwrap_or(jiff::Timestamp::MAX);
            let change = Move {
                due: Some(due),
                forgive_attempt: is_open,
                ..move_to(TaskState::Retrying)
            };
            changes.push(Change::Move(change));
            next(TaskState::Retrying, Some(due))
        }
        retry::Decision::PauseConnection if connection.is_some() => {
            if let Some(connection) = &connection {
                shared
                    .breakers
                    .open(connection, &error, shared.context.clock.monotonic_ms());
            }
            changes.push(Change::Move(Move {
                due: Some(at),
                forgive_attempt: true,
                ..move_to(TaskState::Retrying)
            }));
            next(TaskState::Retrying, Some(at))
        }
        retry::Decision::PauseConnection | retry::Decision::Bury => {
            tracing::warn!(task.id = %item.task, task.key = item.key, error = %error, "`{}` is dead: {error}", item.key);
            let advice = error.kind.next();
            changes.push(Change::Move(Move {
                error: Some(error.clone().with("next", advice)),
                ..move_to(TaskState::Dead)
            }));
            next(TaskState::Dead, None)
        }
    }
}

/// A confirmed write of a task that did not end well is journalled under the step, so that the next attempt goes on
/// behind it.
fn keep_written(notes: &Notes, task: TaskId, changes: &mut Vec<Change>) {
    for (step, _, _, written) in notes.written.get(&task).into_iter().flatten() {
        let result = Some(json!(written));
        changes.push(Change::Journal {
            task,
            effect: step.clone(),
            result,
        });
    }
}

/// A later success of a key closes its older failures. They are held until that is stored.
fn resolve_dead(
    shared: &Shared,
    name: &str,
    batch: &Batch,
    settled: &HashSet<TaskId>,
    at: jiff::Timestamp,
    changes: &mut Vec<Change>,
) -> Vec<Entry> {
    let steps = shared.configuration.routes.get(name).map(|route| &route.steps);
    let collects = steps.is_some_and(|steps| steps.iter().any(|placed| placed.step.closing().is_some()));
    let mut state = shared.lock();
    let route = state.route(name);
    let mut held = Vec::new();
    for item in batch.items.iter().filter(|item| settled.contains(&item.task)) {
        let sequence = route.keys.get(&item.task).map_or(0, |entry| entry.sequence);
        let older: Vec<TaskId> = route
            .keys
            .tasks_of(&item.key)
            .filter(|entry| entry.state == TaskState::Dead && entry.sequence < sequence)
            .map(|entry| entry.task)
            .collect();
        let dead: Vec<Entry> = older.iter().filter_map(|task| route.hold(task)).collect();
        for dead in &dead {
            if collects {
                changes.push(collect::forget(shared, name, &dead.task));
            }
            changes.push(Change::End(End {
                task: dead.task,
                from: TaskState::Dead,
                to: TaskState::Skipped,
                at,
                reason: Some(format!("resolved by {}", item.task)),
                warnings: Vec::new(),
            }));
        }
        held.extend(dead);
    }
    held
}

/// What is kept of one attempt.
#[derive(Serialize)]
struct Record<'a> {
    /// Where it began, if not at the first step.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<&'a Start>,
    steps: Vec<Value>,
    calls: &'a [Arc<RawValue>],
}

/// The exchanges of each task, bodies cut; each is written out once for all its tasks.
fn calls(notes: &mut Notes) -> HashMap<TaskId, Vec<Arc<RawValue>>> {
    let mut calls: HashMap<TaskId, Vec<Arc<RawValue>>> = HashMap::new();
    for (tasks, exchange) in std::mem::take(&mut notes.exchanges) {
        let limit = if tasks.len() > 1 {
            SHARED_BODY_BYTES_MAX
        } else {
            BODY_BYTES_MAX
        };
        let exchange = Exchange {
            request_body: exchange.request_body.map(|body| cut(body, limit)),
            answer_body: exchange.answer_body.map(|body| cut(body, limit)),
            ..exchange
        };
        let call: Arc<RawValue> = to_raw_value(&exchange)
            .expect("an exchange is text and numbers")
            .into();
        for task in tasks {
            calls.entry(task).or_default().push(call.clone());
        }
    }
    calls
}

fn cut(mut body: String, limit: usize) -> String {
    if body.len() > limit {
        let end = (0..=limit)
            .rev()
            .find(|end| body.is_char_boundary(*end))
            .unwrap_or(0);
        let rest = body.len() - end;
        body.truncate(end);
        body.push_str(&format!("… ({rest} bytes more)"));
    }
    body
}
