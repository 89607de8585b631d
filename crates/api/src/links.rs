use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::IntoParams;
use weir_model::{Address, Error, Kind};
use weir_sdk::store::Link;

use crate::problem::Answer;
use crate::state::Api;

const LIMIT_MAX: usize = 500;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// A part of the key.
    text: Option<String>,
    /// Only links of CONNECTION/ENTITY.
    of: Option<String>,
    /// At most so many; default 50, at most 500.
    limit: Option<usize>,
}

/// Finds remembered pairs of keys and ids.
#[utoipa::path(get, path = "/api/v1/{project}/{environment}/links", tag = "links",
    params(("project" = String, Path), ("environment" = String, Path), Filter),
    responses((status = 200, description = "The links", body = ref("#/components/schemas/Links"))))]
pub(crate) async fn search(
    State(api): State<Arc<Api>>,
    Path((project, environment)): Path<(String, String)>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Answer<Json<Vec<Link>>> {
    let Query(filter) = filter?;
    let scope = &api.served(&project, &environment)?.scope;
    let address: Option<Address> = match &filter.of {
        Some(text) => Some(
            text.parse()
                .map_err(|message: String| Error::new(Kind::Invalid, message).with("field", "of"))?,
        ),
        None => None,
    };
    let limit = filter.limit.unwrap_or(50).clamp(1, LIMIT_MAX);
    let text = filter.text.unwrap_or_default();
    Ok(Json(
        api.store
            .links_search(scope, address.as_ref(), &text, limit)
            .await?,
    ))
}
