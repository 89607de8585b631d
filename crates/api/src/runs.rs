use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use weir_model::RunId;
use weir_model::task::State as TaskState;
use weir_sdk::store::Run;

use crate::problem::Answer;
use crate::state::Api;

const LIMIT_MAX: usize = 500;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only runs of this route.
    route: Option<String>,
    /// At most so many; default 50, at most 500.
    limit: Option<usize>,
}

/// A run with what became of its tasks.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RunRow {
    run: Run,
    counts: BTreeMap<TaskState, u64>,
}

/// A run to start.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartRun {
    route: String,
}

/// The run that was started.
#[derive(Serialize, JsonSchema)]
pub(crate) struct StartedRun {
    run: RunId,
}

/// Lists runs, newest first.
#[utoipa::path(get, path = "/api/v1/{project}/{environment}/runs", tag = "runs",
    params(("project" = String, Path), ("environment" = String, Path), Filter),
    responses((status = 200, description = "The runs", body = ref("#/components/schemas/RunRows"))))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Path((project, environment)): Path<(String, String)>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Answer<Json<Vec<RunRow>>> {
    let Query(filter) = filter?;
    let scope = &api.served(&project, &environment)?.scope;
    let limit = filter.limit.unwrap_or(50).clamp(1, LIMIT_MAX);
    let mut rows = Vec::new();
    for run in api.store.runs(scope, filter.route.as_deref(), limit).await? {
        let counts = api.store.run_counts(&run.id).await?;
        rows.push(RunRow { run, counts });
    }
    Ok(Json(rows))
}

/// Starts a run of a route. A conflict while one is under way.
#[utoipa::path(post, path = "/api/v1/{project}/{environment}/runs", tag = "runs",
    params(("project" = String, Path), ("environment" = String, Path)),
    request_body(content = ref("#/components/schemas/StartRun")),
    responses((status = 202, description = "It has started", body = ref("#/components/schemas/StartedRun"))))]
pub(crate) async fn start(
    State(api): State<Arc<Api>>,
    Path((project, environment)): Path<(String, String)>,
    body: Result<Json<StartRun>, JsonRejection>,
) -> Answer<(StatusCode, Json<StartedRun>)> {
    let Json(start) = body?;
    let run = api
        .served(&project, &environment)?
        .engine()?
        .run(&start.route, "manual")
        .await?;
    Ok((StatusCode::ACCEPTED, Json(StartedRun { run })))
}
