//! Reads a route's source: pages in, tasks and cursor out, in one transaction a page.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use weir_model::config::Read;
use weir_model::cursor::{Cursor, OVERLAP_MS};
use weir_model::{Error, Kind, RunId, TaskId, json, retry, runs};
use weir_sdk::connector::{NoObserver, Page, ReadRequest, Row};
use weir_sdk::expressions::{Job, evaluate_all};
use weir_sdk::store::{Change, NewTask, Run, RunOutcome};

use crate::accept::patiently;
use crate::again::{self, Mode};
use crate::configuration::Route;
use crate::order;
use crate::payload;
use crate::pipeline;
use crate::references::keys_of;
use crate::settling::{self, why};
use crate::shared::Shared;
use crate::state::Reading;

/// Stands before the key of an entity that has none, so that it becomes a task that fails with a sentence instead of
/// vanishing.
pub(crate) const NO_KEY: &str = "(no key) ";

/// Marks the route as reading and stores the run, with the changes that stand `beside` it. Only one run of a route at a
/// time.
pub(crate) async fn begin(
    shared: &Shared,
    route: &str,
    trigger: &str,
    beside: Vec<Change>,
) -> Result<Run, Error> {
    if shared.route(route)?.reads.is_empty() {
        let scope = &shared.configuration.scope;
        let message = format!(
            "`{route}` reads nothing that could be run: its entities arrive at /hooks/{scope}/{route}"
        );
        return Err(Error::new(Kind::Invalid, message).with("route", route));
    }
    let mut run = Run {
        id: RunId(shared.context.dice.uuid()),
        scope: shared.configuration.scope.clone(),
        route: route.to_owned(),
        release: shared.configuration.release,
        trigger: trigger.to_owned(),
        started_at: shared.context.clock.now(),
        ended_at: None,
        outcome: None,
        rows: 0,
        tasks: 0,
    };
    {
        let mut state = shared.lock();
        let place = state.route(route);
        if let Some(reading) = &place.reading {
            return Err(Error::new(
                Kind::Conflict,
                format!(
                    "a run of `{route}` is under way ({}); wait for its end or look at `weir tasks list`",
                    reading.run
                ),
            )
            .with("run", reading.run));
        }
        place.reading = Some(Reading { run: run.id });
        place.rows_read = 0;
        place.tasks_made = 0;
        run.started_at = state.runs.start(run.started_at);
        if why::is_whole(trigger) {
            state.runs.begin(route, run.id, run.started_at);
        }
    }
    let changes = [vec![Change::StartRun(run.clone())], beside].concat();
    if let Err(error) = shared.store.commit(changes).await {
        let mut state = shared.lock();
        state.route(route).reading = None;
        state.runs.forget(route, run.id);
        return Err(error);
    }
    Ok(run)
}

/// Reads all of a route's reads to their ends, or as far as it gets; the next run goes on where this one stopped.
pub(crate) async fn read(shared: &Shared, run: &Run) {
    let outcome = match shared.route(&run.route) {
        Ok(route) => read_all(shared, route, run).await,
        Err(error) => RunOutcome::Failed(error),
    };
    finish(shared, run, outcome).await;
}

/// Reads entities again by key: their lookup rows have changed.
pub(crate) async fn resend(shared: &Shared, run: &Run, keys: &[String]) {
    let outcome = match shared.route(&run.route) {
        Ok(route) => resend_all(shared, route, run, keys).await,
        Err(error) => RunOutcome::Failed(error),
    };
    finish(shared, run, outcome).await;
}

async fn finish(shared: &Shared, run: &Run, outcome: RunOutcome) {
    if let RunOutcome::Failed(error) = &outcome {
        tracing::error!(route.id = run.route, run.id = %run.id, error = %error, "run of `{}` failed: {error}", run.route);
    }
    let failure = match &outcome {
        RunOutcome::Failed(error) => Some(error.clone()),
        _ => None,
    };
    let end_of_run = settling::end_of(Some(&outcome));
    let at = shared.context.clock.now();
    let mut end = vec![Change::EndRun {
        run: run.id,
        at,
        outcome,
    }];
    if end_of_run == runs::End::Read {
        end.extend(again::done(shared, run));
    }
    if let Err(error) = shared.commit_surely(end).await {
        tracing::error!(run.id = %run.id, error = %error, "the end of run {} could not be stored: {error}", run.id);
    }
    let mut state = shared.lock();
    let route = state.route(&run.route);
    route.reading = None;
    route.failure = failure;
    state.runs.end(&run.route, run.id, end_of_run);
    drop(state);
    shared.progress.notify_waiters();
}

