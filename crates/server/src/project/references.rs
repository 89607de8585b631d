//! Does everything exist that a project's files name, and does somebody name everything that exists?

use std::collections::BTreeSet;

use serde_json::Value;
use weir_model::config::{self, Switch, WriteMode};
use weir_model::{Finding, did_you_mean};
use weir_sdk::Catalog;
use weir_sdk::document::Document;

use super::reads::Place;
use super::{Part, Project, steps, triggers, webhook};

pub(super) fn check(project: &Project, catalog: &Catalog, findings: &mut Vec<Finding>) {
    for (name, part) in &project.routes {
        route(project, catalog, name, part, findings);
    }
    for part in project.lookups.values() {
        if let Some(read) = &part.value.read {
            let path = vec!["read".to_owned()];
            let by_key = part.value.cache.is_some();
            Place {
                project,
                document: &part.document,
                path,
                findings,
            }
            .read(read, by_key);
        }
    }
    for name in project.environment.value.routes.keys() {
        if !is_route(project, name) {
            let document = &project.environment.document;
            let suggestion = did_you_mean(name, project.routes.keys().map(String::as_str));
            let message = format!("there is no route `{name}` to switch");
            let finding = document.key_finding(&["routes", name], "unknown-route", message);
            findings.push(finding.suggest(suggestion));
        }
    }
    cycles(project, findings);
    triggers::cycles(project, findings);
    literals(project, findings);
    map_schemas(project, findings);
    unused(project, catalog, findings);
}

fn route(
    project: &Project,
    catalog: &Catalog,
    name: &str,
    part: &Part<config::Route>,
    findings: &mut Vec<Finding>,
) {
    let (route, document) = (&part.value, &part.document);
    webhook::check(part, findings);
    let many = part.written.pointer("/source/read").is_some_and(Value::is_array);
    for (i, read) in route.source.read.0.iter().enumerate() {
        let mut path = vec!["source".to_owned(), "read".to_owned()];
        if many {
            path.push(i.to_string());
        }
        let described = Place {
            project,
            document,
            path,
            findings,
        }
        .read(read, false);
        if let (Some(description), Some(field)) = (described, &route.source.changed_since) {
            let path = vec!["source".to_owned(), "changed_since".to_owned()];
            Place {
                project,
                document,
                path,
                findings,
            }
            .changed_since(field, description);
        }
    }
    if let Some(schema) = &route.entity.schema
        && !project.schemas.contains(schema)
    {
        let (message, suggestion) = project.schemas.missing(schema);
        findings.push(
            document
                .finding(&["entity", "schema"], "unknown-schema", message)
                .suggest(suggestion),
        );
    }
    writes(project, catalog, part, findings);
    for (i, table) in route.source.resend_on.iter().enumerate() {
        let path = ["source", "resend_on", &i.to_string()].map(str::to_owned);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match project.lookups.get(table) {
            Some(lookup) if lookup.value.refresh.is_none() => {
                let message = format!(
                    "only a lookup that is read again (`refresh`) can say that rows of `{table}` changed"
                );
                findings.push(document.finding(&path, "wrong-value", message));
            }
            Some(_) => {}
            None => findings.extend(
                missing_lookup(project, table)
                    .map(|(m, s)| document.finding(&path, "unknown-lookup", m).suggest(s)),
            ),
        }
    }
    for (i, waits) in route.waits_for.iter().enumerate() {
        waits_for(project, name, part, i, waits, findings);
    }
}

