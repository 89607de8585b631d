use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use weir_model::task::State;
use weir_model::{Error, Kind};

use crate::world::{Setup, World, until};

fn call(operation: &str) -> Setup {
    let parameters =
        json!({ "connection": "target", "operation": operation, "with": { "size": "size" }, "into": "got" });
    Setup {
        extra: vec![(None, "call", parameters)],
        ..Setup::default()
    }
}

fn rows(sizes: &[i32]) -> Vec<Value> {
    let row = |(n, size): (usize, &i32)| json!({ "code": format!("t{n}"), "size": size });
    sizes.iter().enumerate().map(row).collect()
}

fn unknown() -> Error {
    Error::new(Kind::OutcomeUnknown, "the connection broke")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_is_asked_once_for_all_that_ask_the_same() {
    let world = World::new(10, rows(&[1, 2, 1]));
    let engine = world.engine(&call("price.get")).await;
    world.run(&engine).await;
    let mut log = world.target.log();
    log[..2].sort();
    assert_eq!(log[..2], [r#"price.get {"size":1}"#, r#"price.get {"size":2}"#]);
    assert_eq!(log[2..], ["t0", "t1", "t2"]);
    let table = world.target.table.lock().unwrap().clone();
    assert_eq!(table["t2"]["got"], json!({ "of": "price.get" }));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_is_not_repeated_when_a_later_step_fails() {
    let world = World::new(10, rows(&[1]));
    let busy = Error::new(Kind::RateLimited, "slow down").retry_after_ms(3);
    world.target.fail("t0", [busy]);
    let engine = world.engine(&call("order.cancel")).await;
    world.run(&engine).await;
    assert_eq!(world.target.log(), [r#"order.cancel {"size":1}"#, "t0"]);
    assert_eq!(
        world.target.table.lock().unwrap()["t0"]["got"],
        json!({ "of": "order.cancel" })
    );
    let task = world.tasks(State::Done).await.remove(0);
    let effects = world.store.task(&task.id).await.unwrap().unwrap().effects;
    assert_eq!(effects["call"], Some(json!({ "of": "order.cancel" })));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_repeated_only_where_the_operation_allows_it() {
    for (operation, calls, state) in [("order.touch", 2, State::Done), ("order.cancel", 1, State::Dead)] {
        let world = World::new(10, rows(&[1]));
        world.target.fail(operation, [unknown()]);
        let engine = world.engine(&call(operation)).await;
        world.run(&engine).await;
        let log = world.target.log();
        assert_eq!(log.iter().filter(|line| line.contains(operation)).count(), calls);
        let tasks = world.tasks(state).await;
        assert_eq!(tasks.len(), 1, "{operation}");
        if state == State::Dead {
            let task = tasks[0].id;
            engine.act(&task, weir_engine::Action::Retry).await.unwrap();
            world.settle(&engine).await;
            let error = world.tasks(State::Dead).await.remove(0).error.unwrap();
            assert!(
                error.message.contains("calling it again could do it twice"),
                "{error}"
            );
            assert_eq!(world.target.log().len(), 1);
        }
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_takes_the_intention_back() {
    let world = World::new(10, rows(&[1]));
    let busy = Error::new(Kind::RateLimited, "slow down").retry_after_ms(3);
    world.target.fail("order.cancel", [busy]);
    let engine = world.engine(&call("order.cancel")).await;
    world.run(&engine).await;
    assert_eq!(world.target.log().len(), 3, "called twice, written once");
    assert_eq!(world.keys(State::Done).await, ["t0"]);
    engine.stop().await;
}

/// The process ends while the call is under way: nobody can tell what it did.
#[test]
fn a_call_cut_off_by_the_end_of_the_process_is_for_a_person() {
    let world = World::new(10, rows(&[1]));
    let first = tokio::runtime::Runtime::new().unwrap();
    world.target.mute.store(true, Ordering::SeqCst);
    let engine = first.block_on(async {
        let engine = world.engine(&call("order.cancel")).await;
        engine.run("things", "manual").await.unwrap();
        let target = world.target.clone();
        until("it is called", || target.log().len() == 1).await;
        engine
    });
    drop(engine);
    first.shutdown_timeout(std::time::Duration::from_secs(20));
    world.target.mute.store(false, Ordering::SeqCst);
    let second = tokio::runtime::Runtime::new().unwrap();
    second.block_on(async {
        let engine = world.engine(&call("order.cancel")).await;
        world.settle(&engine).await;
        engine.stop().await;
        assert_eq!(world.target.log().len(), 1);
        let dead = world.tasks(State::Dead).await.remove(0);
        assert_eq!(dead.error.unwrap().kind, Kind::OutcomeUnknown);
    });
}
