//! `cargo xtask simulate`: the engine under a seed. The real engine runs on virtual time between a scripted source and a
//! scripted target, on a store in memory; a seed decides on the project, on every delay, fault, crash and deed of a
//! person, and replays exactly. After every commit and at the end what section 5 of the design promises is judged.

mod chance;
mod disk;
mod judge;
mod life;
mod memory;
pub mod mutations;
mod plan;
mod project;
mod quiet;
mod source;
mod stage;
mod target;
mod world;

use std::cell::RefCell;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Args;
pub use memory::MemoryStore;

use crate::report::{Group, Report};
use crate::workspace::Workspace;
use life::End;
use plan::Plan;
use stage::Stage;
use world::World;

/// Processes that one seed may need; more means that none gets anywhere.
const LIVES_MAX: usize = 200;

/// Options of `simulate`.
#[derive(Args)]
pub struct Options {
    /// How many seeds are tried.
    #[arg(long, default_value_t = 1_000)]
    pub seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    pub first: u64,
    /// Only this one.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Print every event.
    #[arg(long)]
    pub verbose: bool,
    /// Seeds tried at once.
    #[arg(long, default_value_t = 2)]
    pub jobs: usize,
    /// Break the engine in eight ways, one after the other, and see each found. Builds eight times.
    #[arg(long)]
    pub mutations: bool,
    /// Stop at so many failing seeds.
    #[arg(long, default_value_t = 5)]
    pub failures: u64,
}

/// How a seed went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The broken invariant; `None` when everything held.
    pub wrong: Option<String>,
    /// How many events there were.
    pub events: u64,
    /// Over all events: equal replays have equal ones.
    pub hash: u64,
    /// The last events.
    pub last: Vec<String>,
    /// Processes that ended by a crash.
    pub crashes: u64,
    /// Virtual time that went by.
    pub virtual_ms: u64,
}

/// Plays one seed.
pub fn play(seed: u64, is_verbose: bool) -> anyhow::Result<Outcome> {
    watch_panics();
    let world = World::new(seed, is_verbose);
    let plan = Plan::new(&mut world.chance());
    world.tell(|| format!("plan      {plan:?}"));
    let mut turns_left = plan.turns;
    let stage = Stage::new(world.clone(), plan);
    let mut crashes = 0;
    let mut is_finished = false;
    for _ in 0..LIVES_MAX {
        let end = life::live(&stage, &mut turns_left)?;
        if let Some(panic) = PANIC.take() {
            world.wrong(format!("the engine panicked: {panic}"));
        }
        if world.is_wrong().is_some() {
            break;
        }
        match end {
            End::Crashed => crashes += 1,
            End::Stopped => {}
            End::Finished => {
                is_finished = true;
                break;
            }
        }
    }
    if !is_finished && world.is_wrong().is_none() {
        world.wrong(format!("{LIVES_MAX} processes did not come to an end"));
    }
    let (events, hash, last) = world.events();
    Ok(Outcome {
        seed,
        wrong: world.is_wrong(),
        events,
        hash,
        last,
        crashes,
        virtual_ms: world.now_ms(),
    })
}

thread_local! {
    /// What a task of the engine on this thread panicked with: the runtime swallows it.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn watch_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANIC.with_borrow_mut(|place| *place = Some(info.to_string()));
            before(info);
        }));
    });
}

/// Plays all seeds and tells what came of them.
pub fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    if options.mutations {
        return mutations::run(workspace, options.seeds);
    }
    let begin = Instant::now();
    let (first, count) = match options.seed {
        Some(seed) => (seed, 1),
        None => (options.first, options.seeds),
    };
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(0);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let worker = || -> anyhow::Result<()> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count || failed.load(Ordering::Relaxed) >= options.failures {
                    return Ok(());
                }
                let outcome = play(first + number, options.verbose)?;
                if outcome.wrong.is_some() {
                    failed.fetch_add(1, Ordering::Relaxed);
                    tell(&outcome, options.verbose);
                }
                outcomes
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(outcome);
            }
        };
        let workers: Vec<_> = (0..options.jobs.clamp(1, 64))
            .map(|_| scope.spawn(worker))
            .collect();
        for worker in workers {
            match worker.join() {
                Ok(result) => result?,
                Err(_) => anyhow::bail!("the simulation itself panicked, see above"),
            }
        }
        Ok(())
    })?;
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(report(&outcomes, begin).finish())
}

fn tell(outcome: &Outcome, is_verbose: bool) {
    println!(
        "seed {}: {}",
        outcome.seed,
        outcome.wrong.as_deref().unwrap_or("held")
    );
    if !is_verbose {
        for line in &outcome.last {
            println!("    {line}");
        }
    }
    println!(
        "  again with: cargo xtask simulate --seed {} --verbose\n",
        outcome.seed
    );
}

fn report(outcomes: &[Outcome], begin: Instant) -> Report {
    let mut report = Report::new("simulate");
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    report
        .figure(Group::Ours, "seeds", outcomes.len())
        .figure(Group::Ours, "crashes", sum(|outcome| outcome.crashes))
        .figure(Group::Ours, "events", sum(|outcome| outcome.events))
        .figure(
            Group::Ours,
            "virtual_days",
            sum(|outcome| outcome.virtual_ms) / 86_400_000,
        )
        .figure(Group::Ours, "seconds", begin.elapsed().as_secs());
    for outcome in outcomes {
        if let Some(wrong) = &outcome.wrong {
            report.check(format!("seed {}: {wrong}", outcome.seed), false);
        }
    }
    let held = outcomes.iter().filter(|outcome| outcome.wrong.is_none()).count();
    report.check(format!("{held} seeds kept every promise"), held > 0);
    report
}
