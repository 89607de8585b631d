use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use weir_engine::{Ask, Range};
use weir_model::schedule::moment;
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, RunId};
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

/// What a run of a route shall read; nothing said: what has changed since the last run.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RunAsk {
    /// A back-fill: what changed at this time or later, again, as a date (from midnight UTC) or in RFC 3339. The route's
    /// cursor stays where it is. One that was cut off goes on when the server starts, or when it is asked for again.
    since: Option<String>,
    /// Only what changed before this time. Sources are asked for changes since a time; of their rows those that changed
    /// later are left out, and those that do not say when they changed are read.
    until: Option<String>,
    /// Everything from the beginning, also what has not changed at the source.
    full: bool,
    /// `TABLE/KEY`: the entities whose last delivery asked this lookup for this row, found or not.
    where_read: Option<String>,
}

impl RunAsk {
    fn ask(&self) -> Result<Ask, Error> {
        let refused = |message: String| Err(Error::new(Kind::Invalid, message));
        let moment = |text: &String| moment(text).map_err(|message| Error::new(Kind::Invalid, message));
        match (&self.since, &self.until, self.full, &self.where_read) {
            (None, None, false, None) => Ok(Ask::Onward),
            (None, None, true, None) => Ok(Ask::Full),
            (Some(since), until, false, None) => Ok(Ask::Range(Range {
                since: moment(since)?,
                until: until.as_ref().map(moment).transpose()?,
            })),
            (None, None, false, Some(row)) => match row.split_once('/') {
                Some((table, key)) if !table.is_empty() && !key.is_empty() => Ok(Ask::WhereRead {
                    table: table.to_owned(),
                    key: key.to_owned(),
                }),
                _ => refused(format!(
                    "`{row}` is not a row: write TABLE/KEY, for example `tax-sets/full`"
                )),
            },
            (None, Some(_), _, _) => refused("`until` ends a range that begins with `since`".to_owned()),
            _ => refused("a run reads one of `since`, `full` and `where_read`".to_owned()),
        }
    }
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

/// Starts a run of a route that reads what is asked for: what is new, a range of time again, everything, or what depended
/// on a row of a lookup. A conflict while one is under way.
#[utoipa::path(post, path = "/api/v1/{project}/{environment}/routes/{route}/runs", tag = "runs",
    params(("project" = String, Path), ("environment" = String, Path), ("route" = String, Path)),
    request_body(content = ref("#/components/schemas/RunAsk")),
    responses((status = 202, description = "It has started", body = ref("#/components/schemas/StartedRun"))))]
pub(crate) async fn ask(
    State(api): State<Arc<Api>>,
    Path((project, environment, route)): Path<(String, String, String)>,
    body: Result<Json<RunAsk>, JsonRejection>,
) -> Answer<(StatusCode, Json<StartedRun>)> {
    let Json(asked) = body?;
    let engine = api.served(&project, &environment)?.engine()?;
    let run = engine.ask(&route, &asked.ask()?).await?;
    Ok((StatusCode::ACCEPTED, Json(StartedRun { run })))
}
