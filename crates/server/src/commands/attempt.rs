//! `weir try ROUTE --input FILE`: what would become of one entity. Nothing is sent and nothing is stored.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;
use weir_engine::trial;

use crate::exit::Exit;
use crate::output::Output;
use crate::place::Places;
use crate::project;
use crate::runtime;
use crate::wiring::Wiring;

pub(crate) async fn run(places: &Places, route: &str, input: &Path, output: Output) -> anyhow::Result<Exit> {
    let text = if input == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("could not read standard input")?;
        text
    } else {
        std::fs::read_to_string(input).with_context(|| format!("could not read {}", input.display()))?
    };
    let entity: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", input.display()))?;
    let wiring = Wiring::new()?;
    let project = runtime::load(places, &wiring, output)?;
    if !project.routes.contains_key(route) {
        let known = || project.routes.keys().map(String::as_str);
        let suggestion = weir_model::did_you_mean(route, known())
            .unwrap_or_else(|| format!("there are: {}", known().collect::<Vec<_>>().join(", ")));
        anyhow::bail!("there is no route `{route}`; {suggestion}");
    }
    // Lookups may ask a system; without its secrets only those from files are known.
    let secrets = project::Secrets::gather(&project, &places.project, &BTreeMap::new()).or_placeholders();
    let connections = runtime::connections(&project, &secrets, &wiring, output)?;
    let configuration = runtime::configuration(&project, 0, connections, &wiring, output)?;
    let store = Arc::new(trial::EmptyStore);
    let trial = trial::run(configuration, store, wiring.context.clone(), route, entity).await?;
    output.answer(&trial, || words(&trial));
    Ok(Exit::of(trial.error.is_none()))
}

fn words(trial: &trial::Trial) -> String {
    let mut lines = vec![match &trial.key {
        Some(key) => format!("key: {key}"),
        None => "key: none; an entity without a key makes no task".to_owned(),
    }];
    lines.extend(trial.waits_for.iter().map(|need| format!("waits for: {need}")));
    steps_words(&trial.steps, "", &mut lines);
    for write in &trial.writes {
        let mode = serde_json::to_value(write.mode).ok();
        let mode = mode.as_ref().and_then(Value::as_str).unwrap_or_default();
        lines.push(format!(
            "would {mode} {}/{}:\n{}",
            write.connection,
            write.entity,
            pretty(&write.row)
        ));
    }
    for call in &trial.calls {
        lines.push(format!(
            "would call {} of {} with:\n{}",
            call.operation,
            call.connection,
            pretty(&call.with)
        ));
    }
    lines.push(format!("verdict: {}", trial.verdict));
    if let Some(error) = &trial.error {
        lines.push(format!("error ({}): {error}", error.kind));
    }
    lines.join("\n")
}

/// What each step made of the entity, nested ones below the step around them.
fn steps_words(steps: &[Value], indent: &str, lines: &mut Vec<String>) {
    for step in steps {
        let id = step["step"]
            .as_str()
            .or_else(|| step["element"].as_str())
            .or_else(|| step["part"].as_str())
            .unwrap_or_default();
        match (step.get("error"), step.get("after")) {
            (Some(error), _) => lines.push(format!(
                "{indent}step {id}: {}",
                error["message"].as_str().unwrap_or_default()
            )),
            (None, Some(after)) => lines.push(format!("{indent}step {id}:\n{}", pretty(after))),
            (None, None) => lines.push(format!("{indent}step {id}")),
        }
        for line in step["log"].as_array().into_iter().flatten() {
            lines.push(format!("{indent}  log: {}", line.as_str().unwrap_or_default()));
        }
        let nested = step["steps"].as_array().map_or(&[][..], Vec::as_slice);
        steps_words(nested, &format!("{indent}  "), lines);
    }
}

fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
