//! `cargo xtask bench tasks`: durable tasks a second, beside a bare forwarder, the same without traces, and the disk.
//!
//! Both ends, the load and the forwarder are the program `weir-bench` (folder `bench`), built as Weir is built; the
//! project is `bench/project`. All of it shares the machine's cores, so only ratios of one run mean something.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::hooks;
use crate::harness::{Program, Server, copy, replace};
use crate::report::{Group, Report};
use crate::workspace::Workspace;

const SETTLE_WITHIN: Duration = Duration::from_secs(600);
/// Fewer tasks are over before the start no longer counts: only tried, not judged.
const JUDGED_TASKS_MIN: usize = 50_000;
const READ_TASKS_PER_SECOND_MIN: f64 = 5_000.0;
/// The goal: bytes on disk for each finished task, as a multiple of the message.
const DISK_RATIO_MAX: f64 = 2.0;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Options of `bench tasks`.
#[derive(Args)]
pub struct Options {
    /// Orders read in pages and written in batches.
    #[arg(long, default_value_t = 50_000)]
    pub tasks: usize,
    /// Orders that come as webhooks under full load; 0 leaves that half out.
    #[arg(long, default_value_t = 20_000)]
    pub hooks: usize,
}

/// Measures, prints, and judges against the goals where there are enough tasks.
pub(super) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    let tools = Tools::build(workspace)?;
    let mut report = Report::new("bench tasks");
    let disk = tools.disk()?;
    let full = read_in_pages(&tools, options.tasks, "full")?;
    let bare = read_in_pages(&tools, options.tasks, "off")?;
    full.figures(&mut report, Group::Ours, "read");
    bare.figures(&mut report, Group::Peers, "read_without_traces");
    report
        .figure(
            Group::Limit,
            "disk_syncs_per_second",
            round(number(&disk, "syncs_per_second")),
        )
        .figure(Group::Limit, "disk_sync_p99_ms", round(number(&disk, "p99_ms")))
        .figure(
            Group::Ratio,
            "read_of_without_traces",
            round(full.tasks_per_second / bare.tasks_per_second),
        )
        .figure(Group::Ratio, "read_disk_of_message", round(full.disk_ratio))
        .check("every order read arrived once", full.is_exact && bare.is_exact);
    if options.tasks >= JUDGED_TASKS_MIN {
        report
            .check(
                "5,000 tasks a second, read in pages",
                full.tasks_per_second >= READ_TASKS_PER_SECOND_MIN,
            )
            .check(
                "at most twice the message on disk",
                full.disk_ratio <= DISK_RATIO_MAX,
            );
    }
    if options.hooks > 0 {
        hooks::run(
            &tools,
            options.hooks,
            options.tasks >= JUDGED_TASKS_MIN,
            &mut report,
        )?;
    }
    Ok(report.finish())
}

/// The two programs.
pub(super) struct Tools {
    weir: PathBuf,
    pub(super) bench: PathBuf,
    project: PathBuf,
}

impl Tools {
    fn build(workspace: &Workspace) -> anyhow::Result<Self> {
        let weir = workspace
            .weir_binary()
            .context("no `weir` is built: run script/build, or set WEIR_BIN")?;
        let built = Command::new("cargo")
            .args([
                "build",
                "--locked",
                "--quiet",
                "--profile",
                "ship",
                "-p",
                "weir-bench",
            ])
            .current_dir(&workspace.root)
            .status()
            .context("could not start cargo")?;
        if !built.success() {
            bail!("`weir-bench` could not be built, see above");
        }
        Ok(Self {
            weir,
            bench: workspace
                .metadata
                .target_directory
                .as_std_path()
                .join("ship/weir-bench"),
            project: workspace.root.join("bench/project"),
        })
    }

    /// A fresh far side with so many orders.
    pub(super) fn far(&self, orders: usize, log: &Path) -> anyhow::Result<Program> {
        let mut command = Command::new(&self.bench);
        command.args(["far", "--orders", &orders.to_string()]);
        Program::start(command, "the far side", log)
    }

    fn disk(&self) -> anyhow::Result<Value> {
        let folder = tempfile::Builder::new().prefix("weir-bench-").tempdir()?;
        let output = Command::new(&self.bench)
            .arg("disk")
            .arg("--folder")
            .arg(folder.path())
            .output()
            .context("could not start weir-bench")?;
        serde_json::from_slice(&output.stdout).context("weir-bench said nothing of the disk")
    }
}

