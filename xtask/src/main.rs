//! `cargo xtask …`: one file per subcommand, each documented there.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{
    bench, ci, documents, generate, kill_test, new, scenarios, simulate, tidy, workspace::Workspace,
};

/// Chores of the Weir repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Format check, clippy, tidy and all tests: what must be green before a commit is called done.
    Ci,
    /// Run the commands that our documents show and compare what they print.
    Documents {
        /// Only these, such as docs/tutorial.md.
        only: Vec<String>,
    },
    /// The rules of the house: walls, sizes, names, links, licences, package budget.
    Tidy,
    /// A new connector or step from a template, with its line in the list.
    New {
        #[command(subcommand)]
        what: new::What,
    },
    /// Kills `weir serve` at random moments of a sync and judges the result.
    KillTest(kill_test::Options),
    /// Shows, with the real program between two simulators, what Weir promises.
    Scenarios(scenarios::Options),
    /// Plays the engine under seeds: crashes, faults, clock jumps, and a judge after every commit.
    Simulate(simulate::Options),
    /// Measures the real program against what the far side allows at most.
    Bench {
        #[command(subcommand)]
        what: bench::What,
    },
    /// Regenerate what is derived from the code: the JSON Schemas in docs/schemas.
    Generate,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    match command {
        Command::Ci => ci::run(&workspace),
        Command::Documents { only } => documents::run(&workspace, &only),
        Command::Tidy => tidy::run(&workspace),
        Command::New { what } => new::run(&workspace, &what),
        Command::Generate => generate::run(&workspace),
        Command::KillTest(options) => return kill_test::run(&workspace, &options),
        Command::Scenarios(options) => return scenarios::run(&workspace, &options),
        Command::Simulate(options) => return simulate::run(&workspace, &options),
        Command::Bench { what } => return bench::run(&workspace, &what),
    }
    .map(|()| ExitCode::SUCCESS)
}
