use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::dependency::Need;
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, TaskId};
use weir_sdk::Context;
use weir_sdk::store::{Change, Move, Store};

use crate::breaker::Breakers;
use crate::configuration::{Configuration, Route};
use crate::operations;
use crate::references::References;
use crate::reply::Callers;
use crate::settling;
use crate::state::State;
use crate::stripes::Stripes;

/// What every loop of the engine works on.
pub(crate) struct Shared {
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) context: Context,
    pub(crate) references: Arc<References>,
    pub(crate) breakers: Breakers,
    pub(crate) state: Mutex<State>,
    /// Marks, held while they are looked up and claimed, so that two tasks never claim one.
    pub(crate) claims: Stripes,
    /// Keys of routes, held while tasks of them are stored.
    pub(crate) arrivals: Stripes,
    /// Callers that wait for the end of a task.
    pub(crate) callers: Callers,
    pub(crate) operations: operations::Running,
    /// Wakes the dispatcher of a route.
    pub(crate) signals: BTreeMap<String, Arc<Notify>>,
    /// A task ended or was parked: sources that were held back look again, and so does who waits for the end.
    pub(crate) progress: Notify,
    pub(crate) stopping: CancellationToken,
    pub(crate) tracker: TaskTracker,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn route(&self, name: &str) -> Result<&Route, Error> {
        self.configuration.routes.get(name).ok_or_else(|| {
            let known = self.configuration.routes.keys().map(String::as_str);
            let hint = weir_model::did_you_mean(name, known).unwrap_or_else(|| {
                format!(
                    "known routes: {}",
                    self.configuration
                        .routes
                        .keys()
                        .cloned()
                        .collect::<Vec<_>>()
                        .join(", ")
                )
            });
            Error::new(Kind::NotFound, format!("there is no route `{name}`; {hint}"))
        })
    }

    pub(crate) fn signal(&self, route: &str) {
        if let Some(signal) = self.signals.get(route) {
            signal.notify_one();
        }
    }

    /// No run is under way or about to be, and nothing is queued, running or retrying.
    pub(crate) fn is_settled(&self) -> bool {
        let mut state = self.lock();
        state.is_settled() && !settling::is_pending(&self.configuration, &mut state)
    }

    /// Commits, and tries again for as long as the store cannot (full disk): what was done outside is not forgotten.
    pub(crate) async fn commit_surely(&self, changes: Vec<Change>) -> Result<Vec<i64>, Error> {
        let mut wait_ms = 100;
        loop {
            match self.store.commit(changes.clone()).await {
                Err(error) if error.kind == Kind::Unavailable && !self.stopping.is_cancelled() => {
                    tracing::error!(error = %error, "the store cannot write; trying again in {wait_ms} ms: {error}");
                    self.context.clock.sleep_ms(wait_ms).await;
                    wait_ms = (wait_ms * 2).min(10_000);
                }
                outcome => return outcome,
            }
        }
    }

    /// Looks again at the tasks that missed these needs. Returns when the woken ones are queued, durably.
    pub(crate) async fn wake(&self, needs: &[Need]) {
        let free: Vec<(String, TaskId)> = {
            let mut state = self.lock();
            let free: Vec<_> = needs.iter().flat_map(|need| state.meet(need)).collect();
            if free.is_empty() {
                return;
            }
            state.wakings += 1;
            free
        };
        self.queue_waiting(&free).await;
        self.lock().wakings -= 1;
        self.progress.notify_waiters();
    }

    /// `waiting` → `queued`, for tasks that a need, a person or a changed lookup sets free.
    pub(crate) async fn queue_waiting(&self, tasks: &[(String, TaskId)]) {
        let at = self.context.clock.now();
        let change = |task: &TaskId| Change::Move(Move::to(*task, TaskState::Waiting, TaskState::Queued, at));
        for chunk in tasks.chunks(500) {
            let changes: Vec<Change> = chunk.iter().map(|(_, task)| change(task)).collect();
            let mut queued: Vec<&(String, TaskId)> = chunk.iter().collect();
            if let Err(error) = self.commit_surely(changes).await {
                // Somebody acted on one of them meanwhile: each for itself then.
                tracing::debug!(error = %error, "waking one by one: {error}");
                queued = Vec::new();
                for pair in chunk {
                    if self.store.commit(vec![change(&pair.1)]).await.is_ok() {
                        queued.push(pair);
                    }
                }
            }
            let mut state = self.lock();
            for (route, task) in queued {
                state.unpark(route, task);
                state.route(route).set(task, TaskState::Queued, None);
            }
        }
        for route in tasks.iter().map(|(route, _)| route) {
            self.signal(route);
        }
    }
}
