//! What stands at an open port: the program is there before its engine is, and stays until its engine is gone. In between
//! everybody is told to come back, so that no sender takes silence for a place that does not exist.

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::json;
use tower::ServiceExt as _;
use weir_model::{Error, Kind};

use crate::problem::Problem;
use crate::router::{Door, router};
use crate::state::Api;

/// A start takes this long, or so.
const STARTING_RETRY_AFTER_MS: u64 = 1_000;
/// And so does a stop with the start behind it.
const STOPPING_RETRY_AFTER_MS: u64 = 10_000;

/// A door that can be shut. Clones are the same door.
#[derive(Clone)]
pub struct Gate {
    phase: Arc<RwLock<Phase>>,
    door: Door,
}

enum Phase {
    Starting,
    Open(Router),
    Stopping,
}

impl Gate {
    /// Shut: everything but `/health/live` is answered 503 with Retry-After.
    pub fn new(door: Door) -> Gate {
        Gate {
            phase: Arc::new(RwLock::new(Phase::Starting)),
            door,
        }
    }

    /// From here on requests are answered.
    pub fn open(&self, api: Arc<Api>) {
        self.set(Phase::Open(router(api, self.door)));
    }

    /// From here on they are not; those under way are finished.
    pub fn shut(&self) {
        self.set(Phase::Stopping);
    }

    /// What is mounted at the port, from the beginning to the end.
    pub fn router(&self) -> Router {
        Router::new().fallback(any(pass)).with_state(self.clone())
    }

    fn set(&self, phase: Phase) {
        *self.phase.write().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// The router, or why there is none.
    fn inside(&self) -> Result<Router, Error> {
        let not_now = |message: &str, retry_after_ms| {
            Err(Error::new(Kind::Unavailable, message).retry_after_ms(retry_after_ms))
        };
        match &*self.phase.read().unwrap_or_else(PoisonError::into_inner) {
            Phase::Open(router) => Ok(router.clone()),
            Phase::Starting => not_now(
                "Weir is starting; nothing was stored, send it again",
                STARTING_RETRY_AFTER_MS,
            ),
            Phase::Stopping => not_now(
                "Weir is stopping; nothing was stored, send it again",
                STOPPING_RETRY_AFTER_MS,
            ),
        }
    }
}

async fn pass(State(gate): State<Gate>, request: Request) -> Response {
    match gate.inside() {
        Ok(router) => match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        // Alive, and not ready: what restarts a process that does not live must not do so.
        Err(_) if request.uri().path() == "/health/live" => Json(json!({ "ok": true })).into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}