fn writes(project: &Project, catalog: &Catalog, part: &Part<config::Route>, findings: &mut Vec<Finding>) {
    let (route, document) = (&part.value, &part.document);
    if let Some(write) = &route.write {
        let path = vec!["write".to_owned()];
        Place {
            project,
            document,
            path,
            findings,
        }
        .write(&write.connection, &write.entity, write.mode);
    }
    for (path, step) in steps::all(part, catalog) {
        let text = |field: &str| step.parameters.get(field).and_then(Value::as_str);
        match step.kind.as_str() {
            "write" => {
                let mode = step.parameters.get("mode").cloned();
                let mode: WriteMode = mode
                    .and_then(|m| serde_json::from_value(m).ok())
                    .unwrap_or_default();
                if let (Some(connection), Some(entity)) = (text("connection"), text("entity")) {
                    Place {
                        project,
                        document,
                        path,
                        findings,
                    }
                    .write(connection, entity, mode);
                }
            }
            "collect"
                if route.source.webhook.is_some() && step.parameters["until"].get("after").is_none() =>
            {
                let message =
                    "what a webhook brings belongs to no run, so `end_of_run` closes each group at once";
                let suggestion = "say `after`, for example `until: { after: 1m }`".to_owned();
                Place {
                    project,
                    document,
                    path,
                    findings,
                }
                .say(&["until"], "wrong-value", message.to_owned(), Some(suggestion));
            }
            "lookup" => {
                if let Some((message, suggestion)) =
                    text("table").and_then(|table| missing_lookup(project, table))
                {
                    Place {
                        project,
                        document,
                        path,
                        findings,
                    }
                    .say(&["table"], "unknown-lookup", message, suggestion);
                }
            }
            _ => {}
        }
    }
}

fn waits_for(
    project: &Project,
    name: &str,
    part: &Part<config::Route>,
    i: usize,
    waits: &config::WaitsFor,
    findings: &mut Vec<Finding>,
) {
    let (document, index) = (&part.document, i.to_string());
    for (field, awaited) in [("route", &waits.route), ("run", &waits.run)] {
        let Some(awaited) = awaited else { continue };
        let place = ["waits_for", index.as_str(), field];
        awaited_route(project, name, document, &place, awaited, findings);
        if field == "run" {
            triggers::has_runs(project, document, &place, awaited, findings);
        }
        if field == "run" && awaited == name {
            let message = format!(
                "a task of `{name}` cannot wait for the next run of `{name}` itself; to keep the order of its keys, \
                 write `route` and `keys`"
            );
            findings.push(document.finding(&place, "cycle", message));
        }
    }
    if let Some(link) = &waits.link {
        let path = vec!["waits_for".to_owned(), index.clone(), "link".to_owned()];
        Place {
            project,
            document,
            path,
            findings,
        }
        .entity(&link.connection, &link.entity);
    }
    if waits.when_delivered.is_some() && waits.route.is_none() {
        let message = "`when_delivered` asks about what a route delivered, and here is no `route`";
        findings.push(document.finding(&["waits_for", &index, "when_delivered"], "wrong-value", message));
    }
}

/// A route that another one waits for must be there, and on where the other is.
pub(super) fn awaited_route(
    project: &Project,
    name: &str,
    document: &Document,
    place: &[&str],
    awaited: &str,
    findings: &mut Vec<Finding>,
) {
    let switch = |route: &str| {
        let routes = &project.environment.value.routes;
        routes.get(route).copied().unwrap_or_default()
    };
    if !is_route(project, awaited) {
        let suggestion = did_you_mean(awaited, project.routes.keys().map(String::as_str));
        let message = format!("there is no route `{awaited}` to wait for");
        let finding = document.finding(place, "unknown-route", message);
        findings.push(finding.suggest(suggestion));
    } else if switch(awaited) == Switch::Off && switch(name) != Switch::Off {
        let environment = &project.scope.environment;
        let message =
            format!("`{name}` would wait for ever: the route `{awaited}` is off in `{environment}`");
        let suggestion =
            format!("switch `{awaited}` on in environments/{environment}.yaml, or `{name}` off too");
        let finding = document.finding(place, "awaits-off-route", message);
        findings.push(finding.suggest(Some(suggestion)));
    }
}

