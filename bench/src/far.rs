//! Both ends in one process: orders to read, a sink that notes when each arrived, and the load generator between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::load::{self, Load};
use crate::order::{self, Order};

/// More than any batch of ours holds.
const BODY_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// What is known of each order, by its number.
pub(crate) struct Far {
    pub(crate) order: Order,
    pub(crate) begin: Instant,
    /// Nanoseconds since the begin; 0 is never.
    pub(crate) sent: Vec<AtomicU64>,
    pub(crate) arrived: Vec<AtomicU64>,
    times: Vec<AtomicU8>,
    count: AtomicUsize,
    last: AtomicU64,
    pub(crate) news: Notify,
}

impl Far {
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn arrive(&self, number: usize) {
        let Some(times) = self.times.get(number) else {
            return;
        };
        let now = self.now();
        if times.fetch_add(1, Ordering::Relaxed) == 0 {
            self.arrived[number].store(now, Ordering::Release);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        self.last.store(now, Ordering::Relaxed);
    }
}

/// Says `{"url": …}` once it listens.
pub(crate) async fn run(orders: usize) -> anyhow::Result<()> {
    let zeroes = || (0..orders).map(|_| AtomicU64::new(0)).collect();
    let far = Arc::new(Far {
        order: Order::new(),
        begin: Instant::now(),
        sent: zeroes(),
        arrived: zeroes(),
        times: (0..orders).map(|_| AtomicU8::new(0)).collect(),
        count: AtomicUsize::new(0),
        last: AtomicU64::new(0),
        news: Notify::new(),
    });
    let router = Router::new()
        .route("/orders", get(page))
        .route("/sink", post(sink))
        .route("/stats", get(stats))
        .route("/load", post(start))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(far);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .context("could not listen")?;
    println!(
        "{}",
        json!({ "url": format!("http://{}", listener.local_addr()?) })
    );
    Ok(axum::serve(listener, router).await?)
}

#[derive(Deserialize)]
struct Page {
    offset: usize,
    limit: usize,
}

async fn page(State(far): State<Arc<Far>>, Query(page): Query<Page>) -> Response {
    let end = far.times.len().min(page.offset.saturating_add(page.limit));
    let mut body = Vec::with_capacity((far.order.len() + 1) * page.limit + 16);
    body.extend_from_slice(b"{\"orders\":[");
    for number in page.offset..end {
        if number > page.offset {
            body.push(b',');
        }
        far.order.write(number, &mut body);
    }
    body.extend_from_slice(b"]}");
    ([(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
}

/// The one word of what arrives that is looked at.
#[derive(Deserialize)]
struct Arrived<'a> {
    number: &'a str,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Arrivals<'a> {
    #[serde(borrow)]
    Many(Vec<Arrived<'a>>),
    One(Arrived<'a>),
}

async fn sink(State(far): State<Arc<Far>>, body: Bytes) -> StatusCode {
    let Ok(arrivals) = serde_json::from_slice::<Arrivals<'_>>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let many = match arrivals {
        Arrivals::Many(many) => many,
        Arrivals::One(one) => vec![one],
    };
    for one in many {
        match order::number(one.number) {
            Some(number) => far.arrive(number),
            None => return StatusCode::BAD_REQUEST,
        }
    }
    far.news.notify_waiters();
    StatusCode::OK
}

async fn stats(State(far): State<Arc<Far>>) -> Json<Value> {
    let doubled = far
        .times
        .iter()
        .filter(|times| times.load(Ordering::Relaxed) > 1)
        .count();
    Json(json!({
        "arrived": far.count.load(Ordering::Relaxed),
        "doubled": doubled,
        "last_arrival_s": far.last.load(Ordering::Relaxed) as f64 / 1e9,
        "now_s": far.now() as f64 / 1e9,
        "order_bytes": far.order.len(),
    }))
}

async fn start(
    State(far): State<Arc<Far>>,
    Json(load): Json<Load>,
) -> Result<Json<Value>, (StatusCode, String)> {
    match load::run(far, load).await {
        Ok(figures) => Ok(Json(figures)),
        Err(error) => Err((StatusCode::BAD_GATEWAY, format!("{error:#}"))),
    }
}
