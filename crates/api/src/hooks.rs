//! The door for entities that others send: no account is needed, the route says how a sender shows that it may.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use http_body_util::LengthLimitError;
use serde_json::{Map, Value};
use weir_engine::{Accepted, Arrival};
use weir_model::{Error, Kind};

use crate::problem::{Answer, Problem};
use crate::signature::Verify;
use crate::state::{Api, Served};

/// Headers that expressions of a route never see, besides the one that `verify` looks at.
const HIDDEN: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// Takes what is sent to the webhook of a route. Answers when it is on disk.
#[utoipa::path(post, path = "/hooks/{project}/{environment}/{route}", tag = "hooks",
    params(("project" = String, Path), ("environment" = String, Path), ("route" = String, Path)),
    request_body(content = ref("#/components/schemas/Entities")),
    responses(
        (status = 202, description = "Stored: the tasks that were made", body = ref("#/components/schemas/Accepted")),
        (status = 401, description = "Not signed as the route asks for"),
        (status = 404, description = "There is no webhook at this address"),
        (status = 409, description = "The route is switched off"),
        (status = 413, description = "Larger than the route's limit entity_bytes"),
        (status = 503, description = "Nothing was stored: send it again, see Retry-After"),
    ))]
pub(crate) async fn receive(
    State(api): State<Arc<Api>>,
    Path((project, environment, route)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer<(StatusCode, Json<Accepted>)> {
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
    let accepted = engine.accept(&route, arrival).await.inspect_err(|error| {
        tracing::warn!(
            route.id = route,
            "the webhook of `{route}` refused a body: {error}"
        );
    })?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
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
