//! Carries an operation out, chunk by chunk; lets people look at it, pause, resume and cancel it.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::SignedDuration;
use tokio::sync::Notify;
use weir_model::operation::{Control, State, next};
use weir_model::{Error, Kind, OperationId, Scope, TaskId};
use weir_sdk::store::{Change, Store};

use super::{KEPT_DAYS, Operation, Progress, records};
use crate::actions::LOOKS_MAX;
use crate::carry::{self, Held};
use crate::plan::plan;
use crate::shared::Shared;

/// Tasks changed in one transaction.
pub(super) const CHUNK_TASKS: usize = 100;
/// Between two looks whether there is room, where nobody says so.
const LOOK_MS: u64 = 500;
/// Between two looks at expired previews and old operations.
const TIDY_MS: u64 = 3_600_000;
const DAY_HOURS: i64 = 24;

/// An operation under way. One worker drives it from the start to the end; whoever holds the lock may change it.
pub(crate) struct Live {
    operation: tokio::sync::Mutex<Operation>,
    held_back: Mutex<Option<String>>,
    /// Its state was changed by a person.
    changed: Notify,
}

/// Executes a preview. A token that was executed before answers its operation. Errors: `not_found` for a token that is
/// not one of this project and environment, `conflict` for one that has expired.
pub(crate) async fn execute(shared: &Arc<Shared>, token: &OperationId, by: &str) -> Result<Progress, Error> {
    let mut running = shared.operations.lock().await;
    if let Some(known) = records::operation(shared.store.as_ref(), &shared.configuration.scope, token).await?
    {
        return Ok(progress(known, running.get(token).map(Arc::as_ref)));
    }
    let scope = &shared.configuration.scope;
    let Some(found) = records::token(shared, token).await? else {
        let message = format!(
            "there is no preview with the token {token} in {scope}: it has expired, or was made for another project or \
             environment; make a new preview"
        );
        return Err(Error::new(Kind::NotFound, message).with("field", "token"));
    };
    let now = shared.context.clock.now();
    if found.expires_at <= now {
        let message = format!(
            "the preview {token} was good until {}; things may have changed since, so make a new one",
            found.expires_at
        );
        return Err(Error::new(Kind::Conflict, message).with("field", "token"));
    }
    let operation = Operation {
        id: found.id,
        deed: found.deed,
        selection: found.selection,
        routes: found.routes,
        by: by.to_owned(),
        started_at: now,
        ended_at: None,
        state: State::Running,
        total: found.total,
        done: 0,
        succeeded: 0,
        refused: Default::default(),
        failure: None,
        worked_ms: 0,
    };
    let changes = vec![
        records::drop_token(scope, token),
        records::put_operation(scope, &operation)?,
    ];
    shared.store.commit(changes).await?;
    tracing::info!(
        operation.id = %token,
        "operation {token} by {by}: {} tasks are {}",
        operation.total,
        operation.deed.action.word()
    );
    let live = drive(shared, operation.clone());
    running.insert(*token, live);
    Ok(progress(operation, None))
}

/// Takes up what was under way when the process ended.
pub(crate) async fn start(shared: &Arc<Shared>) -> Result<(), Error> {
    let mut running = shared.operations.lock().await;
    for operation in records::all_operations(shared.store.as_ref(), &shared.configuration.scope).await? {
        if !operation.state.is_ended() {
            running.insert(operation.id, drive(shared, operation));
        }
    }
    Ok(())
}

fn drive(shared: &Arc<Shared>, operation: Operation) -> Arc<Live> {
    let live = Arc::new(Live {
        operation: tokio::sync::Mutex::new(operation),
        held_back: Mutex::default(),
        changed: Notify::new(),
    });
    shared.tracker.spawn(run(shared.clone(), live.clone()));
    live
}

