use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use crate::harness::{Connection, Size, Verdict, World};
use crate::report::{Group, Report};
use crate::workspace::Workspace;

const SETTLE_WITHIN: Duration = Duration::from_secs(3_600);
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
    let seconds = begin.elapsed().as_secs_f64();
    let verdict = Verdict::reach(&world, &server)?.must_be_clean();
    let delivered = server.total("delivered")?;
    let peak = server.peak_rss_mb()?;
    drop(server);
    let recorded = world.spryker.recorded()?;
    drop(world);

    let requests: Vec<Value> = recorded
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(serde_json::from_slice)
        .collect::<Result<_, _>>()
        .context("the record is not one JSON a line")?;
    let fresh = World::build(
        workspace,
        Size {
            products: 10,
            ..Size::SMALL
        },
    )?;
    let replayed = replay(&fresh.spryker.url, &requests)?;
    let ours = delivered as f64 / seconds;
    let ceiling = delivered as f64 / replayed;
    let mut report = Report::new("bench flagship");
    report
        .figure(Group::Ours, "deliveries", delivered)
        .figure(Group::Ours, "seconds", round(seconds))
        .figure(Group::Ours, "deliveries_per_second", round(ours))
        .figure(Group::Ours, "peak_rss_mb", round(peak))
        .figure(Group::Limit, "requests", requests.len())
        .figure(Group::Limit, "replay_seconds", round(replayed))
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
    Ok(report.finish())
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Seconds that the requests take, a few at once, each taken by whoever is free; their order is that of the record.
fn replay(url: &str, requests: &[Value]) -> anyhow::Result<f64> {
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<anyhow::Error>> = Mutex::new(None);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                if let Err(error) = replay_some(url, requests, &next)
                    && let Ok(mut place) = failure.lock()
                {
                    *place = Some(error);
                }
            });
        }
    });
    match failure.into_inner() {
        Ok(Some(error)) => Err(error),
        _ => Ok(begin.elapsed().as_secs_f64()),
    }
}

fn replay_some(url: &str, requests: &[Value], next: &AtomicUsize) -> anyhow::Result<()> {
    let mut connection = Connection::tcp(url)?;
    loop {
        let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) else {
            return Ok(());
        };
        let headers: Vec<(String, String)> = match &request["headers"] {
            Value::Object(fields) => fields
                .iter()
                .filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length" | "connection"))
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            _ => Vec::new(),
        };
        let method = request["method"]
            .as_str()
            .context("a recorded request without a method")?;
        let path = request["path"]
            .as_str()
            .context("a recorded request without a path")?;
        let body = request["body"].as_str().unwrap_or_default();
        connection.send(method, path, &headers, body.as_bytes())?;
    }
}
