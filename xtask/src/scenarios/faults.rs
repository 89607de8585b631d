//! Everything that goes wrong on a network, a few times in a hundred, on both sides at once.

use serde_json::json;

use super::{Options, SETTLE_WITHIN};
use crate::harness::{Size, Verdict, World};
use crate::kill_test::ROUTES;
use crate::workspace::Workspace;

pub(super) fn run(workspace: &Workspace, _: &Options) -> anyhow::Result<()> {
    let world = World::build(workspace, Size::SMALL)?;
    // The example's patience is that of a day; the proof has minutes.
    world.replace(
        "weir.yaml",
        "attempts: 8, first: 2s, factor: 3, max: 15m",
        "attempts: 20, first: 200ms, factor: 2, max: 3s",
    )?;
    let everything = json!([
        { "kind": "latency", "probability": 0.05, "delay_ms": 300 },
        { "kind": "rate_limit", "probability": 0.03, "retry_after": 1 },
        { "kind": "rate_limit", "probability": 0.02 },
        { "kind": "status", "probability": 0.03, "status": 503 },
        { "kind": "cut", "probability": 0.03 },
        { "kind": "truncate", "probability": 0.03 },
        { "kind": "late", "probability": 0.02, "hang_ms": 1500 }
    ]);
    world.akeneo.fault(&everything)?;
    world.spryker.fault(&everything)?;
    let mut server = world.serve_and_wait()?;
    server.run(&ROUTES)?;
    server.wait_settled(SETTLE_WITHIN)?;
    // What a failed read left out comes with the next run, then without faults.
    world.akeneo.repair()?;
    world.spryker.repair()?;
    server.run(&ROUTES)?;
    server.wait_settled(SETTLE_WITHIN)?;
    Verdict::reach(&world, &server)?.must_be_clean()
}

/// What is created on the way to another row, here the images of products, fails a few times: nothing may die of it.
pub(super) fn on_the_way(workspace: &Workspace, _: &Options) -> anyhow::Result<()> {
    let world = World::build(workspace, Size::SMALL)?;
    world.spryker.fault(&json!({
        "kind": "status", "status": 503, "count": 3, "method": "POST", "path": "/dynamic-entity/product-images",
    }))?;
    let mut server = world.serve_and_wait()?;
    server.wait_settled(SETTLE_WITHIN)?;
    Verdict::reach(&world, &server)?.must_be_clean()
}
