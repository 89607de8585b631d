//! `weir tasks`: list, show, and what a person may do.

use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use crate::cli::Tasks;
use crate::exit::Exit;
use crate::online::{Client, quoted};
use crate::output::{Output, table};
use crate::place::Places;
use crate::runtime::Start;

pub(crate) async fn run(places: &Places, what: Tasks, output: Output) -> anyhow::Result<Exit> {
    let acts = !matches!(what, Tasks::List { .. } | Tasks::Show { .. });
    let client = Client::open(places, if acts { Start::Idle } else { Start::Store }, output).await?;
    let result = match what {
        Tasks::List {
            route,
            state,
            key,
            limit,
        } => list(&client, route, &state, key, limit, output).await,
        Tasks::Show { id } => show(&client, &id, output).await,
        Tasks::Retry { id } => act(&client, &id, "retry", None, output).await,
        Tasks::Skip { id } => act(&client, &id, "skip", None, output).await,
        Tasks::Cancel { id } => act(&client, &id, "cancel", None, output).await,
        Tasks::Release { id } => act(&client, &id, "release", None, output).await,
        Tasks::Correct {
            id,
            set,
            patch,
            entity,
        } => {
            let correction = correction(set.as_deref(), patch.as_deref(), entity.as_deref())?;
            act(&client, &id, "correct", Some(&correction), output).await
        }
        Tasks::Answer { id, set, entity } => {
            let given = correction(set.as_deref(), None, entity.as_deref())?;
            act(&client, &id, "answer", Some(&given), output).await
        }
        Tasks::Replay { id } => act(&client, &id, "replay", None, output).await,
    };
    client.close().await;
    result
}

async fn list(
    client: &Client,
    route: Option<String>,
    states: &[String],
    key: Option<String>,
    limit: usize,
    output: Output,
) -> anyhow::Result<Exit> {
    let mut query = format!("/tasks?limit={limit}");
    let state = (!states.is_empty()).then(|| states.join(","));
    for (name, value) in [("route", route), ("state", state), ("key", key)] {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={}", quoted(&value)));
        }
    }
    let page = client.get(&query).await?;
    output.answer(&page, || {
        let tasks = page["tasks"].as_array().cloned().unwrap_or_default();
        if tasks.is_empty() {
            return "no such tasks".to_owned();
        }
        let rows: Vec<Vec<Value>> = tasks
            .iter()
            .map(|task| {
                let why = task["error"]["message"]
                    .as_str()
                    .or(task["reason"].as_str())
                    .unwrap_or_default();
                vec![
                    task["id"].clone(),
                    task["route"].clone(),
                    task["key"].clone(),
                    task["state"].clone(),
                    task["attempts"].clone(),
                    json!(why),
                ]
            })
            .collect();
        let more = if page["next"].is_null() {
            ""
        } else {
            "\nthere are more: --limit"
        };
        format!(
            "{}{more}",
            table(&["id", "route", "key", "state", "attempts", "why"], &rows)
        )
    });
    Ok(Exit::Ok)
}

async fn show(client: &Client, id: &str, output: Output) -> anyhow::Result<Exit> {
    let shown = client.get(&format!("/tasks/{}", quoted(id))).await?;
    output.answer(&shown, || words(&shown));
    Ok(Exit::Ok)
}

fn words(shown: &Value) -> String {
    let task = &shown["task"];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut lines = vec![format!(
        "{} `{}` is {} since {} (task {}, {} attempts)",
        text(&task["route"]),
        text(&task["key"]),
        text(&task["state"]),
        text(&task["since"]),
        text(&task["id"]),
        task["attempts"]
    )];
    if let Some(message) = task["error"]["message"].as_str() {
        lines.push(format!("error ({}): {message}", text(&task["error"]["kind"])));
        for pair in task["error"]["context"].as_array().into_iter().flatten() {
            lines.push(format!("  {}: {}", text(&pair[0]), text(&pair[1])));
        }
    }
    if let Some(reason) = task["reason"].as_str() {
        lines.push(format!("reason: {reason}"));
    }
    for need in shown["waits_for"].as_array().into_iter().flatten() {
        lines.push(format!("waits for: {}", text(need)));
    }
    if let Some(parent) = shown["relations"]["parent"].as_str() {
        lines.push(format!("parent: {parent}"));
    }
    if let Some(into) = shown["relations"]["merged_into"].as_str() {
        lines.push(format!("merged into: {into}"));
    }
    for member in shown["relations"]["members"].as_array().into_iter().flatten() {
        lines.push(format!("member: {}", text(member)));
    }
    for child in shown["relations"]["children"].as_array().into_iter().flatten() {
        lines.push(format!("child: {}", text(child)));
    }
    for warning in task["warnings"].as_array().into_iter().flatten() {
        lines.push(format!(
            "warning ({}): {}",
            text(&warning["name"]),
            text(&warning["message"])
        ));
    }
    lines.push(format!("input: {}", shown["input"]));
    for (name, result) in shown["effects"].as_object().into_iter().flatten() {
        lines.push(format!(
            "effect {name}: {}",
            if result.is_null() {
                "tried, never answered".to_owned()
            } else {
                result.to_string()
            }
        ));
    }
    for attempt in shown["attempts"].as_array().into_iter().flatten() {
        lines.push(format!(
            "attempt {} at {}",
            attempt["attempt"],
            text(&attempt["at"])
        ));
        for step in attempt["record"]["steps"].as_array().into_iter().flatten() {
            lines.push(format!("  step {step}"));
        }
        for call in attempt["record"]["calls"].as_array().into_iter().flatten() {
            lines.push(format!("  call {call}"));
        }
    }
    lines.join("\n")
}

/// The body that the API takes.
fn correction(set: Option<&str>, patch: Option<&Path>, entity: Option<&Path>) -> anyhow::Result<Value> {
    let read = |path: &Path| -> anyhow::Result<Value> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
    };
    Ok(match (set, patch, entity) {
        (Some(set), ..) => {
            let (path, value) = set.split_once('=').with_context(|| {
                format!("`{set}` is not PATH=VALUE, for example `values.price[0].data=19.90`")
            })?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            json!({ "set": { "path": path, "value": value } })
        }
        (_, Some(patch), _) => json!({ "patch": read(patch)? }),
        (_, _, Some(entity)) => json!({ "entity": read(entity)? }),
        _ => anyhow::bail!("say what to correct: --set, --patch or --entity"),
    })
}

async fn act(
    client: &Client,
    id: &str,
    action: &str,
    body: Option<&Value>,
    output: Output,
) -> anyhow::Result<Exit> {
    let mut answer = client
        .send("POST", &format!("/tasks/{}/{action}", quoted(id)), body)
        .await?;
    if let Some(engine) = client.running().and_then(|running| running.engine.as_ref()) {
        // Nobody goes on when this process ends, so the task is seen through.
        engine.wait_settled().await;
        let task = answer["task"].as_str().unwrap_or(id).to_owned();
        let shown = client.get(&format!("/tasks/{}", quoted(&task))).await?;
        answer = json!({ "task": task, "state": shown["task"]["state"], "error": shown["task"]["error"] });
    }
    output.answer(&answer, || {
        let task = answer["task"].as_str().unwrap_or(id);
        match (answer["state"].as_str(), answer["error"]["message"].as_str()) {
            (Some(state), Some(message)) => format!("task {task} is {state}: {message}"),
            (Some(state), None) => format!("task {task} is {state}"),
            (None, _) if action == "correct" => format!("task {task} is corrected and tried again"),
            (None, _) => format!("task {task} was made"),
        }
    });
    Ok(Exit::of(answer["state"] != "dead"))
}
