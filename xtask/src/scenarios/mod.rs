//! `cargo xtask scenarios [NAME…]`: what Weir promises, each shown with the real program between the two simulators.

mod away;
mod broken;
mod doctor;
mod faults;
mod order;
mod second_run;
mod typing_errors;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;

use crate::report::Report;
use crate::workspace::Workspace;

const SETTLE_WITHIN: Duration = Duration::from_secs(300);

/// Options of `scenarios`.
#[derive(Args)]
pub struct Options {
    /// Only these; a wrong name lists them.
    pub only: Vec<String>,
    /// Seconds that a system is away.
    #[arg(long, default_value_t = 20)]
    pub away_seconds: u64,
}

struct Scenario {
    name: &'static str,
    shows: &'static str,
    run: fn(&Workspace, &Options) -> anyhow::Result<()>,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "second-run",
        shows: "a second run delivers nothing, ten changed variants are ten deliveries, a moved category moves",
        run: second_run::run,
    },
    Scenario {
        name: "order",
        shows: "what comes too early waits and then goes by itself; a late super attribute is sent again",
        run: order::run,
    },
    Scenario {
        name: "broken",
        shows: "a broken product and a refused one sink only themselves, and a repair closes the failures",
        run: broken::run,
    },
    Scenario {
        name: "away",
        shows: "a system that is away for a while kills nothing; the work resumes by itself",
        run: away::run,
    },
    Scenario {
        name: "faults",
        shows: "latency, 429, 5xx, cut and truncated answers, and late effects: in the end all is clean",
        run: faults::run,
    },
    Scenario {
        name: "on-the-way",
        shows: "a row that is created for others fails for a moment: those others are tried again and do not die",
        run: faults::on_the_way,
    },
    Scenario {
        name: "doctor",
        shows: "each common mistake has a sentence of its own",
        run: doctor::run,
    },
    Scenario {
        name: "inactive-resource",
        shows: "the doctor names a resource that the project writes and that is not active",
        run: doctor::resources,
    },
    Scenario {
        name: "typing-errors",
        shows: "a typing error in any file gives file, line, column and a suggestion",
        run: typing_errors::run,
    },
    Scenario {
        name: "misspelt-variable",
        shows: "a misspelt variable of the project inside a map is found, too",
        run: typing_errors::in_variables,
    },
];

/// Runs all scenarios, or those named.
pub fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    for name in &options.only {
        if !SCENARIOS.iter().any(|scenario| scenario.name == name) {
            let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            bail!("there is no scenario `{name}`; there are: {}", known.join(", "));
        }
    }
    let mut report = Report::new("scenarios");
    for scenario in SCENARIOS {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == scenario.name) {
            continue;
        }
        let begin = Instant::now();
        let result = (scenario.run)(workspace, options);
        let seconds = begin.elapsed().as_secs_f64();
        match &result {
            Ok(()) => println!("ok      {} ({seconds:.1} s)", scenario.name),
            Err(error) => println!("FAILED  {} ({seconds:.1} s): {error:#}", scenario.name),
        }
        report.check(format!("{}: {}", scenario.name, scenario.shows), result.is_ok());
    }
    Ok(report.finish())
}

/// An error that says what was expected, unless the condition holds.
fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> anyhow::Result<()> {
    if !holds {
        bail!("{}", otherwise());
    }
    Ok(())
}
