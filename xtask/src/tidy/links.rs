//! Relative links in our documents lead to files and headings that exist.

use std::path::{Component, Path, PathBuf};

use super::Findings;
use crate::workspace::Workspace;

pub fn check(workspace: &Workspace) -> anyhow::Result<Findings> {
    let mut errors = Vec::new();
    for path in workspace.files()? {
        if path.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        let text = workspace.text(&path).unwrap_or_default();
        for (line, target) in relative_links(&text) {
            if let Some(wrong) = broken(workspace, &path, &text, &target) {
                errors.push(format!("{}:{line} links to `{target}`: {wrong}", path.display()));
            }
        }
    }
    Ok(Findings::of_errors(errors))
}

/// Says why a link does not resolve; `None` when it does.
fn broken(workspace: &Workspace, from: &Path, own_text: &str, target: &str) -> Option<String> {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let (resolved, text) = if file.is_empty() {
        (from.to_path_buf(), own_text.to_owned())
    } else {
        let resolved = tidied(&from.parent().unwrap_or(Path::new("")).join(file))?;
        if !workspace.root.join(&resolved).exists() {
            return Some(format!("there is no {}", resolved.display()));
        }
        let text = workspace.text(&resolved).unwrap_or_default();
        (resolved, text)
    };
    let is_document = resolved.extension().is_some_and(|ending| ending == "md");
    if heading.is_empty() || !is_document || anchors(&text).iter().any(|anchor| anchor == heading) {
        return None;
    }
    Some(format!("{} has no heading `#{heading}`", resolved.display()))
}

/// Resolves `..` without the file system; `None` when the path leaves the repository.
fn tidied(path: &Path) -> Option<PathBuf> {
    let mut tidied = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => tidied.pop().then_some(())?,
            Component::CurDir => {}
            other => tidied.push(other),
        }
    }
    Some(tidied)
}

/// Line numbers (from 1) and targets of `[text](target)` outside code, without addresses of other sites.
pub fn relative_links(text: &str) -> Vec<(usize, String)> {
    let mut in_fence = false;
    let mut links = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence {
            continue;
        }
        // Every second piece between backticks is code.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for piece in prose.split("](").skip(1) {
            let target = piece.split([')', ' ']).next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !target.is_empty() && !elsewhere {
                links.push((index + 1, target.to_owned()));
            }
        }
    }
    links
}

/// The anchors a Markdown viewer makes of a document's headings.
pub fn anchors(text: &str) -> Vec<String> {
    let mut in_fence = false;
    text.lines()
        .filter(|line| {
            if line.trim_start().starts_with("```") {
                in_fence = !in_fence;
            }
            !in_fence && line.starts_with('#')
        })
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
                .map(|letter| if letter == ' ' { '-' } else { letter })
                .collect()
        })
        .collect()
}
