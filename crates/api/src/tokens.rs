use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use weir_access::permissions::Role;
use weir_access::{MadeToken, TokenRow};

use crate::problem::Answer;
use crate::state::Api;

/// A token to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeToken {
    name: String,
    role: Role,
    /// Until it expires; default 365.
    days: Option<u32>,
}

/// Lists the API tokens, without their texts.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens",
    responses((status = 200, description = "The tokens", body = ref("#/components/schemas/TokenRows"))))]
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Answer<Json<Vec<TokenRow>>> {
    Ok(Json(api.access.tokens().await?))
}

/// Makes an API token. Its text is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens",
    request_body(content = ref("#/components/schemas/MakeToken")),
    responses((status = 201, description = "The token", body = ref("#/components/schemas/MadeToken"))))]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    body: Result<Json<MakeToken>, JsonRejection>,
) -> Answer<(StatusCode, Json<MadeToken>)> {
    let Json(make) = body?;
    let made = api
        .access
        .make_token(&make.name, make.role, make.days.unwrap_or(365))
        .await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Makes a token useless.
#[utoipa::path(delete, path = "/api/v1/tokens/{name}", tag = "tokens",
    params(("name" = String, Path)),
    responses((status = 204, description = "Revoked")))]
pub(crate) async fn revoke(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Answer<StatusCode> {
    api.access.revoke_token(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
