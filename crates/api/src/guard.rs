//! Who is it, and may they? In front of every endpoint.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use weir_access::permissions::{Need, Role, need};
use weir_access::{Access, Identity};
use weir_model::{Error, Kind};

use crate::problem::Problem;
use crate::router::Door;

/// Name of the session cookie.
pub(crate) const COOKIE: &str = "weir_session";

#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) access: Arc<Access>,
    pub(crate) door: Door,
}

pub(crate) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match guard.allow(&parts).await {
        Ok(identity) => {
            parts.extensions.insert(identity);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => {
            let is_page = parts.method == Method::GET && parts.uri.path() == "/";
            if is_page && error.kind == Kind::Unauthenticated {
                return Redirect::to("/sign-in").into_response();
            }
            Problem::from(error).into_response()
        }
    }
}

impl Guard {
    async fn allow(&self, request: &Parts) -> Result<Option<Identity>, Error> {
        let path = request
            .extensions
            .get::<MatchedPath>()
            .map_or("", MatchedPath::as_str);
        // HEAD is answered by the handler of GET.
        let method = if request.method == Method::HEAD {
            "GET"
        } else {
            request.method.as_str()
        };
        let needed = match need(method, path) {
            Some(Need::Role(role)) => role,
            Some(Need::Nothing) => {
                same_site(&request.method, &request.headers)?;
                return Ok(None);
            }
            None => {
                let message = format!(
                    "`{method} {}` is no endpoint; see /api/v1/openapi.json",
                    request.uri.path()
                );
                return Err(Error::new(Kind::NotFound, message));
            }
        };
        let identity = self.identify(request).await?.ok_or_else(|| {
            let message = "this needs a session (open /sign-in) or an API token (`Authorization: Bearer …`, made with \
                           `weir tokens create NAME`)";
            Error::new(Kind::Unauthenticated, message)
        })?;
        if identity.role < needed {
            let message = format!(
                "{} may not do this: it needs the role {}",
                identity.name,
                word(needed)
            );
            return Err(Error::new(Kind::Forbidden, message));
        }
        Ok(Some(identity))
    }

    async fn identify(&self, request: &Parts) -> Result<Option<Identity>, Error> {
        if self.door == Door::Socket {
            // Only the owner of the data folder can open the socket (mode 0600).
            return Ok(Some(Identity {
                name: "socket".to_owned(),
                role: Role::Administrator,
            }));
        }
        let headers = &request.headers;
        if let Some(token) = bearer(headers) {
            return self.access.token(token).await;
        }
        if let Some(session) = cookie(headers, COOKIE) {
            // A browser sends cookies by itself, so it must also say that the page asking is ours.
            same_site(&request.method, headers)?;
            return self.access.session(session).await;
        }
        Ok(None)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A cookie's value.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Refuses what another site makes a browser send.
fn same_site(method: &Method, headers: &HeaderMap) -> Result<(), Error> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    let good = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map_or(origin, |(_, host)| host);
            text("host").is_some_and(|own| own.eq_ignore_ascii_case(host))
        }
        (None, None) => true, // not a browser
    };
    if good {
        Ok(())
    } else {
        Err(Error::new(
            Kind::Forbidden,
            "this request came from another site's page",
        ))
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Administrator => "administrator",
    }
}
