//! The second half of `bench tasks`: orders that come as webhooks, beside a bare forwarder under the same load.

use std::process::Command;
use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};

use super::tasks::{Stage, Tools, number, round};
use crate::harness::Program;
use crate::report::{Group, Report};

/// Senders at once under full load.
const CONNECTIONS: usize = 64;
/// Orders sent one after the other.
const SINGLE: usize = 500;
/// How long half of the load goes on.
const HALF_SECONDS: f64 = 5.0;
const IDLE: Duration = Duration::from_secs(2);
const ROUTE: &str = "/hooks/bench/dev/hook";

const SHARE_OF_FORWARDER_MIN: f64 = 0.5;
const CPU_MS_MAX: f64 = 0.6;
const SINGLE_P50_MS_MAX: f64 = 3.0;
const SINGLE_P99_MS_MAX: f64 = 15.0;
const HALF_P99_MS_MAX: f64 = 50.0;
const FIRST_MS_MAX: f64 = 300.0;
const IDLE_MB_MAX: f64 = 60.0;

/// Sends everything to Weir and to the forwarder, and adds the figures. `is_judged` says whether goals count.
pub(super) fn run(tools: &Tools, orders: usize, is_judged: bool, report: &mut Report) -> anyhow::Result<()> {
    let mut stage = Stage::build(tools, orders * 2 + SINGLE + 2, "full")?;
    let url = stage.server.wait_url()?;
    let weir = Target {
        url: &url,
        path: ROUTE,
    };
    weir.send(&stage.far, 0, 1, 1, json!({}))?;

    let cpu = stage.server.cpu_seconds()?;
    let full = weir.send(&stage.far, 1, orders, CONNECTIONS, json!({}))?;
    let cpu_ms = (stage.server.cpu_seconds()? - cpu) * 1_000.0 / orders as f64;
    let rate = number(&full, "arrived_per_second");
    let some = ((rate / 2.0 * HALF_SECONDS) as usize).clamp(1, orders);
    let half = weir.send(
        &stage.far,
        1 + orders,
        some,
        CONNECTIONS,
        json!({ "rate": rate / 2.0 }),
    )?;
    let single = weir.send(
        &stage.far,
        1 + orders + some,
        SINGLE,
        1,
        json!({ "one_by_one": true }),
    )?;
    stage.server.wait_settled(Duration::from_secs(60))?;
    let is_exact = stage.far.call("GET", "/stats", None)?["doubled"] == json!(0);
    let peak = stage.server.peak_rss_mb()?;

    let begin = number(&stage.far.call("GET", "/stats", None)?, "now_s");
    stage.restart(tools)?;
    let url = stage.server.wait_url()?;
    Target {
        url: &url,
        path: ROUTE,
    }
    .send(&stage.far, 1 + orders + some + SINGLE, 1, 1, json!({}))?;
    let first_ms = (number(&stage.far.call("GET", "/stats", None)?, "last_arrival_s") - begin) * 1_000.0;
    std::thread::sleep(IDLE);
    let idle = stage.server.rss_mb()?;
    drop(stage);

    let bare = forward(tools, orders)?;
    let share = rate / bare.rate;
    let (half_p99, p50, p99) = (
        number(&half["answer_ms"], "p99"),
        number(&single["arrival_ms"], "p50"),
        number(&single["arrival_ms"], "p99"),
    );
    for (key, value) in [
        ("hook_tasks_per_second", rate),
        ("hook_answers_per_second", number(&full, "answered_per_second")),
        ("hook_cpu_ms_per_task", cpu_ms),
        ("hook_full_load_answer_p99_ms", number(&full["answer_ms"], "p99")),
        ("hook_half_load_answer_p99_ms", half_p99),
        ("hook_single_arrival_p50_ms", p50),
        ("hook_single_arrival_p99_ms", p99),
        ("hook_start_to_first_arrival_ms", first_ms),
        ("hook_peak_rss_mb", peak),
        ("hook_idle_rss_mb", idle),
    ] {
        report.figure(Group::Ours, key, round(value));
    }
    report
        .figure(Group::Peers, "forwarder_orders_per_second", round(bare.rate))
        .figure(Group::Peers, "forwarder_cpu_ms_per_order", round(bare.cpu_ms))
        .figure(
            Group::Peers,
            "forwarder_single_arrival_p50_ms",
            round(bare.single_p50_ms),
        )
        .figure(Group::Ratio, "hook_of_forwarder", round(share))
        .check("every webhook arrived once", is_exact);
    if is_judged {
        report
            .check(
                "half of the bare forwarder's rate",
                share >= SHARE_OF_FORWARDER_MIN,
            )
            .check("0.6 ms of processor time an order", cpu_ms <= CPU_MS_MAX)
            .check(
                "one order at a time: half arrive within 3 ms",
                p50 <= SINGLE_P50_MS_MAX,
            )
            .check(
                "one order at a time: 99 % arrive within 15 ms",
                p99 <= SINGLE_P99_MS_MAX,
            )
            .check(
                "half load: 99 % answered within 50 ms",
                half_p99 <= HALF_P99_MS_MAX,
            )
            .check("start to first arrival within 300 ms", first_ms <= FIRST_MS_MAX)
            .check("idle below 60 MB", idle <= IDLE_MB_MAX);
    }
    Ok(())
}

struct Forwarder {
    rate: f64,
    cpu_ms: f64,
    single_p50_ms: f64,
}

/// The same load without Weir.
fn forward(tools: &Tools, orders: usize) -> anyhow::Result<Forwarder> {
    let folder = tempfile::Builder::new().prefix("weir-bench-").tempdir()?;
    let far = tools.far(orders + SINGLE + 1, &folder.path().join("far.log"))?;
    let mut command = Command::new(&tools.bench);
    command.args(["forward", "--to", &format!("{}/sink", far.url)]);
    let forwarder = Program::start(command, "the bare forwarder", &folder.path().join("forward.log"))?;
    let target = Target {
        url: &forwarder.url,
        path: "/orders",
    };
    target.send(&far, 0, 1, 1, json!({}))?;
    let cpu = forwarder.cpu_seconds()?;
    let full = target.send(&far, 1, orders, CONNECTIONS, json!({}))?;
    let cpu_ms = (forwarder.cpu_seconds()? - cpu) * 1_000.0 / orders as f64;
    let single = target.send(&far, 1 + orders, SINGLE, 1, json!({ "one_by_one": true }))?;
    Ok(Forwarder {
        rate: number(&full, "arrived_per_second"),
        cpu_ms,
        single_p50_ms: number(&single["arrival_ms"], "p50"),
    })
}

/// Where a load goes.
struct Target<'a> {
    url: &'a str,
    path: &'a str,
}

impl Target<'_> {
    /// Sends orders, waits for their arrival, and answers the figures of the load generator; `more` says how.
    fn send(
        &self,
        far: &Program,
        from: usize,
        orders: usize,
        connections: usize,
        more: Value,
    ) -> anyhow::Result<Value> {
        let mut load = json!({
            "host": self.url.trim_start_matches("http://"),
            "path": self.path,
            "connections": connections,
            "from": from,
            "orders": orders,
        });
        if let (Some(load), Value::Object(more)) = (load.as_object_mut(), more) {
            load.extend(more);
        }
        let seen = far.call("POST", "/load", Some(&load))?;
        if seen["arrived"] != json!(orders) {
            bail!("not every order of the load arrived: {seen}");
        }
        Ok(seen)
    }
}
