use std::sync::atomic::Ordering;

use serde_json::json;
use weir_model::Address;
use weir_model::task::State;

use crate::world::{Setup, World, open, scope, until};

fn things(count: usize) -> Vec<serde_json::Value> {
    (0..count)
        .map(|n| json!({ "code": format!("t{n:04}"), "name": n }))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_once_and_a_second_run_sends_nothing() {
    let world = World::new(7, things(250));
    let engine = world.engine(&Setup::default()).await;
    world.run(&engine).await;
    assert_eq!(world.target.log().len(), 250);
    assert_eq!(world.keys(State::Done).await.len(), 250);

    let address = Address {
        connection: "target".to_owned(),
        entity: "things".to_owned(),
    };
    let links = world
        .store
        .links(&scope(), &address, &["t0003".to_owned()])
        .await
        .unwrap();
    assert_eq!(links[0].as_ref().unwrap().ids["id_thing"], json!(5));

    world.run(&engine).await;
    assert_eq!(world.target.log().len(), 250, "nothing has changed");
    assert_eq!(world.keys(State::Skipped).await.len(), 250);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_entity_arrives_and_the_others_do_not() {
    let world = World::new(10, things(30));
    let engine = world.engine(&Setup::default()).await;
    world.run(&engine).await;
    world.source.put(json!({ "code": "t0007", "name": "changed" }));
    world.run(&engine).await;
    assert_eq!(world.target.log()[30..], ["t0007"]);
    assert_eq!(
        world.target.table.lock().unwrap()["t0007"]["name"],
        json!("changed")
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_versions_replace_queued_ones_and_wait_for_running_ones() {
    let world = World::new(10, vec![json!({ "code": "a", "v": 1 })]);
    let engine = world.engine(&Setup::default()).await;
    world.target.held.store(true, Ordering::SeqCst);
    engine.run("things", "manual").await.unwrap();
    world.target.arrived.notified().await;
    for version in 2..=4 {
        world.source.put(json!({ "code": "a", "v": version }));
        engine.run("things", "manual").await.unwrap();
        until("the run has ended", || !engine.status().routes["things"].reading).await;
    }
    let queued = engine.status().routes["things"].queued;
    assert_eq!(queued, 1, "versions 2 and 3 were replaced while 1 was under way");
    world.target.let_go();
    world.settle(&engine).await;
    assert_eq!(world.target.log(), ["a", "a"]);
    assert_eq!(world.target.table.lock().unwrap()["a"]["v"], json!(4));
    engine.stop().await;
}

/// The process ends after the target has saved the row and before its answer is journalled: the next start marks the
/// row as uncertain, so that the connector looks before it sends.
#[test]
fn a_write_cut_off_by_the_end_of_the_process_is_looked_up_first() {
    let mut world = World::new(10, things(3));
    let first = tokio::runtime::Runtime::new().unwrap();
    world.target.mute.store(true, Ordering::SeqCst);
    let engine = first.block_on(async {
        let engine = world.engine(&Setup::default()).await;
        engine.run("things", "manual").await.unwrap();
        let target = world.target.clone();
        until("the rows are saved", || target.log().len() == 3).await;
        engine
    });
    drop(engine);
    first.shutdown_background();

    world.target.mute.store(false, Ordering::SeqCst);
    world.target.busy.lock().unwrap().clear();
    let second = tokio::runtime::Runtime::new().unwrap();
    second.block_on(async {
        let engine = world.engine(&Setup::default()).await;
        world.settle(&engine).await;
        engine.stop().await;
        let mut uncertain = world.target.uncertain.lock().unwrap().clone();
        uncertain.sort();
        assert_eq!(uncertain, ["t0000", "t0001", "t0002"]);
        assert_eq!(world.keys(State::Done).await.len(), 3);
    });
    // And the store itself opens again, as after any end.
    let empty = tempfile::tempdir().unwrap();
    world.store = open(empty.path());
    world.store = open(world.folder.path());
    assert_eq!(second.block_on(world.keys(State::Done)).len(), 3);
}
