//! The API over a real store, through the router as a server mounts it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod closed;
mod document;
mod hooks;
mod pages;
mod runs;
mod tokens;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde_json::Value;
use tower::ServiceExt as _;
use weir_access::{Access, DataKey, Secrets};
use weir_api::{Api, Door, Served, router};
use weir_model::Scope;
use weir_sdk::context::Clock;
use weir_store::SqliteStore;

pub(crate) const BASE: &str = "/api/v1/shop/dev";

struct Still;

#[async_trait::async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }
    fn monotonic_ms(&self) -> u64 {
        0
    }
    async fn sleep_ms(&self, _: u64) {}
}

/// An API over an empty store, without an engine.
pub(crate) struct House {
    pub(crate) api: Arc<Api>,
    _folder: tempfile::TempDir,
}

pub(crate) fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn weir_sdk::store::Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
    let key = Arc::new(DataKey::open(folder.path()).unwrap());
    let api = Api {
        access: Arc::new(Access::new(store.clone(), Arc::new(Still))),
        secrets: Secrets::new(store.clone(), key),
        store,
        served: vec![Served {
            scope: Scope::new("shop", "dev"),
            release: 3,
            engine: None,
            connections: BTreeMap::new(),
            hooks: BTreeMap::new(),
            used: BTreeMap::new(),
        }],
    };
    House {
        api: Arc::new(api),
        _folder: folder,
    }
}

pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl House {
    pub(crate) fn router(&self, door: Door) -> Router {
        router(self.api.clone(), door)
    }

    /// Asks over the network, with headers as `name: value`.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Said {
        ask(self.router(Door::Network), method, path, headers, body).await
    }

    /// Asks over the socket.
    pub(crate) async fn trusted(&self, method: &str, path: &str, body: &str) -> Said {
        let headers = &["content-type: application/json"];
        ask(self.router(Door::Socket), method, path, headers, body).await
    }
}

pub(crate) async fn ask(router: Router, method: &str, path: &str, headers: &[&str], body: &str) -> Said {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "weir.example");
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let answer = router
        .oneshot(request.body(Body::from(body.to_owned())).unwrap())
        .await
        .unwrap();
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Said {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}
