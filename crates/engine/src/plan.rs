//! What an action would do with tasks, decided and not yet done. Previews show it, actions carry it out.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_model::dependency::Need;
use weir_model::task::{Event, State as TaskState, next};
use weir_model::{Error, Kind, RunId, TaskId};
use weir_sdk::store::TaskDetail;

use crate::actions::{Action, Deed, Under};
use crate::correct;
use crate::shared::Shared;
use crate::start::{self, Start};

/// One task, and what would become of it.
pub(crate) struct Planned {
    pub(crate) task: TaskId,
    /// Empty where there is no such task.
    pub(crate) key: String,
    /// Where it is now.
    pub(crate) place: Option<(String, TaskState)>,
    pub(crate) outcome: Result<Plan, Error>,
}

/// A change of one task that is possible as things are.
pub(crate) struct Plan {
    pub(crate) detail: TaskDetail,
    pub(crate) from: TaskState,
    pub(crate) to: To,
}

pub(crate) enum To {
    /// Queued again, with another entity where it is corrected.
    Queue { input: Option<Vec<u8>>, begin: Begin },
    /// Queued, whatever it waits for.
    Release,
    /// Ended in this state.
    End(TaskState),
    /// It stays as it is; a new task of the same run sends its entity again.
    New { run: Option<RunId>, begin: Begin },
}

/// Where its next attempt begins.
pub(crate) enum Begin {
    /// Where the last one did.
    AsBefore,
    First,
    At(Arc<Start>),
}

impl To {
    pub(crate) fn start(&self) -> Option<&Arc<Start>> {
        match self {
            To::Queue {
                begin: Begin::At(start),
                ..
            }
            | To::New {
                begin: Begin::At(start),
                ..
            } => Some(start),
            _ => None,
        }
    }
}

/// Decides for each task. Only a store that cannot be read is an error of the whole.
pub(crate) async fn plan(shared: &Shared, deed: &Deed, tasks: &[TaskId]) -> Result<Vec<Planned>, Error> {
    let details = shared.store.details(tasks).await?;
    let mut planned: Vec<Planned> = tasks
        .iter()
        .zip(details)
        .map(|(task, detail)| first(shared, deed, *task, detail))
        .collect();
    if deed.action.sends() && !deed.force {
        refuse_superseded(shared, &mut planned).await?;
    }
    if let Some(correction) = &deed.correction {
        correct::plan(shared, correction, &mut planned).await;
    }
    Ok(planned)
}

fn first(shared: &Shared, deed: &Deed, task: TaskId, detail: Option<TaskDetail>) -> Planned {
    let Some(detail) = detail.filter(|detail| detail.scope == shared.configuration.scope) else {
        return Planned {
            task,
            key: String::new(),
            place: None,
            outcome: Err(missing(shared, &task)),
        };
    };
    // The memory is ahead of the store while a worker decides: what it calls running is not to be touched.
    let state = shared
        .lock()
        .route(&detail.row.route)
        .keys
        .get(&task)
        .map_or(detail.row.state, |entry| entry.state);
    let key = detail.row.key.clone();
    let place = Some((detail.row.route.clone(), state));
    let outcome = decide(shared, deed, &detail, state).map(|to| Plan {
        detail,
        from: state,
        to,
    });
    Planned {
        task,
        key,
        place,
        outcome,
    }
}

/// There is no such task here.
pub(crate) fn missing(shared: &Shared, task: &TaskId) -> Error {
    let scope = &shared.configuration.scope;
    let message = format!("there is no task {task} in {scope}; `weir tasks list` shows those there are");
    Error::new(Kind::NotFound, message)
}

fn decide(shared: &Shared, deed: &Deed, detail: &TaskDetail, state: TaskState) -> Result<To, Error> {
    let action = deed.action;
    let task = detail.row.id;
    let key = &detail.row.key;
    if action.sends() {
        // A route that is gone would keep the task queued for ever.
        shared.route(&detail.row.route)?;
        refuse_overtaken(shared, &detail.row.route, &task)?;
    }
    if action == Action::Correct {
        return match state {
            TaskState::Queued | TaskState::Waiting | TaskState::Retrying | TaskState::Dead => Ok(To::Queue {
                input: None,
                begin: Begin::First,
            }),
            _ => {
                let hint = match state {
                    TaskState::Running => "wait until the attempt has ended",
                    _ => "`weir tasks replay` makes a new task of one that has ended",
                };
                let state = state.name();
                let message = format!("task {task} (`{key}`) is {state} and cannot be corrected; {hint}");
                Err(Error::new(Kind::Conflict, message))
            }
        };
    }
    if action == Action::Replay && state.is_finished() {
        check_release(shared, deed, detail)?;
        let begin = begin(shared, deed, detail)?;
        return Ok(To::New {
            run: detail.row.run,
            begin,
        });
    }
    let to = next(state, action.event()).ok_or_else(|| {
        Error::new(
            Kind::Conflict,
            format!(
                "task {task} (`{key}`) is {} and cannot be {}",
                state.name(),
                action.word()
            ),
        )
    })?;
    let is_asked = |need: &Need| matches!(need, Need::Answer { .. });
    if action == Action::Release && detail.row.needs.iter().any(is_asked) {
        let message = format!(
            "task {task} (`{key}`) waits for an answer and would only ask again: give it with `weir tasks answer`, or skip the \
             task"
        );
        return Err(Error::new(Kind::Conflict, message));
    }
    Ok(match (action, to) {
        (Action::Release, _) => To::Release,
        (Action::Replay, TaskState::Queued) => {
            check_release(shared, deed, detail)?;
            let begin = begin(shared, deed, detail)?;
            To::Queue { input: None, begin }
        }
        (_, TaskState::Queued) => To::Queue {
            input: None,
            begin: Begin::AsBefore,
        },
        (_, ended) => To::End(ended),
    })
}

