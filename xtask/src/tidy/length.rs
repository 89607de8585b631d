//! A file has one subject. Long files are where admired code bases become hard to enter.

use std::path::Path;

use super::Findings;
use crate::workspace::Workspace;

const LINES_TO_THINK: usize = 500;
const LINES_MAX: usize = 800;

/// Files written by hand and read by people; data and generated files may be as long as they need.
const ENDINGS: &[&str] = &[
    "rs", "ts", "tsx", "css", "py", "js", "sh", "jsonata", "yaml", "toml",
];

pub fn check(workspace: &Workspace) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    for path in workspace.files()? {
        if !counts(&path) {
            continue;
        }
        let Some(text) = workspace.text(&path) else {
            continue;
        };
        match judge(text.lines().count()) {
            Verdict::Fine => {}
            Verdict::Think(lines) => {
                findings.warnings.push(format!(
                    "{} has {lines} lines: does it have two subjects?",
                    path.display()
                ));
            }
            Verdict::TooLong(lines) => findings.errors.push(format!(
                "{} has {lines} lines, {LINES_MAX} is the most: split it by subject",
                path.display()
            )),
        }
    }
    Ok(findings)
}

/// What a number of lines means.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to say.
    Fine,
    /// Worth a second look.
    Think(usize),
    /// Not accepted.
    TooLong(usize),
}

/// Judges a number of lines.
pub fn judge(lines: usize) -> Verdict {
    if lines > LINES_MAX {
        Verdict::TooLong(lines)
    } else if lines > LINES_TO_THINK {
        Verdict::Think(lines)
    } else {
        Verdict::Fine
    }
}

fn counts(path: &Path) -> bool {
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    let in_script = path.starts_with("script") || path.starts_with(".ci");
    in_script || ENDINGS.contains(&ending)
}
