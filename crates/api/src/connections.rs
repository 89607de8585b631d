use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use weir_model::{Error, Kind};

use crate::problem::Answer;
use crate::state::Api;

/// A connection as lists show it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ConnectionRow {
    name: String,
    /// Its connector with the version.
    connector: String,
    /// Routes that need it are paused.
    paused: bool,
    reason: Option<String>,
}

/// One thing that was tried.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CheckRow {
    what: String,
    ok: bool,
    /// What was found, and what to do when it is not ok.
    message: String,
    duration_ms: u64,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Options {
    /// Also try a write that the target must roll back.
    #[serde(default)]
    dry_run_write: bool,
}

/// Lists the connections.
#[utoipa::path(get, path = "/api/v1/{project}/{environment}/connections", tag = "connections",
    params(("project" = String, Path), ("environment" = String, Path)),
    responses((status = 200, description = "The connections", body = ref("#/components/schemas/ConnectionRows"))))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Path((project, environment)): Path<(String, String)>,
) -> Answer<Json<Vec<ConnectionRow>>> {
    let served = api.served(&project, &environment)?;
    let mut status = served
        .engine
        .as_ref()
        .map(|engine| engine.status())
        .unwrap_or_default()
        .connections;
    let rows = served.connections.iter().map(|(name, connection)| {
        let description = connection.description();
        let status = status.remove(name).unwrap_or_default();
        ConnectionRow {
            name: name.clone(),
            connector: format!("{} {}", description.name, description.version),
            paused: status.open,
            reason: status.reason,
        }
    });
    Ok(Json(rows.collect()))
}

/// Tries a connection: sign-in, one harmless read, and whether each entity that the project uses there answers.
#[utoipa::path(post, path = "/api/v1/{project}/{environment}/connections/{connection}/check", tag = "connections",
    params(("project" = String, Path), ("environment" = String, Path), ("connection" = String, Path), Options),
    responses((status = 200, description = "What was tried", body = ref("#/components/schemas/CheckRows"))))]
pub(crate) async fn check(
    State(api): State<Arc<Api>>,
    Path((project, environment, name)): Path<(String, String, String)>,
    options: Result<Query<Options>, QueryRejection>,
) -> Answer<Json<Vec<CheckRow>>> {
    let Query(options) = options?;
    let served = api.served(&project, &environment)?;
    let connection = served.connections.get(&name).ok_or_else(|| {
        let known: Vec<&str> = served.connections.keys().map(String::as_str).collect();
        let suggestion = weir_model::did_you_mean(&name, known.iter().copied())
            .unwrap_or_else(|| format!("there are: {}", known.join(", ")));
        Error::new(
            Kind::NotFound,
            format!("there is no connection `{name}`; {suggestion}"),
        )
    })?;
    let mut results = connection.check().await;
    if results.iter().all(|result| result.ok) {
        let used: Vec<String> = served.used.get(&name).into_iter().flatten().cloned().collect();
        results.extend(connection.check_entities(&used).await);
    }
    if options.dry_run_write {
        results.extend(connection.dry_run_write().await);
    }
    let rows = results.into_iter().map(|result| CheckRow {
        what: result.what,
        ok: result.ok,
        message: result.message,
        duration_ms: result.duration_ms,
    });
    Ok(Json(rows.collect()))
}