/// A dead task is passed by newer ones of its key; behind one that has begun there is no way back.
fn refuse_overtaken(shared: &Shared, route: &str, task: &TaskId) -> Result<(), Error> {
    let mut state = shared.lock();
    let keys = &state.route(route).keys;
    let Some(entry) = keys.get(task).filter(|entry| entry.state == TaskState::Dead) else {
        return Ok(());
    };
    let newer = keys.tasks_of(&entry.key).find(|newer| {
        let has_begun = newer.state == TaskState::Running || newer.has_effect;
        newer.sequence > entry.sequence && newer.state != TaskState::Dead && has_begun
    });
    match newer {
        None => Ok(()),
        Some(newer) => {
            let message = format!(
                "task {} brings a newer version of `{}` and has begun; this one would be put in its place. Its success \
                 closes this failure by itself; if it fails too, try again then",
                newer.task, entry.key
            );
            Err(Error::new(Kind::Conflict, message))
        }
    }
}

fn begin(shared: &Shared, deed: &Deed, detail: &TaskDetail) -> Result<Begin, Error> {
    let Some(step) = &deed.from else {
        return Ok(Begin::First);
    };
    let route = shared.route(&detail.row.route)?;
    Ok(Begin::At(Arc::new(start::find(route, detail, step)?)))
}

/// An engine carries out one release, the one in force.
fn check_release(shared: &Shared, deed: &Deed, detail: &TaskDetail) -> Result<(), Error> {
    let today = shared.configuration.release;
    match detail.release {
        Some(then) if deed.release == Under::Then && then != today => {
            let message = format!(
                "task {} (`{}`) was tried under release {then}, and release {today} is in force: only one release runs at a \
                 time. Replay it with today's, or bring the project's files back to what they were and replay it then",
                detail.row.id, detail.row.key
            );
            Err(Error::new(Kind::Conflict, message).with("field", "release"))
        }
        _ => Ok(()),
    }
}

/// Versions of a key only go up: a replay that is older than what was delivered last would put an old one in its place.
async fn refuse_superseded(shared: &Shared, planned: &mut [Planned]) -> Result<(), Error> {
    let mut by_route: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, planned) in planned.iter().enumerate() {
        if let Ok(plan) = &planned.outcome
            && (plan.from == TaskState::Dead || matches!(plan.to, To::New { .. }))
        {
            by_route
                .entry(plan.detail.row.route.clone())
                .or_default()
                .push(index);
        }
    }
    for (route, indexes) in by_route {
        let keys: Vec<String> = indexes.iter().map(|i| planned[*i].key.clone()).collect();
        let delivered = shared
            .store
            .delivered(&shared.configuration.scope, &route, &keys)
            .await?;
        for (index, delivered) in indexes.into_iter().zip(delivered) {
            let planned = &mut planned[index];
            if let (Ok(plan), Some(delivered)) = (&planned.outcome, delivered)
                && delivered.version > plan.detail.row.sequence
            {
                let advice = match plan.to {
                    To::New { .. } => "`--force` replays it all the same",
                    _ => "Skip it",
                };
                let message = format!(
                    "a newer version of `{}` was delivered at {}; sending task {} again would put an old one in its place. \
                     {advice}",
                    planned.key, delivered.at, planned.task
                );
                planned.outcome = Err(Error::new(Kind::Conflict, message).with(SUPERSEDED, true));
            }
        }
    }
    Ok(())
}

/// Context of the error with which a superseded replay is refused.
pub(crate) const SUPERSEDED: &str = "superseded";

impl Action {
    fn event(self) -> Event {
        match self {
            Action::Retry | Action::Replay | Action::Correct => Event::PersonRetry,
            Action::Skip => Event::PersonSkip,
            Action::Cancel => Event::PersonCancel,
            Action::Release => Event::Wake,
        }
    }

    /// `retried`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Action::Retry => "retried",
            Action::Skip => "skipped",
            Action::Cancel => "cancelled",
            Action::Release => "released",
            Action::Replay => "replayed",
            Action::Correct => "corrected",
        }
    }

    /// The entity goes through the route's steps again.
    pub(crate) fn sends(self) -> bool {
        !matches!(self, Action::Skip | Action::Cancel)
    }
}
