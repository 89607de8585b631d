//! One line an endpoint.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post, put};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use crate::guard::{Guard, guard};
use crate::state::Api;
use crate::{
    connections, entities, health, hooks, links, openapi, operations, pages, routes, runs, scopes, secrets,
    tasks, tokens,
};

/// Largest body of a request, where no limit of a route says more.
const BODY_BYTES_MAX: usize = 1_000_000;
/// Longest answer; reads of the store are quick, checks of a connection are not.
const ANSWER_S_MAX: u64 = 120;

/// Where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Anybody: needs a session or a token.
    Network,
    /// The unix socket in the data folder (mode 0600): trusted as the administrator.
    Socket,
}

/// Everything that is served, behind the guard.
pub fn router(api: Arc<Api>, door: Door) -> Router {
    let scoped = Router::new()
        .route("/connections", get(connections::list))
        .route("/connections/{connection}/check", post(connections::check))
        .route("/health", get(health::store))
        .route("/links", get(links::search))
        .route("/operations", get(operations::list).post(operations::execute))
        .route("/operations/{operation}", get(operations::show))
        .route("/operations/{operation}/cancel", post(operations::cancel))
        .route("/operations/{operation}/pause", post(operations::pause))
        .route("/operations/{operation}/resume", post(operations::resume))
        .route("/routes", get(routes::list))
        .route(
            "/routes/{route}/entities",
            post(entities::create).layer(DefaultBodyLimit::disable()),
        )
        .route("/routes/{route}/runs", post(runs::ask))
        .route("/routes/{route}/switch", put(routes::switch))
        .route("/runs", get(runs::list).post(runs::start))
        .route("/secrets", get(secrets::list))
        .route("/secrets/{name}", put(secrets::set).delete(secrets::remove))
        .route("/status", get(routes::status))
        .route("/tasks", get(tasks::list))
        .route("/tasks/preview", post(operations::preview))
        .route("/tasks/{task}", get(tasks::show))
        .route("/tasks/{task}/cancel", post(tasks::cancel))
        .route("/tasks/{task}/correct", post(tasks::correct))
        .route("/tasks/{task}/answer", post(tasks::answer))
        .route("/tasks/{task}/release", post(tasks::release))
        .route("/tasks/{task}/replay", post(tasks::replay))
        .route("/tasks/{task}/retry", post(tasks::retry))
        .route("/tasks/{task}/skip", post(tasks::skip));
    let guarded = Guard {
        access: api.access.clone(),
        door,
    };
    Router::new()
        .route("/", get(pages::status))
        .route("/setup", get(pages::setup_form).post(pages::setup))
        .route("/sign-in", get(pages::sign_in_form).post(pages::sign_in))
        .route("/sign-out", post(pages::sign_out))
        .route("/hooks/{project}/{environment}/{route}", post(hooks::receive))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/api/v1/scopes", get(scopes::list))
        .route("/api/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/api/v1/tokens/{name}", delete(tokens::revoke))
        .nest("/api/v1/{project}/{environment}", scoped)
        .layer(from_fn_with_state(guarded, guard))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(ANSWER_S_MAX),
        ))
        .layer(fixed(header::CACHE_CONTROL, "no-store"))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // The set-up link carries its token in the address.
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(
            header::CONTENT_SECURITY_POLICY,
            pages::CONTENT_SECURITY_POLICY,
        ))
        .with_state(api)
}

fn fixed(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}
