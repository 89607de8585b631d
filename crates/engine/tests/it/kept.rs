use serde_json::json;
use weir_model::task::State;
use weir_model::{Error, Kind};

use crate::world::{Setup, World};

fn dedupe() -> Setup {
    Setup {
        extra: vec![(None, "dedupe", json!({ "by": "event" }))],
        ..Setup::default()
    }
}

fn events() -> World {
    let row = |code: &str, event: &str| json!({ "code": code, "event": event });
    World::new(50, vec![row("t0", "e"), row("t1", "e"), row("t2", "f")])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_claimant_waits_for_the_first_and_is_skipped_on_its_success() {
    let world = events();
    let busy = || Error::new(Kind::RateLimited, "slow down").retry_after_ms(3);
    world.target.fail("t0", [busy(), busy()]);
    let engine = world.engine(&dedupe()).await;
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["t2", "t0"]);
    let skipped = world.tasks(State::Skipped).await;
    assert_eq!((skipped.len(), skipped[0].key.as_str()), (1, "t1"));
    let reason = skipped[0].reason.as_deref().unwrap();
    assert!(
        reason.starts_with("a duplicate: `e` was done by task"),
        "{reason}"
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_claimant_loses_its_mark_to_the_next_and_is_a_duplicate_when_tried_again() {
    let world = events();
    world.target.fail("t0", [Error::new(Kind::Rejected, "no")]);
    let engine = world.engine(&dedupe()).await;
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["t2", "t1"]);
    assert_eq!(world.keys(State::Dead).await, ["t0"]);
    let dead = world.tasks(State::Dead).await[0].id;
    engine
        .replay(&dead, weir_engine::Deed::new(weir_engine::Action::Replay))
        .await
        .unwrap();
    world.settle(&engine).await;
    assert_eq!(world.keys(State::Skipped).await, ["t0"]);
    assert_eq!(world.target.log(), ["t2", "t1"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_row_is_written_with_the_success_and_wakes_who_waits_for_it() {
    let child = json!({ "code": "child", "is_child": true, "parent": "root" });
    let world = World::new(1, vec![child, json!({ "code": "root", "v": 5 })]);
    let busy = || Error::new(Kind::RateLimited, "slow down").retry_after_ms(3);
    world.target.fail("root", [busy()]);
    let lookup = json!({ "table": "kept", "key": "parent", "into": "row", "on_missing": "wait" });
    let keep = json!({ "table": "kept", "key": "code", "with": { "v": "v" } });
    let setup = Setup {
        extra: vec![(None, "keep", keep), (Some("is_child"), "lookup", lookup)],
        ..Setup::default()
    };
    let engine = world.engine(&setup).await;
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["root", "child"]);
    assert_eq!(
        world.target.table.lock().unwrap()["child"]["row"],
        json!({ "v": 5 })
    );
    let rows = world
        .store
        .lookup_rows(&crate::world::scope(), "kept")
        .await
        .unwrap();
    let keys: Vec<&str> = rows.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["child", "root"]);
    engine.stop().await;
}
