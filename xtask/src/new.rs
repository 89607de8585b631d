//! `cargo xtask new connector NAME` and `new step NAME`: one folder from a template and one line in a list.
//!
//! Templates lie in `xtask/templates`, with `NAME`, `Title` and `TypeName` where the new name stands.

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

const STEP: &[Template] = &[("mod.rs", include_str!("../templates/step/mod.rs"))];

/// Makes the folder and the line, and says what to do next.
pub fn run(workspace: &Workspace, what: &What) -> anyhow::Result<()> {
    match what {
        What::Connector { name } => {
            anyhow::ensure!(
                is_name(name, '-'),
                "`{name}` is no name for a connector: lower case with dashes"
            );
            create(&workspace.root.join("connectors").join(name), CONNECTOR, name, "")?;
            add_lines(workspace, "crates/connectors/src", "akeneo", name)?;
            println!("next: fill connectors/{name}/connector.yaml (docs/formats.md, section 6)");
        }
        What::Step { name } => {
            anyhow::ensure!(
                is_name(name, '_'),
                "`{name}` is no name for a step: one lower-case word"
            );
            let lines = add_lines(workspace, "crates/steps/src", "filter", name)?;
            let type_name = type_in(&lines, name).unwrap_or_else(|| title(name).replace(' ', ""));
            create(
                &workspace.root.join("crates/steps/src").join(name),
                STEP,
                name,
                &type_name,
            )?;
            println!("next: fill crates/steps/src/{name}/mod.rs, and add cases beside it");
        }
    }
    Ok(())
}

/// Adds the lines of a new component to every Rust file directly in `folder` that lists the component `known`;
/// gives the changed texts, one after the other.
fn add_lines(workspace: &Workspace, folder: &str, known: &str, name: &str) -> anyhow::Result<String> {
    let mut changed = String::new();
    for path in workspace
        .files()?
        .iter()
        .filter(|path| path.parent() == Some(Path::new(folder)))
    {
        let Some(text) = workspace.text(path) else {
            continue;
        };
        let Some(longer) = with_lines_like(&text, known, name) else {
            continue;
        };
        std::fs::write(workspace.root.join(path), &longer)
            .with_context(|| format!("could not write {}", path.display()))?;
        println!("line added: {}", path.display());
        changed += &longer;
    }
    anyhow::ensure!(
        !changed.is_empty(),
        "no list in {folder} names `{known}`: the lists look different from what this program knows, add the line by hand"
    );
    Ok(changed)
}

/// `round::Round` in a list says that the module's type is called `Round`.
fn type_in(lines: &str, module: &str) -> Option<String> {
    let path = format!("{module}::");
    let after = lines.lines().find_map(|line| line.split_once(&path))?.1;
    let name: String = after
        .chars()
        .take_while(|letter| letter.is_alphanumeric())
        .collect();
    (!name.is_empty()).then_some(name)
}

fn create(folder: &Path, templates: &[Template], name: &str, type_name: &str) -> anyhow::Result<()> {
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
        std::fs::write(&path, filled(text, name, type_name))
            .with_context(|| format!("could not write {}", path.display()))?;
        println!("new: {}", path.display());
    }
    Ok(())
}

/// The template's text with the placeholders replaced.
pub fn filled(text: &str, name: &str, type_name: &str) -> String {
    text.replace("NAME", name)
        .replace("Title", &title(name))
        .replace("TypeName", type_name)
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
