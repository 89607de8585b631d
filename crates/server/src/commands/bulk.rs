//! Actions on many tasks: the preview is shown, somebody says yes, and the operation is watched to its end.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use weir_model::config::Span;

use crate::cli::{Find, Which};
use crate::commands::operations;
use crate::exit::Exit;
use crate::online::Client;
use crate::output::Output;

/// `deed` is an object with `action` and what belongs to it.
pub(crate) async fn act(
    client: &Client,
    which: &Which,
    selection: Value,
    deed: Value,
    output: Output,
) -> anyhow::Result<Exit> {
    let mut asked = deed;
    asked["selection"] = selection;
    let preview = client.send("POST", "/tasks/preview", Some(&asked)).await?;
    if which.dry_run || preview["token"].is_null() {
        output.answer(&preview, || words(&preview));
        return Ok(Exit::of(which.dry_run || preview["total"] == 0));
    }
    if !which.yes {
        output.say(&words(&preview));
        if !confirmed()? {
            bail!(
                "nothing was done; `--yes` does it without asking, `--dry-run` only shows what would happen"
            );
        }
    }
    let begun = client
        .send("POST", "/operations", Some(&json!({ "token": preview["token"] })))
        .await?;
    let id = begun["operation"]["id"]
        .as_str()
        .context("the server's answer names no operation")?;
    operations::follow(client, id, output).await
}

/// The tasks that are meant, as the API takes them.
pub(crate) fn selection(which: &Which) -> anyhow::Result<Value> {
    let found = found(&which.find)?;
    if which.ids.is_empty() {
        return Ok(Value::Object(found));
    }
    if !found.is_empty() {
        bail!("give ids or a search, not both");
    }
    Ok(json!({ "tasks": which.ids }))
}

/// The search as the API takes it in a body.
fn found(find: &Find) -> anyhow::Result<Map<String, Value>> {
    let mut found = Map::new();
    for (name, value) in parameters(find)? {
        match name {
            "state" => found.insert("states".to_owned(), json!(value.split(',').collect::<Vec<_>>())),
            name => found.insert(name.to_owned(), json!(value)),
        };
    }
    Ok(found)
}

/// The search as the API takes it in an address.
pub(crate) fn parameters(find: &Find) -> anyhow::Result<Vec<(&'static str, String)>> {
    let states = (!find.state.is_empty()).then(|| find.state.join(","));
    let given = [
        ("route", find.route.clone()),
        ("state", states),
        ("key", find.key.clone()),
        ("text", find.text.clone()),
        ("error", find.error.clone()),
        ("run", find.run.clone()),
        ("since", find.since.as_deref().map(time).transpose()?),
        ("until", find.until.as_deref().map(time).transpose()?),
    ];
    Ok(given
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect())
}

/// `2h` as the time two hours ago; a time as it is.
fn time(text: &str) -> anyhow::Result<String> {
    if let Ok(span) = text.parse::<Span>() {
        let ago = SignedDuration::from_millis(i64::try_from(span.ms).unwrap_or(i64::MAX));
        return Ok(Timestamp::now()
            .checked_sub(ago)
            .unwrap_or(Timestamp::MIN)
            .to_string());
    }
    match text.parse::<Timestamp>() {
        Ok(at) => Ok(at.to_string()),
        Err(_) => bail!("`{text}` is not a time: write `2026-05-04T11:00:00Z`, or `2h` for two hours ago"),
    }
}

fn words(preview: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![text(&preview["summary"])];
    for (route, states) in preview["counts"].as_object().into_iter().flatten() {
        let states: Vec<String> = states
            .as_object()
            .into_iter()
            .flatten()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        lines.push(format!("  {route}: {}", states.join(", ")));
    }
    let groups = [
        ("would fail", &preview["tried"]["failing"]),
        ("cannot be done", &preview["refused"]),
    ];
    for (what, groups) in groups {
        lines.extend(operations::reasons(what, groups));
    }
    if preview["superseded"].as_u64().unwrap_or(0) > 0 {
        lines.push(format!(
            "  superseded: {} are older than what was delivered last; `--force` replays them all the same",
            preview["superseded"]
        ));
    }
    if preview["with_effects"].as_u64().unwrap_or(0) > 0 {
        lines.push(format!(
            "  {} have writes that are confirmed; these are not sent again",
            preview["with_effects"]
        ));
    }
    for warning in preview["warnings"].as_array().into_iter().flatten() {
        lines.push(format!("  warning: {}", text(warning)));
    }
    lines.join("\n")
}

fn confirmed() -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Ok(false);
    }
    eprint!("Do it? [y/N] ");
    std::io::stderr().flush().context("could not ask")?;
    let mut answer = String::new();
    stdin
        .lock()
        .read_line(&mut answer)
        .context("could not read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_such_or_as_so_long_ago() {
        assert_eq!(
            time("2026-05-04T11:00:00Z").expect("a time"),
            "2026-05-04T11:00:00Z"
        );
        let ago: Timestamp = time("2h").expect("a span").parse().expect("a time");
        assert!(ago < Timestamp::now());
        assert!(time("yesterday").is_err());
    }
}
