//! What goes on beside the work: lookups that are read again, probes of paused connections, and tidying.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_model::dependency::Need;
use weir_model::task::State as TaskState;
use weir_sdk::expressions::Want;
use weir_sdk::store::{Change, LiveTask, Move};

use crate::actions;
use crate::configuration::Lookup;
use crate::dispatch;
use crate::settling::why;
use crate::shared::Shared;
use crate::source;
use crate::state::is_member;

/// Between two looks at expired waits and finished rows.
const SWEEP_MS: u64 = 60_000;
const TIDY_MS: u64 = 5_000;

/// Reads a refreshed lookup now and then.
pub(crate) async fn refresh_lookup(shared: Arc<Shared>, table: String, every_ms: u64) {
    loop {
        tokio::select! {
            biased;
            () = shared.context.clock.sleep_ms(every_ms) => {}
            () = shared.stopping.cancelled() => return,
        }
        if let Err(error) = refresh(&shared, &table).await {
            tracing::warn!(lookup.id = table, error = %error, "lookup `{table}` keeps its rows: {error}");
        }
    }
}

/// Reads the table again; entities whose last delivery asked for a row that has changed are read and sent again. The new
/// rows are remembered only after those tasks are stored: a crash in between repeats them, and `unchanged` drops what
/// was not needed.
pub(crate) async fn refresh(shared: &Shared, table: &str) -> Result<(), weir_model::Error> {
    let changed = shared.references.refresh(table).await?;
    if changed.is_empty() {
        return Ok(());
    }
    let wants: Vec<Want> = changed
        .iter()
        .map(|(key, _)| Want::Row {
            table: table.to_owned(),
            key: key.clone(),
        })
        .collect();
    for (name, route) in &shared.configuration.routes {
        if !route.resend_on.iter().any(|t| t == table) {
            continue;
        }
        let keys = shared
            .store
            .readers(&shared.configuration.scope, name, &wants)
            .await?;
        if !keys.is_empty() {
            tracing::info!(
                route.id = name,
                "{} rows of `{table}` changed: {} keys of `{name}` are sent again",
                wants.len(),
                keys.len()
            );
            let run = begin_patiently(shared, name, why::RESEND).await?;
            source::resend(shared, &run, &keys).await;
        }
    }
    let met: Vec<Need> = changed
        .iter()
        .filter(|(_, row)| row.is_some())
        .map(|(key, _)| Need::Row {
            table: table.to_owned(),
            key: key.clone(),
        })
        .collect();
    let scope = &shared.configuration.scope;
    let puts = changed.into_iter().map(|(key, row)| Change::PutLookupRow {
        scope: scope.clone(),
        table: table.to_owned(),
        key,
        row,
    });
    let puts: Vec<Change> = puts.collect();
    for chunk in puts.chunks(500) {
        shared.commit_surely(chunk.to_vec()).await?;
    }
    shared.wake(&met).await;
    dispatch::retry_stuck(shared).await;
    Ok(())
}

/// A run that is under way is waited for.
pub(crate) async fn begin_patiently(
    shared: &Shared,
    route: &str,
    trigger: &str,
) -> Result<weir_sdk::store::Run, weir_model::Error> {
    loop {
        let progress = shared.progress.notified();
        match source::begin(shared, route, trigger, Vec::new()).await {
            Err(error) if error.kind == weir_model::Kind::Conflict && !shared.stopping.is_cancelled() => {
                tokio::select! {
                    biased;
                    () = progress => {}
                    () = shared.context.clock.sleep_ms(1_000) => {}
                }
            }
            other => return other,
        }
    }
}

/// The tables that a route's next run should know the newest rows of.
pub(crate) async fn refresh_for_run(shared: &Shared, route: &str) -> Result<(), weir_model::Error> {
    let tables: Vec<String> = shared.route(route)?.resend_on.clone();
    for table in tables {
        if let Some(Lookup::Refreshed { .. }) = shared.configuration.lookups.get(&table) {
            refresh(shared, &table).await?;
        }
    }
    Ok(())
}

