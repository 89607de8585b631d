//! The server in front of a simulator: HTTP, faults, counting, recording and the control API, so that
//! a simulator itself is only a function from request to answer.

pub(crate) mod control;
mod journal;
mod line;
mod message;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use futures::StreamExt as _;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::faults::{Fault, Faults, Kind};
use journal::Journal;
use line::{Line, Lines};
pub use message::{Incoming, Reply, form_pairs};

/// The largest body that is read; more is answered with 413.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// A simulator as the server sees it. All methods are called from many threads at once and must not
/// block for long.
pub trait System: Send + Sync + 'static {
    /// `spryker` or `akeneo`.
    fn name(&self) -> &'static str;
    /// Does one request and answers it.
    fn answer(&self, request: &Incoming) -> Reply;
    /// The path with its variable parts replaced, for counting.
    fn template(&self, request: &Incoming) -> String;
    /// A judgement of the simulator's own content.
    fn report(&self) -> Value;
    /// Sorted keys of one kind for a comparison of two systems; `None` for an unknown kind.
    fn keys(&self, kind: &str) -> Option<Vec<String>>;
    /// A change of content on demand; an error is a sentence.
    fn change(&self, change: &Value) -> Result<Value, String>;
    /// Back to the content of the start; tokens stay valid, so that a recording can be replayed.
    fn reset(&self);
    /// Every token given out so far is refused from now on.
    fn expire_tokens(&self);
    /// Control requests of this simulator only.
    fn control(&self, request: &Incoming, parts: &[&str]) -> Option<Reply>;
}

/// Where a simulator listens and how it fails.
#[derive(Debug, Clone, Default)]
pub struct Listen {
    /// Port on 127.0.0.1; 0 lets the system choose.
    pub port: u16,
    /// Faults from the first request on.
    pub faults: Vec<Fault>,
    /// Seed of the dice that faults throw.
    pub seed: u64,
}

pub(crate) struct Front {
    pub(crate) system: Arc<dyn System>,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
}

/// A simulator that runs. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// The base URL, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets requests under way finish for two seconds, then ends.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(mut task) = self.task.take() {
            let finished = tokio::time::timeout(Duration::from_secs(2), &mut task).await;
            if finished.is_err() {
                task.abort();
            }
        }
    }

    /// Waits until the simulator ends by itself, which it does only on an error of the listener.
    pub async fn wait(mut self) -> io::Result<()> {
        match self.task.take() {
            Some(task) => task.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }
}

/// Binds 127.0.0.1 and serves a simulator until it is stopped.
///
/// # Errors
/// When the port is taken.
pub async fn serve(system: Arc<dyn System>, listen: Listen) -> io::Result<Running> {
    let listener =
        tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port))).await?;
    let address = listener.local_addr()?;
    let front = Arc::new(Front {
        system,
        faults: Faults::new(listen.seed, listen.faults),
        journal: Journal::default(),
    });
    let (stop, stopped) = oneshot::channel();
    let service = Router::new()
        .fallback(handle)
        .with_state(front)
        .into_make_service_with_connect_info::<Line>();
    let task = tokio::spawn(async move {
        axum::serve(Lines(listener), service)
            .with_graceful_shutdown(async {
                // A dropped `Running` counts as a stop, too.
                let _ = stopped.await;
            })
            .await
    });
    Ok(Running {
        address,
        stop: Some(stop),
        task: Some(task),
    })
}

async fn handle(
    State(front): State<Arc<Front>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let body = match axum::body::to_bytes(body, BODY_MAX).await {
        Ok(body) => body,
        Err(_) => return Ok(http(Reply::empty(413))),
    };
    let request = Incoming {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
    };
    if let Some(rest) = request.path.strip_prefix("/_simulator") {
        let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
        return Ok(http(control::answer(&front, &request, &parts)));
    }
    Ok(work(front, line, request).await)
}

/// One request of a client, with the faults that strike it.
async fn work(front: Arc<Front>, line: Line, request: Incoming) -> Response<Body> {
    let started = Instant::now();
    let template = front.system.template(&request);
    front.journal.arrived(&request);
    let verdict = front.faults.judge(&request);
    if let Some(delay) = verdict.delay {
        tokio::time::sleep(delay).await;
    }
    let (status, response) = match verdict.strike {
        None => {
            let reply = front.system.answer(&request);
            (reply.status, http(reply))
        }
        Some(fault) => struck(&front, &line, &request, &fault).await,
    };
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    front.journal.answered(&request, template, status, micros);
    response
}

async fn struck(front: &Arc<Front>, line: &Line, request: &Incoming, fault: &Fault) -> (u16, Response<Body>) {
    let lost = || (0, http(Reply::empty(500)));
    match fault.kind {
        Kind::Latency => unreachable!("latencies are collected apart"),
        Kind::Cut | Kind::Down => {
            line.cut();
            lost()
        }
        Kind::RateLimit => {
            let mut reply = Reply::json(429, r#"{"code":429,"message":"Too many requests."}"#);
            if let Some(seconds) = fault.retry_after {
                reply = reply.with("retry-after", seconds.to_string());
            }
            (429, http(reply))
        }
        Kind::Status => {
            let status = fault.status.unwrap_or(503);
            let text = "<html><body>The server is not well.</body></html>";
            (status, http(Reply::json(status, text).typed("text/html")))
        }
        Kind::ExpireTokens => {
            front.system.expire_tokens();
            let reply = front.system.answer(request);
            (reply.status, http(reply))
        }
        Kind::InvalidJson => {
            front.system.answer(request);
            (200, http(Reply::json(200, r#"{"data":[{"id":1,"na"#)))
        }
        Kind::Truncate => {
            let reply = front.system.answer(request);
            (reply.status, truncated(reply))
        }
        Kind::Late => {
            let delay = Duration::from_millis(fault.delay_ms.unwrap_or(0));
            let (front, request) = (front.clone(), request.clone());
            // A task of its own: the work must be done although the client hangs up meanwhile.
            let work = tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                front.system.answer(&request);
            });
            let _ = work.await;
            tokio::time::sleep(Duration::from_millis(fault.hang_ms.unwrap_or(120_000))).await;
            line.cut();
            lost()
        }
    }
}

fn http(reply: Reply) -> Response<Body> {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or_default();
    let headers = response.headers_mut();
    if !reply.content_type.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    }
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

/// Announces the whole body, sends half of it and then breaks the connection.
fn truncated(reply: Reply) -> Response<Body> {
    let length = reply.body.len();
    let half = Bytes::copy_from_slice(&reply.body[..length / 2]);
    let broken = futures::stream::iter([Ok(half)]).chain(futures::stream::once(async {
        // The first half must have left before the connection breaks.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    }));
    let mut response = http(Reply {
        body: Vec::new(),
        ..reply
    });
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    *response.body_mut() = Body::from_stream(broken);
    response
}
