//! S6: a system is away in the middle of the work.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Options, SETTLE_WITHIN, expect};
use crate::harness::{Server, Simulator, Size, Verdict, World};
use crate::workspace::Workspace;

/// Requests that go well before the system goes away: the middle of the work.
const SPRYKER_REQUESTS_BEFORE: u64 = 25;
const AKENEO_REQUESTS_BEFORE: u64 = 6;

pub(super) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let world = World::build(workspace, Size::SMALL)?;
    goes_away(&world.spryker, SPRYKER_REQUESTS_BEFORE, options.away_seconds)?;
    let mut server = world.serve_and_wait()?;
    stays_calm(&mut server, "spryker", options.away_seconds)?;
    Verdict::reach(&world, &server)?.must_be_clean()?;
    drop((server, world));

    let world = World::build(workspace, Size::SMALL)?;
    goes_away(&world.akeneo, AKENEO_REQUESTS_BEFORE, options.away_seconds)?;
    let mut server = world.serve_and_wait()?;
    stays_calm(&mut server, "akeneo", options.away_seconds)?;
    Verdict::reach(&world, &server)?.must_be_clean()
}

fn goes_away(system: &Simulator, after: u64, seconds: u64) -> anyhow::Result<()> {
    system.fault(&json!({ "kind": "down", "skip": after, "count": 1, "seconds": seconds }))
}

/// Nothing dies, something says that it pauses, and the end comes by itself.
fn stays_calm(server: &mut Server, system: &str, seconds: u64) -> anyhow::Result<()> {
    let begin = Instant::now();
    let mut said = false;
    while begin.elapsed() < Duration::from_secs(seconds) {
        let status = server.status()?;
        for (name, route) in status["routes"].as_object().into_iter().flatten() {
            expect(route["dead"] == 0, || {
                format!("tasks of `{name}` died while {system} was away: {route}")
            })?;
            said |= route["paused"].is_string() || route["failure"].is_string();
        }
        said |= status["connections"][system]["open"] == true;
        std::thread::sleep(Duration::from_millis(250));
    }
    expect(said, || format!("the status never said that {system} was away"))?;
    server.wait_settled(SETTLE_WITHIN)?;
    Ok(())
}
