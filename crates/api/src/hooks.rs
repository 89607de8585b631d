//! The door for entities that others send: no account is needed, the route says how a sender shows that it may.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use http_body_util::LengthLimitError;
use serde_json::{Map, Value};
use weir_engine::{Accepted, Arrival, Ended, Replied};
use weir_model::{Error, Kind};

use crate::problem::{Answer, Problem};
use crate::signature::Verify;
use crate::state::{Api, Served};

/// Headers that expressions of a route never see, besides the one that `verify` looks at.
const HIDDEN: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// Names the task behind the answer of a route with `reply`.
const TASK: HeaderName = HeaderName::from_static("weir-task");

/// Takes what is sent to the webhook of a route. Answers when it is on disk.
#[utoipa::path(post, path = "/hooks/{project}/{environment}/{route}", tag = "hooks",
    params(("project" = String, Path), ("environment" = String, Path), ("route" = String, Path)),
    request_body(content = ref("#/components/schemas/Entities")),
    responses(
        (status = 202, description = "Stored: the tasks that were made", body = ref("#/components/schemas/Accepted")),
        (status = 200, description = "Of a route with `reply`: what came of its steps"),
        (status = 401, description = "Not signed as the route asks for"),
        (status = 404, description = "There is no webhook at this address"),
        (status = 409, description = "The route is switched off"),
        (status = 413, description = "Larger than the route's limit entity_bytes"),
        (status = 422, description = "Not what the route looks for, or, with `reply`, the task has failed"),
        (status = 502, description = "With `reply`: the task has failed for reasons of another system"),
        (status = 503, description = "Nothing was stored: send it again, see Retry-After"),
        (status = 504, description = "With `reply`: stored, and not ended at the deadline; the task goes on"),
    ))]
pub(crate) async fn receive(
    State(api): State<Arc<Api>>,
    Path((project, environment, route)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    let (served, verify) = hook(&api, &project, &environment, &route)?;
    let engine = served.engine()?;
    let body = read(body, &headers, engine.limits(&route)?.entity_bytes.count).await?;
    verify.check(&headers, &body).inspect_err(|error| {
        tracing::warn!(
            route.id = route,
            "the webhook of `{route}` refused a sender: {error}"
        );
    })?;
    let arrival = Arrival::Hook {
        body: json(&headers, &body)?,
        headers: shown(&headers, verify),
    };
    if engine.replies(&route)? {
        let replied = engine.converse(&route, arrival).await;
        return replied.map(reply).map_err(not_in_time);
    }
    let accepted: Accepted = engine.accept(&route, arrival).await.inspect_err(|error| {
        tracing::warn!(
            route.id = route,
            "the webhook of `{route}` refused a body: {error}"
        );
    })?;
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

/// A task was made and has not ended: who called hears its id.
fn not_in_time(error: Error) -> Problem {
    let is_under_way = error.kind == Kind::Timeout && error.get("task").is_some();
    let problem = Problem::from(error);
    match is_under_way {
        true => problem.status(StatusCode::GATEWAY_TIMEOUT, "Not in time"),
        false => problem,
    }
}

/// The answer that a route gives with `reply`.
fn reply(replied: Replied) -> Response {
    let task = replied.task.to_string();
    let mut response = match replied.ended {
        Ended::Well(body) => {
            let status = StatusCode::from_u16(replied.status).unwrap_or(StatusCode::OK);
            let mut response = (status, Json(body)).into_response();
            for (name, value) in &replied.headers {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
        Ended::Badly(error) => {
            let status = status_of(error.kind);
            let problem = Problem::from(error.with("task", &task));
            problem.status(status, "The task has failed").into_response()
        }
    };
    if let Ok(task) = HeaderValue::try_from(&task) {
        response.headers_mut().insert(TASK, task);
    }
    response
}

/// Whose fault a failed task is: what was sent, or what lies behind us.
fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid | Kind::Rejected | Kind::NotFound | Kind::Conflict | Kind::Limit => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Kind::RateLimited
        | Kind::Unavailable
        | Kind::Timeout
        | Kind::Unauthenticated
        | Kind::Forbidden
        | Kind::Configuration
        | Kind::OutcomeUnknown
        | Kind::Bug => StatusCode::BAD_GATEWAY,
    }
}

/// A route with a webhook. Who asks for another is not told what there is.
fn hook<'a>(
    api: &'a Api,
    project: &str,
    environment: &str,
    route: &str,
) -> Result<(&'a Served, &'a Verify), Error> {
    api.served(project, environment)
        .ok()
        .and_then(|served| Some((served, served.hooks.get(route)?)))
        .ok_or_else(|| {
            let message = "there is no webhook at this address: it is /hooks/PROJECT/ENVIRONMENT/ROUTE, of a route whose \
                           source says `webhook`";
            Error::new(Kind::NotFound, message)
        })
}

/// The whole body, and not a byte more than may be.
pub(crate) async fn read(body: Body, headers: &HeaderMap, bytes_max: u64) -> Result<Bytes, Problem> {
    let too_large = || {
        let message = format!(
            "the body is larger than the route's limit entity_bytes of {bytes_max} bytes; nothing was stored"
        );
        Problem::new(Kind::Limit, message)
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    to_bytes(body, limit).await.map_err(|error| {
        if error.into_inner().is::<LengthLimitError>() {
            return too_large();
        }
        Problem::new(Kind::Invalid, "the body did not arrive whole; nothing was stored")
    })
}

/// The body as JSON, which is all that is taken.
pub(crate) fn json(headers: &HeaderMap, body: &[u8]) -> Result<Value, Problem> {
    let form = headers
        .get(header::CONTENT_TYPE)
        .map(|form| form.to_str().unwrap_or_default())
        .map(|form| {
            form.split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        });
    if let Some(form) = form.filter(|form| form != "application/json" && !form.ends_with("+json")) {
        let message = format!("`{form}` is not taken: send JSON, with `Content-Type: application/json`");
        return Err(Problem::media_type(message));
    }
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            Kind::Invalid,
            format!("the body is not JSON: {error}; nothing was stored"),
        )
    })
}

/// The headers for `$headers`: names in lower case, without what opens doors.
fn shown(headers: &HeaderMap, verify: &Verify) -> Value {
    let hidden = verify.header().unwrap_or_default();
    let mut shown = Map::new();
    for (name, value) in headers {
        if HIDDEN.contains(name) || name.as_str().eq_ignore_ascii_case(hidden) {
            continue;
        }
        let Ok(value) = value.to_str() else { continue };
        match shown.get_mut(name.as_str()) {
            Some(Value::String(before)) => {
                before.push_str(", ");
                before.push_str(value);
            }
            _ => drop(shown.insert(name.as_str().to_owned(), value.into())),
        }
    }
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use weir_model::TaskId;

    use super::*;

    #[test]
    fn a_failed_task_is_answered_by_whose_fault_it_is() {
        for (kind, status) in [
            (Kind::Invalid, 422),
            (Kind::Rejected, 422),
            (Kind::NotFound, 422),
            (Kind::Unavailable, 502),
            (Kind::Forbidden, 502),
            (Kind::OutcomeUnknown, 502),
            (Kind::Bug, 502),
        ] {
            let response = reply(Replied {
                task: TaskId::from_bytes([7; 16]),
                status: 200,
                headers: Default::default(),
                ended: Ended::Badly(Error::new(kind, "no")),
            });
            assert_eq!(response.status().as_u16(), status, "{kind:?}");
            assert!(response.headers().contains_key(TASK));
        }
    }
}
