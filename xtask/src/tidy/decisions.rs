//! Decisions (docs/adr) are numbered without gaps and each says the same four things.

use std::path::Path;

use super::Findings;
use crate::workspace::Workspace;

const FOLDER: &str = "docs/adr";
const SECTIONS: &[&str] = &[
    "## Context",
    "## Decision",
    "## Consequences",
    "## Alternatives refused",
];

pub fn check(workspace: &Workspace) -> anyhow::Result<Findings> {
    let decisions: Vec<(String, String)> = workspace
        .files()?
        .iter()
        .filter(|path| path.starts_with(FOLDER) && path.extension().is_some_and(|ending| ending == "md"))
        .filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), workspace.text(path)?)))
        .collect();
    Ok(Findings::of_errors(irregularities(&decisions)))
}

/// What is wrong with decisions given as (file name, text), in the order of their names.
pub fn irregularities(decisions: &[(String, String)]) -> Vec<String> {
    let mut errors = Vec::new();
    for (index, (name, text)) in decisions.iter().enumerate() {
        let place = Path::new(FOLDER).join(name);
        let number = format!("{:04}-", index + 1);
        if !name.starts_with(&number) {
            errors.push(format!(
                "{}: expected the name to start with `{number}`",
                place.display()
            ));
        }
        errors.extend(
            SECTIONS
                .iter()
                .filter(|section| !text.lines().any(|line| line == **section))
                .map(|section| format!("{}: the section `{section}` is missing", place.display())),
        );
    }
    errors
}
