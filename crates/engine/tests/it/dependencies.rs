use serde_json::json;
use weir_model::task::State;
use weir_model::{Error, Kind};

use crate::world::{Setup, World};

const WAITS: Setup = Setup {
    changed_since: None,
    waits_for_parent: true,
    looks_up: false,
    queue: None,
    split_children: None,
    schema: None,
    writes_lines: false,
    keeps_all: false,
    trace: None,
    release: 0,
    extra: Vec::new(),
    webhook: false,
    reply_within_ms: None,
    source_steps: Vec::new(),
};

#[tokio::test(flavor = "multi_thread")]
async fn children_wait_for_their_parents_whatever_the_order_of_the_source() {
    // Each hangs below the next one: the root comes last.
    let count = 60;
    let rows = (0..count)
        .map(|n| match n + 1 {
            next if next < count => json!({ "code": format!("c{n:02}"), "parent": format!("c{next:02}") }),
            _ => json!({ "code": format!("c{n:02}"), "parent": null }),
        })
        .collect();
    let world = World::new(5, rows);
    let engine = world.engine(&WAITS).await;
    world.run(&engine).await;
    let expected: Vec<String> = (0..count).rev().map(|n| format!("c{n:02}")).collect();
    assert_eq!(world.target.log(), expected);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_parent_keeps_its_children_waiting_and_they_name_it() {
    let world = World::new(
        10,
        vec![
            json!({ "code": "leaf", "parent": "twig" }),
            json!({ "code": "twig", "parent": "root" }),
            json!({ "code": "root", "v": 1 }),
            json!({ "code": "other" }),
        ],
    );
    world
        .target
        .fail("root", [Error::new(Kind::Rejected, "the target refuses `root`")]);
    let engine = world.engine(&WAITS).await;
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["other"]);
    assert_eq!(world.keys(State::Dead).await, ["root"]);
    assert_eq!(world.keys(State::Waiting).await, ["leaf", "twig"]);
    let leaf = world
        .tasks(State::Waiting)
        .await
        .into_iter()
        .find(|task| task.key == "leaf")
        .unwrap();
    let reasons = engine.waiting_reasons(&leaf.id).await;
    assert_eq!(
        reasons,
        [
            "things `twig` → things `root`: its task is dead: repair it, or let this one go with `weir tasks release`"
        ]
    );

    // Repaired at the source: everything goes through and the old failure is closed.
    world.source.put(json!({ "code": "root", "v": 2 }));
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["other", "root", "twig", "leaf"]);
    assert_eq!(world.keys(State::Dead).await, Vec::<String>::new());
    assert_eq!(world.keys(State::Waiting).await, Vec::<String>::new());
    let closed = world
        .tasks(State::Skipped)
        .await
        .into_iter()
        .find(|task| task.key == "root")
        .unwrap();
    assert!(closed.reason.unwrap().starts_with("resolved by "));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circle_is_named_as_one() {
    let world = World::new(
        10,
        vec![
            json!({ "code": "a", "parent": "b" }),
            json!({ "code": "b", "parent": "a" }),
        ],
    );
    let engine = world.engine(&WAITS).await;
    world.run(&engine).await;
    let a = world
        .tasks(State::Waiting)
        .await
        .into_iter()
        .find(|task| task.key == "a")
        .unwrap();
    assert_eq!(
        engine.waiting_reasons(&a.id).await,
        ["things `b` → things `a` → things `b`: this is a circle: break it at the source"]
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_goes_on_after_a_restart() {
    let world = World::new(10, vec![json!({ "code": "leaf", "parent": "root" })]);
    let engine = world.engine(&WAITS).await;
    world.run(&engine).await;
    assert_eq!(world.keys(State::Waiting).await, ["leaf"]);
    engine.stop().await;

    let engine = world.engine(&WAITS).await;
    world.settle(&engine).await;
    assert_eq!(
        world.keys(State::Waiting).await,
        ["leaf"],
        "looked at again and still waiting"
    );
    world.source.put(json!({ "code": "root" }));
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["root", "leaf"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_over_when_the_source_goes_back_to_what_was_delivered() {
    let world = World::new(10, vec![json!({ "code": "a", "v": 1 })]);
    let engine = world.engine(&Setup::default()).await;
    world.run(&engine).await;
    world.source.put(json!({ "code": "a", "v": "broken" }));
    world.target.fail("a", [Error::new(Kind::Rejected, "no")]);
    world.run(&engine).await;
    assert_eq!(world.keys(State::Dead).await, ["a"]);
    world.source.put(json!({ "code": "a", "v": 1 }));
    world.run(&engine).await;
    assert_eq!(world.keys(State::Dead).await, Vec::<String>::new());
    assert_eq!(world.target.log(), ["a"], "nothing had to be sent");
    engine.stop().await;
}
