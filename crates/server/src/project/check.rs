//! Everything that can be found wrong without a network, in one go.

use std::path::Path;

use weir_model::Finding;
use weir_sdk::expressions::Snippet;

use super::{
    Project, Secrets, compile, connect, fields, is_clean, load, read, references, settings, vars_value,
};
use crate::wiring::Wiring;

/// What a check looked at and found.
pub(crate) struct Checked {
    pub(crate) environments: Vec<String>,
    pub(crate) findings: Vec<Finding>,
}

/// Checks a folder for one environment, or for all that weir.yaml names.
pub(crate) fn check(root: &Path, environment: Option<&str>, wiring: &Wiring) -> anyhow::Result<Checked> {
    let (texts, mut findings) = read(root)?;
    let first = load(&texts, environment, wiring);
    let mut environments = match environment {
        Some(name) => vec![name.to_owned()],
        None => first.environments.clone(),
    };
    let mut loaded = vec![first];
    for name in environments.iter().skip(1) {
        loaded.push(load(&texts, Some(name), wiring));
    }
    for loaded in loaded {
        findings.extend(loaded.findings);
        if let Some(project) = loaded.project {
            look(&project, wiring, &mut findings);
        }
    }
    environments.sort();
    Ok(Checked {
        environments,
        findings: tidy(findings),
    })
}

/// Everything beyond reading: references, settings, expressions, steps.
pub(crate) fn look(project: &Project, wiring: &Wiring, findings: &mut Vec<Finding>) {
    let before = findings.len();
    settings::check(project, wiring, findings);
    references::check(project, &wiring.catalog, findings);
    if is_clean(&findings[before..]) {
        connect(project, &Secrets::placeholders(), &wiring.context, findings);
    }
    compile(project, wiring, findings);
    lint(project, wiring, findings);
    fields::check(project, findings);
    cases(project, wiring, findings);
    if !project.connections_are_known() {
        // What a connector would have brought is missing everywhere; one finding says why.
        let follows = ["unknown-schema", "unknown-entity", "unknown-link"];
        findings.retain(|finding| !follows.contains(&finding.code.as_str()));
    }
}

/// Are files of cases what they should be? Whether the cases pass is for `weir test` to say.
fn cases(project: &Project, wiring: &Wiring, findings: &mut Vec<Finding>) {
    let Some(expressions) = &project.expressions else {
        return;
    };
    for (path, text) in &project.texts {
        if let Some(map) = path
            .strip_prefix("maps/")
            .and_then(|name| name.strip_suffix(".cases.yaml"))
        {
            let vars = vars_value(&project.vars);
            findings.extend(
                wiring
                    .cases(&**expressions, map, (path, text), &vars)
                    .err()
                    .unwrap_or_default(),
            );
        }
    }
}

/// What compiles and is still surely not meant.
fn lint(project: &Project, wiring: &Wiring, findings: &mut Vec<Finding>) {
    let snippet = |path: &str| {
        project
            .texts
            .get(path)
            .map(|text| Snippet::new(path, text.clone()))
    };
    let functions = snippet("functions.jsonata");
    for name in project.maps() {
        if let Some(map) = snippet(&format!("maps/{name}.jsonata")) {
            findings.extend(wiring.lint(&map, functions.as_ref()));
        }
    }
    if let Some(functions) = &functions {
        findings.extend(wiring.lint(functions, None));
    }
}

/// Sorted by place; what several environments or several checks say of one place and code is said once.
pub(crate) fn tidy(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| {
        (a.severity, &a.file, a.line, a.column, &a.code, &a.message)
            .cmp(&(b.severity, &b.file, b.line, b.column, &b.code, &b.message))
    });
    findings.dedup_by(|a, b| {
        (&a.file, a.line, a.column, &a.message) == (&b.file, b.line, b.column, &b.message)
            || (a.line > 0 && a.code == b.code && (&a.file, a.line, a.column) == (&b.file, b.line, b.column))
    });
    findings
}
