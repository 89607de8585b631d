//! Actions on many tasks: a preview, and the operation that comes of executing it.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::Deserialize;
use utoipa::IntoParams;
use weir_access::Identity;
use weir_engine::operations::{self, Preview, Progress, Selection};
use weir_engine::{Action, Correction, Deed, Under};
use weir_model::operation::Control;
use weir_model::{Kind, OperationId};

use crate::problem::{Answer, Problem};
use crate::state::Api;

const LIMIT_MAX: usize = 500;

/// An action and the tasks that it is meant for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewAction {
    action: Action,
    selection: Selection,
    /// What `correct` changes.
    #[serde(default)]
    correction: Option<Correction>,
    /// `replay` also what is older than what was delivered last.
    #[serde(default)]
    force: bool,
    /// `replay` from this step on, with the entity as it was before it; else from the first.
    #[serde(default)]
    from: Option<String>,
    /// The release to `replay` under.
    #[serde(default)]
    release: Under,
}

/// The token of a preview.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Execute {
    token: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// At most so many; default 50, at most 500.
    limit: Option<usize>,
}

/// Says what an action would do with many tasks, and gives a token that executes exactly this. Nothing is changed.
#[utoipa::path(post, path = "/api/v1/{project}/{environment}/tasks/preview", tag = "operations",
    params(("project" = String, Path), ("environment" = String, Path)),
    request_body(content = ref("#/components/schemas/PreviewAction")),
    responses((status = 200, description = "What would happen", body = ref("#/components/schemas/Preview"))))]
pub(crate) async fn preview(
    State(api): State<Arc<Api>>,
    Path((project, environment)): Path<(String, String)>,
    asked: Result<Json<PreviewAction>, JsonRejection>,
) -> Answer<Json<Preview>> {
    let Json(asked) = asked?;
    let engine = api.served(&project, &environment)?.engine()?;
    let deed = Deed {
        action: asked.action,
        correction: asked.correction,
        force: asked.force,
        from: asked.from,
        release: asked.release,
    };
    Ok(Json(engine.preview(deed, asked.selection).await?))
}

/// Executes a preview as an operation. A token that was executed before answers its operation.
#[utoipa::path(post, path = "/api/v1/{project}/{environment}/operations", tag = "operations",
    params(("project" = String, Path), ("environment" = String, Path)),
    request_body(content = ref("#/components/schemas/Execute")),
    responses((status = 202, description = "The operation", body = ref("#/components/schemas/Progress"))))]
pub(crate) async fn execute(
    State(api): State<Arc<Api>>,
    Path((project, environment)): Path<(String, String)>,
    Extension(identity): Extension<Option<Identity>>,
    asked: Result<Json<Execute>, JsonRejection>,
) -> Answer<(StatusCode, Json<Progress>)> {
    let Json(asked) = asked?;
    let engine = api.served(&project, &environment)?.engine()?;
    let token = asked.token.parse::<OperationId>().map_err(|_| {
        let message = format!("`{}` is not the token of a preview (a UUID)", asked.token);
        Problem::new(Kind::Invalid, message)
    })?;
    let by = identity.map_or("a person".to_owned(), |identity| identity.name);
    Ok((StatusCode::ACCEPTED, Json(engine.execute(&token, &by).await?)))
}

/// Lists operations, newest first.
#[utoipa::path(get, path = "/api/v1/{project}/{environment}/operations", tag = "operations",
    params(("project" = String, Path), ("environment" = String, Path), Filter),
    responses((status = 200, description = "Operations", body = ref("#/components/schemas/Progresses"))))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Path((project, environment)): Path<(String, String)>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Answer<Json<Vec<Progress>>> {
    let Query(filter) = filter?;
    let served = api.served(&project, &environment)?;
    let limit = filter.limit.unwrap_or(50).clamp(1, LIMIT_MAX);
    Ok(Json(match &served.engine {
        Some(engine) => engine.operations(limit).await?,
        None => operations::all_stored(api.store.as_ref(), &served.scope, limit).await?,
    }))
}

/// Shows how an operation comes along.
#[utoipa::path(get, path = "/api/v1/{project}/{environment}/operations/{operation}", tag = "operations",
    params(("project" = String, Path), ("environment" = String, Path), ("operation" = String, Path)),
    responses((status = 200, description = "The operation", body = ref("#/components/schemas/Progress"))))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Path((project, environment, operation)): Path<(String, String, String)>,
) -> Answer<Json<Progress>> {
    let served = api.served(&project, &environment)?;
    let id = id(&operation)?;
    Ok(Json(match &served.engine {
        Some(engine) => engine.operation(&id).await?,
        None => operations::stored(api.store.as_ref(), &served.scope, &id).await?,
    }))
}

macro_rules! ask {
    ($name:ident, $path:literal, $ask:expr, $summary:literal) => {
        #[doc = $summary]
        #[utoipa::path(post, path = $path, tag = "operations",
            params(("project" = String, Path), ("environment" = String, Path), ("operation" = String, Path)),
            responses((status = 200, description = "The operation", body = ref("#/components/schemas/Progress"))))]
        pub(crate) async fn $name(
            State(api): State<Arc<Api>>,
            Path((project, environment, operation)): Path<(String, String, String)>,
        ) -> Answer<Json<Progress>> {
            let engine = api.served(&project, &environment)?.engine()?;
            Ok(Json(engine.control(&id(&operation)?, $ask).await?))
        }
    };
}

ask!(
    pause,
    "/api/v1/{project}/{environment}/operations/{operation}/pause",
    Control::Pause,
    "Lets an operation stand still; what it does in this moment is finished first."
);
ask!(
    resume,
    "/api/v1/{project}/{environment}/operations/{operation}/resume",
    Control::Resume,
    "Lets a paused operation go on."
);
ask!(
    cancel,
    "/api/v1/{project}/{environment}/operations/{operation}/cancel",
    Control::Cancel,
    "Ends an operation; what it has done stays done."
);

fn id(text: &str) -> Result<OperationId, Problem> {
    text.parse().map_err(|_| {
        Problem::new(
            Kind::Invalid,
            format!("`{text}` is not the id of an operation (a UUID)"),
        )
    })
}