/// A route may wait for itself (a tree). A ring of several is allowed and nearly always a mistake.
fn cycles(project: &Project, findings: &mut Vec<Finding>) {
    let awaited = |name: &str| -> Vec<&str> {
        let route = project.routes.get(name);
        route
            .into_iter()
            .flat_map(|part| &part.value.waits_for)
            .filter_map(|w| w.route.as_deref().or(w.run.as_deref()))
            .collect()
    };
    for (name, part) in &project.routes {
        let mut seen = BTreeSet::new();
        let mut open: Vec<Vec<&str>> = vec![vec![name]];
        while let Some(chain) = open.pop() {
            for next in awaited(chain[chain.len() - 1]) {
                if next == name && chain.len() > 1 && chain.iter().all(|other| name.as_str() <= *other) {
                    let ring = chain
                        .iter()
                        .chain([&next])
                        .copied()
                        .collect::<Vec<_>>()
                        .join(" → ");
                    let message = format!(
                        "routes wait for each other: {ring}; tasks that do so too, key by key, wait for ever"
                    );
                    let (line, column) = part.document.key_place(&["waits_for"]);
                    findings.push(Finding::warning(
                        "cycle",
                        &part.document.file,
                        line,
                        column,
                        message,
                    ));
                } else if next != chain[chain.len() - 1] && seen.insert(next) {
                    open.push(chain.iter().copied().chain([next]).collect());
                }
            }
        }
    }
}

/// Names written out in `$ref("TABLE", …)`, `$link("CONNECTION/ENTITY", …)` and `$vars.NAME`.
fn literals(project: &Project, findings: &mut Vec<Finding>) {
    for (path, text) in &project.texts {
        let is_expression = path.ends_with(".jsonata") && !path.starts_with("connectors/");
        if !is_expression && !path.starts_with("routes/") && !path.starts_with("lookups/") {
            continue;
        }
        for (offset, table) in calls(text, "$ref(") {
            if let Some((message, suggestion)) = missing_lookup(project, table) {
                let (line, column) = place_of(text, offset);
                let finding = Finding::error("unknown-lookup", path, line, column, message);
                findings.push(finding.suggest(suggestion));
            }
        }
        for (offset, name) in variables(text) {
            if !project.vars.contains_key(name) {
                let (line, column) = place_of(text, offset);
                let message = format!("there is no variable `{name}`");
                let suggestion = did_you_mean(name, project.vars.keys().map(String::as_str)).or_else(|| {
                    Some("add it under `vars` in weir.yaml or in the environment's file".to_owned())
                });
                let finding = Finding::error("unknown-variable", path, line, column, message);
                findings.push(finding.suggest(suggestion));
            }
        }
        for (offset, address) in calls(text, "$link(") {
            let (connection, entity) = address.split_once('/').unwrap_or((address, ""));
            let known: Vec<String> = project
                .connections
                .keys()
                .filter_map(|name| Some((name, project.connector(name)?)))
                .flat_map(|(name, c)| {
                    c.description()
                        .entities
                        .keys()
                        .map(move |entity| format!("{name}/{entity}"))
                })
                .collect();
            let unread = project
                .texts
                .contains_key(&format!("connections/{connection}.yaml"))
                && project.connector(connection).is_none();
            if !unread && !known.iter().any(|one| *one == format!("{connection}/{entity}")) {
                let (line, column) = place_of(text, offset);
                let message = format!("there is no entity `{address}` to link to");
                let suggestion = did_you_mean(address, known.iter().map(String::as_str));
                let finding = Finding::error("unknown-entity", path, line, column, message);
                findings.push(finding.suggest(suggestion));
            }
        }
    }
}

/// First arguments of calls that are written out as a string, with the offset of the string's content.
fn calls<'a>(text: &'a str, call: &str) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find(call) {
        let start = from + at + call.len();
        from = start;
        let argument = text[start..].trim_start();
        let offset = text.len() - argument.len();
        if let Some(quote) = argument.chars().next().filter(|c| matches!(c, '"' | '\''))
            && let Some(end) = argument[1..].find(quote)
        {
            found.push((offset + 1, &argument[1..=end]));
        }
    }
    found
}

