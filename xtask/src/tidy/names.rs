//! Names that say nothing about what is inside are refused for files and folders.

use std::path::Path;

use super::Findings;
use crate::workspace::Workspace;

const EMPTY_WORDS: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "managers", "misc",
];

pub fn check(workspace: &Workspace) -> anyhow::Result<Findings> {
    let errors = workspace
        .files()?
        .iter()
        .filter_map(|path| {
            let word = empty_word(path)?;
            Some(format!(
                "{}: `{word}` says nothing: name it after what it holds",
                path.display()
            ))
        })
        .collect();
    Ok(Findings::of_errors(errors))
}

/// The first meaningless word in a path's names, if there is one.
pub fn empty_word(path: &Path) -> Option<&'static str> {
    path.iter()
        .filter_map(|name| name.to_str())
        .flat_map(|name| name.split(['.', '_', '-']))
        .find_map(|word| {
            EMPTY_WORDS
                .iter()
                .find(|empty| **empty == word.to_lowercase())
                .copied()
        })
}
