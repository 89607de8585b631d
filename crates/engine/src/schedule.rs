//! Runs a route by the clock. The turns are decided in `model::schedule`; the last one is durable, so that a restart knows
//! what was missed.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use weir_model::config::Switch;
use weir_model::schedule::{CatchUp, Schedule};
use weir_model::{Error, Kind};
use weir_sdk::store::Change;

use crate::settling::{self, why};
use crate::shared::Shared;
use crate::source;

/// Where the last turns are kept: one document a route.
const SCHEDULES: &str = "schedules";
/// The wall clock is looked at so often while waiting for it: it may be set.
const LOOK_MS: u64 = 30_000;

/// The last turn of a route, as stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    turn: Timestamp,
    /// The schedule in words: where it has changed, the turns of the new one count from now.
    schedule: String,
}

/// The last turn that was taken or left out.
struct Last {
    turn: Timestamp,
    /// Real time since, at this reading of the monotonic clock.
    elapsed_ms: u64,
    at_ms: u64,
}

/// While it exists the engine does not look settled: the first decision is not made yet.
pub(crate) struct Starting(Arc<Shared>);

impl Starting {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        shared.lock().starting += 1;
        Starting(shared.clone())
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.lock().starting -= 1;
        self.0.progress.notify_waiters();
    }
}

/// One route and its turns.
struct Turns {
    shared: Arc<Shared>,
    route: String,
    schedule: Schedule,
}

/// Makes up for what was missed, then runs the route at its turns until Weir stops.
pub(crate) async fn run(
    shared: Arc<Shared>,
    route: String,
    schedule: Schedule,
    catch_up: CatchUp,
    starting: Starting,
) {
    let turns = Turns {
        shared,
        route,
        schedule,
    };
    let Some(mut last) = turns.begin(catch_up, starting).await else {
        return;
    };
    while let Some(turn) = turns.wait(&last).await {
        last = turns.take(turn, why::SCHEDULE, None).await;
    }
}

impl Turns {
    /// What was cut off goes on, and missed turns are made up for. `None` when Weir is stopping.
    async fn begin(&self, catch_up: CatchUp, starting: Starting) -> Option<Last> {
        let mut starting = Some(starting);
        let stored = self.stored().await?;
        let now = self.shared.context.clock.now();
        let is_cut_off = {
            let mut state = self.shared.lock();
            state.route(&self.route).switch != Switch::Off && settling::was_cut_off(&state, &self.route)
        };
        let (mut turn, mut missed) = match (&stored, &self.schedule) {
            (Some(stored), _) if stored.schedule == self.schedule.to_string() => {
                (stored.turn, self.schedule.missed(catch_up, stored.turn, now))
            }
            (Some(stored), Schedule::Every(_)) => {
                (stored.turn, self.schedule.missed(catch_up, stored.turn, now))
            }
            // A first run does not wait for the interval.
            (None, Schedule::Every(_)) => (now, vec![now]),
            (_, Schedule::Cron(_)) => (now, Vec::new()),
        };
        if missed.is_empty() && is_cut_off {
            self.run_once(turn, why::START, &mut starting).await;
        } else if missed.is_empty() && stored.as_ref().is_none_or(|stored| stored.turn != turn) {
            self.remember(turn).await;
        }
        // Turns that are left out, too, have had their time.
        turn = self.schedule.newest(turn, now).unwrap_or(turn);
        if missed.len() > 1 {
            let (route, n) = (&self.route, missed.len());
            tracing::info!(
                route.id = route,
                "`{route}` makes up for {n} turns that were missed"
            );
        }
        let mut last = self.last(turn);
        for (i, turn) in missed.drain(..).enumerate() {
            let trigger = match i == 0 && is_cut_off {
                true => why::START,
                false => why::SCHEDULE,
            };
            last = self.last(turn);
            self.run_once(turn, trigger, &mut starting).await;
            if self.shared.stopping.is_cancelled() {
                return None;
            }
        }
        Some(self.leave_out(last).await)
    }

    /// One turn: a run, unless the route is switched off or has one under way. What comes due meanwhile is left out.
    async fn take(&self, turn: Timestamp, trigger: &str, mut starting: Option<Starting>) -> Last {
        let last = self.last(turn);
        self.run_once(turn, trigger, &mut starting).await;
        self.leave_out(last).await
    }

