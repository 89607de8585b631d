use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::dependency::Need;
use weir_model::order::Entry;
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, TaskId};
use weir_sdk::Context;
use weir_sdk::store::{Change, Loaded, Move, Store};

use crate::breaker::Breakers;
use crate::configuration::{Configuration, Route};
use crate::operations;
use crate::references::References;
use crate::reply::Callers;
use crate::settling;
use crate::state::{self, State};
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

    /// The key of what is kept of a route where one collection holds all routes.
    pub(crate) fn stored_as(&self, route: &str) -> String {
        format!("{}/{route}", self.configuration.scope)
    }

    /// Work that changes the store and then the memory ends by itself once begun: whoever asked for it may hang up in
    /// between, and the memory would learn of the change only at the next start. `fell_over` is said where it panics.
    pub(crate) async fn see_through<T: Send + 'static>(
        &self,
        fell_over: &str,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        match self.tracker.spawn(work).await {
            Ok(outcome) => outcome,
            Err(error) => Err(Error::bug(fell_over).source(error)),
        }
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

    /// What was to be stored about held tasks was not: each is again what the store says it is, for somebody else was
    /// faster, or the store cannot write.
    pub(crate) async fn let_go(&self, route: &str, held: &[Entry]) {
        if held.is_empty() {
            return;
        }
        let tasks: Vec<TaskId> = held.iter().map(|entry| entry.task).collect();
        let loaded = self.load_surely(&tasks).await;
        let mut state = self.lock();
        for entry in held {
            let now = match &loaded {
                Ok(loaded) => loaded
                    .iter()
                    .find(|loaded| loaded.task.id == entry.task)
                    .map(|loaded| state::entry(&loaded.task)),
                Err(_) => Some(entry.clone()),
            };
            if now.as_ref().is_none_or(|now| now.state != TaskState::Waiting) {
                state.unpark(route, &entry.task);
            }
            let keys = &mut state.route(route).keys;
            match now {
                Some(now) => keys.put(now),
                None => drop(keys.remove(&entry.task)),
            }
        }
        drop(state);
        self.signal(route);
        self.progress.notify_waiters();
    }

    /// Loads, and tries again for as long as the store cannot be read.
    pub(crate) async fn load_surely(&self, tasks: &[TaskId]) -> Result<Vec<Loaded>, Error> {
        loop {
            match self.store.load(tasks).await {
                Err(error) if error.kind == Kind::Unavailable && !self.stopping.is_cancelled() => {
                    tracing::error!(error = %error, "the store cannot be read; trying again: {error}");
                    self.context.clock.sleep_ms(1_000).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// A task of these keys is no longer on its way, yet nothing was delivered: it waits, itself. Who waits for the key
    /// and can have what was delivered before looks again.
    pub(crate) async fn wake_for_delivered(&self, route: &str, keys: Vec<String>) {
        let need = |key: &String| Need::Key {
            route: route.to_owned(),
            key: key.clone(),
        };
        let keys: Vec<String> = {
            let state = self.lock();
            let is_awaited = |key: &String| !state.waiters.of(&need(key)).is_empty();
            keys.into_iter().filter(is_awaited).collect()
        };
        if keys.is_empty() {
            return;
        }
        let scope = &self.configuration.scope;
        let needs: Vec<Need> = match self.store.delivered(scope, route, &keys).await {
            Ok(delivered) => {
                let known = keys.iter().zip(&delivered).filter(|(_, d)| d.is_some());
                known.map(|(key, _)| need(key)).collect()
            }
            Err(_) => keys.iter().map(need).collect(),
        };
        self.wake(&needs).await;
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
                    if self.commit_surely(vec![change(&pair.1)]).await.is_ok() {
                        queued.push(pair);
                    }
                }
            }
            let mut state = self.lock();
            for (route, task) in queued {
                state.unpark(route, task);
                let place = state.route(route);
                // Who holds it meanwhile finds out by a conflict, and puts it where it belongs.
                if place
                    .keys
                    .get(task)
                    .is_some_and(|entry| entry.state == TaskState::Waiting)
                {
                    place.set(task, TaskState::Queued, None);
                }
            }
        }
        for route in tasks.iter().map(|(route, _)| route) {
            self.signal(route);
        }
    }
}
