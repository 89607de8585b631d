//! `cargo xtask new connector NAME` and `new step NAME`: one folder from a template and one line in a list.
//!
//! Templates lie in `xtask/templates`, with `NAME` and `Title` where the new name stands.

use std::path::Path;

use anyhow::Context;
use clap::Subcommand;

use crate::workspace::Workspace;

/// What can be made from a template.
#[derive(Subcommand)]
pub enum What {
    /// A manifest connector: connectors/NAME and its line in the list of shipped connectors.
    Connector {
        /// Lower case with dashes, such as `acme-erp`.
        name: String,
    },
    /// A step kind: crates/steps/src/NAME and its line in crates/steps/src/all.rs.
    Step {
        /// One lower-case word, such as `round`; it is what people write in a route.
        name: String,
    },
}

/// One file of a template: path below the new folder, text with placeholders.
type Template = (&'static str, &'static str);

const CONNECTOR: &[Template] = &[
    (
        "connector.yaml",
        include_str!("../templates/connector/connector.yaml"),
    ),
    ("README.md", include_str!("../templates/connector/README.md")),
    (
        "schemas/thing.json",
        include_str!("../templates/connector/thing.json"),
    ),
];

/// Makes the folder and the line, and says what to do next.
pub fn run(workspace: &Workspace, what: &What) -> anyhow::Result<()> {
    match what {
        What::Connector { name } => {
            anyhow::ensure!(
                is_name(name, '-'),
                "`{name}` is no name for a connector: lower case with dashes"
            );
            create(&workspace.root.join("connectors").join(name), CONNECTOR, name)?;
            println!("next: fill connectors/{name}/connector.yaml (docs/formats.md, section 6)");
        }
        What::Step { name } => {
            anyhow::ensure!(
                is_name(name, '_'),
                "`{name}` is no name for a step: one lower-case word"
            );
        }
    }
    Ok(())
}

fn create(folder: &Path, templates: &[Template], name: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        !folder.exists(),
        "{} exists already: choose another name",
        folder.display()
    );
    for (path, text) in templates {
        let path = folder.join(path);
        let parent = path
            .parent()
            .context("a template's path has a parent: it lies below the new folder")?;
        std::fs::create_dir_all(parent).with_context(|| format!("could not create {}", parent.display()))?;
        std::fs::write(&path, filled(text, name))
            .with_context(|| format!("could not write {}", path.display()))?;
        println!("new: {}", path.display());
    }
    Ok(())
}

/// The template's text with the placeholders replaced.
pub fn filled(text: &str, name: &str) -> String {
    text.replace("NAME", name).replace("Title", &title(name))
}

/// `acme-erp` → `Acme Erp`.
fn title(name: &str) -> String {
    name.split(['-', '_'])
        .map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_uppercase().chain(letters).collect::<String>())
                .unwrap_or_default()
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The text with, below or above each list line that names `known`, the same line for `name`, where the alphabet
/// wants it. Nothing when no line names `known`: then the list looks different from what this program knows.
pub fn with_lines_like(text: &str, known: &str, name: &str) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let patterns: Vec<String> = lines
        .iter()
        .filter(|line| is_list_line(line) && mentions(line, known))
        .cloned()
        .collect();
    if patterns.is_empty() {
        return None;
    }
    for pattern in patterns {
        let line = pattern.replace(known, name).replace(&title(known), &title(name));
        let at = lines.iter().position(|other| *other == pattern)?;
        lines.insert(place(&lines, at, &line), line);
    }
    Some(lines.join("\n") + "\n")
}

/// Where `line` belongs in the block of list lines around `at`.
fn place(lines: &[String], at: usize, line: &str) -> usize {
    let belongs = |other: &String| is_list_line(other) && indentation(other) == indentation(&lines[at]);
    let first = (0..=at)
        .rev()
        .take_while(|index| belongs(&lines[*index]))
        .last()
        .unwrap_or(at);
    let after = (at..lines.len())
        .find(|index| !belongs(&lines[*index]))
        .unwrap_or(lines.len());
    (first..after)
        .find(|index| lines[*index].trim() > line.trim())
        .unwrap_or(after)
}

fn is_list_line(line: &str) -> bool {
    let trimmed = line.trim();
    let module = trimmed.starts_with("mod ")
        || trimmed.starts_with("pub mod ")
        || trimmed.starts_with("pub(crate) mod ");
    (module && trimmed.ends_with(';')) || trimmed.ends_with(',')
}

/// Whether a line names `known` as a word of its own.
fn mentions(line: &str, known: &str) -> bool {
    line.match_indices(known).any(|(at, _)| {
        let joined = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
        let before = line[..at].chars().next_back();
        let after = line[at + known.len()..].chars().next();
        !before.is_some_and(joined) && !after.is_some_and(joined)
    })
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_name(name: &str, joiner: char) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == joiner)
}
