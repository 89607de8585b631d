//! What a person may do with a task.

use serde::{Deserialize, Serialize};
use weir_model::dependency::{Need, chain};
use weir_model::task::{Event, State as TaskState, next};
use weir_model::{Error, Kind, TaskId};
use weir_sdk::store::{Change, End, Move, NewTask, TaskDetail};

use crate::collect;
use crate::family;
use crate::order;
use crate::shared::Shared;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Try again now.
    Retry,
    /// Leave it undone.
    Skip,
    /// Stop it.
    Cancel,
    /// Let a waiting task go without what it waits for.
    Release,
}

impl Action {
    fn event(self) -> Event {
        match self {
            Action::Retry => Event::PersonRetry,
            Action::Skip => Event::PersonSkip,
            Action::Cancel => Event::PersonCancel,
            Action::Release => Event::Wake,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Action::Retry => "retried",
            Action::Skip => "skipped",
            Action::Cancel => "cancelled",
            Action::Release => "released",
        }
    }
}

/// Carries out the action. Errors: `not_found`, and `conflict` where the task's state does not allow it; nothing has
/// changed then.
pub(crate) async fn act(shared: &Shared, task: &TaskId, action: Action) -> Result<TaskState, Error> {
    let detail = find(shared, task).await?;
    let route = detail.row.route.clone();
    let (from, to) = {
        // The memory is ahead of the store while a worker decides: what it calls running is not to be touched.
        let state = shared
            .lock()
            .route(&route)
            .keys
            .get(task)
            .map_or(detail.row.state, |entry| entry.state);
        let to = next(state, action.event()).ok_or_else(|| {
            Error::new(
                Kind::Conflict,
                format!(
                    "task {task} (`{}`) is {} and cannot be {}",
                    detail.row.key,
                    state.name(),
                    action.word()
                ),
            )
        })?;
        (state, to)
    };
    if action == Action::Release
        && detail
            .row
            .needs
            .iter()
            .any(|need| matches!(need, Need::Answer { .. }))
    {
        let message = format!(
            "task {task} (`{}`) waits for an answer and would only ask again: give it with `weir tasks answer`, or skip the \
             task",
            detail.row.key
        );
        return Err(Error::new(Kind::Conflict, message));
    }
    let at = shared.context.clock.now();
    let by = format!("{} by a person", action.word());
    let change = if to.is_finished() {
        Change::End(End {
            task: *task,
            from,
            to,
            at,
            reason: Some(by),
            warnings: Vec::new(),
        })
    } else {
        Change::Move(Move {
            reason: Some(by),
            ..Move::to(*task, from, to, at)
        })
    };
    let mut changes = vec![change];
    if to.is_finished() && family::is_collected(&detail.effects) {
        changes.push(collect::forget(shared, &route, task));
    }
    if to == TaskState::Cancelled {
        changes.extend(family::cancelled(shared, &route, task));
    }
    shared.store.commit(changes).await?;
    {
        let mut state = shared.lock();
        state.unpark(&route, task);
        let place = state.route(&route);
        if action == Action::Release {
            place.released.insert(*task);
        }
        if to.is_finished() {
            place.keys.remove(task);
            place.skipped += 1;
        } else {
            place.set(task, to, None);
        }
    }
    shared.signal(&route);
    shared.progress.notify_waiters();
    if to.is_finished() {
        family::ended(shared, [*task]).await;
        shared
            .wake(&[Need::Key {
                route,
                key: detail.row.key,
            }])
            .await;
    }
    Ok(to)
}

