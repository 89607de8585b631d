//! Only `server/config.rs` reads the environment: everything else is told what it needs.

use std::path::Path;

use super::Findings;
use crate::workspace::Workspace;

const READER: &str = "crates/server/src/config.rs";

pub fn check(workspace: &Workspace) -> anyhow::Result<Findings> {
    let mut errors = Vec::new();
    for path in workspace.files()? {
        if !path.starts_with("crates") || !is_product_code(&path) || path == Path::new(READER) {
            continue;
        }
        let text = workspace.text(&path).unwrap_or_default();
        errors.extend(reading_lines(&text).into_iter().map(|line| {
            format!(
                "{}:{line} reads the environment: only {READER} may; pass the value in",
                path.display()
            )
        }));
    }
    Ok(Findings::of_errors(errors))
}

fn is_product_code(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "rs") && path.iter().any(|name| name == "src")
}

/// Line numbers (from 1) outside test modules that read environment variables.
pub fn reading_lines(text: &str) -> Vec<usize> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter(|(_, line)| {
            ["env::var(", "env::var_os(", "env::vars("]
                .iter()
                .any(|call| line.contains(call))
        })
        // UPDATE=1 rewrites the expectations of cases (style.md) and belongs to the test kit.
        .filter(|(_, line)| !line.contains("\"UPDATE\""))
        .map(|(index, _)| index + 1)
        .collect()
}
