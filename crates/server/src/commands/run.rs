//! `weir run ROUTE`: one run, until nothing of the route is on its way.

use std::time::Duration;

use serde_json::{Value, json};
use weir_engine::Status;

use crate::cli::Run;
use crate::commands::serve::stopped;
use crate::exit::Exit;
use crate::online::{Client, quoted};
use crate::output::Output;
use crate::place::Places;
use crate::progress::Progress;
use crate::runtime::Start;

const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn run(places: &Places, options: &Run, output: Output) -> anyhow::Result<Exit> {
    let client = Client::open(places, Start::Idle, output).await?;
    let result = settle(&client, options, output).await;
    client.close().await;
    result
}

async fn settle(client: &Client, options: &Run, output: Output) -> anyhow::Result<Exit> {
    let route = options.route.as_str();
    let ask = json!({
        "since": options.since,
        "until": options.until,
        "full": options.full,
        "where_read": options.where_read,
    });
    client
        .send("POST", &format!("/routes/{}/runs", quoted(route)), Some(&ask))
        .await?;
    let mut progress = Progress::new(output);
    let stop = stopped();
    tokio::pin!(stop);
    let status = loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = &mut stop => {
                progress.end();
                let goes_on = if client.is_here() { "the next run goes on at its page" } else { "the server goes on" };
                anyhow::bail!("stopped looking before `{route}` was settled; {goes_on}");
            }
        }
        let status: Status = serde_json::from_value(client.get("/status").await?)?;
        progress.show(&status, |name| name == route);
        let settled = status
            .routes
            .get(route)
            .is_none_or(|route| !route.reading && route.queued + route.running + route.retrying == 0);
        if settled {
            break status;
        }
    };
    progress.end();
    let runs = client
        .get(&format!("/runs?limit=1&route={}", quoted(route)))
        .await?;
    let run = runs.get(0).cloned().unwrap_or_default();
    let counts = run.get("counts").cloned().unwrap_or_default();
    let count = |state: &str| counts.get(state).and_then(Value::as_u64).unwrap_or(0);
    let failure = status.routes.get(route).and_then(|route| route.failure.clone());
    output.answer(
        &json!({ "route": route, "run": run.get("run"), "counts": counts, "failure": failure }),
        || {
            let rows = run.pointer("/run/rows").and_then(Value::as_u64).unwrap_or(0);
            let mut text = format!(
                "{route}: {rows} read, {} delivered, {} skipped, {} waiting, {} dead",
                count("done"),
                count("skipped"),
                count("waiting"),
                count("dead")
            );
            if let Some(failure) = &failure {
                text.push_str(&format!("\nthe source failed: {failure}"));
            }
            if count("dead") > 0 {
                text.push_str(&format!("\nwhy: `weir tasks list --route {route} --state dead`"));
            }
            if count("waiting") > 0 {
                text.push_str(&format!(
                    "\nfor what: `weir tasks list --route {route} --state waiting`"
                ));
            }
            text
        },
    );
    Ok(Exit::of(count("dead") == 0 && failure.is_none()))
}
