use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use weir_engine::{Accepted, Arrival};
use weir_model::{Error, Kind};

use crate::hooks;
use crate::problem::Answer;
use crate::state::Api;

/// A header that says: whatever comes again under this name was sent before.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY_KEY_CHARACTERS_MAX: usize = 200;

/// Puts entities on a route as if its source had given them. Answers when they are on disk.
#[utoipa::path(post, path = "/api/v1/{project}/{environment}/routes/{route}/entities", tag = "routes",
    params(("project" = String, Path), ("environment" = String, Path), ("route" = String, Path),
        ("Idempotency-Key" = Option<String>, Header,
            description = "What was accepted under this key makes no second task; at most 200 characters")),
    request_body(content = ref("#/components/schemas/Entities")),
    responses((status = 202, description = "Stored: the tasks that were made", body = ref("#/components/schemas/Accepted"))))]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Path((project, environment, route)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer<(StatusCode, Json<Accepted>)> {
    let engine = api.served(&project, &environment)?.engine()?;
    let body = hooks::read(body, &headers, engine.limits(&route)?.entity_bytes.count).await?;
    let entities = match hooks::json(&headers, &body)? {
        Value::Array(entities) => entities,
        entity => vec![entity],
    };
    let idempotency_key = headers.get(IDEMPOTENCY_KEY).map(|key| key.to_str().ok());
    let idempotency_key = match idempotency_key {
        None => None,
        Some(Some(key)) if !key.is_empty() && key.len() <= IDEMPOTENCY_KEY_CHARACTERS_MAX => {
            Some(key.to_owned())
        }
        Some(_) => {
            let message =
                format!("an Idempotency-Key has 1 to {IDEMPOTENCY_KEY_CHARACTERS_MAX} plain characters");
            return Err(Error::new(Kind::Invalid, message)
                .with("field", IDEMPOTENCY_KEY)
                .into());
        }
    };
    let arrival = Arrival::Entities {
        entities,
        idempotency_key,
    };
    Ok((StatusCode::ACCEPTED, Json(engine.accept(&route, arrival).await?)))
}
