use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::problem::Answer;
use crate::state::Api;

/// A secret's value, on its way in. There is no way out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetSecret {
    value: String,
}

/// Lists the names of stored secrets.
#[utoipa::path(get, path = "/api/v1/{project}/{environment}/secrets", tag = "secrets",
    params(("project" = String, Path), ("environment" = String, Path)),
    responses((status = 200, description = "Names", body = ref("#/components/schemas/Names"))))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Path((project, environment)): Path<(String, String)>,
) -> Answer<Json<Vec<String>>> {
    let scope = &api.served(&project, &environment)?.scope;
    Ok(Json(api.secrets.names(scope).await?))
}

/// Stores a secret, encrypted. Connections take it when they are made anew: at the next start.
#[utoipa::path(put, path = "/api/v1/{project}/{environment}/secrets/{name}", tag = "secrets",
    params(("project" = String, Path), ("environment" = String, Path), ("name" = String, Path)),
    request_body(content = ref("#/components/schemas/SetSecret")),
    responses((status = 204, description = "Stored")))]
pub(crate) async fn set(
    State(api): State<Arc<Api>>,
    Path((project, environment, name)): Path<(String, String, String)>,
    body: Result<Json<SetSecret>, JsonRejection>,
) -> Answer<StatusCode> {
    let Json(secret) = body?;
    let scope = &api.served(&project, &environment)?.scope;
    api.secrets.set(scope, &name, &secret.value).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets a secret.
#[utoipa::path(delete, path = "/api/v1/{project}/{environment}/secrets/{name}", tag = "secrets",
    params(("project" = String, Path), ("environment" = String, Path), ("name" = String, Path)),
    responses((status = 204, description = "Forgotten")))]
pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    Path((project, environment, name)): Path<(String, String, String)>,
) -> Answer<StatusCode> {
    let scope = &api.served(&project, &environment)?.scope;
    api.secrets.remove(scope, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
