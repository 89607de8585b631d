//! `weir tasks`: list, show, and what a person may do.

use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use crate::cli::{Find, Tasks, Which};
use crate::commands::bulk;
use crate::exit::Exit;
use crate::online::{Client, quoted};
use crate::output::{Output, table};
use crate::place::Places;
use crate::runtime::Start;

pub(crate) async fn run(places: &Places, what: Tasks, output: Output) -> anyhow::Result<Exit> {
    let acts = !matches!(what, Tasks::List { .. } | Tasks::Show { .. });
    let client = Client::open(places, if acts { Start::Idle } else { Start::Store }, output).await?;
    let result = match what {
        Tasks::List { find, limit } => list(&client, &find, limit, output).await,
        Tasks::Show { id } => show(&client, &id, output).await,
        Tasks::Retry(which) => act(&client, which, json!({ "action": "retry" }), output).await,
        Tasks::Skip(which) => act(&client, which, json!({ "action": "skip" }), output).await,
        Tasks::Cancel(which) => act(&client, which, json!({ "action": "cancel" }), output).await,
        Tasks::Release(which) => act(&client, which, json!({ "action": "release" }), output).await,
        Tasks::Correct {
            which,
            set,
            patch,
            entity,
        } => {
            let correction = correction(set.as_deref(), patch.as_deref(), entity.as_deref())?;
            let deed = json!({ "action": "correct", "correction": correction });
            act(&client, which, deed, output).await
        }
        Tasks::Replay {
            which,
            force,
            from,
            release,
        } => {
            let deed = json!({ "action": "replay", "force": force, "from": from, "release": release.word() });
            act(&client, which, deed, output).await
        }
        Tasks::Answer { id, set, entity } => {
            let given = correction(set.as_deref(), None, entity.as_deref())?;
            one(
                &client,
                &id,
                &json!({ "action": "answer", "answer": given }),
                output,
            )
            .await
        }
    };
    client.close().await;
    result
}

async fn list(client: &Client, find: &Find, limit: usize, output: Output) -> anyhow::Result<Exit> {
    let mut query = format!("/tasks?limit={limit}");
    for (name, value) in bulk::parameters(find)? {
        query.push_str(&format!("&{name}={}", quoted(&value)));
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

/// One task at once; more of them by a preview.
async fn act(client: &Client, which: Which, deed: Value, output: Output) -> anyhow::Result<Exit> {
    let selection = bulk::selection(&which)?;
    match &which.ids[..] {
        [id] if !which.dry_run => one(client, id, &deed, output).await,
        _ => bulk::act(client, &which, selection, deed, output).await,
    }
}

async fn one(client: &Client, id: &str, deed: &Value, output: Output) -> anyhow::Result<Exit> {
    let action = deed["action"].as_str().unwrap_or_default();
    let body = match action {
        "correct" => Some(deed["correction"].clone()),
        "answer" => Some(deed["answer"].clone()),
        "replay" => Some(json!({ "force": deed["force"], "from": deed["from"], "release": deed["release"] })),
        _ => None,
    };
    let mut answer = client
        .send("POST", &format!("/tasks/{}/{action}", quoted(id)), body.as_ref())
        .await?;
    if let Some(engine) = client.engine() {
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
