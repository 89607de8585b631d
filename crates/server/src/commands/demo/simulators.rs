//! The two simulators as children of this process: they see only what a PIM and a shop see.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use weir_sdk::http::{Http, Request};

use crate::cli::Demo;
use crate::wiring;

const START_WITHIN: Duration = Duration::from_secs(60);
const TIMEOUT_MS: u64 = 60_000;
const ANSWER_BYTES_MAX: u64 = 200_000_000;

pub(super) struct Simulators {
    pub(super) akeneo: String,
    pub(super) spryker: String,
    children: Vec<Child>,
    http: Arc<dyn Http>,
}

impl Simulators {
    /// Starts both and waits until they listen.
    pub(super) async fn start(options: &Demo) -> anyhow::Result<Simulators> {
        let sizes = [
            ("--categories", options.categories),
            ("--attributes", options.attributes),
            ("--products", options.products),
        ];
        let mut arguments = vec!["--seed".to_owned(), options.seed.to_string()];
        arguments.extend(
            sizes
                .iter()
                .flat_map(|(name, size)| [(*name).to_owned(), size.to_string()]),
        );
        let (akeneo, first) = start("akeneo", &arguments).await?;
        let (spryker, second) = start("spryker", &arguments[..2]).await?;
        Ok(Simulators {
            akeneo,
            spryker,
            children: vec![first, second],
            http: wiring::http()?,
        })
    }

    pub(super) fn url(&self, system: &str) -> &str {
        if system == "akeneo" {
            &self.akeneo
        } else {
            &self.spryker
        }
    }

    /// Asks the control API: `report`, `keys?kind=categories`, `faults`.
    pub(super) async fn ask(&self, system: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let request = Request {
            method: if body.is_some() { "POST" } else { "GET" }.to_owned(),
            url: format!("{}/_simulator/{path}", self.url(system)),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.map(|body| body.to_string().into_bytes().into()),
            timeout_ms: TIMEOUT_MS,
            answer_bytes_max: ANSWER_BYTES_MAX,
            allow_private: true,
        };
        let answer = self
            .http
            .send(request)
            .await
            .with_context(|| format!("the {system} simulator does not answer on {path}"))?;
        let value: Value = serde_json::from_slice(&answer.body).with_context(|| {
            format!("the {system} simulator answered {path} with something that is not JSON")
        })?;
        if answer.status >= 300 {
            bail!(
                "the {system} simulator refused {path}: {}",
                value["error"].as_str().unwrap_or_default()
            );
        }
        Ok(value)
    }

    /// Closes their standard input, which ends them, and waits.
    pub(super) async fn stop(self) {
        for mut child in self.children {
            drop(child.stdin.take());
            if tokio::time::timeout(Duration::from_secs(3), child.wait())
                .await
                .is_err()
            {
                let _ = child.kill().await;
            }
        }
    }
}

async fn start(system: &str, arguments: &[String]) -> anyhow::Result<(String, Child)> {
    let program = std::env::current_exe().context("could not find this program's own file")?;
    let mut child = Command::new(program)
        .args(["simulate", system, "--until-eof", "--json"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("could not start the {system} simulator"))?;
    let output = child
        .stdout
        .take()
        .context("the simulator has no standard output")?;
    let mut line = String::new();
    let mut reader = BufReader::new(output);
    tokio::time::timeout(START_WITHIN, reader.read_line(&mut line))
        .await
        .with_context(|| format!("the {system} simulator did not start within a minute"))??;
    let said: Value = serde_json::from_str(&line)
        .with_context(|| format!("the {system} simulator ended early; it says why above"))?;
    let url = said["url"]
        .as_str()
        .context("the simulator did not say where it listens")?
        .to_owned();
    Ok((url, child))
}
