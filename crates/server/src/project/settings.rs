//! Settings of connections against what their connectors ask for, with the place of each mistake.

use std::collections::BTreeMap;

use serde_json::Value;
use weir_model::{Finding, did_you_mean};

use super::{Part, Project};
use crate::wiring::Wiring;

pub(super) fn check(project: &Project, wiring: &Wiring, findings: &mut Vec<Finding>) {
    for part in project.connections.values() {
        let document = &part.document;
        let Some(connector) = project.connectors.get(&part.value.connector) else {
            findings.push(unknown_connector(project, part));
            continue;
        };
        let description = connector.description();
        let mut group = Group {
            part,
            wiring,
            findings,
        };
        group.check(&["settings"], &part.value.settings, &description.settings);
        let ways: Vec<&str> = description.auth.keys().map(String::as_str).collect();
        if part.value.auth.len() > 1 {
            let message = "a connection signs in one way, and here stand several";
            findings.push(document.finding(&["auth"], "wrong-value", message));
            continue;
        }
        match part.value.auth.iter().next() {
            None if ways.is_empty() || ways.contains(&"none") => {}
            None => {
                let message = format!("`{}` needs a way to sign in", part.value.connector);
                let suggestion = format!("add `auth:` with one of: {}", ways.join(", "));
                findings.push(
                    document
                        .finding(&[], "missing-key", message)
                        .suggest(Some(suggestion)),
                );
            }
            Some((way, values)) => match description.auth.get(way) {
                Some(schema) => Group {
                    part,
                    wiring,
                    findings,
                }
                .check(&["auth", way], values, schema),
                None => {
                    let message = format!("`{}` has no way to sign in called `{way}`", part.value.connector);
                    let suggestion = did_you_mean(way, ways.iter().copied())
                        .unwrap_or_else(|| format!("there are: {}", ways.join(", ")));
                    findings.push(
                        document
                            .key_finding(&["auth", way], "unknown-auth", message)
                            .suggest(Some(suggestion)),
                    );
                }
            },
        }
    }
}

fn unknown_connector(project: &Project, part: &Part<weir_model::config::Connection>) -> Finding {
    let wanted = &part.value.connector;
    let known = || project.connectors.keys().map(String::as_str);
    let other_version = known().find(|name| name.split('@').next() == wanted.split('@').next());
    let suggestion = other_version
        .map(|name| format!("did you mean `{name}`?"))
        .or_else(|| did_you_mean(wanted, known()))
        .unwrap_or_else(|| format!("there are: {}", known().collect::<Vec<_>>().join(", ")));
    let message = format!("there is no connector `{wanted}`");
    part.document
        .finding(&["connector"], "unknown-connector", message)
        .suggest(Some(suggestion))
}

struct Group<'a> {
    part: &'a Part<weir_model::config::Connection>,
    wiring: &'a Wiring,
    findings: &'a mut Vec<Finding>,
}

impl Group<'_> {
    fn check(&mut self, path: &[&str], values: &BTreeMap<String, Value>, schema: &Value) {
        let document = &self.part.document;
        let known: Vec<&str> = match schema.get("properties") {
            Some(Value::Object(properties)) => properties.keys().map(String::as_str).collect(),
            _ => return, // a connector that describes nothing checks by itself when it connects
        };
        for name in values.keys().filter(|name| !known.contains(&name.as_str())) {
            let place: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
            let message = format!(
                "`{}` has no setting `{name}` in `{}`",
                self.part.value.connector,
                path.join(".")
            );
            let suggestion = did_you_mean(name, known.iter().copied())
                .unwrap_or_else(|| format!("there are: {}", known.join(", ")));
            let finding = document.key_finding(&place, "unknown-setting", message);
            self.findings.push(finding.suggest(Some(suggestion)));
        }
        for required in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(name) = required.as_str()
                && !values.contains_key(name)
            {
                let message = format!("the setting `{name}` is missing in `{}`", path.join("."));
                self.findings
                    .push(document.finding(path, "missing-setting", message));
            }
        }
        let value = Value::Object(
            values
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        );
        let Ok(schema) = self.wiring.checker.compile(schema) else {
            return;
        };
        for violation in schema.violations(&value) {
            // Both are said above, with better words.
            if matches!(violation.rule.as_str(), "required" | "additionalProperties") {
                continue;
            }
            // What a secret holds is not known here.
            if violation
                .value
                .as_str()
                .is_some_and(|text| text.contains("${secrets."))
            {
                continue;
            }
            let inner: Vec<&str> = violation
                .path
                .split(['.', '[', ']'])
                .filter(|part| !part.is_empty())
                .collect();
            let place: Vec<&str> = path.iter().copied().chain(inner).collect();
            let message = format!("`{}`: {}", place.join("."), violation.message);
            self.findings
                .push(document.finding(&place, "wrong-setting", message));
        }
    }
}
