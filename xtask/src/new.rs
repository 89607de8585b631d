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

/// The list with one more line, put where the alphabet wants it; lines that start with `prefix` are the list.
pub fn with_line(text: &str, prefix: &str, line: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let entries: Vec<usize> = (0..lines.len())
        .filter(|index| lines[*index].trim_start().starts_with(prefix))
        .collect();
    let at = entries
        .iter()
        .find(|index| lines[**index].trim() > line.trim())
        .copied()
        .or_else(|| entries.last().map(|last| last + 1))?;
    lines.insert(at, line);
    Some(lines.join("\n") + "\n")
}

fn is_name(name: &str, joiner: char) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == joiner)
}
