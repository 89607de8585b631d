//! How many packages stand behind the default build. Every one is code somebody else must keep safe.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, bail};

use super::Findings;
use crate::workspace::Workspace;

const PACKAGES_MAX: usize = 400;
const PACKAGES_FULL_MAX: usize = 650;

pub fn check(workspace: &Workspace) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    weigh(workspace, "default features", PACKAGES_MAX, &[], &mut findings)?;
    let has_full = workspace
        .metadata
        .packages
        .iter()
        .any(|package| package.name.as_ref() == "weir-server" && package.features.contains_key("full"));
    if has_full {
        weigh(
            workspace,
            "feature `full`",
            PACKAGES_FULL_MAX,
            &["--features", "full"],
            &mut findings,
        )?;
    }
    Ok(findings)
}

fn weigh(
    workspace: &Workspace,
    what: &str,
    limit: usize,
    features: &[&str],
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let output = Command::new("cargo")
        .args([
            "tree",
            "--locked",
            "-p",
            "weir-server",
            "-e",
            "normal",
            "--prefix",
            "none",
        ])
        .args(features)
        .current_dir(&workspace.root)
        .output()
        .context("could not run `cargo tree`")?;
    if !output.status.success() {
        bail!(
            "`cargo tree` failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let packages = count_packages(&String::from_utf8_lossy(&output.stdout));
    findings
        .notes
        .push(format!("{packages} packages with {what}, budget {limit}"));
    if packages > limit {
        findings.errors.push(format!(
            "{packages} packages with {what} are over the budget of {limit}: look with \
             `cargo tree -p weir-server -e normal` at what the newest dependency pulls in"
        ));
    }
    Ok(())
}

/// Number of different packages in the output of `cargo tree --prefix none`.
pub fn count_packages(tree: &str) -> usize {
    tree.lines()
        .map(|line| line.trim_end_matches(" (*)").trim())
        .filter(|line| !line.is_empty() && !line.starts_with('['))
        .collect::<BTreeSet<_>>()
        .len()
}
