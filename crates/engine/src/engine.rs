use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::config::{RouteLimits, Switch};
use weir_model::dependency::Need;
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, RunId, TaskId};
use weir_sdk::Context;
use weir_sdk::store::{Change, Move, Store, StoredSwitch};

use crate::accept::{self, Accepted, Arrival};
use crate::actions::{self, Action};
use crate::answer::{self, Answer};
use crate::breaker::Breakers;
use crate::configuration::Configuration;
use crate::correct::{self, Correction};
use crate::references::References;
use crate::shared::Shared;
use crate::state::State;
use crate::status::{Status, status};
use crate::{collect, dispatch, family, loops, source};

/// Rows read at once when the memory is rebuilt.
const ADOPT_ROWS: usize = 2_000;
/// Where switches set by a person are kept.
const SWITCHES: &str = "switches";

/// A running engine of one project and environment.
pub struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// Rebuilds the memory from the live rows, takes back what a dead process held, and starts everything: workers,
    /// triggers, lookups.
    pub async fn start(
        configuration: Configuration,
        store: Arc<dyn Store>,
        context: Context,
    ) -> Result<Engine, Error> {
        let engine = Engine::start_idle(configuration, store, context).await?;
        for (name, route) in &engine.shared.configuration.routes {
            if let Some(every_ms) = route.every_ms {
                let trigger = loops::trigger(engine.shared.clone(), name.clone(), every_ms);
                engine.shared.tracker.spawn(trigger);
            }
        }
        for (table, every_ms) in loops::refreshed_tables(&engine.shared) {
            engine
                .shared
                .tracker
                .spawn(loops::refresh_lookup(engine.shared.clone(), table, every_ms));
        }
        Ok(engine)
    }

    /// The same without triggers of its own: runs start only when asked for.
    pub async fn start_idle(
        configuration: Configuration,
        store: Arc<dyn Store>,
        context: Context,
    ) -> Result<Engine, Error> {
        let configuration = Arc::new(configuration);
        let references = Arc::new(References::new(
            configuration.clone(),
            store.clone(),
            context.clone(),
        ));
        let signals = configuration
            .routes
            .keys()
            .map(|name| (name.clone(), Arc::new(Notify::new())))
            .collect();
        let shared = Arc::new(Shared {
            configuration,
            store,
            context,
            references,
            breakers: Breakers::default(),
            state: Mutex::new(State::default()),
            claims: Default::default(),
            arrivals: Default::default(),
            signals,
            progress: Notify::new(),
            stopping: CancellationToken::new(),
            tracker: TaskTracker::new(),
        });
        adopt(&shared).await?;
        for name in shared.configuration.routes.keys() {
            shared
                .tracker
                .spawn(dispatch::run_route(shared.clone(), name.clone()));
        }
        shared.tracker.spawn(collect::run(shared.clone()));
        shared.tracker.spawn(loops::probe(shared.clone()));
        shared.tracker.spawn(loops::tidy(shared.clone()));
        shared.tracker.spawn(loops::sweep(shared.clone()));
        Ok(Engine { shared })
    }

    /// Starts a run. Lookups that the route is sensitive to are read first, so that the run and what it resends know the
    /// newest rows. Error `conflict` while a run of the route is under way.
    pub async fn run(&self, route: &str, trigger: &str) -> Result<RunId, Error> {
        loops::refresh_for_run(&self.shared, route).await?;
        let run = source::begin(&self.shared, route, trigger).await?;
        let id = run.id;
        source::spawn(&self.shared, run);
        Ok(id)
    }

    /// Takes entities that arrive by themselves; answers when their tasks are on disk. Errors: `not_found`, `conflict`
    /// (switched off), `invalid` (the body is not what the route looks for), `unavailable` (send again).
    pub async fn accept(&self, route: &str, arrival: Arrival) -> Result<Accepted, Error> {
        accept::accept(&self.shared, route, arrival).await
    }

    /// The limits of a route.
    pub fn limits(&self, route: &str) -> Result<&RouteLimits, Error> {
        Ok(&self.shared.route(route)?.limits)
    }

    /// Returns when no run is under way and nothing is queued, running or retrying.
    pub async fn wait_settled(&self) {
        loop {
            let progress = self.shared.progress.notified();
            if self.is_settled() {
                return;
            }
            tokio::select! {
                () = progress => {}
                () = self.shared.context.clock.sleep_ms(500) => {}
            }
        }
    }

    pub fn is_settled(&self) -> bool {
        self.shared.lock().is_settled()
    }

    pub fn status(&self) -> Status {
        status(&self.shared)
    }

    /// A person's action on one task; answers its new state.
    pub async fn act(&self, task: &TaskId, action: Action) -> Result<TaskState, Error> {
        actions::act(&self.shared, task, action).await
    }

    /// Corrects the entity of a task that has not ended, and lets it be tried again. Answers the corrected entity.
    pub async fn correct(&self, task: &TaskId, correction: &Correction) -> Result<Value, Error> {
        correct::correct(&self.shared, task, correction).await
    }

    /// Looks for waits that have expired, as the engine itself does every minute.
    pub async fn sweep(&self) {
        loops::sweep_once(&self.shared).await;
    }

    /// Answers the question for which a task waits.
    pub async fn answer(&self, task: &TaskId, answer: &Answer) -> Result<TaskState, Error> {
        answer::answer(&self.shared, task, answer).await
    }

    /// A finished task again, as a new one; a live one is retried.
    pub async fn replay(&self, task: &TaskId) -> Result<TaskId, Error> {
        actions::replay(&self.shared, task).await
    }

    /// Switches a route; remembered over restarts.
    pub async fn switch(&self, route: &str, switch: Switch) -> Result<(), Error> {
        self.shared.route(route)?;
        let document = serde_json::to_value(StoredSwitch { switch })
            .map_err(|error| Error::bug("a switch could not be written down").source(error))?;
        let key = format!("{}/{route}", self.shared.configuration.scope);
        let change = Change::PutDocument {
            collection: SWITCHES.to_owned(),
            key,
            document: Some(document),
        };
        self.shared.store.commit(vec![change]).await?;
        self.shared.lock().route(route).switch = switch;
        self.shared.signal(route);
        Ok(())
    }

    /// For each thing a waiting task misses, the whole chain in words.
    pub async fn waiting_reasons(&self, task: &TaskId) -> Vec<String> {
        match self.shared.store.task(task).await {
            Ok(Some(detail)) => actions::waiting_reasons(&self.shared, &detail.row.route, task),
            _ => Vec::new(),
        }
    }

    /// Stops sources at their page, lets workers finish their batch, and returns when all of it is on disk.
    pub async fn stop(&self) {
        self.shared.stopping.cancel();
        self.shared.progress.notify_waiters();
        self.shared.tracker.close();
        self.shared.tracker.wait().await;
    }
}