async fn run(shared: Arc<Shared>, live: Arc<Live>) {
    loop {
        let changed = live.changed.notified();
        let progress = shared.progress.notified();
        let mut operation = live.operation.lock().await;
        if shared.stopping.is_cancelled() {
            return;
        }
        let why = match operation.state {
            State::Running => no_room(&shared, &operation),
            State::Paused => Some(String::new()),
            _ => {
                let id = operation.id;
                drop(operation);
                shared.operations.lock().await.remove(&id);
                return;
            }
        };
        let is_held = why.is_some();
        *live.held_back.lock().unwrap_or_else(PoisonError::into_inner) = why.filter(|why| !why.is_empty());
        if is_held {
            drop(operation);
            tokio::select! {
                () = changed => {}
                () = progress => {}
                () = shared.context.clock.sleep_ms(LOOK_MS) => {}
                () = shared.stopping.cancelled() => {}
            }
            continue;
        }
        match step(&shared, &mut operation).await {
            Ok(()) => {}
            Err(_) if shared.stopping.is_cancelled() => {}
            // The disk, most likely; the sentence says so, and it goes on once it can.
            Err(error) if error.kind == Kind::Unavailable => {
                drop(operation);
                *live.held_back.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                shared.context.clock.sleep_ms(LOOK_MS).await;
            }
            Err(error) => fail(&shared, &mut operation, error).await,
        }
    }
}

/// Tasks are queued only as fast as the route's limit lets its source: whoever looks at one number knows the load.
fn no_room(shared: &Shared, operation: &Operation) -> Option<String> {
    if !operation.deed.action.sends() {
        return None;
    }
    let mut state = shared.lock();
    operation.routes.iter().find_map(|name| {
        let limit = shared.configuration.routes.get(name)?.limits.queue;
        let active = state.route(name).active();
        let is_full = active > 0 && active + CHUNK_TASKS as u64 > limit;
        is_full.then(|| format!("`{name}` has {active} tasks on their way, of at most {limit} (limit queue)"))
    })
}

/// The next tasks. What has come of it is stored with them.
async fn step(shared: &Shared, operation: &mut Operation) -> Result<(), Error> {
    let started_ms = shared.context.clock.monotonic_ms();
    let tasks = records::tasks(shared, &operation.id, operation.done, CHUNK_TASKS).await?;
    if tasks.is_empty() {
        return Err(Error::bug(
            "the list of tasks of an operation ended before its time",
        ));
    }
    match chunk(shared, operation, &tasks, started_ms).await {
        Err(error) if error.kind == Kind::Conflict && tasks.len() > 1 => {
            // One of them changed at this moment: each for itself then.
            tracing::debug!(error = %error, "an operation goes on one by one: {error}");
            for task in tasks {
                let started_ms = shared.context.clock.monotonic_ms();
                let outcome = chunk(shared, operation, &[task], started_ms).await;
                if let Err(error) = outcome {
                    if error.kind != Kind::Conflict {
                        return Err(error);
                    }
                    let key = task.to_string();
                    let mut next = operation.clone();
                    next.refused.add(&error, &key);
                    advance(shared, &mut next, 1, started_ms);
                    let put = records::put_operation(&shared.configuration.scope, &next)?;
                    shared.commit_surely(vec![put]).await?;
                    *operation = next;
                }
            }
            Ok(())
        }
        outcome => outcome,
    }
}

