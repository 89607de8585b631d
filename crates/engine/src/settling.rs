//! Notices when runs have settled: wakes the tasks that waited for it (`waits_for: [{ run: … }]`) and starts the routes
//! that run after others (`after`). Looked at whenever something has moved, never by the clock.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use weir_model::config::Switch;
use weir_model::dependency::Need;
use weir_model::runs::End;
use weir_model::{Error, RunId};
use weir_sdk::store::{Change, LiveTask, RunOutcome};

use crate::configuration::{Configuration, On, Trigger};
use crate::schedule::Starting;
use crate::shared::Shared;
use crate::source;
use crate::state::State;

/// Runs of a route that are looked through when the memory is rebuilt.
const ADOPT_RUNS: usize = 500;

/// Why a run began: what stands in its record.
pub(crate) mod why {
    /// Its time had come.
    pub(crate) const SCHEDULE: &str = "schedule";
    /// The run before it was cut off by the end of the process.
    pub(crate) const START: &str = "start";
    /// The routes before it had settled.
    pub(crate) const AFTER: &str = "after";
    /// Some keys again, because something they asked for has changed.
    pub(crate) const RESEND: &str = "resend";
    /// A range of time again.
    pub(crate) const BACKFILL: &str = "backfill";

    /// The run reads the whole source, from where the last one ended.
    pub(crate) fn is_whole(trigger: &str) -> bool {
        !matches!(trigger, RESEND | BACKFILL)
    }
}

/// The runs of each route into memory. One that was never ended was cut off by the end of its process.
pub(crate) async fn adopt(shared: &Shared) -> Result<(), Error> {
    let scope = &shared.configuration.scope;
    let at = shared.context.clock.now();
    for name in shared.configuration.routes.keys() {
        let mut runs = shared.store.runs(scope, Some(name), ADOPT_RUNS).await?;
        runs.reverse();
        let cut_off: Vec<Change> = runs
            .iter()
            .filter(|run| run.ended_at.is_none())
            .map(|run| Change::EndRun {
                run: run.id,
                at,
                outcome: RunOutcome::Stopped("the process ended".to_owned()),
            })
            .collect();
        if !cut_off.is_empty() {
            shared.store.commit(cut_off).await?;
        }
        let mut state = shared.lock();
        for run in runs.iter().filter(|run| why::is_whole(&run.trigger)) {
            state.runs.begin(name, run.id, run.started_at);
            state.runs.end(name, run.id, end_of(run.outcome.as_ref()));
        }
    }
    look(shared).await
}

pub(crate) fn end_of(outcome: Option<&RunOutcome>) -> End {
    match outcome {
        Some(RunOutcome::Read) => End::Read,
        _ => End::CutOff,
    }
}

/// The last run of the route was cut off; the next one goes on at its page.
pub(crate) fn was_cut_off(state: &State, route: &str) -> bool {
    state.runs.last(route).is_some_and(|last| last.end == End::CutOff)
}

/// Routes whose runs somebody waits for.
fn awaited(configuration: &Configuration) -> BTreeSet<&str> {
    let mut awaited = BTreeSet::new();
    for route in configuration.routes.values() {
        if let Trigger::After(names) = &route.trigger {
            awaited.extend(names.iter().map(String::as_str));
        }
        awaited.extend(route.waits_for.iter().filter_map(|wait| match &wait.on {
            On::Run(route) => Some(route.as_str()),
            _ => None,
        }));
    }
    awaited
}

/// Looks whenever something has moved.
pub(crate) async fn watch(shared: Arc<Shared>) {
    if awaited(&shared.configuration).is_empty() {
        return;
    }
    loop {
        let progress = shared.progress.notified();
        if shared.stopping.is_cancelled() {
            return;
        }
        if let Err(error) = look(&shared).await {
            tracing::error!(error = %error, "whether runs have settled cannot be told now: {error}");
        }
        tokio::select! {
            () = progress => {}
            () = shared.stopping.cancelled() => return,
        }
    }
}

/// Finds runs that have settled since the last look.
async fn look(shared: &Shared) -> Result<(), Error> {
    for route in awaited(&shared.configuration) {
        let groups = shared.lock().runs.candidates(route);
        for group in groups {
            if !is_over(shared, &group).await? {
                continue;
            }
            let needs = match group.last() {
                Some(run) => settle(shared, route, *run),
                None => Vec::new(),
            };
            shared.wake(&needs).await;
            shared.progress.notify_waiters();
            break;
        }
    }
    Ok(())
}