/// A far side, the project that speaks to it, and a fresh data folder.
pub(super) struct Stage {
    pub(super) far: Program,
    pub(super) server: Server,
    folder: tempfile::TempDir,
}

impl Stage {
    pub(super) fn build(tools: &Tools, orders: usize, trace: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("weir-bench-").tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let far = tools.far(orders, &path("far.log"))?;
        copy(&tools.project, &path("project"))?;
        replace(
            &path("project/weir.yaml"),
            "trace: full",
            &format!("trace: {trace}"),
        )?;
        replace(
            &path("project/environments/dev.yaml"),
            "http://127.0.0.1:1",
            &far.url,
        )?;
        let mut server = serve(tools, folder.path(), "weir.log")?;
        server.wait_up()?;
        Ok(Self { far, server, folder })
    }

    /// `kill -9`, and the program again on the same data, without waiting until it answers.
    pub(super) fn restart(&mut self, tools: &Tools) -> anyhow::Result<()> {
        self.server.stop();
        self.server = serve(tools, self.folder.path(), "weir-again.log")?;
        Ok(())
    }

    /// Bytes of the data folder.
    fn disk_bytes(&self) -> anyhow::Result<u64> {
        bytes_of(&self.folder.path().join("data"))
    }
}

fn serve(tools: &Tools, folder: &Path, log: &str) -> anyhow::Result<Server> {
    let mut command = Command::new(&tools.weir);
    command
        .env("WEIR_PROJECT", folder.join("project"))
        .env("WEIR_DATA", folder.join("data"));
    Server::start(command, "bench", &folder.join("data"), &folder.join(log))
}

/// What one way of working came to.
struct Figures {
    tasks_per_second: f64,
    cpu_ms_per_task: f64,
    disk_bytes_per_task: f64,
    disk_ratio: f64,
    peak_rss_mb: f64,
    is_exact: bool,
}

impl Figures {
    fn figures(&self, report: &mut Report, group: Group, prefix: &str) {
        for (name, value) in [
            ("tasks_per_second", self.tasks_per_second),
            ("cpu_ms_per_task", self.cpu_ms_per_task),
            ("disk_bytes_per_task", self.disk_bytes_per_task),
            ("peak_rss_mb", self.peak_rss_mb),
        ] {
            report.figure(group, format!("{prefix}_{name}"), round(value));
        }
    }
}

/// From the request for a run to the last arrival.
fn read_in_pages(tools: &Tools, orders: usize, trace: &str) -> anyhow::Result<Figures> {
    let mut stage = Stage::build(tools, orders, trace)?;
    let begin = number(&stage.far.call("GET", "/stats", None)?, "now_s");
    let cpu_before = stage.server.cpu_seconds()?;
    stage.server.run(&["read"])?;
    let stats = wait_arrived(&stage, orders)?;
    stage.server.wait_settled(SETTLE_WITHIN)?;
    let tasks = orders as f64;
    let disk = stage.disk_bytes()? as f64 / tasks;
    Ok(Figures {
        tasks_per_second: tasks / (number(&stats, "last_arrival_s") - begin).max(0.001),
        cpu_ms_per_task: (stage.server.cpu_seconds()? - cpu_before) * 1_000.0 / tasks,
        disk_bytes_per_task: disk,
        disk_ratio: disk / number(&stats, "order_bytes").max(1.0),
        peak_rss_mb: stage.server.peak_rss_mb()?,
        is_exact: stats["arrived"] == json!(orders) && stats["doubled"] == json!(0),
    })
}

/// What the sink says when all have arrived.
fn wait_arrived(stage: &Stage, orders: usize) -> anyhow::Result<Value> {
    let begin = Instant::now();
    loop {
        let stats = stage.far.call("GET", "/stats", None)?;
        if stats["arrived"].as_u64() >= Some(orders as u64) {
            return Ok(stats);
        }
        if begin.elapsed() > SETTLE_WITHIN {
            bail!(
                "not everything arrived: {stats}; Weir says {}",
                stage.server.status()?
            );
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn bytes_of(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            bytes_of(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}

pub(super) fn number(value: &Value, field: &str) -> f64 {
    value[field].as_f64().unwrap_or_default()
}

pub(super) fn round(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
