//! `weir operations`: actions on many tasks, how they come along.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use weir_engine::Status;

use crate::cli::Operations;
use crate::commands::serve::stopped;
use crate::exit::Exit;
use crate::online::{Client, quoted};
use crate::output::{Output, is_terminal, table};
use crate::place::Places;
use crate::runtime::Start;

const LOOK_EVERY: Duration = Duration::from_millis(250);
const LINE_EVERY: Duration = Duration::from_secs(5);

pub(crate) async fn run(places: &Places, what: Operations, output: Output) -> anyhow::Result<Exit> {
    let looks = matches!(what, Operations::List { .. } | Operations::Show { .. });
    let client = Client::open(places, if looks { Start::Store } else { Start::Idle }, output).await?;
    let result = match what {
        Operations::List { limit } => list(&client, limit, output).await,
        Operations::Show { id } => show(&client, &id, output).await,
        Operations::Pause { id } => ask(&client, &id, "pause", output).await,
        // Without a server nobody else would carry it on.
        Operations::Resume { id } => match ask(&client, &id, "resume", output).await {
            Ok(_) if client.is_here() => follow(&client, &id, output).await,
            other => other,
        },
        Operations::Cancel { id } => ask(&client, &id, "cancel", output).await,
    };
    client.close().await;
    result
}

async fn list(client: &Client, limit: usize, output: Output) -> anyhow::Result<Exit> {
    let found = client.get(&format!("/operations?limit={limit}")).await?;
    output.answer(&found, || {
        let rows: Vec<Vec<Value>> = found
            .as_array()
            .into_iter()
            .flatten()
            .map(|progress| {
                let operation = &progress["operation"];
                vec![
                    operation["id"].clone(),
                    operation["deed"]["action"].clone(),
                    operation["state"].clone(),
                    operation["done"].clone(),
                    operation["total"].clone(),
                    operation["succeeded"].clone(),
                    operation["by"].clone(),
                    operation["started_at"].clone(),
                ]
            })
            .collect();
        match rows.is_empty() {
            true => "no operations".to_owned(),
            false => table(
                &["id", "action", "state", "done", "of", "changed", "by", "started"],
                &rows,
            ),
        }
    });
    Ok(Exit::Ok)
}

async fn show(client: &Client, id: &str, output: Output) -> anyhow::Result<Exit> {
    let progress = client.get(&format!("/operations/{}", quoted(id))).await?;
    output.answer(&progress, || words(&progress));
    Ok(Exit::Ok)
}

async fn ask(client: &Client, id: &str, what: &str, output: Output) -> anyhow::Result<Exit> {
    let path = format!("/operations/{}/{what}", quoted(id));
    let progress = client.send("POST", &path, None).await?;
    output.answer(&progress, || words(&progress));
    Ok(Exit::Ok)
}

/// Watches an operation until it ends or is paused; where the engine is this process's own, also its tasks.
pub(crate) async fn follow(client: &Client, id: &str, output: Output) -> anyhow::Result<Exit> {
    let path = format!("/operations/{}", quoted(id));
    let mut bar = Bar::new(output);
    let stop = stopped();
    tokio::pin!(stop);
    let progress = loop {
        let progress = client.get(&path).await?;
        bar.show(&progress);
        if progress["operation"]["state"] != "running" {
            break progress;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = &mut stop => {
                bar.end();
                let goes_on = match client.is_here() {
                    true => "it goes on when an engine runs again",
                    false => "the server goes on",
                };
                anyhow::bail!("stopped looking before the operation was done; {goes_on}: `weir operations show {id}`");
            }
        }
    };
    bar.end();
    let mut dead = 0;
    if let Some(engine) = client.engine() {
        // Nobody goes on when this process ends, so the tasks are seen through.
        engine.wait_settled().await;
        let status: Status = engine.status();
        let routes = progress["operation"]["routes"].as_array().into_iter().flatten();
        dead = routes
            .filter_map(|name| Some(status.routes.get(name.as_str()?)?.dead))
            .sum();
    }
    output.answer(&progress, || match dead {
        0 => words(&progress),
        _ => format!(
            "{}\n{dead} tasks of these routes are dead: `weir tasks list --state dead`",
            words(&progress)
        ),
    });
    let operation = &progress["operation"];
    let is_good = operation["state"] == "done" && operation["succeeded"] == operation["total"];
    Ok(Exit::of(is_good && dead == 0))
}

fn words(progress: &Value) -> String {
    let operation = &progress["operation"];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lines = vec![format!(
        "operation {} ({}) by {} is {}: {} of {} tasks done, {} changed",
        text(&operation["id"]),
        text(&operation["deed"]["action"]),
        text(&operation["by"]),
        text(&operation["state"]),
        operation["done"],
        operation["total"],
        operation["succeeded"],
    )];
    lines.extend(reasons("refused", &operation["refused"]));
    if let Some(message) = operation["failure"]["message"].as_str() {
        lines.push(format!("  failed: {message}"));
    }
    if let Some(why) = progress["held_back"].as_str() {
        lines.push(format!("  waits: {why}"));
    }
    if let Some(eta) = progress["eta_ms"].as_u64() {
        lines.push(format!("  about {} s left", eta.div_ceil(1_000)));
    }
    lines.join("\n")
}

/// A line each group.
pub(crate) fn reasons(what: &str, groups: &Value) -> Vec<String> {
    let line = |group: &Value| {
        let examples: Vec<&str> = group["examples"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        format!(
            "  {} {what}: {} ({})",
            group["count"],
            group["reason"].as_str().unwrap_or_default(),
            examples.join(", ")
        )
    };
    groups.as_array().into_iter().flatten().map(line).collect()
}

/// A bar on a terminal, a plain line now and then elsewhere.
struct Bar {
    output: Output,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Bar {
    fn new(output: Output) -> Bar {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")
            .expect("the template is written above");
        Bar {
            output,
            bar: is_terminal().then(|| ProgressBar::new(0).with_style(style)),
            last_line: Instant::now(),
        }
    }

    fn show(&mut self, progress: &Value) {
        let operation = &progress["operation"];
        let count = |name: &str| operation[name].as_u64().unwrap_or(0);
        if let Some(bar) = &self.bar {
            bar.set_length(count("total"));
            bar.set_position(count("done"));
            bar.set_message(progress["held_back"].as_str().unwrap_or_default().to_owned());
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let held = progress["held_back"]
                .as_str()
                .map(|why| format!("; {why}"))
                .unwrap_or_default();
            self.output
                .say(&format!("{} of {} tasks{held}", count("done"), count("total")));
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
