//! Any program that says under which `url` it listens, and answers JSON there.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::child::Child;
use super::http::{Connection, ask};
use super::process;

/// A running program; ended when dropped.
pub struct Program {
    /// Where it listens.
    pub url: String,
    child: Child,
}

impl Program {
    /// Starts it and waits until it says where it listens; `what` names it where it does not.
    pub fn start(command: Command, what: &str, log: &Path) -> anyhow::Result<Self> {
        let mut child = Child::start(command, log)?;
        let url = child.wait_url(what)?;
        Ok(Self { url, child })
    }

    /// One call, and what it answers.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        ask(&mut Connection::tcp(&self.url)?, method, path, body)
    }

    /// Ends it before its time.
    pub fn stop(&mut self) {
        self.child.kill();
    }

    /// Processor time that it has used, in seconds.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        process::cpu_seconds(self.child.id())
    }
}