async fn read_all(shared: &Shared, route: &Route, run: &Run) -> RunOutcome {
    let mode = match again::mode(shared, route, run).await {
        Ok(mode) => mode,
        Err(error) => return RunOutcome::Failed(error),
    };
    for (index, read) in route.reads.iter().enumerate() {
        match read_one(shared, route, run, index as u32, read, mode).await {
            Ok(None) => {}
            Ok(Some(why)) => return RunOutcome::Stopped(why),
            Err(error) => return RunOutcome::Failed(error),
        }
    }
    RunOutcome::Read
}

/// `Ok(Some(_))` says why it stopped before the end.
async fn read_one(
    shared: &Shared,
    route: &Route,
    run: &Run,
    index: u32,
    read: &Read,
    mode: Mode,
) -> Result<Option<String>, Error> {
    let scope = &shared.configuration.scope;
    let origin = Origin::of(run);
    let started_ms = shared.context.clock.monotonic_ms();
    let place = mode.cursor(index);
    let mut cursor = shared
        .store
        .cursor(scope, &run.route, place)
        .await?
        .unwrap_or_default();
    if mode.is_over(&cursor) {
        return Ok(None);
    }
    cursor.begin(shared.context.clock.now());
    let is_snapshot = route.changed_since.as_deref() == Some("snapshot");
    let since = match &route.changed_since {
        Some(field) if !is_snapshot => mode.since(&cursor, OVERLAP_MS).map(|at| (field.clone(), at)),
        _ => None,
    };
    let mut request = ReadRequest {
        entity: read.entity.clone(),
        filter: read.filter.clone(),
        fields: read.fields.clone(),
        with: read.with.clone(),
        since,
        keys: None,
        page: cursor.page.clone(),
    };
    loop {
        if let Some(why) = hold_back(shared, route, run).await {
            return Ok(Some(why));
        }
        let elapsed = shared.context.clock.monotonic_ms().saturating_sub(started_ms);
        if elapsed > route.limits.run_time.ms {
            return Ok(Some(format!(
                "the limit run_time of {} was reached",
                route.limits.run_time
            )));
        }
        if shared.lock().route(&run.route).tasks_made >= route.limits.tasks_per_run {
            return Ok(Some(format!(
                "the limit tasks_per_run of {} was reached",
                route.limits.tasks_per_run
            )));
        }
        let Some(page) = fetch(shared, route, read, &request).await? else {
            return Ok(Some("Weir is stopping".into()));
        };
        let next = page.next.clone();
        let rows = page.rows.len() as u64;
        let found = last_of_each_key(entities(shared, route, &origin, mode.within(page.rows)).await?);
        let (found, mut changes) = match mode {
            Mode::Range(_) => (found, Vec::new()),
            Mode::Onward { full } => news(shared, run, index, is_snapshot, full, &mut cursor, found).await?,
        };
        match &next {
            Some(next) => cursor.turn_page(next.clone()),
            None => mode.end(&mut cursor),
        }
        cursor.shrink(OVERLAP_MS);
        changes.push(Change::Page {
            run: run.id,
            scope: scope.clone(),
            route: run.route.clone(),
            read: place,
            cursor: cursor.clone(),
            rows,
            tasks: found.len() as u64,
        });
        store(shared, route, &origin, found, changes, Storing::Surely).await?;
        shared.lock().route(&run.route).rows_read += rows;
        match next {
            Some(next) => request.page = Some(next),
            None => return Ok(None),
        }
    }
}

