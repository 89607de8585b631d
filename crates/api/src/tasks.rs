use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::IntoParams;
use weir_engine::{Action, Answer as TaskAnswer, Correction, Deed, Relations, Under, payload, relations};
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, TaskId};
use weir_sdk::store::{TaskPage, TaskQuery, TaskRow};

use crate::problem::{Answer, Problem};
use crate::state::{Api, Served};

const LIMIT_MAX: usize = 500;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only tasks of this route.
    route: Option<String>,
    /// Only tasks in these states, separated by commas.
    state: Option<String>,
    /// Only tasks of this key.
    key: Option<String>,
    /// Only tasks whose key contains this.
    text: Option<String>,
    /// Only tasks that failed with an error of this kind.
    error: Option<String>,
    /// Only tasks that came into their state at this time or later.
    since: Option<String>,
    /// Only tasks that came into their state before this time.
    until: Option<String>,
    /// Only tasks of this run.
    run: Option<String>,
    /// From a former page's `next`.
    page: Option<String>,
    /// At most so many; default 50, at most 500.
    limit: Option<usize>,
}

/// A task with everything that is known of it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct TaskShown {
    task: TaskRow,
    /// The release of its first attempt.
    release: Option<u64>,
    /// The entity as it left the source.
    input: Value,
    /// Effects by name with their results; null: tried and never answered.
    effects: BTreeMap<String, Option<Value>>,
    attempts: Vec<AttemptShown>,
    /// Why it waits, each with the whole chain.
    waits_for: Vec<String>,
    /// Tasks that made this one, and that it made.
    relations: Relations,
}

/// What was recorded of an attempt.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AttemptShown {
    attempt: u32,
    #[schemars(with = "String")]
    at: Timestamp,
    /// Steps with the entity after each, calls with request and answer (secrets masked).
    record: Value,
}

/// The state after an action.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Acted {
    state: TaskState,
}

/// The entity as the next attempt takes it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Corrected {
    input: Value,
}

/// The task that sends the entity again.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Replayed {
    task: TaskId,
}

/// Lists tasks, newest first.
#[utoipa::path(get, path = "/api/v1/{project}/{environment}/tasks", tag = "tasks",
    params(("project" = String, Path), ("environment" = String, Path), Filter),
    responses((status = 200, description = "A page of tasks", body = ref("#/components/schemas/TaskPage"))))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Path((project, environment)): Path<(String, String)>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Answer<Json<TaskPage>> {
    let Query(filter) = filter?;
    let served = api.served(&project, &environment)?;
    let mut states = Vec::new();
    for name in filter
        .state
        .iter()
        .flat_map(|text| text.split(','))
        .filter(|name| !name.is_empty())
    {
        let state = TaskState::from_name(name).ok_or_else(|| {
            let known = TaskState::ALL.map(TaskState::name);
            let suggestion = weir_model::did_you_mean(name, known).unwrap_or_else(|| known.join(", "));
            Error::new(Kind::Invalid, format!("`{name}` is no state; {suggestion}")).with("field", "state")
        })?;
        states.push(state);
    }
    let run = match &filter.run {
        Some(text) => Some(text.parse().map_err(|_| {
            Error::new(Kind::Invalid, format!("`{text}` is not the id of a run")).with("field", "run")
        })?),
        None => None,
    };
    let error = match &filter.error {
        Some(name) => Some(Kind::from_name(name).ok_or_else(|| {
            let known = Kind::ALL.map(Kind::name);
            let suggestion = weir_model::did_you_mean(name, known).unwrap_or_else(|| known.join(", "));
            Error::new(
                Kind::Invalid,
                format!("`{name}` is no kind of error; {suggestion}"),
            )
            .with("field", "error")
        })?),
        None => None,
    };
    let query = TaskQuery {
        scope: Some(served.scope.clone()),
        route: filter.route,
        states,
        key: filter.key,
        text: filter.text,
        error,
        since: time("since", filter.since.as_deref())?,
        until: time("until", filter.until.as_deref())?,
        run,
        page: filter.page,
        limit: filter.limit.unwrap_or(50).clamp(1, LIMIT_MAX),
    };
    Ok(Json(api.store.tasks(&query).await?))
}

fn time(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, Error> {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            let message = format!("`{text}` is not a time; write it like 2026-05-04T11:00:00Z");
            Error::new(Kind::Invalid, message).with("field", field)
        })
    };
    text.map(parse).transpose()
}

/// Shows one task with its attempts.
#[utoipa::path(get, path = "/api/v1/{project}/{environment}/tasks/{task}", tag = "tasks",
    params(("project" = String, Path), ("environment" = String, Path), ("task" = String, Path)),
    responses((status = 200, description = "The task", body = ref("#/components/schemas/TaskShown"))))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Path((project, environment, task)): Path<(String, String, String)>,
) -> Answer<Json<TaskShown>> {
    let served = api.served(&project, &environment)?;
    let id = id(&task)?;
    let found = api.store.task(&id).await?;
    let detail = found
        .filter(|detail| detail.scope == served.scope)
        .ok_or_else(|| missing(&task))?;
    let waits_for = match &served.engine {
        Some(engine) if detail.row.state == TaskState::Waiting => engine.waiting_reasons(&id).await,
        _ => detail
            .row
            .needs
            .iter()
            .map(weir_model::dependency::Need::words)
            .collect(),
    };
    let mut attempts = Vec::new();
    for (attempt, at, bytes) in detail.attempts {
        attempts.push(AttemptShown {
            attempt,
            at,
            record: payload::unpack(&bytes)?,
        });
    }
    let (relations, effects) = relations(detail.effects);
    Ok(Json(TaskShown {
        task: detail.row,
        release: detail.release,
        input: payload::unpack(&detail.input)?,
        effects,
        attempts,
        waits_for,
        relations,
    }))
}

