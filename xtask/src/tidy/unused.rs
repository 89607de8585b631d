//! A dependency that no file of its crate names is taken out: it costs building and watching for nothing.
//!
//! The same list of exceptions as cargo-machete's counts: `[package.metadata.cargo-machete] ignored = […]`.

use std::path::Path;

use cargo_metadata::{DependencyKind, Package};

use super::Findings;
use crate::workspace::Workspace;

pub fn check(workspace: &Workspace) -> anyhow::Result<Findings> {
    let files = workspace.files()?;
    let mut errors = Vec::new();
    for package in workspace.metadata.workspace_packages() {
        let folder = package
            .manifest_path
            .parent()
            .map(|folder| folder.as_std_path())
            .unwrap_or(Path::new("/"));
        let code: String = files
            .iter()
            .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
            .filter(|path| workspace.root.join(path).starts_with(folder))
            .filter_map(|path| workspace.text(path))
            .collect();
        let unused: Vec<String> = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
            .map(|dependency| dependency.rename.as_ref().unwrap_or(&dependency.name))
            .filter(|name| !is_ignored(package, name) && !names(&code, name))
            .map(|name| format!("`{name}`"))
            .collect();
        if !unused.is_empty() {
            errors.push(format!(
                "{}: nothing uses {}: take it out of Cargo.toml",
                package.name,
                unused.join(", ")
            ));
        }
    }
    Ok(Findings::of_errors(errors))
}

fn is_ignored(package: &Package, dependency: &str) -> bool {
    package.metadata["cargo-machete"]["ignored"]
        .as_array()
        .is_some_and(|ignored| ignored.iter().any(|name| name == dependency))
}

/// Whether code names a dependency as a path (`name::`) or in a `use`, outside of comments.
pub fn names(code: &str, dependency: &str) -> bool {
    let ident = dependency.replace('-', "_");
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .any(|line| {
            line.match_indices(&ident).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                let after = &line[at + ident.len()..];
                let starts = !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
                let in_use =
                    line.trim_start().starts_with("use ") || line.trim_start().starts_with("pub use ");
                let ends = after.starts_with("::") || (in_use && after.starts_with([';', ' ']));
                starts && ends
            })
        })
}
