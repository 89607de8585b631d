//! `cargo xtask documents`: runs the commands that our documents show, and holds what they print against
//! what the documents say, so that a newcomer never types something that does not work.
//!
//! Only fences marked `console` count. In them `$ ` starts a command (a trailing `\` continues it) and the
//! lines below are its output; `…` stands for anything, alone on a line for any number of lines. A command that
//! ends in ` &` keeps running until the document ends; the lines below it are what it must print first. A fence
//! marked with a language and a path, such as `yaml connections/erp.yaml`, writes that file. Each document
//! runs in an empty folder of its own, with `weir` and `$REPOSITORY` at hand.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;

use crate::workspace::Workspace;

mod excerpt;
mod shell;

pub use excerpt::{Excerpt, excerpts, matches};
pub use shell::Shell;

/// Runs all documents, or those named, and fails when one command failed or printed something else.
pub fn run(workspace: &Workspace, only: &[String]) -> anyhow::Result<()> {
    let weir = workspace
        .weir_binary()
        .context("no `weir` is built: run script/build, or set WEIR_BIN")?;
    let (mut passed, mut failed) = (0, 0);
    for path in workspace.files()? {
        let name = path.display().to_string();
        let wanted = only.is_empty() || only.contains(&name);
        if !wanted || path.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        let excerpts = excerpts(&workspace.text(&path).unwrap_or_default());
        if !excerpts
            .iter()
            .any(|excerpt| matches!(excerpt, Excerpt::Command { .. }))
        {
            continue;
        }
        let folder = workspace
            .metadata
            .target_directory
            .as_std_path()
            .join("documents")
            .join(name.replace('/', "-"));
        for outcome in run_document(&workspace.root, &weir, &folder, &excerpts)? {
            match outcome {
                Ok(command) => {
                    println!("ok      {name}: {command}");
                    passed += 1;
                }
                Err(complaint) => {
                    println!("FAILED  {name}:{complaint}");
                    failed += 1;
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    anyhow::ensure!(
        failed == 0,
        "{failed} commands in documents do not do what the documents say, see above"
    );
    Ok(())
}

/// Runs one document in `folder`, emptied first; gives the command, or a complaint that starts with its line.
fn run_document(
    repository: &Path,
    weir: &Path,
    folder: &Path,
    excerpts: &[Excerpt],
) -> anyhow::Result<Vec<Result<String, String>>> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("could not empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    let mut shell = Shell::new(folder, weir, repository);
    let mut outcomes = Vec::new();
    for excerpt in excerpts {
        match excerpt {
            Excerpt::File { path, text } => {
                let path = folder.join(path);
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent)
                        .with_context(|| format!("could not create {}", parent.display()))?;
                }
                std::fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
            }
            Excerpt::Command {
                line,
                command,
                expected,
            } => {
                let printed = shell.run(command, expected)?;
                outcomes.push(if excerpt::matches(expected, &printed) {
                    Ok(command.clone())
                } else {
                    Err(complaint(*line, command, expected, &printed))
                });
            }
        }
    }
    Ok(outcomes)
}

fn complaint(line: usize, command: &str, expected: &[String], printed: &[String]) -> String {
    let mut text = format!("{line}: {command}\n");
    for (title, lines) in [("the document says", expected), ("it printed", printed)] {
        let _ = writeln!(text, "  {title}:");
        for line in lines {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}