/// What nobody can have missed while the process was away: it is told to this one only.
fn is_told(shared: &Shared, route: &str, need: &Need) -> bool {
    let steps = || {
        shared
            .configuration
            .routes
            .get(route)
            .into_iter()
            .flat_map(|route| &route.steps)
    };
    match need {
        Need::Answer { .. } => true,
        // A step that is no more closes no groups.
        Need::Group { step, .. } => {
            steps().any(|placed| placed.id == *step && placed.step.closing().is_some())
        }
        Need::Key { .. } | Need::Link { .. } | Need::Row { .. } => false,
    }
}

/// Memory from the live rows. What is running there was held by a process that is gone.
async fn adopt(shared: &Shared) -> Result<(), Error> {
    let scope = &shared.configuration.scope;
    let at = shared.context.clock.now();
    let mut after = -1;
    loop {
        let mut live = shared.store.live(scope, after, ADOPT_ROWS).await?;
        let Some(last) = live.last() else { break };
        after = last.sequence;
        let recover: Vec<Change> = live
            .iter()
            .filter(|task| task.state == TaskState::Running)
            .map(|task| Change::Move(Move::to(task.id, TaskState::Running, TaskState::Queued, at)))
            .collect();
        if !recover.is_empty() {
            tracing::info!(
                "{} tasks were under way when the process ended; they go on",
                recover.len()
            );
            shared.store.commit(recover).await?;
        }
        let mut state = shared.lock();
        for task in &mut live {
            if task.state == TaskState::Running {
                task.state = TaskState::Queued;
            }
            state.adopt(task);
        }
    }
    for name in shared.configuration.routes.keys() {
        let stored = shared
            .store
            .document(SWITCHES, &format!("{scope}/{name}"))
            .await?;
        let switch = match stored {
            Some(document) => serde_json::from_value::<StoredSwitch>(document)
                .map(|stored| stored.switch)
                .map_err(|error| {
                    Error::new(Kind::Bug, format!("the switch of `{name}` is damaged")).source(error)
                })?,
            None => shared.configuration.routes[name].switch,
        };
        shared.lock().route(name).switch = switch;
    }
    family::adopt(shared).await?;
    // What a parked task waited for may have been delivered in the transaction before the crash.
    let parked: Vec<(String, TaskId)> = {
        let state = shared.lock();
        let of = |(name, place): (&String, &crate::state::RouteState)| {
            place
                .missing
                .iter()
                .filter(|(_, needs)| !needs.iter().any(|need| is_told(shared, name, need)))
                .map(|(task, _)| (name.clone(), *task))
                .collect::<Vec<_>>()
        };
        state
            .routes
            .iter()
            .filter(|(name, _)| shared.configuration.routes.contains_key(*name))
            .flat_map(of)
            .collect()
    };
    shared.queue_waiting(&parked).await;
    Ok(())
}
