//! Takes entities that arrive by themselves: the body of a webhook, or what somebody puts on a route. The answer is given
//! after the tasks are on disk, or it is a refusal: who sends does not have to remember what was answered.

use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use weir_model::config::Switch;
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, TaskId, json};
use weir_sdk::connector::Row;
use weir_sdk::expressions::{Expression, Job, evaluate_all};
use weir_sdk::store::Change;

use crate::configuration::{Route, Webhook};
use crate::kept;
use crate::reply::Caller;
use crate::shared::Shared;
use crate::source::{self, Found, Origin, Storing};

/// Where the marks of `source.webhook.dedupe` are kept. No step is called so: those of a source carry their ordinal.
const WEBHOOK: &str = "source.webhook";
/// Where the marks of idempotency keys are kept.
const IDEMPOTENCY: &str = "source.entities";
/// When a refused sender may come back.
const RETRY_AFTER_MS: u64 = 5_000;

/// What arrived at a route.
pub enum Arrival {
    /// The body of a webhook and its headers, an object by names in lower case.
    Hook { body: Value, headers: Value },
    /// Entities as the source would have given them. What was accepted under an idempotency key is not made again.
    Entities {
        entities: Vec<Value>,
        idempotency_key: Option<String>,
    },
}

/// What became of it; all of it is on disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Accepted {
    /// The tasks that were made, in the order of the entities.
    pub tasks: Vec<TaskId>,
    /// Of entities that were accepted before: the tasks that were made then.
    pub duplicates: Vec<TaskId>,
    /// Entities that the steps of the source filtered away.
    pub filtered: usize,
}

/// Errors: `not_found` for an unknown route; `conflict` for one that is off; `invalid` where the body does not hold what
/// the route's expressions look for; `unavailable` where it cannot be stored now and the sender should try again.
pub(crate) async fn accept(shared: &Arc<Shared>, route: &str, arrival: Arrival) -> Result<Accepted, Error> {
    accept_for(shared, route, arrival, None).await
}

/// The same for a caller who waits for the end of the one task.
pub(crate) async fn accept_for(
    shared: &Arc<Shared>,
    route: &str,
    arrival: Arrival,
    caller: Option<Caller>,
) -> Result<Accepted, Error> {
    shared.route(route)?;
    if shared.stopping.is_cancelled() {
        return Err(not_now("Weir is stopping"));
    }
    let (of_task, route) = (shared.clone(), route.to_owned());
    let work = async move { take(&of_task, &route, arrival, caller).await };
    shared.see_through("what arrived could not be taken", work).await
}

async fn take(
    shared: &Shared,
    name: &str,
    arrival: Arrival,
    caller: Option<Caller>,
) -> Result<Accepted, Error> {
    let route = shared.route(name)?;
    has_room(shared, name, route)?;
    let (space, rows, marks) = match arrival {
        Arrival::Hook { body, headers } => {
            let Some(webhook) = &route.webhook else {
                return Err(Error::new(
                    Kind::NotFound,
                    format!("`{name}` has no webhook: its source says `read`"),
                ));
            };
            let rows = rows(shared, webhook, body, &headers).await?;
            let marks = marks(shared, webhook, &rows, &headers).await?;
            (WEBHOOK, rows, marks)
        }
        Arrival::Entities {
            entities,
            idempotency_key: key,
        } => {
            let marks = (0..entities.len())
                .map(|i| key.as_ref().map(|key| format!("{key}/{i}")))
                .collect();
            (IDEMPOTENCY, entities, marks)
        }
    };
    let count = rows.len();
    if caller.is_some() && count != 1 {
        let message =
            format!("`{name}` answers for one entity, and the body holds {count}; nothing was stored");
        return Err(Error::new(Kind::Invalid, message));
    }
    let origin = Origin {
        route: name.to_owned(),
        run: None,
        at: shared.context.clock.now(),
    };
    let rows = rows.into_iter().map(|value| Row {
        value,
        changed_at: None,
    });
    let mut found = source::entities(shared, route, &origin, rows.collect())
        .await
        .map_err(|error| not_now("the steps of the source could not be run").source(error))?;
    let mut accepted = Accepted {
        filtered: count - found.len(),
        ..Accepted::default()
    };
    if route.latest_only {
        found = source::last_of_each_key(found);
    }
    let collection = kept::collection(shared, name, space);
    let asked = found.iter().filter_map(|entity| marks[entity.row].as_deref());
    let held = shared.claims.hold(asked.map(|mark| (collection.as_str(), mark)));
    let _claims = patiently(shared, held).await?;
    let (found, changes) = fresh(shared, &collection, found, &marks, &mut accepted).await?;
    if found.is_empty() {
        return Ok(accepted);
    }
    accepted.tasks = found.iter().map(|entity| entity.task).collect();
    if let (Some(caller), Some(task)) = (caller, accepted.tasks.first()) {
        // Before the task is there: it may end before this goes on.
        shared.callers.wait(*task, caller);
    }
    source::store(shared, route, &origin, found, changes, Storing::Once)
        .await
        .map_err(|error| not_now("what arrived could not be stored").source(error))?;
    Ok(accepted)
}

