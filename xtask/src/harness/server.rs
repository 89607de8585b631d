//! `weir serve` of one project, talked to over the socket of its data folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::child::Child;
use super::http::{Connection, ask};
use super::process;

const UP_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A run that has just been asked for may not be under way yet: settled counts only when it stays so.
const QUIET_LOOKS: u32 = 8;
/// Starting a run reads lookups first, which a fault may delay.
const RUN_WITHIN: Duration = Duration::from_secs(90);

/// A running server.
pub struct Server {
    child: Child,
    socket: PathBuf,
    /// The address of its project and environment.
    base: String,
    settled_at: Instant,
}

impl Server {
    /// Starts it without waiting. `command` runs `weir` with its folders in the environment; `project` is its name.
    pub fn start(mut command: Command, project: &str, data: &Path, log: &Path) -> anyhow::Result<Self> {
        command.args(["serve", "--listen", "127.0.0.1:0", "--json"]);
        Ok(Self {
            child: Child::start(command, log)?,
            socket: data.join("weir.sock"),
            base: format!("/api/v1/{project}/dev"),
            settled_at: Instant::now(),
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it answers.
    pub fn wait_up(&mut self) -> anyhow::Result<()> {
        let begin = Instant::now();
        while self.status().is_err() {
            if self.child.has_ended() {
                bail!("`weir serve` ended by itself:\n{}", self.child.last_lines());
            }
            if begin.elapsed() > UP_WITHIN {
                bail!(
                    "`weir serve` did not answer within a minute:\n{}",
                    self.child.last_lines()
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Waits until it says where it listens.
    pub fn wait_url(&mut self) -> anyhow::Result<String> {
        self.child.wait_url("`weir serve`")
    }

    /// What it says of its routes and connections.
    pub fn status(&self) -> anyhow::Result<Value> {
        self.call("GET", "/status", None)
    }

    /// One call below the project and environment.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let mut connection = Connection::unix(&self.socket)?;
        ask(&mut connection, method, &format!("{}{path}", self.base), body)
    }

    /// Asks for a run of each route, also where one is under way: then for another one after it.
    pub fn run(&self, routes: &[&str]) -> anyhow::Result<()> {
        for route in routes {
            let begin = Instant::now();
            while let Err(error) = self.call("POST", "/runs", Some(&json!({ "route": route }))) {
                if begin.elapsed() > RUN_WITHIN {
                    return Err(error).with_context(|| format!("could not start a run of `{route}`"));
                }
                std::thread::sleep(LOOK_EVERY);
            }
        }
        Ok(())
    }

    /// Waits until nothing is on its way, and answers the last status.
    pub fn wait_settled(&mut self, within: Duration) -> anyhow::Result<Value> {
        let begin = Instant::now();
        let (mut quiet, mut last) = (0, Value::Null);
        while quiet < QUIET_LOOKS {
            if self.child.has_ended() {
                bail!("`weir serve` ended by itself:\n{}", self.child.last_lines());
            }
            if let Ok(status) = self.status() {
                quiet = if status["settled"] == true { quiet + 1 } else { 0 };
                if quiet <= 1 {
                    self.settled_at = Instant::now();
                }
                last = status;
            }
            if begin.elapsed() > within {
                bail!(
                    "not settled within {} s; status: {last}\nlast lines of the log:\n{}",
                    within.as_secs(),
                    self.child.last_lines()
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(last)
    }

    /// When the last wait saw it settled for the first time, without the looks that made sure.
    pub fn settled_at(&self) -> Instant {
        self.settled_at
    }

    /// Tasks in a state, at most 500.
    pub fn tasks(&self, state: &str) -> anyhow::Result<Vec<Value>> {
        let page = self.call("GET", &format!("/tasks?limit=500&state={state}"), None)?;
        Ok(page["tasks"].as_array().cloned().unwrap_or_default())
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.stop();
    }

    /// `kill -9`, with the value kept.
    pub fn stop(&mut self) {
        self.child.kill();
    }

    /// Processor time that it has used, in seconds: unlike the time on the wall, hardly changed by what else runs here.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        process::cpu_seconds(self.id())
    }

    /// The most memory it ever had, in MB, as the system counts it.
    pub fn peak_rss_mb(&self) -> anyhow::Result<f64> {
        process::memory_mb(self.id(), "VmHWM")
    }

    /// The memory it has now, in MB.
    pub fn rss_mb(&self) -> anyhow::Result<f64> {
        process::memory_mb(self.id(), "VmRSS")
    }
}

/// Sum of one count over all routes.
pub(super) fn total(status: &Value, count: &str) -> u64 {
    status["routes"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, route)| route[count].as_u64())
        .sum()
}

impl Server {
    /// Sum of one count of the status over all routes, such as `delivered` (since the start of the process).
    pub fn total(&self, count: &str) -> anyhow::Result<u64> {
        Ok(total(&self.status()?, count))
    }
}