/// Changes these tasks and the operation in one transaction, or none of it.
async fn chunk(
    shared: &Shared,
    operation: &mut Operation,
    tasks: &[TaskId],
    started_ms: u64,
) -> Result<(), Error> {
    let mut next = operation.clone();
    let mut held = Vec::new();
    if let Err(error) = gather(shared, &mut next, tasks, &mut held).await {
        carry::put_back(shared, held);
        return Err(error);
    }
    next.succeeded += held.len() as u64;
    advance(shared, &mut next, tasks.len(), started_ms);
    let by = format!("{} (operation {})", next.by, next.id);
    let _arriving = carry::arriving(shared, &held).await;
    let mut changes: Vec<Change> = carry::changes(shared, next.deed.action, &by, &held);
    let stored = match records::put_operation(&shared.configuration.scope, &next) {
        Ok(put) => {
            changes.push(put);
            shared.commit_surely(changes).await
        }
        Err(error) => Err(error),
    };
    match stored {
        Ok(sequences) => {
            *operation = next;
            carry::settle(shared, held, &sequences).await;
            Ok(())
        }
        Err(error) => {
            carry::put_back(shared, held);
            Err(error)
        }
    }
}

/// Holds what can be changed and counts what cannot. A task that changes under the look is looked at again.
async fn gather(
    shared: &Shared,
    operation: &mut Operation,
    tasks: &[TaskId],
    held: &mut Vec<Held>,
) -> Result<(), Error> {
    let mut open = tasks.to_vec();
    for _ in 0..LOOKS_MAX {
        let mut plans = Vec::with_capacity(open.len());
        for planned in plan(shared, &operation.deed, &open).await? {
            match planned.outcome {
                Ok(plan) => plans.push(plan),
                Err(error) => operation.refused.add(&error, &planned.key),
            }
        }
        let (taken, changed) = carry::hold(shared, plans);
        held.extend(taken);
        open = changed;
        if open.is_empty() {
            return Ok(());
        }
    }
    for task in open {
        operation.refused.add(&carry::restless(&task), &task.to_string());
    }
    Ok(())
}

fn advance(shared: &Shared, operation: &mut Operation, tasks: usize, started_ms: u64) {
    operation.done += tasks as u64;
    let now_ms = shared.context.clock.monotonic_ms();
    operation.worked_ms += now_ms.saturating_sub(started_ms);
    if operation.done >= operation.total {
        operation.state = State::Done;
        operation.ended_at = Some(shared.context.clock.now());
        tracing::info!(
            operation.id = %operation.id,
            "operation {} is done: {} of {} tasks {}",
            operation.id,
            operation.succeeded,
            operation.total,
            operation.deed.action.word()
        );
    }
}

