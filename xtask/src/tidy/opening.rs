//! Every crate introduces itself: `lib.rs` opens with a paragraph and names what to read first.

use super::Findings;
use crate::workspace::Workspace;

pub fn check(workspace: &Workspace) -> anyhow::Result<Findings> {
    let mut errors = Vec::new();
    for path in workspace.files()? {
        let is_lib =
            path.ends_with("src/lib.rs") && (path.starts_with("crates") || path.starts_with("xtask"));
        if !is_lib {
            continue;
        }
        let text = workspace.text(&path).unwrap_or_default();
        errors.extend(missing_in_opening(&text).map(|what| format!("{}: {what}", path.display())));
    }
    Ok(Findings::of_errors(errors))
}

/// What the opening of a `lib.rs` lacks.
pub fn missing_in_opening(text: &str) -> Option<&'static str> {
    let opening: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
    if opening.is_empty() {
        return Some("does not open with `//!`: one paragraph on what the crate is for");
    }
    if !opening.iter().any(|line| line.contains("[`")) {
        return Some("the opening names nothing to read first: link the three types a newcomer needs");
    }
    None
}
