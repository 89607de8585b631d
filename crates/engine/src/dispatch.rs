//! Takes ready tasks of a route, looks whether what they wait for is there, and hands batches to workers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Semaphore;
use weir_model::config::Switch;
use weir_model::dependency::{Fact, Need, is_satisfied};
use weir_model::order::Entry;
use weir_model::task::State as TaskState;
use weir_model::{Error, TaskId};
use weir_sdk::expressions::{Job, NoReferences, Scope, evaluate_all};
use weir_sdk::store::{Change, Loaded, Move, NOTE};

use crate::configuration::{On, Route, WaitsFor};
use crate::family;
use crate::payload;
use crate::references::keys_of;
use crate::settling;
use crate::shared::Shared;
use crate::source;
use crate::worker;

/// Batches of one route under way at once; the connection's own limits hold below. Two keep a target busy while one waits
/// for its answer; each more costs the memory of a hundred entities in all their forms.
const BATCHES_MAX: usize = 2;
/// Tasks of a batch: as many as the usual bulk write takes.
pub(crate) const BATCH_TASKS: usize = 100;

/// A task on its way to a worker.
pub(crate) struct Ready {
    pub(crate) loaded: Loaded,
    pub(crate) source: Value,
}

pub(crate) async fn run_route(shared: Arc<Shared>, name: String) {
    let permits = Arc::new(Semaphore::new(BATCHES_MAX));
    let signal = shared.signals[&name].clone();
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else {
            return;
        };
        let Some(mut tasks) = next_batch(&shared, &name, &signal).await else {
            return;
        };
        let shared_batch = shared.clone();
        let name = name.clone();
        let signal = signal.clone();
        shared.tracker.spawn(async move {
            if let Err(error) = process(&shared_batch, &name, &mut tasks).await {
                give_back(&shared_batch, &name, &tasks).await;
                match error.get("connection").filter(|_| error.kind.concerns_connection()) {
                    // What the batch needs to know stands behind a connection that is away.
                    Some(connection) => {
                        let now_ms = shared_batch.context.clock.monotonic_ms();
                        shared_batch.breakers.open(connection, &error, now_ms);
                        source::wait_closed(&shared_batch, connection).await;
                    }
                    None => {
                        tracing::error!(route.id = name, error = %error, "a batch of `{name}` is given back: {error}");
                        shared_batch.context.clock.sleep_ms(1_000).await;
                    }
                }
            }
            drop(permit);
            signal.notify_one();
            shared_batch.progress.notify_waiters();
        });
    }
}