async fn fail(shared: &Shared, operation: &mut Operation, error: Error) {
    tracing::error!(operation.id = %operation.id, error = %error, "operation {} failed: {error}", operation.id);
    operation.state = State::Failed;
    operation.ended_at = Some(shared.context.clock.now());
    operation.failure = Some(error);
    let stored = match records::put_operation(&shared.configuration.scope, operation) {
        Ok(put) => shared.commit_surely(vec![put]).await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = stored {
        tracing::error!(operation.id = %operation.id, error = %error, "its end could not be stored: {error}");
    }
}

/// Pauses, resumes or cancels. Asking for what is already so is no error.
pub(crate) async fn control(shared: &Shared, id: &OperationId, control: Control) -> Result<Progress, Error> {
    let live = shared.operations.lock().await.get(id).cloned();
    let Some(live) = live else {
        let ended = find(shared, id).await?;
        to(&ended, control)?;
        return Ok(progress(ended, None));
    };
    let mut operation = live.operation.lock().await;
    let state = to(&operation, control)?;
    if state != operation.state {
        let mut next = operation.clone();
        next.state = state;
        if state.is_ended() {
            next.ended_at = Some(shared.context.clock.now());
        }
        let put = records::put_operation(&shared.configuration.scope, &next)?;
        shared.store.commit(vec![put]).await?;
        *operation = next;
        live.changed.notify_one();
    }
    Ok(progress(operation.clone(), None))
}

fn to(operation: &Operation, control: Control) -> Result<State, Error> {
    next(operation.state, control).ok_or_else(|| {
        let message = format!(
            "operation {} is {} and cannot be {}",
            operation.id,
            operation.state.name(),
            control.word()
        );
        Error::new(Kind::Conflict, message)
    })
}

pub(crate) async fn show(shared: &Shared, id: &OperationId) -> Result<Progress, Error> {
    let operation = find(shared, id).await?;
    let running = shared.operations.lock().await;
    Ok(progress(operation, running.get(id).map(Arc::as_ref)))
}

/// Newest first.
pub(crate) async fn list(shared: &Shared, limit: usize) -> Result<Vec<Progress>, Error> {
    let all = records::all_operations(shared.store.as_ref(), &shared.configuration.scope).await?;
    let running = shared.operations.lock().await;
    Ok(all
        .into_iter()
        .take(limit)
        .map(|operation| {
            let live = running.get(&operation.id).map(Arc::as_ref);
            progress(operation, live)
        })
        .collect())
}

/// One as it is stored, where no engine runs.
pub async fn stored(store: &dyn Store, scope: &Scope, id: &OperationId) -> Result<Progress, Error> {
    let found = records::operation(store, scope, id).await?;
    let operation = found.ok_or_else(|| {
        let message =
            format!("there is no operation {id} in {scope}; `weir operations list` shows those there are");
        Error::new(Kind::NotFound, message)
    })?;
    Ok(progress(operation, None))
}

/// Those that are stored, newest first, where no engine runs.
pub async fn all_stored(store: &dyn Store, scope: &Scope, limit: usize) -> Result<Vec<Progress>, Error> {
    let all = records::all_operations(store, scope).await?;
    Ok(all
        .into_iter()
        .take(limit)
        .map(|operation| progress(operation, None))
        .collect())
}

async fn find(shared: &Shared, id: &OperationId) -> Result<Operation, Error> {
    let found = stored(shared.store.as_ref(), &shared.configuration.scope, id).await?;
    Ok(found.operation)
}

fn progress(operation: Operation, live: Option<&Live>) -> Progress {
    let rate = match operation.worked_ms {
        0 => None,
        ms => Some(operation.done as f64 * 1_000.0 / ms as f64),
    };
    let left = operation.total.saturating_sub(operation.done);
    let is_running = operation.state == State::Running;
    Progress {
        eta_ms: (is_running && operation.done > 0)
            .then(|| left.saturating_mul(operation.worked_ms) / operation.done.max(1)),
        rate_per_s: rate,
        held_back: live.filter(|_| is_running).and_then(|live| {
            live.held_back
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        }),
        operation,
    }
}

/// Drops previews that nobody executed, and operations that ended long ago.
pub(crate) async fn tidy(shared: Arc<Shared>) {
    loop {
        if let Err(error) = drop_old(&shared).await {
            tracing::error!(error = %error, "old previews and operations stay for now: {error}");
        }
        tokio::select! {
            () = shared.context.clock.sleep_ms(TIDY_MS) => {}
            () = shared.stopping.cancelled() => return,
        }
    }
}

async fn drop_old(shared: &Shared) -> Result<(), Error> {
    // Nobody executes a token while it is dropped.
    let _running = shared.operations.lock().await;
    let scope = &shared.configuration.scope;
    let now = shared.context.clock.now();
    for token in records::all_tokens(shared).await? {
        if token.expires_at <= now {
            let mut changes = records::drop_tasks(scope, &token.id, token.total);
            changes.push(records::drop_token(scope, &token.id));
            shared.store.commit(changes).await?;
        }
    }
    let kept = SignedDuration::from_hours(i64::from(KEPT_DAYS) * DAY_HOURS);
    for operation in records::all_operations(shared.store.as_ref(), &shared.configuration.scope).await? {
        let is_old = |ended: jiff::Timestamp| now.duration_since(ended) > kept;
        if operation.ended_at.is_some_and(is_old) {
            let mut changes = records::drop_tasks(scope, &operation.id, operation.total);
            changes.push(records::drop_operation(scope, &operation.id));
            shared.store.commit(changes).await?;
        }
    }
    Ok(())
}
