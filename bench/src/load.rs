//! The load generator: requests written out by hand on connections that are kept, since a client library would use more
//! processor time than what is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::far::Far;

/// A connection that hears nothing for so long gives up.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// So long is waited for the last arrival after the last answer.
const ARRIVAL_WITHIN: Duration = Duration::from_secs(120);

/// What is to be sent.
#[derive(Clone, Deserialize)]
pub(crate) struct Load {
    /// `127.0.0.1:8080`
    host: String,
    path: String,
    connections: usize,
    /// The first order's number, and how many.
    from: usize,
    orders: usize,
    /// Orders a second, by the clock: a slow answer does not slow down what follows. As fast as answers come without.
    #[serde(default)]
    rate: Option<f64>,
    /// The next is sent when the one before has arrived.
    #[serde(default)]
    one_by_one: bool,
}

/// What one connection saw: milliseconds from when a request was due to its answer.
#[derive(Default)]
struct Seen {
    answers: Vec<f64>,
    refused: usize,
}

/// Sends all of it, waits until it has arrived, and answers the figures. Times in milliseconds.
pub(crate) async fn run(far: Arc<Far>, load: Load) -> anyhow::Result<Value> {
    if load.from + load.orders > far.sent.len() || load.connections == 0 {
        bail!(
            "there are {} orders, and a load needs a connection",
            far.sent.len()
        );
    }
    let next = Arc::new(AtomicUsize::new(0));
    let begin = far.now();
    let mut connections = tokio::task::JoinSet::new();
    for _ in 0..load.connections {
        connections.spawn(send_some(far.clone(), load.clone(), next.clone(), begin));
    }
    let mut seen = Seen::default();
    while let Some(one) = connections.join_next().await {
        let one = one.context("a connection panicked")??;
        seen.answers.extend(one.answers);
        seen.refused += one.refused;
    }
    let answered = far.now();
    let expected = load.orders - seen.refused;
    let numbers = load.from..load.from + load.orders;
    let arrived = |far: &Far| {
        numbers
            .clone()
            .filter(|number| far.arrived[*number].load(Ordering::Acquire) > 0)
            .count()
    };
    let patience = far.now() + ARRIVAL_WITHIN.as_nanos() as u64;
    while arrived(&far) < expected && far.now() < patience {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut ways: Vec<f64> = Vec::with_capacity(expected);
    let mut last = begin;
    for number in numbers {
        let at = far.arrived[number].load(Ordering::Acquire);
        if at > 0 {
            last = last.max(at);
            ways.push(at.saturating_sub(far.sent[number].load(Ordering::Relaxed)) as f64 / 1e6);
        }
    }
    let seconds = |to: u64| (to.saturating_sub(begin)) as f64 / 1e9;
    Ok(json!({
        "accepted": expected,
        "refused": seen.refused,
        "arrived": ways.len(),
        "answered_per_second": expected as f64 / seconds(answered).max(1e-9),
        "arrived_per_second": ways.len() as f64 / seconds(last).max(1e-9),
        "answer_ms": quantiles(&mut seen.answers),
        "arrival_ms": quantiles(&mut ways),
    }))
}

async fn send_some(far: Arc<Far>, load: Load, next: Arc<AtomicUsize>, begin: u64) -> anyhow::Result<Seen> {
    let mut line = TcpStream::connect(&load.host)
        .await
        .with_context(|| format!("could not reach {}", load.host))?;
    line.set_nodelay(true)?;
    let mut seen = Seen::default();
    let (mut request, mut answer) = (Vec::with_capacity(4_096), Vec::with_capacity(4_096));
    loop {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        if turn >= load.orders {
            return Ok(seen);
        }
        let number = load.from + turn;
        if let Some(rate) = load.rate {
            let due = begin + (turn as f64 / rate * 1e9) as u64;
            let wait = due.saturating_sub(far.now());
            tokio::time::sleep(Duration::from_nanos(wait)).await;
            far.sent[number].store(due, Ordering::Relaxed);
        } else {
            far.sent[number].store(far.now(), Ordering::Relaxed);
        }
        request.clear();
        request.extend_from_slice(
            format!(
                "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                load.path,
                load.host,
                far.order.len()
            )
            .as_bytes(),
        );
        far.order.write(number, &mut request);
        line.write_all(&request).await?;
        let status = tokio::time::timeout(ANSWER_WITHIN, read_answer(&mut line, &mut answer))
            .await
            .context("no answer within a minute")??;
        let sent = far.sent[number].load(Ordering::Relaxed);
        seen.answers.push(far.now().saturating_sub(sent) as f64 / 1e6);
        if !(200..300).contains(&status) {
            seen.refused += 1;
        } else if load.one_by_one {
            arrival(&far, number).await?;
        }
    }
}

async fn arrival(far: &Far, number: usize) -> anyhow::Result<()> {
    let patience = far.now() + ARRIVAL_WITHIN.as_nanos() as u64;
    loop {
        let news = far.news.notified();
        if far.arrived[number].load(Ordering::Acquire) > 0 {
            return Ok(());
        }
        if far.now() > patience {
            bail!("order {number} was accepted and did not arrive");
        }
        // The limit only so that a lost order is seen.
        let _ = tokio::time::timeout(Duration::from_millis(100), news).await;
    }
}

/// Reads one answer with a length; answers its status.
async fn read_answer(line: &mut TcpStream, answer: &mut Vec<u8>) -> anyhow::Result<u16> {
    answer.clear();
    loop {
        if line.read_buf(answer).await? == 0 {
            bail!("the other side closed the connection");
        }
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0);
        let status: u16 = head
            .split_whitespace()
            .nth(1)
            .and_then(|word| word.parse().ok())
            .context("not an HTTP answer")?;
        while answer.len() < end + 4 + length {
            if line.read_buf(answer).await? == 0 {
                bail!("the other side closed the connection in an answer");
            }
        }
        return Ok(status);
    }
}

fn quantiles(times: &mut [f64]) -> Value {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(index).copied().unwrap_or_default()
    };
    json!({ "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0) })
}