macro_rules! action {
    ($name:ident, $path:literal, $action:expr, $summary:literal) => {
        #[doc = $summary]
        #[utoipa::path(post, path = $path, tag = "tasks",
            params(("project" = String, Path), ("environment" = String, Path), ("task" = String, Path)),
            responses((status = 200, description = "Its state now", body = ref("#/components/schemas/Acted"))))]
        pub(crate) async fn $name(
            State(api): State<Arc<Api>>,
            Path((project, environment, task)): Path<(String, String, String)>,
        ) -> Answer<Json<Acted>> {
            act(api.served(&project, &environment)?, &task, $action).await
        }
    };
}

action!(
    retry,
    "/api/v1/{project}/{environment}/tasks/{task}/retry",
    Action::Retry,
    "Tries a task again now."
);
action!(
    skip,
    "/api/v1/{project}/{environment}/tasks/{task}/skip",
    Action::Skip,
    "Ends a task without delivering it."
);
action!(
    cancel,
    "/api/v1/{project}/{environment}/tasks/{task}/cancel",
    Action::Cancel,
    "Stops a task."
);
action!(
    release,
    "/api/v1/{project}/{environment}/tasks/{task}/release",
    Action::Release,
    "Lets a waiting task go without what it waits for."
);

/// How a task is replayed. An empty body will do.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Replay {
    /// Also what is older than what was delivered last.
    force: bool,
    /// From this step on, with the entity as it was before it; else from the first.
    from: Option<String>,
    /// The release to replay under.
    release: Under,
}

/// Sends a finished task again, as a new one.
#[utoipa::path(post, path = "/api/v1/{project}/{environment}/tasks/{task}/replay", tag = "tasks",
    params(("project" = String, Path), ("environment" = String, Path), ("task" = String, Path)),
    request_body(content = ref("#/components/schemas/Replay")),
    responses((status = 200, description = "The new task", body = ref("#/components/schemas/Replayed"))))]
pub(crate) async fn replay(
    State(api): State<Arc<Api>>,
    Path((project, environment, task)): Path<(String, String, String)>,
    body: Bytes,
) -> Answer<Json<Replayed>> {
    let how: Replay = match body.is_empty() {
        true => Replay::default(),
        false => serde_json::from_slice(&body)
            .map_err(|error| Problem::new(Kind::Invalid, format!("the request cannot be read: {error}")))?,
    };
    let engine = api.served(&project, &environment)?.engine()?;
    let deed = Deed {
        force: how.force,
        from: how.from,
        release: how.release,
        ..Deed::new(Action::Replay)
    };
    let task = engine.replay(&id(&task)?, deed).await?;
    Ok(Json(Replayed { task }))
}

/// Corrects the entity of a task that has not ended, and lets it be tried again.
#[utoipa::path(post, path = "/api/v1/{project}/{environment}/tasks/{task}/correct", tag = "tasks",
    params(("project" = String, Path), ("environment" = String, Path), ("task" = String, Path)),
    request_body(content = ref("#/components/schemas/Correction")),
    responses((status = 200, description = "The corrected entity", body = ref("#/components/schemas/Corrected"))))]
pub(crate) async fn correct(
    State(api): State<Arc<Api>>,
    Path((project, environment, task)): Path<(String, String, String)>,
    correction: Result<Json<Correction>, JsonRejection>,
) -> Answer<Json<Corrected>> {
    let Json(correction) = correction?;
    let engine = api.served(&project, &environment)?.engine()?;
    let input = engine.correct(&id(&task)?, &correction).await?;
    Ok(Json(Corrected { input }))
}

/// Answers the question for which a task waits; it goes on with the answer.
#[utoipa::path(post, path = "/api/v1/{project}/{environment}/tasks/{task}/answer", tag = "tasks",
    params(("project" = String, Path), ("environment" = String, Path), ("task" = String, Path)),
    request_body(content = ref("#/components/schemas/Answer")),
    responses((status = 200, description = "Its state now", body = ref("#/components/schemas/Acted"))))]
pub(crate) async fn answer(
    State(api): State<Arc<Api>>,
    Path((project, environment, task)): Path<(String, String, String)>,
    given: Result<Json<TaskAnswer>, JsonRejection>,
) -> Answer<Json<Acted>> {
    let Json(given) = given?;
    let engine = api.served(&project, &environment)?.engine()?;
    let state = engine.answer(&id(&task)?, &given).await?;
    Ok(Json(Acted { state }))
}

async fn act(served: &Served, task: &str, action: Action) -> Answer<Json<Acted>> {
    let state = served.engine()?.act(&id(task)?, action).await?;
    Ok(Json(Acted { state }))
}

fn id(text: &str) -> Result<TaskId, Problem> {
    text.parse().map_err(|_| {
        Problem::new(
            Kind::Invalid,
            format!("`{text}` is not the id of a task (a UUID)"),
        )
    })
}

fn missing(task: &str) -> Error {
    let message =
        format!("there is no task {task}; it may have been dropped by the retention of finished tasks");
    Error::new(Kind::NotFound, message)
}
