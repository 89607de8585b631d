//! `cargo xtask bench flagship`: the example's first sync, beside the same requests sent as fast as the shop takes them.

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::{Value, json};

use crate::harness::{Connection, Size, Verdict, World};
use crate::report::{Group, Report};
use crate::workspace::Workspace;

const SETTLE_WITHIN: Duration = Duration::from_secs(3_600);
/// Smaller catalogues are over before the start of the program no longer counts: only tried, not judged.
const JUDGED_PRODUCTS_MIN: u32 = 50_000;
const PEAK_RSS_MB_MAX: f64 = 200.0;
const CEILING_SHARE_MIN: f64 = 0.5;
/// As many as the connector allows itself.
const AT_ONCE: usize = 4;

/// Options of `bench flagship`.
#[derive(Args)]
pub struct Options {
    /// Products in the catalogue.
    #[arg(long, default_value_t = 5_000)]
    pub products: u32,
    /// Equal seeds give equal catalogues.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// One sync with Spryker's requests recorded, then the same requests against a fresh shop as fast as it takes them.
pub(super) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    let size = Size::of_products(options.products, options.seed);
    let world = World::build(workspace, size)?;
    world.spryker.post("record", &json!({ "on": true }))?;
    let begin = Instant::now();
    let mut server = world.serve_and_wait()?;
    server.wait_settled(SETTLE_WITHIN)?;
    let seconds = server.settled_at().duration_since(begin).as_secs_f64();
    let verdict = Verdict::reach(&world, &server)?.must_be_clean();
    let delivered = server.total("delivered")?;
    let peak = server.peak_rss_mb()?;
    let cpu_seconds = server.cpu_seconds()?;
    drop(server);
    let recorded = world.spryker.recorded()?;
    let refused_then = refused(&world.spryker.get("requests")?);
    drop(world);

    let requests = requests(&recorded)?;
    drop(recorded);
    let fresh = World::build(
        workspace,
        Size {
            products: 10,
            ..Size::SMALL
        },
    )?;
    let replayed = replay(&fresh.spryker.url, &requests)?;
    let ours = delivered as f64 / seconds;
    let ceiling = delivered as f64 / replayed.seconds;
    let mut report = Report::new("bench flagship");
    report
        .figure(Group::Ours, "deliveries", delivered)
        .figure(Group::Ours, "seconds", round(seconds))
        .figure(Group::Ours, "deliveries_per_second", round(ours))
        .figure(
            Group::Ours,
            "cpu_ms_per_delivery",
            (cpu_seconds * 100_000.0 / delivered.max(1) as f64).round() / 100.0,
        )
        .figure(Group::Ours, "peak_rss_mb", round(peak))
        .figure(Group::Ours, "refused_requests", refused_then)
        .figure(Group::Limit, "requests", requests.len())
        .figure(Group::Limit, "refused_requests", replayed.refused)
        .figure(Group::Limit, "replay_seconds", round(replayed.seconds))
        .figure(Group::Limit, "deliveries_per_second", round(ceiling))
        .figure(
            Group::Ratio,
            "of_ceiling",
            (ours / ceiling * 1_000.0).round() / 1_000.0,
        );
    if let Err(wrong) = &verdict {
        println!("{wrong:#}");
    }
    report.check("everything arrived, once", verdict.is_ok());
    if options.products >= JUDGED_PRODUCTS_MIN {
        report
            .check("peak memory below 200 MB", peak < PEAK_RSS_MB_MAX)
            .check(
                "at least half of the ceiling",
                ours / ceiling >= CEILING_SHARE_MIN,
            );
    }
    Ok(report.finish())
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// One recorded request, made ready before the clock runs.
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn requests(recorded: &[u8]) -> anyhow::Result<Vec<Request>> {
    let lines = recorded
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines.map(request).collect()
}

fn request(line: &[u8]) -> anyhow::Result<Request> {
    let line: Value = serde_json::from_slice(line).context("the record is not one JSON a line")?;
    let word = |field: &str| {
        let text = line[field].as_str().map(str::to_owned);
        text.with_context(|| format!("a recorded request without `{field}`"))
    };
    let headers = line["headers"].as_object().into_iter().flatten();
    Ok(Request {
        method: word("method")?,
        path: word("path")?,
        headers: headers
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        body: line["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
    })
}

/// What the replay took, and how many of its requests were refused.
struct Replay {
    seconds: f64,
    refused: usize,
}

/// A few requests at once, each taken by whoever is free; their order is that of the record.
fn replay(url: &str, requests: &[Request]) -> anyhow::Result<Replay> {
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    let refused = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE)
            .map(|_| scope.spawn(|| replay_some(url, requests, &next)))
            .collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .map_err(|_| anyhow!("a replaying thread panicked"))?
            })
            .sum::<anyhow::Result<usize>>()
    })?;
    Ok(Replay {
        seconds: begin.elapsed().as_secs_f64(),
        refused,
    })
}

fn replay_some(url: &str, requests: &[Request], next: &AtomicUsize) -> anyhow::Result<usize> {
    let mut connection = Connection::tcp(url)?;
    let mut refused = 0;
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let answer = connection.send(&request.method, &request.path, &request.headers, &request.body)?;
        refused += usize::from(answer.status >= 400);
    }
    Ok(refused)
}

/// How many answers with a status of 400 or more a simulator has given.
fn refused(requests: &Value) -> u64 {
    let statuses = requests["statuses"].as_object().into_iter().flatten();
    statuses
        .filter(|(status, _)| status.parse::<u16>().is_ok_and(|status| status >= 400))
        .filter_map(|(_, count)| count.as_u64())
        .sum()
}
