//! `cargo xtask bench …`: ours, and the limit that the far side sets, side by side from one run.

mod flagship;
mod hooks;
mod tasks;

use std::process::ExitCode;

use clap::Subcommand;

use crate::workspace::Workspace;

/// What is measured.
#[derive(Subcommand)]
pub enum What {
    /// A whole first sync of the example: deliveries a second and peak memory, beside the simulator's own ceiling.
    Flagship(flagship::Options),
    /// Durable tasks a second: read in pages and written in batches, and as webhooks beside a bare forwarder.
    Tasks(tasks::Options),
}

/// Measures.
pub fn run(workspace: &Workspace, what: &What) -> anyhow::Result<ExitCode> {
    match what {
        What::Flagship(options) => flagship::run(workspace, options),
        What::Tasks(options) => tasks::run(workspace, options),
    }
}
