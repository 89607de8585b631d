//! What a person may do with a task.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weir_model::dependency::{Need, chain};
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, TaskId};

use crate::carry::{self, Carried};
use crate::correct::Correction;
use crate::plan::plan;
use crate::settling;
use crate::shared::Shared;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Send a finished task again, as a new one; a live one is retried.
    Replay,
    /// Change the entity, and try again.
    Correct,
}

/// An action with what belongs to it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deed {
    pub action: Action,
    /// What `correct` changes.
    #[serde(default)]
    pub correction: Option<Correction>,
    /// `replay` also what is older than what was delivered last.
    #[serde(default)]
    pub force: bool,
    /// `replay` from this step on, with the entity as it was before it; else from the first.
    #[serde(default)]
    pub from: Option<String>,
    /// The release to `replay` under.
    #[serde(default)]
    pub release: Under,
}

/// Under which release a task is replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Under {
    /// The one in force.
    #[default]
    Today,
    /// The one of the task's first attempt; refused where that is no longer the one in force.
    Then,
}

impl Deed {
    pub fn new(action: Action) -> Deed {
        Deed {
            action,
            correction: None,
            force: false,
            from: None,
            release: Under::Today,
        }
    }

    pub fn correct(correction: Correction) -> Deed {
        Deed {
            correction: Some(correction),
            ..Deed::new(Action::Correct)
        }
    }

    /// Error `invalid` for words that do not go together.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |field: &str, message: &str| Err(Error::new(Kind::Invalid, message).with("field", field));
        match (self.action, &self.correction) {
            (Action::Correct, None) => {
                return wrong(
                    "correction",
                    "say what to correct: one of `set`, `patch` and `entity`",
                );
            }
            (Action::Correct, Some(correction)) => correction.check()?,
            (_, Some(_)) => return wrong("correction", "only the action `correct` takes a correction"),
            (_, None) => {}
        }
        let is_replay = self.action == Action::Replay;
        match self {
            _ if is_replay => Ok(()),
            Deed { force: true, .. } => wrong("force", "only the action `replay` can be forced"),
            Deed { from: Some(_), .. } => wrong("from", "only the action `replay` begins at a step"),
            Deed {
                release: Under::Then, ..
            } => wrong("release", "only the action `replay` chooses a release"),
            _ => Ok(()),
        }
    }
}

/// Times that a task is looked at again because its state changed between the decision and the deed.
pub(crate) const LOOKS_MAX: usize = 3;

/// Does it with one task. Errors: `not_found`, `conflict` where the task's state does not allow it, and what a correction
/// says; nothing has changed then.
pub(crate) async fn act(shared: &Shared, task: &TaskId, deed: &Deed) -> Result<Carried, Error> {
    deed.check()?;
    for _ in 0..LOOKS_MAX {
        let planned = plan(shared, deed, std::slice::from_ref(task)).await?;
        let plans = planned
            .into_iter()
            .map(|planned| planned.outcome)
            .collect::<Result<Vec<_>, _>>()?;
        let (held, changed) = carry::hold(shared, plans);
        if !changed.is_empty() {
            continue;
        }
        let _arriving = carry::arriving(shared, &held).await;
        let changes = carry::changes(shared, deed.action, "a person", &held);
        return match shared.store.commit(changes).await {
            Ok(sequences) => {
                let carried = carry::settle(shared, held, &sequences).await;
                carried
                    .first()
                    .copied()
                    .ok_or_else(|| Error::bug("an action changed no task"))
            }
            Err(error) => {
                carry::put_back(shared, held).await;
                Err(error)
            }
        };
    }
    Err(carry::restless(task))
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
            return settling::needs_of_run(&shared.configuration, &state, need);
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
    let end_of = |need: &Need| -> String {
        let (route, key) = match need {
            Need::Key { route, key } => (route, key),
            Need::Run { route, after } => return settling::reason(&state, route, *after),
            Need::Link { .. } => return "no such link is known yet".to_owned(),
            Need::Row { .. } => return "there is no such row yet".to_owned(),
            Need::Group { .. } => {
                return "it is closed when it is full, or at its time, or when its run is over".to_owned();
            }
            Need::Answer { .. } => return "nobody has given one yet; `weir tasks answer` does".to_owned(),
        };
        let Some(place) = state.routes.get(route) else {
            return "there is no such route".to_owned();
        };
        let states: Vec<TaskState> = place.keys.tasks_of(key).map(|entry| entry.state).collect();
        let words = if states.contains(&TaskState::Dead) {
            "its task is dead: repair it, or let this one go with `weir tasks release`"
        } else if states.iter().any(|state| state.unsettles_run()) {
            "its task is on its way"
        } else if states.contains(&TaskState::Waiting) {
            "its task waits itself"
        } else {
            "it was never delivered: the source has not given it, a filter skipped it, or it does not exist"
        };
        words.to_owned()
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
            "this is a circle: break it at the source".to_owned()
        } else {
            chain.links.last().map_or_else(String::new, end_of)
        };
        reasons.push(format!("{}: {ending}", chain.words()));
    }
    reasons
}