async fn resend_all(shared: &Shared, route: &Route, run: &Run, keys: &[String]) -> RunOutcome {
    let origin = Origin::of(run);
    for read in &route.reads {
        for keys in keys.chunks(100) {
            if let Some(why) = hold_back(shared, route, run).await {
                return RunOutcome::Stopped(why);
            }
            let request = ReadRequest {
                entity: read.entity.clone(),
                with: read.with.clone(),
                keys: Some(keys.to_vec()),
                ..ReadRequest::default()
            };
            let outcome = async {
                let Some(page) = fetch(shared, route, read, &request).await? else {
                    return Ok(());
                };
                let rows = page.rows.len() as u64;
                let found = last_of_each_key(entities(shared, route, &origin, page.rows).await?);
                let count = Change::Page {
                    run: run.id,
                    scope: shared.configuration.scope.clone(),
                    route: run.route.clone(),
                    read: again::RESEND_READ,
                    cursor: Cursor::default(),
                    rows,
                    tasks: found.len() as u64,
                };
                store(shared, route, &origin, found, vec![count], Storing::Surely).await?;
                shared.lock().route(&run.route).rows_read += rows;
                Ok(())
            };
            if let Err(error) = outcome.await {
                return RunOutcome::Failed(error);
            }
        }
    }
    RunOutcome::Read
}

/// Back-pressure: waits while the route is full, switched off or being stopped. Says why, when it will not go on.
async fn hold_back(shared: &Shared, route: &Route, run: &Run) -> Option<String> {
    let is_awaited = shared.configuration.is_awaited(&run.route);
    loop {
        let progress = shared.progress.notified();
        if shared.stopping.is_cancelled() {
            return Some("Weir is stopping".into());
        }
        {
            let mut state = shared.lock();
            let place = state.route(&run.route);
            let waiting = place.waiting();
            let has_room = place.active() < route.limits.queue;
            // A route that others wait for reads on: the parents may be on pages not read yet.
            if has_room && (waiting < route.limits.waiting || is_awaited) {
                return None;
            }
        }
        tokio::select! {
            biased;
            () = progress => {}
            () = shared.context.clock.sleep_ms(1_000) => {}
            () = shared.stopping.cancelled() => {}
        }
    }
}

/// One page, with patience: a connection that is away is waited for. `None` when Weir is stopping.
async fn fetch(
    shared: &Shared,
    route: &Route,
    read: &Read,
    request: &ReadRequest,
) -> Result<Option<Page>, Error> {
    let Some(connection) = shared.configuration.connections.get(&read.connection) else {
        return Err(Error::new(
            Kind::Configuration,
            format!("there is no connection `{}`", read.connection),
        ));
    };
    let mut attempts = 0;
    loop {
        if !wait_closed(shared, &read.connection).await {
            return Ok(None);
        }
        let answer = tokio::select! {
            biased;
            answer = connection.read(request, &NoObserver) => answer,
            () = shared.stopping.cancelled() => return Ok(None),
        };
        let error = match answer {
            Ok(page) => return Ok(Some(page)),
            Err(error) => error
                .with("connection", &read.connection)
                .with("entity", &read.entity),
        };
        attempts += 1;
        let failure = retry::Failure {
            // A read changes nothing: an unknown outcome is only late.
            kind: if error.kind == Kind::OutcomeUnknown {
                Kind::Timeout
            } else {
                error.kind
            },
            retry_after_ms: error.retry_after_ms,
            attempts,
            age_ms: 0,
            repeat: retry::Repeat::Safe,
            dice: shared.context.dice.roll(),
        };
        match retry::decide(failure, route.policy) {
            retry::Decision::Retry { .. } if failure.kind != Kind::RateLimited => {
                shared
                    .breakers
                    .open(&read.connection, &error, shared.context.clock.monotonic_ms());
            }
            retry::Decision::PauseConnection => {
                shared
                    .breakers
                    .open(&read.connection, &error, shared.context.clock.monotonic_ms());
            }
            retry::Decision::Retry { after_ms } | retry::Decision::LookFirst { after_ms } => {
                tracing::info!(
                    connection.id = read.connection,
                    "reading goes on in {after_ms} ms: {error}"
                );
                tokio::select! {
                    biased;
                    () = shared.context.clock.sleep_ms(after_ms) => {}
                    () = shared.stopping.cancelled() => return Ok(None),
                }
            }
            retry::Decision::Bury => return Err(error),
        }
    }
}

