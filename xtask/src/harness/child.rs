//! A child process that never outlives the value that holds it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

const START_WITHIN: Duration = Duration::from_secs(60);

/// Lines of a log that a complaint shows.
const LOG_LINES_SHOWN: usize = 15;

/// Runs until it is ended or dropped; both streams go to one file.
pub(super) struct Child {
    process: Process,
    log: PathBuf,
}

impl Child {
    /// Starts `command`; its output is appended to `log`.
    pub(super) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let open = || -> std::io::Result<File> { OpenOptions::new().create(true).append(true).open(log) };
        let process = command
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?)
            .spawn()
            .with_context(|| format!("could not start {}", command.get_program().display()))?;
        Ok(Self {
            process,
            log: log.to_path_buf(),
        })
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// True when it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// `kill -9`, and waits until it is gone.
    pub(super) fn kill(&mut self) {
        // A process that has already ended needs no end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Waits until it says, as a line of JSON, under which `url` it listens.
    pub(super) fn wait_url(&mut self, what: &str) -> anyhow::Result<String> {
        let begin = Instant::now();
        loop {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            let url = said
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .find_map(|line| line["url"].as_str().map(str::to_owned));
            if let Some(url) = url {
                return Ok(url);
            }
            if self.has_ended() || begin.elapsed() > START_WITHIN {
                bail!("{what} did not start:\n{}", self.last_lines());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The end of what it said.
    pub(super) fn last_lines(&self) -> String {
        last_lines(&self.log)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

fn last_lines(log: &Path) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
    lines[from..].join("\n")
}