/// The names behind `$vars.`, and where they start.
fn variables(text: &str) -> impl Iterator<Item = (usize, &str)> {
    const WORD: &str = "$vars.";
    text.match_indices(WORD).filter_map(|(at, _)| {
        let start = at + WORD.len();
        let rest = &text[start..];
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        (end > 0).then(|| (start, &rest[..end]))
    })
}

/// The schemas that maps name in their head comments.
fn map_schemas(project: &Project, findings: &mut Vec<Finding>) {
    let Some(expressions) = &project.expressions else {
        return;
    };
    for name in project.maps() {
        let Some(map) = expressions.map(name) else {
            continue;
        };
        let path = format!("maps/{name}.jsonata");
        let text = project.texts.get(&path).map_or("", String::as_str);
        for schema in [&map.from, &map.to].into_iter().flatten() {
            if !project.schemas.contains(schema) {
                let (message, suggestion) = project.schemas.missing(schema);
                let (line, column) = text
                    .find(schema.as_str())
                    .map_or((1, 1), |offset| place_of(text, offset));
                let finding = Finding::error("unknown-schema", &path, line, column, message);
                findings.push(finding.suggest(suggestion));
            }
        }
    }
}

fn unused(project: &Project, catalog: &Catalog, findings: &mut Vec<Finding>) {
    let used: BTreeSet<String> = project
        .routes
        .values()
        .flat_map(|part| steps::all(part, catalog))
        .map(|(_, step)| step)
        .filter(|step| step.kind == "map")
        .flat_map(|step| words_in(&step.parameters))
        .collect();
    let unread_route = project.routes.len()
        < project
            .texts
            .keys()
            .filter(|path| path.starts_with("routes/"))
            .count();
    for name in project
        .maps()
        .filter(|name| !used.contains(*name) && !unread_route)
    {
        let path = format!("maps/{name}.jsonata");
        findings.push(Finding::warning(
            "unused-map",
            &path,
            0,
            0,
            format!("no route uses the map `{name}`"),
        ));
    }
    for name in project.lookups.keys() {
        let path = format!("lookups/{name}.yaml");
        let named = project
            .texts
            .iter()
            .filter(|(other, _)| **other != path)
            .any(|(_, text)| contains_word(text, name));
        if !named {
            let message = format!("nothing uses the lookup `{name}`");
            findings.push(Finding::warning("unused-lookup", &path, 0, 0, message));
        }
    }
}

fn words_in(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(words_in).collect(),
        Value::Object(fields) => fields.values().flat_map(words_in).collect(),
        _ => Vec::new(),
    }
}

fn contains_word(text: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(part_of_name) && !text[at + word.len()..].starts_with(part_of_name)
    })
}

fn is_route(project: &Project, name: &str) -> bool {
    // A route whose file cannot be read has its finding already.
    project.texts.contains_key(&format!("routes/{name}.yaml"))
}

fn missing_lookup(project: &Project, table: &str) -> Option<(String, Option<String>)> {
    if project.texts.contains_key(&format!("lookups/{table}.yaml")) {
        return None;
    }
    let known = || project.lookups.keys().map(String::as_str);
    let suggestion = did_you_mean(table, known()).or_else(|| {
        let all = known().collect::<Vec<_>>().join(", ");
        (!all.is_empty()).then(|| format!("there are: {all}"))
    });
    Some((format!("there is no lookup `{table}`"), suggestion))
}

/// Line and column, from 1, columns in characters.
pub(super) fn place_of(text: &str, offset: usize) -> (u32, u32) {
    let before = &text[..offset];
    let line = before.matches('\n').count() as u32 + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) as u32 + 1;
    (line, column)
}
