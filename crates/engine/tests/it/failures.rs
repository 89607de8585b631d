use std::sync::atomic::Ordering;

use serde_json::json;
use weir_model::task::State;
use weir_model::{Address, Error, Kind};

use crate::world::{Setup, World, scope, until};

fn rows(count: usize) -> Vec<serde_json::Value> {
    (0..count).map(|n| json!({ "code": format!("t{n}") })).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_row_sinks_only_itself() {
    let world = World::new(50, rows(20));
    world.target.fail(
        "t7",
        [Error::new(
            Kind::Rejected,
            "the target refuses `t7`: the url is not relative",
        )],
    );
    let engine = world.engine(&Setup::default()).await;
    world.run(&engine).await;
    assert_eq!(world.target.log().len(), 19);
    let dead = world.tasks(State::Dead).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].key, "t7");
    assert_eq!(
        dead[0].error.as_ref().unwrap().message,
        "the target refuses `t7`: the url is not relative"
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_again_and_what_never_passes_dies() {
    let world = World::new(50, rows(3));
    let busy = || Error::new(Kind::RateLimited, "slow down").retry_after_ms(3);
    world.target.fail("t1", (0..3).map(|_| busy()));
    world.target.fail("t2", (0..20).map(|_| busy()));
    let engine = world.engine(&Setup::default()).await;
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["t0", "t1"]);
    let dead = world.tasks(State::Dead).await;
    assert_eq!((dead.len(), dead[0].key.as_str(), dead[0].attempts), (1, "t2", 8));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_away_pauses_the_route_and_costs_nobody() {
    let world = World::new(50, rows(400));
    world.target.away.store(true, Ordering::SeqCst);
    let engine = world.engine(&Setup::default()).await;
    engine.run("things", "manual").await.unwrap();
    until("the connection is paused", || {
        engine.status().connections["target"].open
    })
    .await;
    let status = engine.status().routes["things"].clone();
    assert_eq!(
        status.paused.as_deref(),
        Some("connection `target`: nobody is there")
    );
    assert_eq!(status.dead, 0);
    world.target.away.store(false, Ordering::SeqCst);
    world.settle(&engine).await;
    assert_eq!(world.target.log().len(), 400);
    assert_eq!(world.keys(State::Done).await.len(), 400);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sign_in_pauses_and_no_task_loses_an_attempt() {
    let world = World::new(50, rows(2));
    world
        .target
        .fail("t0", [Error::new(Kind::Unauthenticated, "the key was refused")]);
    world
        .target
        .fail("t1", [Error::new(Kind::Unauthenticated, "the key was refused")]);
    world.target.away.store(true, Ordering::SeqCst);
    let engine = world.engine(&Setup::default()).await;
    engine.run("things", "manual").await.unwrap();
    until("the connection is paused", || {
        engine.status().connections["target"].open
    })
    .await;
    until("both are given back", || {
        engine.status().routes["things"].retrying == 2
    })
    .await;
    let tasks = world.tasks(State::Retrying).await;
    assert!(tasks.iter().all(|task| task.attempts == 0), "{tasks:?}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn elements_that_were_written_are_not_written_again() {
    let lines = json!([{ "sku": "a" }, { "sku": "b" }, { "sku": "c" }]);
    let world = World::new(50, vec![json!({ "code": "t0", "lines": lines })]);
    let busy = || Error::new(Kind::RateLimited, "slow down").retry_after_ms(3);
    world.target.fail("t0/1", [busy(), busy()]);
    let setup = Setup {
        writes_lines: true,
        ..Setup::default()
    };
    let engine = world.engine(&setup).await;
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["t0/0", "t0/2", "t0/1"]);
    assert_eq!(world.keys(State::Done).await, ["t0"]);
    let address = Address {
        connection: "target".to_owned(),
        entity: "things".to_owned(),
    };
    let keys = ["t0/0", "t0/1", "t0/2", "t0"].map(str::to_owned);
    let links = world.store.links(&scope(), &address, &keys).await.unwrap();
    let linked: Vec<bool> = links.iter().map(Option::is_some).collect();
    assert_eq!(linked, [true, true, true, false]);

    let task = world.tasks(State::Done).await[0].id;
    let attempts = world.store.task(&task).await.unwrap().unwrap().attempts;
    let record = weir_engine::payload::unpack(&attempts[0].2).unwrap();
    let each = &record["steps"][1];
    assert_eq!(
        (each["step"].as_str(), each["steps"][1]["element"].as_str()),
        (Some("each"), Some("lines[1]"))
    );
    assert_eq!(each["steps"][1]["steps"][0]["error"]["message"], "slow down");
    let said = each["error"]["message"].as_str().unwrap();
    assert_eq!(said, "lines[1] (`t0/1`): slow down");
    engine.stop().await;
}
