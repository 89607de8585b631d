//! A step puts a task aside: until its need is met, until a time, until somebody answers.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use weir_model::TaskId;
use weir_model::dependency::Need;
use weir_model::task::State as TaskState;
use weir_sdk::store::{Change, Move};

use crate::family;
use crate::worker::Next;

/// What a step asks for (a row, a link, the end of another task) is given up after this time, as `waits_for` is.
const STEP_WAIT: SignedDuration = SignedDuration::from_hours(7 * 24);

pub(crate) fn given_up_at(now: Timestamp) -> Timestamp {
    now.checked_add(STEP_WAIT).unwrap_or(Timestamp::MAX)
}

/// Parks a task for what a step of it needs; `until` is when it is given up.
pub(crate) fn waiting(
    task: TaskId,
    need: Need,
    reason: String,
    until: Option<Timestamp>,
    at: Timestamp,
    changes: &mut Vec<Change>,
) -> Next {
    let needs = vec![need];
    changes.push(Change::Move(Move {
        due: until,
        needs: needs.clone(),
        reason: Some(reason),
        ..Move::to(task, TaskState::Running, TaskState::Waiting, at)
    }));
    Next {
        task,
        state: TaskState::Waiting,
        due: None,
        needs,
        has_effect: false,
    }
}

/// Notes until when the step lets the task rest, and has it come back then.
pub(crate) fn paused(
    task: TaskId,
    step: &str,
    until: Timestamp,
    at: Timestamp,
    changes: &mut Vec<Change>,
) -> Next {
    changes.push(Change::Journal {
        task,
        effect: family::note(step),
        result: Some(json!({ "until": until.to_string() })),
    });
    changes.push(Change::Move(Move {
        due: Some(until),
        reason: Some(format!("pauses until {until} in the step `{step}`")),
        forgive_attempt: true,
        ..Move::to(task, TaskState::Running, TaskState::Retrying, at)
    }));
    Next {
        task,
        state: TaskState::Retrying,
        due: Some(until),
        needs: Vec::new(),
        has_effect: false,
    }
}
