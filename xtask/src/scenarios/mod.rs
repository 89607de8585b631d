//! `cargo xtask scenarios`: the real program between two simulators shows, one by one, what Weir promises.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::json;

use crate::harness::{Server, Size, Verdict, World};
use crate::kill_test::ROUTES;
use crate::report::Report;
use crate::workspace::Workspace;

const SETTLE_WITHIN: Duration = Duration::from_secs(240);

/// Options of `scenarios`.
#[derive(Args)]
pub struct Options {
    /// Only these: second-run, away, broken, doctor.
    pub only: Vec<String>,
}

type Scenario = fn(&Workspace) -> anyhow::Result<()>;

const SCENARIOS: [(&str, &str, Scenario); 4] = [
    (
        "second-run",
        "a second run delivers nothing; ten changed variants are ten deliveries; a moved category arrives",
        second_run,
    ),
    (
        "away",
        "a shop that is down in the middle costs nothing but time",
        away,
    ),
    (
        "broken",
        "two bad products sink only themselves, and their repair closes the failures",
        broken,
    ),
    (
        "doctor",
        "each usual mistake has a plain sentence of its own",
        doctor,
    ),
];

/// Runs all of them, or those named.
pub fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<ExitCode> {
    for name in &options.only {
        ensure!(
            SCENARIOS.iter().any(|(known, ..)| known == name),
            "there is no scenario `{name}`; see --help"
        );
    }
    let mut report = Report::new("scenarios");
    for (name, sentence, scenario) in SCENARIOS {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == name) {
            continue;
        }
        let outcome = scenario(workspace);
        if let Err(error) = &outcome {
            println!("{name}: {error:#}");
        }
        report.check(format!("{name}: {sentence}"), outcome.is_ok());
    }
    Ok(report.finish())
}

fn synced(workspace: &Workspace) -> anyhow::Result<(World, Server)> {
    let world = World::build(workspace, Size::SMALL)?;
    let mut server = world.serve_and_wait()?;
    server.wait_settled(SETTLE_WITHIN)?;
    Verdict::reach(&world, &server)?
        .must_be_clean()
        .context("the first sync")?;
    Ok((world, server))
}

fn again(server: &mut Server) -> anyhow::Result<u64> {
    let before = server.total("delivered")?;
    server.run(&ROUTES)?;
    server.wait_settled(SETTLE_WITHIN)?;
    Ok(server.total("delivered")? - before)
}

fn second_run(workspace: &Workspace) -> anyhow::Result<()> {
    let (world, mut server) = synced(workspace)?;
    let delivered = again(&mut server)?;
    ensure!(delivered == 0, "a second run delivered {delivered}");
    world
        .akeneo
        .post("change", &json!({ "kind": "change_variants", "count": 10 }))?;
    let delivered = again(&mut server)?;
    ensure!(
        delivered == 10,
        "ten changed variants were {delivered} deliveries"
    );
    let keys = world.akeneo.get("keys?kind=categories")?;
    let last = keys["keys"]
        .as_array()
        .and_then(|keys| keys.last())
        .and_then(|key| key.as_str())
        .context("no category")?
        .to_owned();
    world.akeneo.post(
        "change",
        &json!({ "kind": "move_category", "code": last, "parent": "master" }),
    )?;
    let delivered = again(&mut server)?;
    ensure!(delivered == 1, "one moved category was {delivered} deliveries");
    Verdict::reach(&world, &server)?.must_be_clean()
}

fn away(workspace: &Workspace) -> anyhow::Result<()> {
    let world = World::build(workspace, Size::SMALL)?;
    world
        .spryker
        .fault(&json!({ "kind": "down", "seconds": 15, "skip": 40 }))?;
    world
        .akeneo
        .fault(&json!({ "kind": "down", "seconds": 5, "skip": 20 }))?;
    let mut server = world.serve_and_wait()?;
    server.wait_settled(SETTLE_WITHIN)?;
    Verdict::reach(&world, &server)?.must_be_clean()
}

fn broken(workspace: &Workspace) -> anyhow::Result<()> {
    let world = World::build(workspace, Size::SMALL)?;
    world.akeneo.post("change", &json!({ "kind": "break_price" }))?;
    world.akeneo.post("change", &json!({ "kind": "refuse" }))?;
    let mut server = world.serve_and_wait()?;
    server.wait_settled(SETTLE_WITHIN)?;
    let dead = server.tasks("dead")?;
    ensure!(
        !dead.is_empty() && dead.len() <= 4,
        "{} tasks are dead",
        dead.len()
    );
    for task in &dead {
        let key = task["key"].as_str().unwrap_or_default();
        let message = task["error"]["message"].as_str().unwrap_or_default();
        ensure!(
            message.contains(key),
            "the sentence does not name `{key}`: {message}"
        );
    }
    world.akeneo.post("change", &json!({ "kind": "repair" }))?;
    again(&mut server)?;
    Verdict::reach(&world, &server)?
        .must_be_clean()
        .context("after the repair")
}

fn doctor(workspace: &Workspace) -> anyhow::Result<()> {
    let says = |world: &World, expected: &str| -> anyhow::Result<()> {
        let outcome = world.weir(&["doctor"])?;
        if outcome.code == 0 || !outcome.text.contains(expected) {
            bail!(
                "`weir doctor` ended with {} and did not say `{expected}`:\n{}",
                outcome.code,
                outcome.text
            );
        }
        Ok(())
    };
    let mut world = World::build(workspace, Size::SMALL)?;
    let healthy = world.weir(&["doctor"])?;
    ensure!(
        healthy.code == 0,
        "a healthy doctor ended with {}:\n{}",
        healthy.code,
        healthy.text
    );
    world.set_secret("AKENEO_PASSWORD", "wrong");
    says(&world, "could not sign in at `akeneo`")?;
    world.set_secret("AKENEO_PASSWORD", "weir_password");
    world.akeneo.stop();
    says(&world, "nobody answers there")?;

    let world = World::build_with(workspace, Size::SMALL, &["--inactive", "stores"])?;
    says(&world, "The resource `stores` is not active")?;
    let world = World::build(workspace, Size::SMALL)?;
    world.replace(
        "connections/spryker.yaml",
        "api_key: { key: \"${secrets.SPRYKER_API_KEY}\" }",
        "password: { username: mfa@weir.example, password: change123 }",
    )?;
    says(&world, "needs a second factor")
}
