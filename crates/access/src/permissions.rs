//! One line an endpoint: who may call it. What is not listed is refused to everybody; a test compares the list with
//! docs/openapi.json in both directions.

use serde::{Deserialize, Serialize};

/// What somebody may do; each includes the ones before it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks at everything but secrets.
    Viewer,
    /// Also acts on tasks, runs and switches.
    Operator,
    /// Also secrets and tokens.
    Administrator,
}

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Everybody: only what must be reachable before signing in, and webhooks, which verify their senders themselves.
    Nothing,
    Role(Role),
}

const OPEN: Need = Need::Nothing;
const VIEW: Need = Need::Role(Role::Viewer);
const OPERATE: Need = Need::Role(Role::Operator);
const ADMINISTER: Need = Need::Role(Role::Administrator);

/// Method, path as in the OpenAPI document, need.
pub const ENDPOINTS: &[(&str, &str, Need)] = &[
    ("GET", "/", VIEW),
    ("GET", "/api/v1/openapi.json", VIEW),
    ("GET", "/api/v1/scopes", VIEW),
    ("GET", "/api/v1/tokens", ADMINISTER),
    ("POST", "/api/v1/tokens", ADMINISTER),
    ("DELETE", "/api/v1/tokens/{name}", ADMINISTER),
    ("GET", "/api/v1/{project}/{environment}/connections", VIEW),
    (
        "POST",
        "/api/v1/{project}/{environment}/connections/{connection}/check",
        OPERATE,
    ),
    ("GET", "/api/v1/{project}/{environment}/health", VIEW),
    ("GET", "/api/v1/{project}/{environment}/links", VIEW),
    ("GET", "/api/v1/{project}/{environment}/operations", VIEW),
    ("POST", "/api/v1/{project}/{environment}/operations", OPERATE),
    (
        "GET",
        "/api/v1/{project}/{environment}/operations/{operation}",
        VIEW,
    ),
    (
        "POST",
        "/api/v1/{project}/{environment}/operations/{operation}/cancel",
        OPERATE,
    ),
    (
        "POST",
        "/api/v1/{project}/{environment}/operations/{operation}/pause",
        OPERATE,
    ),
    (
        "POST",
        "/api/v1/{project}/{environment}/operations/{operation}/resume",
        OPERATE,
    ),
    ("GET", "/api/v1/{project}/{environment}/routes", VIEW),
    (
        "POST",
        "/api/v1/{project}/{environment}/routes/{route}/entities",
        OPERATE,
    ),
    (
        "POST",
        "/api/v1/{project}/{environment}/routes/{route}/runs",
        OPERATE,
    ),
    (
        "PUT",
        "/api/v1/{project}/{environment}/routes/{route}/switch",
        OPERATE,
    ),
    ("GET", "/api/v1/{project}/{environment}/runs", VIEW),
    ("POST", "/api/v1/{project}/{environment}/runs", OPERATE),
    ("GET", "/api/v1/{project}/{environment}/secrets", ADMINISTER),
    (
        "PUT",
        "/api/v1/{project}/{environment}/secrets/{name}",
        ADMINISTER,
    ),
    (
        "DELETE",
        "/api/v1/{project}/{environment}/secrets/{name}",
        ADMINISTER,
    ),
    ("GET", "/api/v1/{project}/{environment}/status", VIEW),
    ("GET", "/api/v1/{project}/{environment}/tasks", VIEW),
    ("POST", "/api/v1/{project}/{environment}/tasks/preview", OPERATE),
    ("GET", "/api/v1/{project}/{environment}/tasks/{task}", VIEW),
    (
        "POST",
        "/api/v1/{project}/{environment}/tasks/{task}/cancel",
        OPERATE,
    ),
    (
        "POST",
        "/api/v1/{project}/{environment}/tasks/{task}/answer",
        OPERATE,
    ),
    (
        "POST",
        "/api/v1/{project}/{environment}/tasks/{task}/correct",
        OPERATE,
    ),
    (
        "POST",
        "/api/v1/{project}/{environment}/tasks/{task}/release",
        OPERATE,
    ),
    (
        "POST",
        "/api/v1/{project}/{environment}/tasks/{task}/replay",
        OPERATE,
    ),
    (
        "POST",
        "/api/v1/{project}/{environment}/tasks/{task}/retry",
        OPERATE,
    ),
    (
        "POST",
        "/api/v1/{project}/{environment}/tasks/{task}/skip",
        OPERATE,
    ),
    ("GET", "/health/live", OPEN),
    ("GET", "/health/ready", OPEN),
    // Who sends has no account: `source.webhook.verify` of the route says who may, and must be said.
    ("POST", "/hooks/{project}/{environment}/{route}", OPEN),
    ("GET", "/setup", OPEN),
    ("POST", "/setup", OPEN),
    ("GET", "/sign-in", OPEN),
    ("POST", "/sign-in", OPEN),
    ("POST", "/sign-out", VIEW),
];

/// What an endpoint needs; `None` for one that nobody listed.
pub fn need(method: &str, path: &str) -> Option<Need> {
    ENDPOINTS
        .iter()
        .find(|(m, p, _)| *m == method && *p == path)
        .map(|(_, _, need)| *need)
}