/// False when Weir is stopping.
pub(crate) async fn wait_closed(shared: &Shared, connection: &str) -> bool {
    loop {
        let closed = shared.breakers.closed.notified();
        if shared.stopping.is_cancelled() {
            return false;
        }
        if shared.breakers.reason(connection).is_none() {
            return true;
        }
        tokio::select! {
            biased;
            () = closed => {}
            () = shared.stopping.cancelled() => {}
        }
    }
}

/// Where entities come from: a run of a route, or nothing but the route where they arrive by themselves.
pub(crate) struct Origin {
    pub(crate) route: String,
    pub(crate) run: Option<RunId>,
    /// Since when: `$run.started_at`.
    pub(crate) at: jiff::Timestamp,
}

impl Origin {
    fn of(run: &Run) -> Origin {
        Origin {
            route: run.route.clone(),
            run: Some(run.id),
            at: run.started_at,
        }
    }
}

/// An entity that a source gave: its key, what it is, and the task that it will be.
pub(crate) struct Found {
    pub(crate) task: TaskId,
    /// Its place among what the source gave.
    pub(crate) row: usize,
    pub(crate) key: String,
    value: Value,
    changed_at: Option<jiff::Timestamp>,
}

/// The key of each entity, as `entity.key` of the route gives it.
pub(crate) async fn keys<'a>(
    shared: &Shared,
    route: &Route,
    entities: impl IntoIterator<Item = &'a Value>,
) -> Vec<Result<Option<String>, Error>> {
    let job = |input| Job {
        input,
        bindings: vec![("vars", &shared.configuration.vars)],
    };
    let jobs: Vec<Job<'_>> = entities.into_iter().map(job).collect();
    let now = shared.context.clock.now();
    evaluate_all(route.key.as_ref(), &jobs, shared.references.as_ref(), now)
        .await
        .into_iter()
        .map(|key| Ok(keys_of(key?.0).into_iter().next()))
        .collect()
}

/// The steps of the source, then the key. What they filter away is left out.
pub(crate) async fn entities(
    shared: &Shared,
    route: &Route,
    origin: &Origin,
    rows: Vec<Row>,
) -> Result<Vec<Found>, Error> {
    let (values, times): (Vec<Value>, Vec<_>) =
        rows.into_iter().map(|row| (row.value, row.changed_at)).unzip();
    let values = pipeline::source_steps(shared, route, origin, values).await?;
    let keys = keys(shared, route, values.iter().flatten()).await;
    let going = values
        .into_iter()
        .zip(times)
        .enumerate()
        .filter_map(|(row, (value, at))| value.map(|value| (row, value, at)));
    let found = going.zip(keys).map(|((row, value, changed_at), key)| Found {
        task: TaskId(shared.context.dice.uuid()),
        row,
        key: key.ok().flatten().unwrap_or_else(|| {
            let hash: String = json::hash(&value)
                .iter()
                .take(6)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("{NO_KEY}{hash}")
        }),
        value,
        changed_at,
    });
    Ok(found.collect())
}

/// Of several versions of one key the last.
pub(crate) fn last_of_each_key(entities: Vec<Found>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::with_capacity(entities.len());
    let mut place: HashMap<String, usize> = HashMap::new();
    for entity in entities {
        match place.get(&entity.key) {
            Some(index) => found[*index] = entity,
            None => {
                place.insert(entity.key.clone(), found.len());
                found.push(entity);
            }
        }
    }
    found
}

