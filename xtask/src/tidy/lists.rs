//! Lists of components (`all.rs`) are written out and alphabetical, so that a new line has one place and
//! two people who each add a component do not meet in the same line.

use super::Findings;
use crate::workspace::Workspace;

pub fn check(workspace: &Workspace) -> anyhow::Result<Findings> {
    let mut errors = Vec::new();
    for path in workspace.files()? {
        if path.file_name().is_none_or(|name| name != "all.rs") {
            continue;
        }
        let text = workspace.text(&path).unwrap_or_default();
        errors.extend(out_of_order(&text).into_iter().map(|(line, entry, before)| {
            format!(
                "{}:{line}: `{entry}` stands after `{before}`: keep the list alphabetical",
                path.display()
            )
        }));
    }
    Ok(Findings::of_errors(errors))
}

/// Entries that sort before their predecessor: line number (from 1), entry, predecessor.
///
/// A list is a block of lines of one indentation that end in a comma; `mod` lines are a list too.
pub fn out_of_order(text: &str) -> Vec<(usize, String, String)> {
    let mut wrong = Vec::new();
    let mut before: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let Some(entry) = entry_of(line) else {
            before = None;
            continue;
        };
        let indentation = line.len() - line.trim_start().len();
        if let Some((same, previous)) = &before
            && *same == indentation
            && entry < *previous
        {
            wrong.push((index + 1, entry.clone(), previous.clone()));
        }
        before = Some((indentation, entry));
    }
    wrong
}

/// What a list line is sorted by, or `None` when the line belongs to no list.
fn entry_of(line: &str) -> Option<String> {
    let trimmed = line.split("//").next().unwrap_or_default().trim();
    let module = trimmed
        .strip_prefix("pub(crate) ")
        .or(trimmed.strip_prefix("pub "))
        .unwrap_or(trimmed);
    if let Some(name) = module.strip_prefix("mod ") {
        return name.strip_suffix(';').map(str::to_owned);
    }
    let entry = trimmed.strip_suffix(',')?;
    let entry = ["Box::new(", "Arc::new(", "&", "("]
        .iter()
        .fold(entry, |entry, wrapper| {
            entry.strip_prefix(wrapper).unwrap_or(entry)
        });
    let starts_like_an_entry = entry.starts_with(|first: char| first.is_alphanumeric() || first == '"');
    starts_like_an_entry.then(|| entry.to_owned())
}
