//! `cargo xtask tidy`: the rules of the house that no compiler checks. One file per rule.
//!
//! A rule is a function from the workspace to [`Findings`]; what decides is pure and tested with data in
//! `xtask/tests/it`. A finding names the place, what is wrong and what to do.

pub mod budget;
pub mod decisions;
pub mod edges;
pub mod environment;
pub mod hosts;
pub mod length;
pub mod licences;
pub mod links;
pub mod lists;
pub mod names;
pub mod opening;
pub mod schemas;
pub mod unused;

use anyhow::Context;

use crate::workspace::Workspace;

/// What a rule has to say.
#[derive(Default)]
pub struct Findings {
    /// Sentences that make tidy fail.
    pub errors: Vec<String>,
    /// Sentences to think about.
    pub warnings: Vec<String>,
    /// Facts worth printing although nothing is wrong.
    pub notes: Vec<String>,
}

impl Findings {
    /// Findings that are all errors.
    pub fn of_errors(errors: Vec<String>) -> Self {
        Self {
            errors,
            ..Self::default()
        }
    }
}

/// One rule: its name in the output and the function that looks.
pub type Check = (&'static str, fn(&Workspace) -> anyhow::Result<Findings>);

/// Every rule, alphabetical.
pub const CHECKS: &[Check] = &[
    ("budget", budget::check),
    ("decisions", decisions::check),
    ("edges", edges::check),
    ("environment", environment::check),
    ("hosts", hosts::check),
    ("length", length::check),
    ("licences", licences::check),
    ("links", links::check),
    ("lists", lists::check),
    ("names", names::check),
    ("opening", opening::check),
    ("schemas", schemas::check),
    ("unused", unused::check),
];

/// Runs every rule, prints what each found, and fails when one found an error.
pub fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let mut failed = 0;
    for (name, check) in CHECKS {
        let findings = check(workspace).with_context(|| format!("the tidy rule `{name}` could not look"))?;
        let verdict = if findings.errors.is_empty() {
            "ok"
        } else {
            "FAILED"
        };
        println!("{name:<12} {verdict}");
        findings
            .errors
            .iter()
            .for_each(|sentence| println!("    error: {sentence}"));
        findings
            .warnings
            .iter()
            .for_each(|sentence| println!("    warning: {sentence}"));
        findings
            .notes
            .iter()
            .for_each(|sentence| println!("    {sentence}"));
        failed += usize::from(!findings.errors.is_empty());
    }
    println!("{} passed, {failed} failed", CHECKS.len() - failed);
    anyhow::ensure!(failed == 0, "{failed} rules of the house are broken, see above");
    Ok(())
}