/// Leaves out what was read before and has not changed, unless everything is to be sent again.
async fn news(
    shared: &Shared,
    run: &Run,
    index: u32,
    is_snapshot: bool,
    full: bool,
    cursor: &mut Cursor,
    found: Vec<Found>,
) -> Result<(Vec<Found>, Vec<Change>), Error> {
    if !is_snapshot {
        let fresh = |entity: &Found| {
            // Without a time nothing is known to lie in an overlap.
            let Some(at) = entity.changed_at else { return true };
            let hash: String = json::hash(&entity.value)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            cursor.note(&entity.key, at, &hash)
        };
        return Ok((found.into_iter().filter(fresh).collect(), Vec::new()));
    }
    let scope = &shared.configuration.scope;
    let keys: Vec<String> = found.iter().map(|entity| entity.key.clone()).collect();
    let known = shared.store.snapshot(scope, &run.route, index, &keys).await?;
    let mut rows = Vec::new();
    let mut fresh = Vec::new();
    for (entity, known) in found.into_iter().zip(known) {
        let hash = json::hash(&entity.value);
        if full || known != Some(hash) {
            rows.push((entity.key.clone(), hash));
            fresh.push(entity);
        }
    }
    let put = Change::PutSnapshot {
        scope: scope.clone(),
        route: run.route.clone(),
        read: index,
        rows,
    };
    Ok((fresh, vec![put]))
}

/// What a full disk means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storing {
    /// Who reads can wait: tried until it is done.
    Surely,
    /// Who sends is told at once, and sends again.
    Once,
}

/// Makes a task of each entity. Tasks, what stands beside them (a cursor, marks) and what the new versions replace: one
/// transaction. Then memory follows. The keys are held from before the commit until the memory knows, so that versions
/// of a key are in memory in the order in which they are on disk.
pub(crate) async fn store(
    shared: &Shared,
    route: &Route,
    origin: &Origin,
    found: Vec<Found>,
    mut changes: Vec<Change>,
    storing: Storing,
) -> Result<(), Error> {
    let at = shared.context.clock.now();
    let mut new: Vec<(TaskId, String)> = Vec::with_capacity(found.len());
    for entity in found {
        new.push((entity.task, entity.key.clone()));
        changes.push(Change::InsertTask(NewTask {
            id: entity.task,
            scope: shared.configuration.scope.clone(),
            route: origin.route.clone(),
            key: entity.key,
            run: origin.run,
            at,
            input: payload::pack(&entity.value),
            replay_of: None,
        }));
    }
    let keys = new.iter().map(|(_, key)| (origin.route.as_str(), key.as_str()));
    let held = shared.arrivals.hold(keys);
    let _keys = match storing {
        Storing::Surely => held.await,
        Storing::Once => patiently(shared, held).await?,
    };
    let (sequences, replaced) = loop {
        let mut ends = Vec::new();
        let replaced = match route.latest_only {
            true => order::replace(shared, &origin.route, &new, at, &mut ends),
            false => Vec::new(),
        };
        // Only what replaces something may have to be stored again.
        let list = match replaced.is_empty() {
            true => std::mem::take(&mut changes),
            false => changes.iter().cloned().chain(ends).collect(),
        };
        let stored = match storing {
            Storing::Surely => shared.commit_surely(list).await,
            Storing::Once => shared.store.commit(list).await,
        };
        match stored {
            Ok(sequences) => break (sequences, replaced),
            Err(error) => {
                shared.let_go(&origin.route, &replaced).await;
                // One of them was woken, or somebody acted on it, in this very moment.
                if error.kind != Kind::Conflict || replaced.is_empty() {
                    return Err(error);
                }
            }
        }
    };
    {
        let mut state = shared.lock();
        let place = state.route(&origin.route);
        if origin.run.is_some() {
            place.tasks_made += new.len() as u64;
        }
        order::forget(&mut state, &origin.route, &replaced);
        let keys = &mut state.route(&origin.route).keys;
        for ((task, key), sequence) in new.into_iter().zip(sequences) {
            keys.put(order::queued(task, key, sequence));
        }
    }
    shared.signal(&origin.route);
    shared.progress.notify_waiters();
    order::ended(shared, &origin.route, replaced).await;
    Ok(())
}

/// Starts a run by its trigger in a task of its own.
pub(crate) fn spawn(shared: &Arc<Shared>, run: Run) {
    let shared_run = shared.clone();
    shared.tracker.spawn(async move { read(&shared_run, &run).await });
}
