//! `cargo xtask …`: one file per subcommand, each documented there.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{ci, documents, generate, new, tidy, workspace::Workspace};

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
    /// Regenerate what is derived from the code: the JSON Schemas in docs/schemas.
    Generate,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    match command {
        Command::Ci => ci::run(&workspace),
        Command::Documents { only } => documents::run(&workspace, &only),
        Command::Tidy => tidy::run(&workspace),
        Command::New { what } => new::run(&workspace, &what),
        Command::Generate => generate::run(&workspace),
    }
}