/// None of the runs has a task on its way.
async fn is_over(shared: &Shared, runs: &[RunId]) -> Result<bool, Error> {
    for run in runs {
        let counts = shared.store.run_counts(run).await?;
        if counts.iter().any(|(state, n)| state.unsettles_run() && *n > 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Remembers it; the needs that are met by it.
fn settle(shared: &Shared, route: &str, run: RunId) -> Vec<Need> {
    let mut state = shared.lock();
    match state.runs.settle(route, run) {
        Some(started_at) => state.met_by_run(route, started_at),
        None => Vec::new(),
    }
}

/// What a task misses while no run of the awaited route has settled that started after the task's own run; for a task
/// without a run, after it was accepted.
pub(crate) fn lacking(shared: &Shared, route: &str, awaited: &str, task: &LiveTask) -> Option<Need> {
    let state = shared.lock();
    let after = match task.run {
        Some(run) => state.runs.started_at(route, run).or(run.made_at()),
        None => task.id.made_at(),
    };
    let after = after.unwrap_or(task.since);
    (!state.runs.has_settled_after(awaited, Some(after))).then(|| Need::Run {
        route: awaited.to_owned(),
        after,
    })
}

/// What a run that is awaited waits for itself: runs of the routes before it.
pub(crate) fn needs_of_run(configuration: &Configuration, state: &State, need: &Need) -> Vec<Need> {
    let Need::Run { route, after } = need else {
        return Vec::new();
    };
    let last = state.runs.last(route).map(|last| last.started_at);
    if last > Some(*after) {
        return Vec::new();
    }
    followers(configuration)
        .filter(|(name, _)| name == route)
        .flat_map(|(_, names)| names)
        .filter(|before| !state.runs.has_settled_after(before, last))
        .map(|before| Need::Run {
            route: before.clone(),
            after: last.unwrap_or(*after),
        })
        .collect()
}

/// Why an awaited run has not settled.
pub(crate) fn reason(state: &State, route: &str, after: Timestamp) -> String {
    let Some(last) = state.runs.last(route).filter(|last| last.started_at > after) else {
        return format!("none has begun yet; `weir run {route}` begins one");
    };
    match last.end {
        End::Open => format!("run {} is still reading", last.run),
        End::CutOff => format!(
            "run {} was cut off before its source ended; the next run goes on at its page: `weir run {route}`",
            last.run
        ),
        End::Read => format!("tasks of run {} are on their way", last.run),
    }
}

/// Starts the routes that run after others, whenever those have settled. What was cut off goes on first.
pub(crate) async fn follow(shared: Arc<Shared>, starting: Starting) {
    let followers: Vec<String> = followers(&shared.configuration)
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in &followers {
        let is_cut_off = {
            let mut state = shared.lock();
            state.route(name).switch != Switch::Off && was_cut_off(&state, name)
        };
        if is_cut_off {
            start(&shared, name, why::START).await;
        }
    }
    drop(starting);
    loop {
        let progress = shared.progress.notified();
        if shared.stopping.is_cancelled() {
            return;
        }
        for name in &followers {
            if is_due(&shared.configuration, &mut shared.lock(), name) {
                start(&shared, name, why::AFTER).await;
            }
        }
        tokio::select! {
            () = progress => {}
            () = shared.stopping.cancelled() => return,
        }
    }
}

async fn start(shared: &Arc<Shared>, name: &str, trigger: &str) {
    match source::begin(shared, name, trigger, Vec::new()).await {
        Ok(run) => source::spawn(shared, run),
        Err(error) => {
            tracing::warn!(route.id = name, error = %error, "`{name}` could not start and is tried again later: {error}");
        }
    }
}

fn followers(configuration: &Configuration) -> impl Iterator<Item = (&str, &[String])> {
    configuration
        .routes
        .iter()
        .filter_map(|(name, route)| match &route.trigger {
            Trigger::After(names) => Some((name.as_str(), names.as_slice())),
            _ => None,
        })
}

/// Runs of all that go before have settled that began after the route's own last run.
fn is_due(configuration: &Configuration, state: &mut State, name: &str) -> bool {
    let place = state.route(name);
    if place.switch == Switch::Off || place.reading.is_some() {
        return false;
    }
    let last = state.runs.last(name).map(|last| last.started_at);
    followers(configuration)
        .filter(|(follower, _)| *follower == name)
        .all(|(_, names)| {
            names
                .iter()
                .all(|before| state.runs.has_settled_after(before, last))
        })
}

/// Something is still to be noticed or started.
pub(crate) fn is_pending(configuration: &Configuration, state: &mut State) -> bool {
    let unnoticed = awaited(configuration)
        .iter()
        .any(|route| !state.runs.candidates(route).is_empty());
    unnoticed
        || (state.follows
            && followers(configuration)
                .map(|(name, _)| name)
                .any(|name| is_due(configuration, state, name)))
}
