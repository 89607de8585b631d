//! `cargo xtask ci`: the quick half of script/test, for the minutes before a commit. It needs no set-up
//! and builds no `ship` binary; what drives the real program runs in script/test.

use std::process::Command;

use anyhow::Context;

use crate::tidy;
use crate::workspace::Workspace;

/// Runs everything, going on past failures, and fails at the end when something failed.
pub fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let has_nextest = cargo(workspace, &["nextest", "--version"]).is_ok();
    let tests: &[&str] = if has_nextest {
        &[
            "nextest",
            "run",
            "--locked",
            "--workspace",
            "--no-fail-fast",
            "--no-tests",
            "pass",
            "--cargo-quiet",
        ]
    } else {
        &[
            "test",
            "--locked",
            "--workspace",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
        ]
    };
    let outcomes = [
        ("format", cargo(workspace, &["fmt", "--all", "--check"])),
        (
            "clippy",
            cargo(
                workspace,
                &[
                    "clippy",
                    "--locked",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "-D",
                    "warnings",
                ],
            ),
        ),
        ("tidy", tidy::run(workspace)),
        ("tests", cargo(workspace, tests)),
        (
            "documentation tests",
            cargo(
                workspace,
                &["test", "--locked", "--workspace", "--no-fail-fast", "--doc"],
            ),
        ),
    ];
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.is_err())
        .map(|(name, _)| *name)
        .collect();
    for (name, outcome) in &outcomes {
        println!("{name:<20} {}", if outcome.is_ok() { "ok" } else { "FAILED" });
    }
    println!(
        "{} passed, {} failed",
        outcomes.len() - failed.len(),
        failed.len()
    );
    anyhow::ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("cargo")
        .args(arguments)
        .current_dir(&workspace.root)
        .status()
        .with_context(|| format!("could not run `cargo {}`", arguments.join(" ")))?;
    anyhow::ensure!(status.success(), "`cargo {}` failed", arguments.join(" "));
    Ok(())
}