    async fn run_once(&self, turn: Timestamp, trigger: &str, starting: &mut Option<Starting>) {
        let (shared, route) = (&self.shared, &self.route);
        if shared.lock().route(route).switch == Switch::Off {
            self.remember(turn).await;
            return;
        }
        let begun = source::begin(shared, route, trigger, vec![self.change(turn)]).await;
        drop(starting.take());
        match begun {
            Ok(run) => source::read(shared, &run).await,
            Err(error) if error.kind == Kind::Conflict => {
                tracing::info!(
                    route.id = route,
                    "the turn of `{route}` at {turn} is left out: {error}"
                );
                self.remember(turn).await;
            }
            Err(error) => {
                tracing::error!(route.id = route, error = %error, "`{route}` could not run at {turn}: {error}");
            }
        }
    }

    /// Turns that came due while a run was under way.
    async fn leave_out(&self, last: Last) -> Last {
        let route = &self.route;
        let now_ms = self.shared.context.clock.monotonic_ms();
        let elapsed_ms = last.elapsed_ms + now_ms.saturating_sub(last.at_ms);
        let newest = match &self.schedule {
            Schedule::Every(span) => {
                let turns = elapsed_ms / span.ms.max(1);
                let passed_ms = i64::try_from(turns.saturating_mul(span.ms)).unwrap_or(i64::MAX);
                let passed = jiff::SignedDuration::from_millis(passed_ms);
                (turns > 0).then(|| last.turn.checked_add(passed).unwrap_or(last.turn))
            }
            Schedule::Cron(_) => self.schedule.newest(last.turn, self.shared.context.clock.now()),
        };
        let Some(newest) = newest else { return last };
        tracing::info!(
            route.id = route,
            "turns of `{route}` up to {newest} are left out: a run was under way"
        );
        self.remember(newest).await;
        let passed_ms = newest.as_millisecond().saturating_sub(last.turn.as_millisecond());
        Last {
            turn: newest,
            elapsed_ms: elapsed_ms.saturating_sub(passed_ms.max(0) as u64),
            at_ms: now_ms,
        }
    }

    /// Until the next turn has come. `None` when Weir is stopping.
    async fn wait(&self, last: &Last) -> Option<Timestamp> {
        let clock = &self.shared.context.clock;
        let mut planned: Option<Timestamp> = None;
        loop {
            let now = clock.now();
            let elapsed_ms = last.elapsed_ms + clock.monotonic_ms().saturating_sub(last.at_ms);
            let is_of_clock = matches!(self.schedule, Schedule::Cron(_));
            let next = match planned.filter(|turn| is_of_clock && *turn <= now) {
                Some(turn) => Some(turn),
                None => self.schedule.next(last.turn, elapsed_ms, now),
            };
            let Some(next) = next else {
                self.shared.stopping.cancelled().await;
                return None;
            };
            if next <= now {
                return Some(
                    self.schedule
                        .newest(last.turn, now)
                        .filter(|_| is_of_clock)
                        .unwrap_or(next),
                );
            }
            planned = Some(next);
            let wait_ms = (next.as_millisecond() - now.as_millisecond()).max(1) as u64;
            tokio::select! {
                biased;
                () = clock.sleep_ms(wait_ms.min(LOOK_MS)) => {}
                () = self.shared.stopping.cancelled() => return None,
            }
        }
    }

    fn last(&self, turn: Timestamp) -> Last {
        let clock = &self.shared.context.clock;
        let elapsed_ms = clock.now().as_millisecond().saturating_sub(turn.as_millisecond());
        Last {
            turn,
            elapsed_ms: elapsed_ms.max(0) as u64,
            at_ms: clock.monotonic_ms(),
        }
    }

    fn key(&self) -> String {
        self.shared.stored_as(&self.route)
    }

    fn change(&self, turn: Timestamp) -> Change {
        Change::PutDocument {
            collection: SCHEDULES.to_owned(),
            key: self.key(),
            document: Some(serde_json::json!({ "turn": turn, "schedule": self.schedule.to_string() })),
        }
    }

    /// A turn that made no run, or one more than there was.
    async fn remember(&self, turn: Timestamp) {
        if let Err(error) = self.shared.commit_surely(vec![self.change(turn)]).await {
            let route = &self.route;
            tracing::error!(route.id = route, error = %error, "a turn of `{route}` could not be noted: {error}");
        }
    }

    /// `None` when Weir is stopping. A document that cannot be read is as good as none.
    async fn stored(&self) -> Option<Option<Stored>> {
        loop {
            let read: Result<_, Error> = self.shared.store.document(SCHEDULES, &self.key()).await;
            match read {
                Ok(document) => {
                    return Some(document.and_then(|document| serde_json::from_value(document).ok()));
                }
                Err(error) => {
                    let route = &self.route;
                    tracing::error!(route.id = route, error = %error, "the turns of `{route}` cannot be told: {error}");
                }
            }
            tokio::select! {
                biased;
                () = self.shared.context.clock.sleep_ms(1_000) => {}
                () = self.shared.stopping.cancelled() => return None,
            }
        }
    }
}