/// Waits until something may run; marks it as running in memory. `None` when Weir is stopping.
async fn next_batch(shared: &Shared, name: &str, signal: &tokio::sync::Notify) -> Option<Vec<TaskId>> {
    loop {
        if shared.stopping.is_cancelled() {
            return None;
        }
        let closed = shared.breakers.closed.notified();
        let wait_ms = match pause_reason(shared, name) {
            Some(_) => None,
            None => {
                let now = shared.context.clock.now();
                let mut state = shared.lock();
                let route = state.route(name);
                let tasks = route.keys.ready(BATCH_TASKS, now);
                if !tasks.is_empty() {
                    for task in &tasks {
                        route.set(task, TaskState::Running, None);
                    }
                    return Some(tasks);
                }
                route
                    .keys
                    .next_due()
                    .map(|due| (due.as_millisecond() - now.as_millisecond()).max(1) as u64)
            }
        };
        let sleep = async {
            match wait_ms {
                Some(ms) => shared.context.clock.sleep_ms(ms).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = signal.notified() => {}
            () = closed => {}
            () = sleep => {}
            () = shared.stopping.cancelled() => {}
        }
    }
}

/// Why no task of the route is started now: a switch, or a connection it writes to that is away.
pub(crate) fn pause_reason(shared: &Shared, name: &str) -> Option<String> {
    if shared.lock().route(name).switch != Switch::On {
        return Some("switched to pause".to_owned());
    }
    let route = shared.configuration.routes.get(name)?;
    let connections = route.steps.iter().flat_map(|step| step.step.connections());
    connections.into_iter().find_map(|connection| {
        shared
            .breakers
            .reason(&connection)
            .map(|error| format!("connection `{connection}`: {error}"))
    })
}

/// Leaves in `tasks` those that it still has in hand.
async fn process(shared: &Shared, name: &str, tasks: &mut Vec<TaskId>) -> Result<(), Error> {
    let route = shared.route(name)?;
    let mut ready = Vec::with_capacity(tasks.len());
    for loaded in shared.store.load(tasks).await? {
        let source = payload::unpack(&loaded.input)?;
        ready.push(Ready { loaded, source });
    }
    if ready.len() < tasks.len() {
        forget_missing(shared, name, tasks, &ready);
    }
    let ready = hold_waiting(shared, name, route, ready).await?;
    *tasks = ready.iter().map(|r| r.loaded.task.id).collect();
    if ready.is_empty() {
        return Ok(());
    }
    // One that begins at a step of its own goes alone.
    let (alone, together): (Vec<Ready>, Vec<Ready>) = {
        let mut state = shared.lock();
        let starts = &state.route(name).starts;
        ready
            .into_iter()
            .partition(|ready| starts.contains_key(&ready.loaded.task.id))
    };
    if !together.is_empty() {
        worker::attempt(shared, name, route, together).await?;
    }
    for ready in alone {
        worker::attempt(shared, name, route, vec![ready]).await?;
    }
    Ok(())
}

/// Rows that are not live any more (ended by a person in this very moment) leave the memory too.
fn forget_missing(shared: &Shared, name: &str, tasks: &[TaskId], ready: &[Ready]) {
    let live: HashSet<TaskId> = ready.iter().map(|r| r.loaded.task.id).collect();
    let mut state = shared.lock();
    for task in tasks.iter().filter(|task| !live.contains(task)) {
        state.route(name).keys.remove(task);
    }
}

/// Nobody works on these any more: what was leased is queued again, as after a crash.
async fn give_back(shared: &Shared, name: &str, tasks: &[TaskId]) {
    let at = shared.context.clock.now();
    let held: Vec<Entry> = {
        let mut state = shared.lock();
        let keys = &state.route(name).keys;
        tasks.iter().filter_map(|task| keys.get(task).cloned()).collect()
    };
    let leased = match shared.load_surely(tasks).await {
        Ok(loaded) => loaded.into_iter().filter(|l| l.task.state == TaskState::Running),
        Err(error) => {
            tracing::error!(route.id = name, error = %error, "a batch of `{name}` stays leased until the next start: {error}");
            return;
        }
    };
    for task in leased {
        let back = Move::to(task.task.id, TaskState::Running, TaskState::Queued, at);
        if let Err(error) = shared.commit_surely(vec![Change::Move(back)]).await {
            tracing::error!(route.id = name, error = %error, "task {} stays leased: {error}", task.task.id);
        }
    }
    shared.let_go(name, &held).await;
}

/// What keeps a task from starting.
#[derive(Default)]
struct Lack {
    needs: Vec<Need>,
    /// `keys` could not be evaluated.
    error: Option<Error>,
}

/// Parks those whose needs are not met; gives the others back.
async fn hold_waiting(
    shared: &Shared,
    name: &str,
    route: &Route,
    ready: Vec<Ready>,
) -> Result<Vec<Ready>, Error> {
    if route.waits_for.is_empty() {
        return Ok(ready);
    }
    let lacks = lacking(shared, name, route, &ready).await?;
    let at = shared.context.clock.now();
    let (mut go, mut parked, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for (ready, lack) in ready.into_iter().zip(lacks) {
        if lack.needs.is_empty() && lack.error.is_none() {
            go.push(ready);
            continue;
        }
        let words: Vec<String> = lack.needs.iter().map(Need::words).collect();
        let reason = match &lack.error {
            Some(error) => format!("what it waits for cannot be told yet: {error}"),
            None => format!("waits for {}", words.join(", ")),
        };
        changes.push(Change::Move(Move {
            needs: lack.needs.clone(),
            reason: Some(reason),
            error: lack.error.clone(),
            ..Move::to(ready.loaded.task.id, TaskState::Queued, TaskState::Waiting, at)
        }));
        parked.push((ready, lack));
    }
    if parked.is_empty() {
        return Ok(go);
    }
    shared.commit_surely(changes).await?;
    {
        let mut state = shared.lock();
        for (ready, lack) in &parked {
            let task = ready.loaded.task.id;
            state.park(name, task, &lack.needs);
            let place = state.route(name);
            place.set(&task, TaskState::Waiting, None);
            if lack.needs.is_empty() {
                place.stuck.insert(task);
            }
        }
        // Not settled before the second look is over.
        state.wakings += 1;
    }
    // The second look: what came between the first one and the registration woke nobody.
    let (tasks, lacks): (Vec<Ready>, Vec<Lack>) = parked.into_iter().unzip();
    let again = lacking(shared, name, route, &tasks).await;
    let mut free = Vec::new();
    if let Ok(again) = again {
        for ((ready, before), now) in tasks.iter().zip(&lacks).zip(again) {
            let task = ready.loaded.task.id;
            let is_told = before.error.is_none() && now.error.is_none();
            if is_told && shared.lock().keep_needs(name, &task, &now.needs) {
                free.push((name.to_owned(), task));
            }
        }
    }
    shared.queue_waiting(&free).await;
    let keys = tasks.into_iter().map(|ready| ready.loaded.task.key).collect();
    shared.wake_for_delivered(name, keys).await;
    shared.lock().wakings -= 1;
    shared.progress.notify_waiters();
    Ok(go)
}

async fn lacking(shared: &Shared, name: &str, route: &Route, ready: &[Ready]) -> Result<Vec<Lack>, Error> {
    let mut lacks: Vec<Lack> = ready.iter().map(|_| Lack::default()).collect();
    let first: Vec<usize> = {
        let mut state = shared.lock();
        let place = state.route(name);
        // After a first attempt (a pause is one), also one that does not count, nothing is looked at again, nor for what a
        // step made; and a person may have let it go.
        let is_first = |loaded: &Loaded| {
            loaded.task.attempts == 0
                && loaded.task.state != TaskState::Retrying
                && !loaded.effects.keys().any(|name| name.starts_with(NOTE))
                && !family::is_collected(&loaded.effects)
                && !place.released.contains(&loaded.task.id)
        };
        (0..ready.len()).filter(|i| is_first(&ready[*i].loaded)).collect()
    };
    for wait in &route.waits_for {
        if let On::Run(awaited) = &wait.on {
            for i in &first {
                lacks[*i]
                    .needs
                    .extend(settling::lacking(shared, name, awaited, &ready[*i].loaded.task));
            }
            continue;
        }
        let Some(keys) = &wait.keys else { continue };
        let jobs: Vec<Job<'_>> = first
            .iter()
            .map(|i| Job {
                input: &ready[*i].source,
                bindings: vec![("vars", &shared.configuration.vars)],
            })
            .collect();
        let now = shared.context.clock.now();
        let results = evaluate_all(keys.as_ref(), &jobs, shared.references.as_ref(), now).await;
        let mut asked: Vec<(usize, String)> = Vec::new();
        for (i, result) in first.iter().zip(results) {
            match result {
                Ok((value, _)) => asked.extend(keys_of(value).into_iter().map(|key| (*i, key))),
                Err(error) if error.kind.concerns_connection() && error.get("connection").is_some() => {
                    return Err(error);
                }
                Err(error) => lacks[*i].error = Some(error),
            }
        }
        let met = met(shared, wait, ready, &asked).await?;
        for ((i, key), met) in asked.into_iter().zip(met) {
            if !met {
                lacks[i].needs.extend(need(&wait.on, key));
            }
        }
    }
    Ok(lacks)
}

/// What a key that `waits_for` names asks for; nothing where it names no keys.
pub(crate) fn need(on: &On, key: String) -> Option<Need> {
    match on {
        On::Route(route) => Some(Need::Key {
            route: route.clone(),
            key,
        }),
        On::Link(address) => Some(Need::Link {
            connection: address.connection.clone(),
            entity: address.entity.clone(),
            key,
        }),
        On::Run(_) => None,
    }
}

/// For each asked key whether it is there. Activity is read before the memory of deliveries: a task that ends in between
/// is then seen as delivered, and one that is still active will wake whoever is registered.
async fn met(
    shared: &Shared,
    wait: &WaitsFor,
    ready: &[Ready],
    asked: &[(usize, String)],
) -> Result<Vec<bool>, Error> {
    let mut keys: Vec<String> = asked.iter().map(|(_, key)| key.clone()).collect();
    keys.sort();
    keys.dedup();
    let scope = &shared.configuration.scope;
    match &wait.on {
        On::Run(_) => Ok(vec![true; asked.len()]),
        On::Link(address) => {
            let links = shared.store.links(scope, address, &keys).await?;
            let known: HashMap<&String, bool> = keys.iter().zip(links.iter().map(Option::is_some)).collect();
            Ok(asked.iter().map(|(_, key)| known[key]).collect())
        }
        On::Route(route) => {
            let active: Vec<bool> = {
                let mut state = shared.lock();
                let place = state.route(route);
                asked
                    .iter()
                    .map(|(i, key)| place.keys.is_active_before(key, ready[*i].loaded.task.sequence))
                    .collect()
            };
            let delivered = shared.store.delivered(scope, route, &keys).await?;
            let mut facts: BTreeMap<&String, Fact> = BTreeMap::new();
            for (key, delivered) in keys.iter().zip(&delivered) {
                let mut fact = Fact::default();
                if let Some(delivered) = delivered {
                    fact.delivered = delivered.hash.is_some();
                    fact.filtered = delivered.filtered;
                    if let Some(condition) = &wait.when_delivered
                        && fact.delivered
                    {
                        fact.condition =
                            Some(holds(shared, condition.as_ref(), delivered.entity.as_deref())?);
                    }
                }
                facts.insert(key, fact);
            }
            Ok(asked
                .iter()
                .zip(active)
                .map(|((_, key), active)| is_satisfied(wait.settled, Fact { active, ..facts[key] }))
                .collect())
        }
    }
}

fn holds(
    shared: &Shared,
    condition: &dyn weir_sdk::expressions::Expression,
    entity: Option<&[u8]>,
) -> Result<bool, Error> {
    let Some(entity) = entity else { return Ok(false) };
    let entity = payload::unpack(entity)?;
    let bindings = [("vars", &shared.configuration.vars)];
    let scope = Scope {
        bindings: &bindings,
        references: &NoReferences,
        now: shared.context.clock.now(),
    };
    Ok(condition.evaluate(&entity, &scope)? == Some(Value::Bool(true)))
}

/// Tasks whose `keys` could not be evaluated are looked at again; called when lookups have changed.
pub(crate) async fn retry_stuck(shared: &Shared) {
    let stuck: Vec<(String, TaskId)> = {
        let state = shared.lock();
        let of = |(name, route): (&String, &crate::state::RouteState)| {
            route
                .stuck
                .iter()
                .map(|task| (name.clone(), *task))
                .collect::<Vec<_>>()
        };
        state.routes.iter().flat_map(of).collect()
    };
    shared.queue_waiting(&stuck).await;
}
