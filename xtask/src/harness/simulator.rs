//! One simulator, started as `weir simulate`, and its control API.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::Value;

use super::http::Connection;
use super::program::Program;

/// A running stand-in of a system.
pub struct Simulator {
    /// Where it listens.
    pub url: String,
    program: Program,
}

impl Simulator {
    /// Starts `weir simulate SYSTEM` on a free port and waits until it says where it listens.
    pub fn start(weir: &Path, system: &str, arguments: &[String], log: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(weir);
        command
            .args(["simulate", system, "--port", "0", "--json"])
            .args(arguments);
        let program = Program::start(command, &format!("the {system} simulator"), log)?;
        Ok(Self {
            url: program.url.clone(),
            program,
        })
    }

    /// Reads from the control API, for example `report`.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.control("GET", path, None)
    }

    /// Posts to the control API, for example `change`.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.control("POST", path, Some(body))
    }

    /// Arms one fault or a list of them.
    pub fn fault(&self, faults: &Value) -> anyhow::Result<()> {
        self.post("faults", faults).map(|_| ())
    }

    /// Disarms all faults.
    pub fn repair(&self) -> anyhow::Result<()> {
        self.control("DELETE", "faults", None).map(|_| ())
    }

    /// Everything recorded since `record` was switched on, one request a line.
    pub fn recorded(&self) -> anyhow::Result<Vec<u8>> {
        let answer = Connection::tcp(&self.url)?.send("GET", "/_simulator/recorded", &[], &[])?;
        Ok(answer.body)
    }

    /// Ends it before its time.
    pub fn stop(&mut self) {
        self.program.stop();
    }

    fn control(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.program
            .call(method, &format!("/_simulator/{path}"), body)
            .with_context(|| format!("the simulator at {} refused `{path}`", self.url))
    }
}