/// Tries paused connections until they answer again.
pub(crate) async fn probe(shared: Arc<Shared>) {
    loop {
        let now_ms = shared.context.clock.monotonic_ms();
        let (due, next) = shared.breakers.due(now_ms);
        for name in due {
            let Some(connection) = shared.configuration.connections.get(&name) else {
                continue;
            };
            let results = connection.check().await;
            if results.iter().all(|result| result.ok) {
                shared.breakers.close(&name);
                for route in shared.configuration.routes.keys() {
                    shared.signal(route);
                }
            } else {
                shared
                    .breakers
                    .still_open(&name, shared.context.clock.monotonic_ms());
            }
        }
        let sleep = async {
            match next {
                Some(at) => {
                    shared
                        .context
                        .clock
                        .sleep_ms(at.saturating_sub(now_ms).max(10))
                        .await
                }
                None if shared.breakers.due(u64::MAX).0.is_empty() => std::future::pending().await,
                None => shared.context.clock.sleep_ms(50).await,
            }
        };
        tokio::select! {
            biased;
            () = sleep => {}
            () = shared.breakers.opened.notified() => {}
            () = shared.stopping.cancelled() => return,
        }
    }
}

/// Moves finished tasks to the day files and drops expired days.
pub(crate) async fn tidy(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            biased;
            () = shared.context.clock.sleep_ms(TIDY_MS) => {}
            () = shared.stopping.cancelled() => return,
        }
        if let Err(error) = shared
            .store
            .tidy(shared.context.clock.now(), &shared.configuration.retention)
            .await
        {
            tracing::error!(error = %error, "finished tasks stay in main.db for now: {error}");
        }
    }
}

/// Buries what has waited too long, with the chain; looks again at what could not be told.
pub(crate) async fn sweep(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            biased;
            () = shared.context.clock.sleep_ms(SWEEP_MS) => {}
            () = shared.stopping.cancelled() => return,
        }
        sweep_once(&shared).await;
    }
}

pub(crate) async fn sweep_once(shared: &Shared) {
    dispatch::retry_stuck(shared).await;
    if let Err(error) = bury_expired(shared).await {
        tracing::error!(error = %error, "expired waits stay for now: {error}");
    }
}

async fn bury_expired(shared: &Shared) -> Result<(), weir_model::Error> {
    let now = shared.context.clock.now();
    let (mut after, mut expired) = (-1, Vec::new());
    loop {
        let live = shared
            .store
            .live(&shared.configuration.scope, after, 1_000)
            .await?;
        let Some(last) = live.last() else { break };
        after = last.sequence;
        for task in live.into_iter().filter(|task| task.state == TaskState::Waiting) {
            let Some(route) = shared.configuration.routes.get(&task.route) else {
                continue;
            };
            let waited_ms = (now.as_millisecond() - task.since.as_millisecond()).max(0) as u64;
            let is_expired = match task.due {
                // Parked by a step.
                Some(due) => now >= due,
                None if is_member(&task.needs) => false,
                None => {
                    let timeout = route.waits_for.iter().map(|wait| wait.timeout_ms).min();
                    timeout.is_some_and(|timeout| waited_ms > timeout)
                }
            };
            if is_expired {
                expired.push(task);
            }
        }
    }
    for task in expired {
        let chain = actions::waiting_reasons(shared, &task.route, &task.id).join("; ");
        let message = format!("`{}` waited too long: {chain}", task.key);
        let error = weir_model::Error::new(weir_model::Kind::NotFound, message).with("entity", &task.key);
        match bury(shared, &task, error, now).await {
            Err(error) if error.kind == weir_model::Kind::Conflict => {} // woken in this very moment
            outcome => outcome?,
        }
    }
    Ok(())
}

async fn bury(
    shared: &Shared,
    task: &LiveTask,
    error: weir_model::Error,
    at: jiff::Timestamp,
) -> Result<(), weir_model::Error> {
    let route = &task.route;
    let Some(held) = shared.lock().route(route).hold(&task.id) else {
        return Ok(());
    };
    let change = Move {
        error: Some(error),
        ..Move::to(task.id, TaskState::Waiting, TaskState::Dead, at)
    };
    if let Err(error) = shared.store.commit(vec![Change::Move(change)]).await {
        shared.let_go(route, &[held]).await;
        return Err(error);
    }
    {
        let mut state = shared.lock();
        state.unpark(route, &task.id);
        state.route(route).set(&task.id, TaskState::Dead, None);
    }
    // The next of the key moves up, and who waited for its end looks again.
    shared.signal(route);
    shared.progress.notify_waiters();
    let need = Need::Key {
        route: route.clone(),
        key: task.key.clone(),
    };
    shared.wake(&[need]).await;
    Ok(())
}

/// Lookups that are read on a schedule of their own.
pub(crate) fn refreshed_tables(shared: &Shared) -> BTreeSet<(String, u64)> {
    shared
        .configuration
        .lookups
        .iter()
        .filter_map(|(name, lookup)| match lookup {
            Lookup::Refreshed { every_ms, .. } => Some((name.clone(), *every_ms)),
            _ => None,
        })
        .collect()
}
