//! Speaking the API: of a server at an address, of the server that uses the data folder (its socket), or, where none
//! runs, of an engine in this process. Commands do not know which.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::Router;
use axum::body::{Body, Bytes};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tower::ServiceExt as _;
use weir_engine::Engine;
use weir_sdk::http::Http;

use crate::output::Output;
use crate::place::Places;
use crate::runtime::{self, Running, Start};
use crate::wiring;

const TIMEOUT_MS: u64 = 120_000;
const ANSWER_BYTES_MAX: u64 = 100_000_000;

/// A way to the API.
pub(crate) struct Client {
    door: Door,
    /// `/api/v1/PROJECT/ENVIRONMENT`
    base: String,
}

enum Door {
    Remote {
        url: String,
        token: Option<String>,
        http: Arc<dyn Http>,
    },
    Socket(PathBuf),
    Here {
        router: Router,
        running: Running,
    },
}

impl Client {
    /// Finds a server, or starts what is needed in this process.
    pub(crate) async fn open(places: &Places, needed: Start, output: Output) -> anyhow::Result<Client> {
        let door = match &places.server {
            Some(url) => Door::Remote {
                url: url.trim_end_matches('/').to_owned(),
                token: places.token.clone(),
                http: wiring::http()?,
            },
            None if socket_answers(&places.socket()).await => Door::Socket(places.socket()),
            None => {
                let running = runtime::start(places, needed, output).await?;
                let router = weir_api::router(running.api.clone(), weir_api::Door::Socket);
                Door::Here { router, running }
            }
        };
        let mut client = Client {
            door,
            base: String::new(),
        };
        client.base = client.find_base(places).await?;
        Ok(client)
    }

    /// True when the engine is this process's own: it ends with the command.
    pub(crate) fn is_here(&self) -> bool {
        matches!(self.door, Door::Here { .. })
    }

    pub(crate) fn running(&self) -> Option<&Running> {
        match &self.door {
            Door::Here { running, .. } => Some(running),
            _ => None,
        }
    }

    /// The engine that runs here: nobody goes on with what was asked of it when this process ends.
    pub(crate) fn engine(&self) -> Option<&Engine> {
        self.running()?.engine.as_deref()
    }

    /// Ends what was started here.
    pub(crate) async fn close(self) {
        if let Door::Here { running, .. } = self.door {
            running.stop().await;
        }
    }

    /// Asks below the project and environment: `/tasks?state=dead`.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call("GET", &format!("{}{path}", self.base), None).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.call(method, &format!("{}{path}", self.base), body).await
    }

    /// Asks at the root: `/api/v1/tokens`.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (status, bytes) = self.exchange(method, path, body).await?;
        let answer: Value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)
                .with_context(|| format!("the answer to {method} {path} is not JSON"))?
        };
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        match answer.get("detail").and_then(Value::as_str) {
            Some(detail) => bail!("{detail}"),
            None => bail!("{method} {path} was answered with {status}"),
        }
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, Vec<u8>)> {
        let bytes = body.map(Value::to_string).unwrap_or_default();
        match &self.door {
            Door::Remote { url, token, http } => {
                let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
                headers.extend(
                    token
                        .iter()
                        .map(|token| ("authorization".to_owned(), format!("Bearer {token}"))),
                );
                let request = weir_sdk::http::Request {
                    method: method.to_owned(),
                    url: format!("{url}{path}"),
                    headers,
                    body: body.map(|_| Arc::from(bytes.as_bytes())),
                    timeout_ms: TIMEOUT_MS,
                    answer_bytes_max: ANSWER_BYTES_MAX,
                    allow_private: true,
                };
                let answer = http
                    .send(request)
                    .await
                    .with_context(|| format!("could not reach the server at {url}"))?;
                Ok((answer.status, answer.body))
            }
            Door::Socket(socket) => {
                let stream = UnixStream::connect(socket)
                    .await
                    .with_context(|| format!("could not reach the server at {}", socket.display()))?;
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
                let driver = tokio::spawn(connection);
                let request = request(method, path, Full::new(Bytes::from(bytes)))?;
                let answer = sender
                    .send_request(request)
                    .await
                    .context("the server went away")?;
                let status = answer.status().as_u16();
                let bytes = answer
                    .into_body()
                    .collect()
                    .await
                    .context("the server went away")?
                    .to_bytes();
                driver.abort();
                Ok((status, bytes.to_vec()))
            }
            Door::Here { router, .. } => {
                let answer = router
                    .clone()
                    .oneshot(request(method, path, Body::from(bytes))?)
                    .await?;
                let status = answer.status().as_u16();
                Ok((status, answer.into_body().collect().await?.to_bytes().to_vec()))
            }
        }
    }

    /// The project and environment to talk about: the named environment, or the only one.
    async fn find_base(&self, places: &Places) -> anyhow::Result<String> {
        let scopes = self.call("GET", "/api/v1/scopes", None).await?;
        let scopes: Vec<(&str, &str)> = scopes
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|row| {
                Some((
                    row["scope"]["project"].as_str()?,
                    row["scope"]["environment"].as_str()?,
                ))
            })
            .filter(|(_, environment)| {
                places
                    .environment
                    .as_deref()
                    .is_none_or(|named| named == *environment)
            })
            .collect();
        match scopes[..] {
            [(project, environment)] => Ok(format!("/api/v1/{project}/{environment}")),
            [] => bail!("the server does not serve this environment: name another with --env"),
            _ => bail!("the server serves several environments: name one with --env"),
        }
    }
}

fn request<B>(method: &str, path: &str, body: B) -> anyhow::Result<hyper::Request<B>> {
    Ok(hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "weir")
        .header("content-type", "application/json")
        .body(body)?)
}

async fn socket_answers(socket: &Path) -> bool {
    UnixStream::connect(socket).await.is_ok()
}

/// A value within a path or query.
pub(crate) fn quoted(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