/// A finished task as a new one, with the same entity and today's release; a dead one is retried. A replay older than
/// what was delivered last is refused.
pub(crate) async fn replay(shared: &Shared, task: &TaskId) -> Result<TaskId, Error> {
    let detail = find(shared, task).await?;
    if !detail.row.state.is_finished() {
        act(shared, task, Action::Retry).await?;
        return Ok(*task);
    }
    let scope = &shared.configuration.scope;
    let delivered = shared
        .store
        .delivered(scope, &detail.row.route, std::slice::from_ref(&detail.row.key))
        .await?;
    if let Some(Some(delivered)) = delivered.first()
        && delivered.version > detail.row.sequence
    {
        let message = format!(
            "a newer version of `{}` was delivered at {}; replaying task {task} would put an old one in its place",
            detail.row.key, delivered.at
        );
        return Err(Error::new(Kind::Conflict, message));
    }
    let id = TaskId(shared.context.dice.uuid());
    let new = NewTask {
        id,
        scope: scope.clone(),
        route: detail.row.route.clone(),
        key: detail.row.key.clone(),
        run: detail.row.run,
        at: shared.context.clock.now(),
        input: detail.input,
        replay_of: Some(*task),
    };
    let mut changes = vec![Change::InsertTask(new)];
    changes.extend(family::copied(&detail.effects, id));
    let sequences = shared.store.commit(changes).await?;
    let sequence = sequences.first().copied().unwrap_or_default();
    let entry = order::queued(id, detail.row.key, sequence);
    shared.lock().route(&detail.row.route).keys.put(entry);
    shared.signal(&detail.row.route);
    Ok(id)
}

pub(crate) async fn find(shared: &Shared, task: &TaskId) -> Result<TaskDetail, Error> {
    shared.store.task(task).await?.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            format!("there is no task {task}; `weir tasks list` shows those there are"),
        )
    })
}

/// Why a task waits: for each need the whole chain to what is really missing, in words.
pub(crate) fn waiting_reasons(shared: &Shared, route: &str, task: &TaskId) -> Vec<String> {
    let state = shared.lock();
    let needs_of = |route: &str, task: &TaskId| -> Vec<Need> {
        let mut needs: Vec<Need> = state
            .routes
            .get(route)
            .and_then(|place| place.missing.get(task))
            .map(|needs| needs.iter().cloned().collect())
            .unwrap_or_default();
        needs.sort();
        needs
    };
    let of_need = |need: &Need| -> Vec<Need> {
        let Need::Key { route, key } = need else {
            return Vec::new();
        };
        let Some(place) = state.routes.get(route) else {
            return Vec::new();
        };
        place
            .keys
            .tasks_of(key)
            .filter(|entry| entry.state == TaskState::Waiting)
            .flat_map(|entry| needs_of(route, &entry.task))
            .collect()
    };
    let end_of = |need: &Need| -> &'static str {
        let (route, key) = match need {
            Need::Key { route, key } => (route, key),
            Need::Link { .. } => return "no such link is known yet",
            Need::Row { .. } => return "there is no such row yet",
            Need::Group { .. } => {
                return "it is closed when it is full, or at its time, or when its run is over";
            }
            Need::Answer { .. } => return "nobody has given one yet; `weir tasks answer` does",
        };
        let Some(place) = state.routes.get(route) else {
            return "there is no such route";
        };
        let states: Vec<TaskState> = place.keys.tasks_of(key).map(|entry| entry.state).collect();
        if states.contains(&TaskState::Dead) {
            "its task is dead: repair it, or let this one go with `weir tasks release`"
        } else if states.iter().any(|state| state.unsettles_run()) {
            "its task is on its way"
        } else if states.contains(&TaskState::Waiting) {
            "its task waits itself"
        } else {
            "it was never delivered: the source has not given it, a filter skipped it, or it does not exist"
        }
    };
    let mut reasons = Vec::new();
    for need in needs_of(route, task) {
        // Each need's own needs, gathered first: the walk borrows them.
        let mut known = std::collections::HashMap::new();
        let mut open = vec![need.clone()];
        while let Some(next) = open.pop() {
            if !known.contains_key(&next) && known.len() < 1_000 {
                let needs = of_need(&next);
                open.extend(needs.iter().cloned());
                known.insert(next, needs);
            }
        }
        let chain = chain(&need, &|n: &Need| known.get(n).map_or(&[][..], Vec::as_slice));
        let ending = if chain.cycle {
            "this is a circle: break it at the source"
        } else {
            chain.links.last().map_or("", end_of)
        };
        reasons.push(format!("{}: {ending}", chain.words()));
    }
    reasons
}
