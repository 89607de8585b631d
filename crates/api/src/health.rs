use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::problem::Answer;
use crate::state::Api;

/// Says so and nothing else: these two answers are for everybody.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Alive {
    ok: bool,
}

/// The process answers.
#[utoipa::path(get, path = "/health/live", tag = "health",
    responses((status = 200, description = "It does", body = ref("#/components/schemas/Alive"))))]
pub(crate) async fn live() -> Json<Alive> {
    Json(Alive { ok: true })
}

/// The store answers too, so work can be done.
#[utoipa::path(get, path = "/health/ready", tag = "health",
    responses(
        (status = 200, description = "It does", body = ref("#/components/schemas/Alive")),
        (status = 503, description = "Not now", body = ref("#/components/schemas/Alive")),
    ))]
pub(crate) async fn ready(State(api): State<Arc<Api>>) -> (StatusCode, Json<Alive>) {
    match api.store.document("health", "ready").await {
        Ok(_) => (StatusCode::OK, Json(Alive { ok: true })),
        Err(error) => {
            tracing::error!(error = %error, "the store does not answer: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, Json(Alive { ok: false }))
        }
    }
}

/// Size and health of the store.
#[utoipa::path(get, path = "/api/v1/{project}/{environment}/health", tag = "health",
    params(("project" = String, Path), ("environment" = String, Path)),
    responses((status = 200, description = "Names and values", body = ref("#/components/schemas/Health"))))]
pub(crate) async fn store(
    State(api): State<Arc<Api>>,
    Path((project, environment)): Path<(String, String)>,
) -> Answer<Json<BTreeMap<String, Value>>> {
    api.served(&project, &environment)?;
    Ok(Json(api.store.health().await?))
}
