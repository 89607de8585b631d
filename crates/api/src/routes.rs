use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weir_engine::{RouteStatus, Status};
use weir_model::config::Switch;
use weir_model::task::State as TaskState;

use crate::problem::Answer;
use crate::state::Api;

/// A route as lists show it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RouteRow {
    name: String,
    /// Tasks by state, since the beginning.
    counts: BTreeMap<TaskState, u64>,
    /// How it stands now; missing where no engine runs.
    status: Option<RouteStatus>,
}

/// A switch to set.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SwitchTo {
    pub(crate) switch: Switch,
}

/// Lists the routes with the counts of their tasks.
#[utoipa::path(get, path = "/api/v1/{project}/{environment}/routes", tag = "routes",
    params(("project" = String, Path), ("environment" = String, Path)),
    responses((status = 200, description = "The routes", body = ref("#/components/schemas/RouteRows"))))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Path((project, environment)): Path<(String, String)>,
) -> Answer<Json<Vec<RouteRow>>> {
    let served = api.served(&project, &environment)?;
    let mut counts = api.store.counts(&served.scope).await?;
    let status = served
        .engine
        .as_ref()
        .map(|engine| engine.status())
        .unwrap_or_default();
    let mut rows: Vec<RouteRow> = status
        .routes
        .into_iter()
        .map(|(name, status)| RouteRow {
            counts: counts.remove(&name).unwrap_or_default(),
            name,
            status: Some(status),
        })
        .collect();
    // Routes of former releases still have tasks.
    rows.extend(counts.into_iter().map(|(name, counts)| RouteRow {
        name,
        counts,
        status: None,
    }));
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(rows))
}

/// How everything stands now: routes and connections.
#[utoipa::path(get, path = "/api/v1/{project}/{environment}/status", tag = "routes",
    params(("project" = String, Path), ("environment" = String, Path)),
    responses((status = 200, description = "The status", body = ref("#/components/schemas/Status"))))]
pub(crate) async fn status(
    State(api): State<Arc<Api>>,
    Path((project, environment)): Path<(String, String)>,
) -> Answer<Json<Status>> {
    Ok(Json(api.served(&project, &environment)?.engine()?.status()))
}

/// Switches a route on, to pause, or off. Wins over the environment's file until it is set again.
#[utoipa::path(put, path = "/api/v1/{project}/{environment}/routes/{route}/switch", tag = "routes",
    params(("project" = String, Path), ("environment" = String, Path), ("route" = String, Path)),
    request_body(content = ref("#/components/schemas/SwitchTo")),
    responses((status = 200, description = "The switch as it is now", body = ref("#/components/schemas/SwitchTo"))))]
pub(crate) async fn switch(
    State(api): State<Arc<Api>>,
    Path((project, environment, route)): Path<(String, String, String)>,
    body: Result<Json<SwitchTo>, JsonRejection>,
) -> Answer<Json<SwitchTo>> {
    let Json(to) = body?;
    api.served(&project, &environment)?
        .engine()?
        .switch(&route, to.switch)
        .await?;
    Ok(Json(to))
}
