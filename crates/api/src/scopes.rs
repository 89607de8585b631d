use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use weir_model::Scope;

use crate::problem::Answer;
use crate::state::Api;

/// A project and environment that is served here.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ScopeRow {
    scope: Scope,
    /// The release in force.
    release: u64,
    /// An engine runs here; else only the store is looked at.
    running: bool,
}

/// Lists the projects and environments that are served.
#[utoipa::path(get, path = "/api/v1/scopes", tag = "scopes", responses(
    (status = 200, description = "Projects and environments", body = ref("#/components/schemas/ScopeRows")),
))]
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Answer<Json<Vec<ScopeRow>>> {
    let rows = api.served.iter().map(|served| ScopeRow {
        scope: served.scope.clone(),
        release: served.release,
        running: served.engine.is_some(),
    });
    Ok(Json(rows.collect()))
}
