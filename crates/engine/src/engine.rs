use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::config::{RouteLimits, Switch};
use weir_model::dependency::Need;
use weir_model::operation::Control;
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, OperationId, RunId, TaskId};
use weir_sdk::Context;
use weir_sdk::store::{Change, Move, Store, StoredSwitch};

use crate::accept::{self, Accepted, Arrival};
use crate::actions::{self, Action, Deed};
use crate::again::{self, Ask};
use crate::answer::{self, Answer};
use crate::breaker::Breakers;
use crate::carry::Carried;
use crate::configuration::{Configuration, Trigger};
use crate::correct::Correction;
use crate::operations::{self, Preview, Progress, Selection};
use crate::references::References;
use crate::reply::{self, Replied};
use crate::schedule::{self, Starting};
use crate::shared::Shared;
use crate::state::State;
use crate::status::{Status, status};
use crate::{collect, dispatch, family, loops, payload, plan, settling, start};

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
        let shared = &engine.shared;
        for (name, route) in &shared.configuration.routes {
            if let Trigger::Time { schedule, catch_up } = &route.trigger {
                let (name, schedule) = (name.clone(), schedule.clone());
                let starting = Starting::new(shared);
                let turns = schedule::run(shared.clone(), name, schedule, *catch_up, starting);
                shared.tracker.spawn(turns);
            }
        }
        for route in again::unfinished(shared).await? {
            let starting = Starting::new(shared);
            shared
                .tracker
                .spawn(again::resume(shared.clone(), route, starting));
        }
        shared.lock().follows = true;
        let starting = Starting::new(shared);
        shared.tracker.spawn(settling::follow(shared.clone(), starting));
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
            callers: Default::default(),
            operations: Default::default(),
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
        shared.tracker.spawn(settling::watch(shared.clone()));
        shared.tracker.spawn(loops::probe(shared.clone()));
        shared.tracker.spawn(loops::tidy(shared.clone()));
        shared.tracker.spawn(loops::sweep(shared.clone()));
        operations::start(&shared).await?;
        shared.tracker.spawn(operations::tidy(shared.clone()));
        Ok(Engine { shared })
    }

    /// Starts a run. Lookups that the route is sensitive to are read first, so that the run and what it resends know the
    /// newest rows. Error `conflict` while a run of the route is under way.
    pub async fn run(&self, route: &str, trigger: &str) -> Result<RunId, Error> {
        again::start(&self.shared, route, &Ask::Onward, trigger).await
    }

    /// Starts a run that reads what is asked for.
    pub async fn ask(&self, route: &str, ask: &Ask) -> Result<RunId, Error> {
        again::start(&self.shared, route, ask, "manual").await
    }

    /// Takes entities that arrive by themselves; answers when their tasks are on disk. Errors: `not_found`, `conflict`
    /// (switched off), `invalid` (the body is not what the route looks for), `unavailable` (send again).
    pub async fn accept(&self, route: &str, arrival: Arrival) -> Result<Accepted, Error> {
        accept::accept(&self.shared, route, arrival).await
    }

    /// The same for a route with `reply`: answers with what came of its steps. Besides, an error of kind `timeout` at the
    /// deadline, while the task goes on; its context names the `task`.
    pub async fn converse(&self, route: &str, arrival: Arrival) -> Result<Replied, Error> {
        reply::converse(&self.shared, route, arrival).await
    }

    /// Whether who sends to a route waits for what comes of it.
    pub fn replies(&self, route: &str) -> Result<bool, Error> {
        Ok(self.shared.route(route)?.reply.is_some())
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
                biased;
                () = progress => {}
                () = self.shared.context.clock.sleep_ms(500) => {}
            }
        }
    }

    pub fn is_settled(&self) -> bool {
        self.shared.is_settled()
    }

    pub fn status(&self) -> Status {
        status(&self.shared)
    }

    /// A person's action on one task; answers its new state.
    pub async fn act(&self, task: &TaskId, action: Action) -> Result<TaskState, Error> {
        Ok(self.carry(task, Deed::new(action)).await?.state)
    }

    /// Corrects the entity of a task that has not ended, and lets it be tried again. Answers the corrected entity.
    pub async fn correct(&self, task: &TaskId, correction: &Correction) -> Result<Value, Error> {
        self.carry(task, Deed::correct(correction.clone())).await?;
        let found = self.shared.store.task(task).await?;
        let found = found.ok_or_else(|| plan::missing(&self.shared, task))?;
        payload::unpack(&found.input)
    }

    /// Looks for waits that have expired, as the engine itself does every minute.
    pub async fn sweep(&self) {
        loops::sweep_once(&self.shared).await;
    }

    /// Answers the question for which a task waits.
    pub async fn answer(&self, task: &TaskId, answer: &Answer) -> Result<TaskState, Error> {
        let (shared, task, answer) = (self.shared.clone(), *task, answer.clone());
        self.see_through(async move { answer::answer(&shared, &task, &answer).await })
            .await
    }

    /// A finished task again, as a new one; a live one is retried. `deed` says how; its action is `replay`.
    pub async fn replay(&self, task: &TaskId, deed: Deed) -> Result<TaskId, Error> {
        let deed = Deed {
            action: Action::Replay,
            ..deed
        };
        Ok(self.carry(task, deed).await?.task)
    }

    async fn carry(&self, task: &TaskId, deed: Deed) -> Result<Carried, Error> {
        let (shared, task) = (self.shared.clone(), *task);
        self.see_through(async move { actions::act(&shared, &task, &deed).await })
            .await
    }

    /// What an action would do with the tasks that are meant; nothing is changed. The answer's token executes it.
    pub async fn preview(&self, deed: Deed, selection: Selection) -> Result<Preview, Error> {
        operations::preview(&self.shared, deed, selection).await
    }

    /// Executes a preview as an operation; `by` is who asks. A token that was executed before answers its operation.
    pub async fn execute(&self, token: &OperationId, by: &str) -> Result<Progress, Error> {
        let (shared, token, by) = (self.shared.clone(), *token, by.to_owned());
        self.see_through(async move { operations::execute(&shared, &token, &by).await })
            .await
    }

    /// Operations, newest first.
    pub async fn operations(&self, limit: usize) -> Result<Vec<Progress>, Error> {
        operations::list(&self.shared, limit).await
    }

    pub async fn operation(&self, id: &OperationId) -> Result<Progress, Error> {
        operations::show(&self.shared, id).await
    }

    /// Pauses, resumes or cancels an operation; what it does in this moment is finished first.
    pub async fn control(&self, id: &OperationId, control: Control) -> Result<Progress, Error> {
        let (shared, id) = (self.shared.clone(), *id);
        self.see_through(async move { operations::control(&shared, &id, control).await })
            .await
    }

    /// An action of a person, seen through unless Weir is stopping.
    async fn see_through<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        if self.shared.stopping.is_cancelled() {
            return Err(Error::new(
                Kind::Unavailable,
                "Weir is stopping; try again when it is up",
            ));
        }
        let fell_over = "an action on a task fell over; report this";
        self.shared.see_through(fell_over, work).await
    }

    /// Switches a route; remembered over restarts.
    pub async fn switch(&self, route: &str, switch: Switch) -> Result<(), Error> {
        self.shared.route(route)?;
        let document = serde_json::to_value(StoredSwitch { switch })
            .map_err(|error| Error::bug("a switch could not be written down").source(error))?;
        let change = Change::PutDocument {
            collection: SWITCHES.to_owned(),
            key: self.shared.stored_as(route),
            document: Some(document),
        };
        self.shared.store.commit(vec![change]).await?;
        self.shared.lock().route(route).switch = switch;
        self.shared.signal(route);
        self.shared.progress.notify_waiters();
        Ok(())
    }

    /// For each thing a waiting task misses, the whole chain in words.
    pub async fn waiting_reasons(&self, task: &TaskId) -> Vec<String> {
        match self.shared.store.task(task).await {
            Ok(Some(detail)) if detail.scope == self.shared.configuration.scope => {
                actions::waiting_reasons(&self.shared, &detail.row.route, task)
            }
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
        Need::Key { .. } | Need::Link { .. } | Need::Row { .. } | Need::Run { .. } => false,
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
    start::adopt(shared).await?;
    for name in shared.configuration.routes.keys() {
        let stored = shared.store.document(SWITCHES, &shared.stored_as(name)).await?;
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
    settling::adopt(shared).await?;
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
