use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weir_model::RunId;
use weir_model::config::Switch;
use weir_model::task::State as TaskState;

use crate::dispatch;
use crate::shared::Shared;

/// How things stand, from memory: cheap enough to ask for every second.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    pub settled: bool,
    pub routes: BTreeMap<String, RouteStatus>,
    pub connections: BTreeMap<String, ConnectionStatus>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RouteStatus {
    pub title: String,
    pub switch: Switch,
    /// A run is under way.
    pub reading: bool,
    pub run: Option<RunId>,
    /// Of the run under way, or of the last one since the start.
    pub rows_read: u64,
    pub tasks_made: u64,
    pub queued: u64,
    pub running: u64,
    pub waiting: u64,
    pub retrying: u64,
    pub dead: u64,
    /// Since the start of this process.
    pub delivered: u64,
    pub skipped: u64,
    /// Why nothing is started now.
    pub paused: Option<String>,
    /// Why the last run failed.
    pub failure: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionStatus {
    /// The circuit is open: routes that need the connection are paused.
    pub open: bool,
    pub reason: Option<String>,
}

pub(crate) fn status(shared: &Shared) -> Status {
    let mut status = Status::default();
    for (name, route) in &shared.configuration.routes {
        let paused = dispatch::pause_reason(shared, name);
        let mut state = shared.lock();
        let place = state.route(name);
        let count = |state| place.keys.count(state) as u64;
        let route_status = RouteStatus {
            title: route.title.clone(),
            switch: place.switch,
            reading: place.reading.is_some(),
            run: place.reading.as_ref().map(|reading| reading.run),
            rows_read: place.rows_read,
            tasks_made: place.tasks_made,
            queued: count(TaskState::Queued),
            running: count(TaskState::Running),
            waiting: count(TaskState::Waiting),
            retrying: count(TaskState::Retrying),
            dead: count(TaskState::Dead),
            delivered: place.delivered,
            skipped: place.skipped,
            paused,
            failure: place.failure.as_ref().map(ToString::to_string),
        };
        status.routes.insert(name.clone(), route_status);
    }
    for name in shared.configuration.connections.keys() {
        let reason = shared.breakers.reason(name).map(|error| error.to_string());
        status.connections.insert(
            name.clone(),
            ConnectionStatus {
                open: reason.is_some(),
                reason,
            },
        );
    }
    status.settled = shared.is_settled();
    status
}
