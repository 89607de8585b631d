//! Callers that wait: a route with `reply` answers with what came of its steps. The task is stored first and is a task like
//! any other; who called only hears of its end, if it comes in time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, TaskId};
use weir_sdk::expressions::{Job, evaluate_all};
use weir_sdk::step::{Batch, Item, Verdict};

use crate::accept::{Accepted, Arrival, accept_for};
use crate::configuration::Route;
use crate::services::Session;
use crate::shared::Shared;

/// From so many callers on, those who have hung up are looked for.
const CALLERS_MANY: usize = 1_000;

/// How a task ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// Done or skipped: the body of the reply.
    Well(Value),
    /// Dead, or the body could not be made.
    Badly(Error),
}

/// The answer of a route with `reply`.
#[derive(Clone, Debug, PartialEq)]
pub struct Replied {
    pub task: TaskId,
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub ended: Ended,
}

pub(crate) type Caller = oneshot::Sender<Ended>;

/// Who waits for which task.
#[derive(Default)]
pub(crate) struct Callers {
    waiting: Mutex<HashMap<TaskId, Caller>>,
}

impl Callers {
    pub(crate) fn wait(&self, task: TaskId, caller: Caller) {
        let mut waiting = self.lock();
        if waiting.len() >= CALLERS_MANY {
            waiting.retain(|_, caller| !caller.is_closed());
        }
        waiting.insert(task, caller);
    }

    /// A task has ended, durably; one that has not is still waited for.
    pub(crate) fn tell(&self, task: &TaskId, state: TaskState, ended: Ended) {
        let is_end = matches!(state, TaskState::Done | TaskState::Skipped | TaskState::Dead);
        if is_end && let Some(caller) = self.lock().remove(task) {
            // Who has hung up does not hear it.
            drop(caller.send(ended));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, Caller>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn converse(shared: &Arc<Shared>, name: &str, arrival: Arrival) -> Result<Replied, Error> {
    let started_ms = shared.context.clock.monotonic_ms();
    let Some(reply) = &shared.route(name)?.reply else {
        return Err(Error::bug(format!("`{name}` has no reply")));
    };
    let (caller, end) = oneshot::channel();
    let accepted = accept_for(shared, name, arrival, Some(caller)).await?;
    let task = the_task(name, &accepted)?;
    let elapsed = shared.context.clock.monotonic_ms().saturating_sub(started_ms);
    let in_time = tokio::select! {
        biased;
        ended = end => ended.ok(),
        () = shared.context.clock.sleep_ms(reply.deadline_ms.saturating_sub(elapsed)) => None,
    };
    let ended = in_time.ok_or_else(|| {
        let message = format!(
            "task {task} of `{name}` has not ended within {} ms; it is stored and goes on",
            reply.deadline_ms
        );
        Error::new(Kind::Timeout, message).with("task", task)
    })?;
    Ok(Replied {
        task,
        status: reply.status,
        headers: reply.headers.clone(),
        ended,
    })
}

fn the_task(name: &str, accepted: &Accepted) -> Result<TaskId, Error> {
    if let Some(task) = accepted.tasks.first() {
        return Ok(*task);
    }
    Err(match accepted.duplicates.first() {
        Some(task) => {
            let message = format!("a duplicate: task {task} of `{name}` was made of it before");
            Error::new(Kind::Conflict, message).with("task", task)
        }
        None => {
            let message =
                format!("the steps of the source of `{name}` filter this away: there is nothing to answer");
            Error::new(Kind::Invalid, message)
        }
    })
}

/// What callers will hear, should the tasks that they wait for end as it looks now.
pub(crate) async fn prepare(session: &Session<'_>, route: &Route, batch: &Batch) -> HashMap<TaskId, Ended> {
    let shared = session.shared;
    let Some(reply) = &route.reply else {
        return HashMap::new();
    };
    let awaited: Vec<&Item> = {
        let waiting = shared.callers.lock();
        batch
            .items
            .iter()
            .filter(|item| waiting.contains_key(&item.task))
            .collect()
    };
    let mut told = HashMap::new();
    let (mut items, mut tasks) = (Vec::new(), Vec::new());
    for item in awaited {
        let (state, reason) = match &item.verdict {
            Verdict::Go | Verdict::Split { .. } => ("done", Value::Null),
            Verdict::Skip { reason, .. } => ("skipped", Value::from(reason.as_str())),
            Verdict::Fail(error) => {
                told.insert(item.task, Ended::Badly(error.clone()));
                continue;
            }
            Verdict::Wait { .. } | Verdict::Pause { .. } | Verdict::Ask { .. } | Verdict::Collect { .. } => {
                continue;
            }
        };
        items.push(item);
        tasks.push(json!({
            "id": item.task.to_string(), "key": item.key, "attempt": item.attempt, "state": state, "reason": reason
        }));
    }
    let jobs: Vec<Job<'_>> = items
        .iter()
        .zip(&tasks)
        .map(|(item, task)| Job {
            input: &item.value,
            bindings: vec![
                ("vars", &shared.configuration.vars),
                ("source", item.source.as_ref()),
                ("steps", &item.steps),
                ("run", &session.run),
                ("task", task),
            ],
        })
        .collect();
    let bodies = evaluate_all(
        reply.body.as_ref(),
        &jobs,
        shared.references.as_ref(),
        session.now,
    )
    .await;
    for (item, body) in items.iter().zip(bodies) {
        let ended = match body {
            Ok((body, _)) => Ended::Well(body.unwrap_or_default()),
            // The task ends well all the same; only its caller does not hear what it should.
            Err(error) => {
                tracing::error!(task.id = %item.task, error = %error, "`reply.body` could not be evaluated: {error}");
                let message = format!(
                    "task {} is done, but `reply.body` could not be evaluated",
                    item.task
                );
                Ended::Badly(Error::new(Kind::Configuration, message).source(error))
            }
        };
        told.insert(item.task, ended);
    }
    told
}