/// Waits for locks, and not for ever: who has them may be trying to write to a full disk.
pub(crate) async fn patiently<T>(shared: &Shared, held: impl Future<Output = T>) -> Result<T, Error> {
    tokio::select! {
        biased;
        held = held => Ok(held),
        () = shared.context.clock.sleep_ms(RETRY_AFTER_MS) => Err(not_now("the store is busy with the same entities")),
    }
}

/// A switch or a limit may refuse everything.
fn has_room(shared: &Shared, name: &str, route: &Route) -> Result<(), Error> {
    let mut state = shared.lock();
    let place = state.route(name);
    if place.switch == Switch::Off {
        let message = format!("the route `{name}` is switched off, and nothing was stored");
        return Err(Error::new(Kind::Conflict, message));
    }
    let waiting = place.keys.count(TaskState::Waiting) as u64;
    let limits = [
        ("queue", place.active(), route.limits.queue, "under way"),
        ("waiting", waiting, route.limits.waiting, "waiting"),
    ];
    for (limit, count, most, what) in limits {
        if count >= most && (limit == "queue" || !shared.configuration.is_awaited(name)) {
            return Err(not_now(format!(
                "`{name}` has {count} tasks {what}, and its limit {limit} is {most}"
            )));
        }
    }
    Ok(())
}

fn not_now(why: impl Into<String>) -> Error {
    let message = format!("{}; nothing was stored, send it again", why.into());
    Error::new(Kind::Unavailable, message).retry_after_ms(RETRY_AFTER_MS)
}

/// The entities in a body.
async fn rows(shared: &Shared, webhook: &Webhook, body: Value, headers: &Value) -> Result<Vec<Value>, Error> {
    let found = match &webhook.each {
        None => Some(body),
        Some(each) => evaluate(shared, each.as_ref(), std::slice::from_ref(&body), headers)
            .await
            .pop()
            .unwrap_or(Ok(None))
            .map_err(|error| {
                Error::new(
                    Kind::Invalid,
                    "`source.webhook.each` could not be evaluated on this body",
                )
                .source(error)
            })?,
    };
    match found {
        Some(Value::Array(rows)) => Ok(rows),
        Some(row) => Ok(vec![row]),
        None => Err(Error::new(
            Kind::Invalid,
            "`source.webhook.each` finds nothing in this body, not even an empty list; nothing was stored",
        )),
    }
}

/// What tells each entity from others, where anything does.
async fn marks(
    shared: &Shared,
    webhook: &Webhook,
    rows: &[Value],
    headers: &Value,
) -> Result<Vec<Option<String>>, Error> {
    let Some(dedupe) = &webhook.dedupe else {
        return Ok(vec![None; rows.len()]);
    };
    let mark = |value: Result<Option<Value>, Error>| {
        value
            .map(|value| value.as_ref().and_then(json::key_text))
            .map_err(|error| {
                Error::new(
                    Kind::Invalid,
                    "`source.webhook.dedupe` could not be evaluated on this body",
                )
                .source(error)
            })
    };
    evaluate(shared, dedupe.as_ref(), rows, headers)
        .await
        .into_iter()
        .map(mark)
        .collect()
}

async fn evaluate(
    shared: &Shared,
    expression: &dyn Expression,
    inputs: &[Value],
    headers: &Value,
) -> Vec<Result<Option<Value>, Error>> {
    let job = |input| Job {
        input,
        bindings: vec![("vars", &shared.configuration.vars), ("headers", headers)],
    };
    let jobs: Vec<Job<'_>> = inputs.iter().map(job).collect();
    let now = shared.context.clock.now();
    evaluate_all(expression, &jobs, shared.references.as_ref(), now)
        .await
        .into_iter()
        .map(|result| result.map(|(value, _)| value))
        .collect()
}

/// Leaves out what was accepted before; the marks of the rest are stored with their tasks. The caller holds the marks.
async fn fresh(
    shared: &Shared,
    collection: &str,
    found: Vec<Found>,
    marks: &[Option<String>],
    accepted: &mut Accepted,
) -> Result<(Vec<Found>, Vec<Change>), Error> {
    let asked: Vec<String> = found
        .iter()
        .filter_map(|entity| marks[entity.row].clone())
        .collect();
    let mut holders: HashMap<String, TaskId> = kept::holders(shared, collection, &asked)
        .await
        .map_err(|error| not_now("the marks of what arrived before could not be read").source(error))?;
    let (mut fresh, mut changes) = (Vec::with_capacity(found.len()), Vec::new());
    for entity in found {
        if let Some(mark) = &marks[entity.row] {
            if let Some(task) = holders.get(mark) {
                accepted.duplicates.push(*task);
                continue;
            }
            holders.insert(mark.clone(), entity.task);
            let at = shared.context.clock.now();
            // Confirmed at once: the task is durable, and the event will not be asked for again.
            changes.push(kept::confirmed(collection, mark, &entity.task, &entity.key, at));
        }
        fresh.push(entity);
    }
    Ok((fresh, changes))
}
