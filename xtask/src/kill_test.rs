//! `cargo xtask kill-test`: `kill -9` of `weir serve` at random moments of its work, again and again. In the end
//! nothing is missing, nothing was created twice, and a further run has nothing left to deliver.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use crate::harness::{Dice, Server, Size, Verdict, World};
use crate::report::{Group, Report};
use crate::workspace::Workspace;

const SETTLE_WITHIN: Duration = Duration::from_secs(900);
const LIFE_MIN_MS: u64 = 30;
/// All routes of the example.
pub(crate) const ROUTES: [&str; 4] = ["categories", "attributes", "abstracts", "concretes"];
/// Variants that are changed at the source when a sync ended before all kills were spent.
const CHANGED_VARIANTS: u64 = 20;

/// Options of `kill-test`.
#[derive(Args)]
pub struct Options {
    /// How often it is killed.
    #[arg(long, default_value_t = 10)]
    pub kills: u64,
    /// Products in the catalogue; above 1,000 with the demo's categories and attributes.
    #[arg(long, default_value_t = 400)]
    pub products: u32,
    /// Equal seeds give equal moments and an equal catalogue.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Runs the proof.
pub fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    let size = Size::of_products(options.products, options.seed);
    let whole = undisturbed(workspace, size)?;
    println!("an undisturbed sync takes {:.1} s", whole.as_secs_f64());

    let world = World::build(workspace, size)?;
    let mut dice = Dice::new(options.seed);
    // Lives that together last longer than one sync: the work is cut at its start, its middle and its end.
    let life_max_ms = (whole.as_millis() as u64 * 2 / options.kills.max(1)).max(LIFE_MIN_MS * 4);
    let (mut hit_work, mut before_up) = (0, 0);
    for kill in 1..=options.kills {
        let mut server = world.serve()?;
        let life_ms = dice.between(LIFE_MIN_MS, life_max_ms);
        std::thread::sleep(Duration::from_millis(life_ms));
        match server.status() {
            Err(_) => before_up += 1,
            Ok(status) if status["settled"] == true && kill > 1 => {
                give_work(&world, &mut server, &mut dice)?;
                hit_work += 1;
            }
            Ok(_) => hit_work += 1,
        }
        println!("kill {kill} of {} after {life_ms} ms", options.kills);
        server.kill();
    }
    let mut server = world.serve_and_wait()?;
    server.wait_settled(SETTLE_WITHIN)?;
    let mut report = Report::new("kill-test");
    report
        .figure(Group::Ours, "kills", options.kills)
        .figure(Group::Ours, "kills_while_working", hit_work)
        .figure(Group::Ours, "kills_while_starting", before_up)
        .figure(
            Group::Limit,
            "undisturbed_seconds",
            (whole.as_secs_f64() * 10.0).round() / 10.0,
        );
    let verdict = Verdict::reach(&world, &server)?.must_be_clean();
    if let Err(wrong) = &verdict {
        println!("{wrong}");
    }
    report.check(
        "reports clean, no row created twice, no entity missing, nothing dead or waiting",
        verdict.is_ok(),
    );
    let before = server.total("delivered")?;
    server.run(&ROUTES)?;
    server.wait_settled(SETTLE_WITHIN)?;
    let again = server.total("delivered")? - before;
    report.figure(Group::Ours, "deliveries_of_a_further_run", again);
    report.check("a further run delivers nothing", again == 0);
    Ok(report.finish())
}

/// How long one sync takes when nobody disturbs it.
fn undisturbed(workspace: &Workspace, size: Size) -> anyhow::Result<Duration> {
    let world = World::build(workspace, size)?;
    let begin = Instant::now();
    let mut server = world.serve_and_wait()?;
    server.wait_settled(SETTLE_WITHIN)?;
    let took = server.settled_at().duration_since(begin);
    Verdict::reach(&world, &server)?.must_be_clean()?;
    Ok(took)
}

/// Changes the source, asks for a run and waits a moment, so that the kill hits work.
fn give_work(world: &World, server: &mut Server, dice: &mut Dice) -> anyhow::Result<()> {
    world.akeneo.post(
        "change",
        &json!({ "kind": "change_variants", "count": CHANGED_VARIANTS }),
    )?;
    server.run(&["abstracts", "concretes"])?;
    std::thread::sleep(Duration::from_millis(dice.between(5, 400)));
    Ok(())
}
