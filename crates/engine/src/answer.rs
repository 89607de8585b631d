//! A person, or a system, answers the question for which a task waits; it then goes on behind the question.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_model::dependency::Need;
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, TaskId};
use weir_sdk::store::{Change, Move};

use crate::correct::{Set, put};
use crate::family::note;
use crate::plan;
use crate::shared::Shared;

/// An answer. Exactly one of the two.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// An object with one place filled: `{"path": "approved", "value": true}`.
    #[serde(default)]
    pub set: Option<Set>,
    /// The whole answer.
    #[serde(default)]
    pub entity: Option<Value>,
}

impl Answer {
    fn value(&self) -> Result<Value, Error> {
        match (&self.set, &self.entity) {
            (Some(set), None) => {
                let mut value = json!({});
                put(&mut value, set)?;
                Ok(value)
            }
            (None, Some(entity)) => Ok(entity.clone()),
            _ => Err(Error::new(
                Kind::Invalid,
                "an answer is one of `set` and `entity`: give exactly one",
            )),
        }
    }
}

/// Stores the answer and lets the task go on. Errors: `not_found`; `conflict` where the task waits for no answer; `invalid`
/// and `limit` where the answer cannot be taken. Nothing has changed then.
pub(crate) async fn answer(shared: &Shared, task: &TaskId, answer: &Answer) -> Result<TaskState, Error> {
    let found = shared.store.task(task).await?;
    let detail = found
        .filter(|detail| detail.scope == shared.configuration.scope)
        .ok_or_else(|| plan::missing(shared, task))?;
    let route = shared.route(&detail.row.route)?;
    let value = answer.value()?;
    if value.to_string().len() as u64 > route.limits.entity_bytes.count {
        let message = format!(
            "the answer is larger than the limit entity_bytes of {}",
            route.limits.entity_bytes
        );
        return Err(Error::new(Kind::Limit, message));
    }
    let asking = detail.row.needs.iter().find_map(|need| match need {
        Need::Answer { step } => Some(step),
        _ => None,
    });
    // The memory is ahead of the store while a worker decides.
    let state = shared
        .lock()
        .route(&detail.row.route)
        .keys
        .get(task)
        .map(|entry| entry.state);
    let Some(step) = asking.filter(|_| state == Some(TaskState::Waiting)) else {
        let message = format!(
            "task {task} (`{}`) is {} and waits for no answer; nothing was changed",
            detail.row.key,
            detail.row.state.name()
        );
        return Err(Error::new(Kind::Conflict, message));
    };
    let at = shared.context.clock.now();
    let changes = vec![
        Change::Journal {
            task: *task,
            effect: note(step),
            result: Some(json!({ "answer": value, "at": at.to_string() })),
        },
        Change::Move(Move {
            reason: Some("answered".to_owned()),
            ..Move::to(*task, TaskState::Waiting, TaskState::Queued, at)
        }),
    ];
    shared.store.commit(changes).await?;
    {
        let mut state = shared.lock();
        state.unpark(&detail.row.route, task);
        state.route(&detail.row.route).set(task, TaskState::Queued, None);
    }
    shared.signal(&detail.row.route);
    shared.progress.notify_waiters();
    Ok(TaskState::Queued)
}
