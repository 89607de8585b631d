//! The program `weir`. This file is the map: the command line is read, the runtime is made, and one function per command
//! does the work. Where to look:
//!
//! - [`cli`]: every command and option · [`config`]: the environment · [`place`]: folders and addresses
//! - [`wiring`]: which connectors, steps and languages this build has
//! - [`project`]: the folder of files, checked and compiled
//! - [`commands`]: what each command does · [`offline`] and [`online`]: engine in this process, or a running server

mod cli;
mod commands;
mod config;
mod context;
mod exit;
mod online;
mod output;
mod place;
mod progress;
mod project;
mod runtime;
mod schema;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;
use cli::{Cli, Command};
use exit::Exit;
use output::Output;
use place::Places;

/// Records are trees of small values that live for a moment: with the C library's allocator a sync of the flagship spent
/// two fifths of its time in `malloc` and `free`, measured by `perf` on two cores.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Cli { place, command } = Cli::parse();
    start_logging(&command);
    let output = Output { json: place.json };
    let places = Places::of(&place);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the system gives a process its threads");
    let ended = runtime.block_on(run(command, places, output));
    // Reads of standard input cannot be interrupted; waiting for them would hang the end.
    runtime.shutdown_background();
    ExitCode::from(match ended {
        Ok(exit) => exit.code(),
        Err(error) => {
            eprintln!("weir: {error:#}");
            Exit::Failed.code()
        }
    })
}

async fn run(command: Command, places: Places, output: Output) -> anyhow::Result<Exit> {
    match command {
        // On files alone.
        Command::Check => commands::check::run(&places, output),
        Command::Test { filter } => commands::test::run(&places, filter.as_deref(), output),
        Command::Try { route, input } => commands::attempt::run(&places, &route, &input, output).await,
        Command::Schema { name, all, out } => commands::schema::run(name.as_deref(), all, out.as_deref()),
        Command::Init { folder, from } => commands::init::run(&folder, &from, output),
        Command::Completions { shell } => commands::completions::run(shell),
        Command::Openapi => commands::openapi::run(),
        Command::Simulate(options) => commands::simulate::run(&options, output).await,
        // With an engine in this process.
        Command::Serve(options) => commands::serve::run(&places, &options, output).await,
        Command::Demo(options) => commands::demo::run(&places, &options, output).await,
        Command::Doctor {
            connection,
            dry_run_write,
        } => commands::doctor::run(&places, connection.as_deref(), dry_run_write, output).await,
        // With the running server, or without one in this process.
        Command::Run(options) => commands::run::run(&places, &options, output).await,
        Command::Tasks(what) => commands::tasks::run(&places, *what, output).await,
        Command::Operations(what) => commands::operations::run(&places, what, output).await,
        Command::Links(what) => commands::links::run(&places, what, output).await,
        Command::Secrets(what) => commands::secrets::run(&places, what, output).await,
        Command::Tokens(what) => commands::tokens::run(&places, what, output).await,
    }
}

/// Logs go to standard error; a server says what it does, a command only what needs attention.
fn start_logging(command: &Command) {
    let usual = if matches!(command, Command::Serve(_)) {
        "info"
    } else {
        "error"
    };
    let filter = config::log().unwrap_or_else(|| usual.to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(output::is_terminal())
        .init();
}
