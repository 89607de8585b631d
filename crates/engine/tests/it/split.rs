use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;
use weir_engine::{Action, Correction, Deed, Engine, Set, relations};
use weir_model::config::Switch;
use weir_model::task::State;
use weir_model::{Error, Kind, TaskId};
use weir_sdk::store::Delivered;

use crate::operations::{ended, these};
use crate::world::{Setup, World, scope};

fn split() -> Setup {
    Setup {
        extra: vec![(None, "split", json!({ "each": "lines", "key": "no" }))],
        ..Setup::default()
    }
}

/// An order with these lines.
fn order(code: &str, lines: &[&str]) -> serde_json::Value {
    let lines: Vec<_> = lines
        .iter()
        .map(|no| json!({ "no": no, "parent": "never" }))
        .collect();
    json!({ "code": code, "lines": lines })
}

async fn delivered(world: &World, key: &str) -> Option<Delivered> {
    let keys = [key.to_owned()];
    let found = world.store.delivered(&scope(), "things", &keys).await.unwrap();
    found.into_iter().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn children_go_on_behind_the_split_and_the_last_one_makes_the_parent_delivered() {
    let world = World::new(10, vec![order("a", &["a1", "a2"])]);
    world.target.fail("a2", [Error::new(Kind::Rejected, "no")]);
    let engine = world.engine(&split()).await;
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["a1"]);
    assert_eq!(world.keys(State::Done).await, ["a", "a1"]);
    assert_eq!(delivered(&world, "a").await, None, "a child is not delivered yet");

    let done = world.tasks(State::Done).await;
    let task = |key: &str| done.iter().find(|task| task.key == key).unwrap();
    let dead = world.tasks(State::Dead).await.remove(0);
    let shown = world.store.task(&task("a").id).await.unwrap().unwrap();
    assert_eq!(
        shown.row.reason.as_deref(),
        Some("split into 2 tasks by the step `split`")
    );
    let (family, effects) = relations(shown.effects);
    assert_eq!(family.children, [task("a1").id, dead.id]);
    assert!(effects.is_empty(), "notes are no effects: {effects:?}");
    let child = world.store.task(&dead.id).await.unwrap().unwrap();
    assert_eq!(child.row.run, task("a").run);
    assert_eq!(relations(child.effects).0.parent, Some(task("a").id));

    engine.act(&dead.id, Action::Retry).await.unwrap();
    world.settle(&engine).await;
    assert_eq!(world.target.log(), ["a1", "a2"]);
    assert!(delivered(&world, "a").await.unwrap().hash.is_some());
    world.run(&engine).await;
    assert_eq!(
        world.keys(State::Skipped).await,
        ["a"],
        "the same was delivered before"
    );
    assert_eq!(world.target.log(), ["a1", "a2"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_child_waits_for_is_not_asked_again() {
    let world = World::new(10, vec![order("a", &["a1"])]);
    let setup = Setup {
        waits_for_parent: true,
        ..split()
    };
    let engine = world.engine(&setup).await;
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["a1"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_split_is_done_and_too_much_is_refused() {
    let world = World::new(10, vec![order("a", &[]), order("b", &["b1", "b2", "b3"])]);
    let setup = Setup {
        split_children: Some(2),
        ..split()
    };
    let engine = world.engine(&setup).await;
    world.run(&engine).await;
    assert_eq!(world.keys(State::Done).await, ["a"]);
    assert!(delivered(&world, "a").await.is_some());
    let dead = world.tasks(State::Dead).await.remove(0);
    let error = dead.error.unwrap();
    assert_eq!((dead.key.as_str(), error.kind), ("b", Kind::Limit));
    assert!(error.message.contains("limit split_children of 2"), "{error}");
    assert_eq!(world.target.log(), Vec::<String>::new());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_replaces_the_children_that_have_not_started() {
    let world = World::new(10, vec![order("a", &["a1", "a2"])]);
    let busy = Error::new(Kind::RateLimited, "slow down").retry_after_ms(600_000);
    world.target.fail("a2", [busy]);
    let engine = world.engine(&split()).await;
    engine.run("things", "manual").await.unwrap();
    crate::world::until("the second line is tried again later", || {
        engine.status().routes["things"].retrying == 1
    })
    .await;
    world.source.put(order("a", &["a2", "a3"]));
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["a1", "a2", "a3"]);
    let replaced = world.tasks(State::Skipped).await.remove(0);
    assert_eq!(replaced.key, "a2");
    assert!(replaced.reason.unwrap().starts_with("superseded by"));
    let hash = weir_model::json::hash(&order("a", &["a2", "a3"]));
    assert_eq!(delivered(&world, "a").await.unwrap().hash, Some(hash));
    assert_eq!(
        world.store.documents("families/test/dev/things").await.unwrap(),
        []
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_child_leaves_no_memory_and_its_replay_starts_behind_the_split() {
    let world = World::new(10, vec![order("a", &["a1"])]);
    world.target.fail("a1", [Error::new(Kind::Rejected, "no")]);
    let engine = world.engine(&split()).await;
    world.run(&engine).await;
    let dead = world.tasks(State::Dead).await.remove(0);
    engine.act(&dead.id, Action::Cancel).await.unwrap();
    assert_eq!(delivered(&world, "a").await, None);
    let again = engine.replay(&dead.id, Deed::new(Action::Replay)).await.unwrap();
    world.settle(&engine).await;
    assert_eq!(world.target.log(), ["a1"]);
    let replayed = world.store.task(&again).await.unwrap().unwrap();
    assert_eq!(replayed.row.state, State::Done);
    engine.stop().await;
}

/// Does it with these tasks in one operation; none is refused.
async fn bulk(engine: &Engine, deed: Deed, tasks: &[TaskId]) {
    let preview = engine.preview(deed, these(tasks)).await.unwrap();
    let id = preview.token.unwrap_or_else(|| panic!("{}", preview.summary));
    engine.execute(&id, "anna").await.unwrap();
    let operation = ended(engine, &id).await;
    assert_eq!(operation.succeeded, tasks.len() as u64, "{operation:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn children_that_are_ended_in_bulk_end_their_family() {
    let rows = vec![
        order("a", &["a1", "a2"]),
        order("b", &["b1", "b2"]),
        order("c", &["c1", "c2"]),
    ];
    let world = World::new(10, rows);
    for key in ["a1", "a2", "b1", "b2", "c2"] {
        world.target.fail(key, [Error::new(Kind::Rejected, "no")]);
    }
    let engine = world.engine(&split()).await;
    world.run(&engine).await;
    let dead = world.tasks(State::Dead).await;
    let of = |order: &str| -> Vec<TaskId> {
        let children = dead.iter().filter(|task| task.key.starts_with(order));
        children.map(|task| task.id).collect()
    };
    bulk(&engine, Deed::new(Action::Skip), &of("a")).await;
    // The operation is stored as done with its last tasks, and the family is told behind them.
    let start = Instant::now();
    while delivered(&world, "a").await.is_none() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "the family is not told"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(delivered(&world, "a").await.unwrap().hash.is_some());

    bulk(&engine, Deed::new(Action::Cancel), &of("b")).await;
    bulk(&engine, Deed::new(Action::Cancel), &of("c")).await;
    assert_eq!(delivered(&world, "b").await, None);
    assert_eq!(delivered(&world, "c").await, None);
    assert_eq!(
        world.store.documents("families/test/dev/things").await.unwrap(),
        [],
        "nothing of it is remembered later"
    );

    bulk(&engine, Deed::new(Action::Replay), &of("b")).await;
    world.settle(&engine).await;
    let mut log = world.target.log();
    log.sort();
    assert_eq!(log, ["b1", "b2", "c1"], "replays begin behind the split");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_corrected_with_the_key_that_the_split_gave_it() {
    let world = World::new(10, vec![order("a", &["a1"])]);
    world.target.fail("a1", [Error::new(Kind::Rejected, "no")]);
    let engine = world.engine(&split()).await;
    world.run(&engine).await;
    let dead = world.tasks(State::Dead).await.remove(0);
    let correction = Correction {
        set: Some(Set {
            path: "no".to_owned(),
            value: json!("other"),
        }),
        ..Correction::default()
    };
    bulk(&engine, Deed::correct(correction), &[dead.id]).await;
    world.settle(&engine).await;
    assert_eq!(world.target.table.lock().unwrap()["a1"]["no"], "other");
    engine.stop().await;
}

/// The route: unchanged, split, set (`size` from the field `no`), write.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_replayed_from_a_step_behind_its_split_and_from_no_other() {
    let world = World::new(10, vec![order("a", &["a1"])]);
    let mut setup = split();
    setup.extra.push((None, "set", json!({ "size": "no" })));
    let engine = world.engine(&setup).await;
    world.run(&engine).await;
    let done = world.tasks(State::Done).await;
    let child = done.iter().find(|task| task.key == "a1").unwrap().id;
    let from = |step: &str| Deed {
        from: Some(step.to_owned()),
        ..Deed::new(Action::Replay)
    };
    for step in ["unchanged", "split"] {
        let refused = engine.replay(&child, from(step)).await.unwrap_err();
        assert_eq!(
            (refused.kind, refused.get("field")),
            (Kind::Conflict, Some("from"))
        );
        assert!(
            refused.message.contains("was made by the step `split`"),
            "{refused}"
        );
    }
    let again = engine.replay(&child, from("write")).await.unwrap();
    world.settle(&engine).await;
    let shown = world.store.task(&again).await.unwrap().unwrap();
    assert_eq!(shown.row.state, State::Done);
    let record = weir_engine::payload::unpack(&shown.attempts[0].2).unwrap();
    let steps = record["steps"].as_array().unwrap();
    assert_eq!((steps.len(), &steps[0]["step"]), (1, &json!("write")));
    assert_eq!(record["start"]["entity"]["size"], "a1");
    assert!(relations(shown.effects).0.parent.is_some());
    assert_eq!(world.target.log(), ["a1", "a1"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_no_longer_lies_behind_the_split_is_dropped() {
    let world = World::new(10, vec![order("a", &["a1"])]);
    world.target.fail("a1", [Error::new(Kind::Rejected, "no")]);
    let mut setup = split();
    setup.extra.push((None, "set", json!({ "size": "no" })));
    let engine = world.engine(&setup).await;
    world.run(&engine).await;
    let dead = world.tasks(State::Dead).await.remove(0);
    engine.switch("things", Switch::Pause).await.unwrap();
    let from_set = Deed {
        from: Some("set".to_owned()),
        ..Deed::new(Action::Replay)
    };
    engine.replay(&dead.id, from_set).await.unwrap();
    engine.stop().await;

    // The step is moved before the split.
    setup.extra.reverse();
    let engine = world.engine(&setup).await;
    engine.switch("things", Switch::On).await.unwrap();
    world.settle(&engine).await;
    let shown = world.store.task(&dead.id).await.unwrap().unwrap();
    assert_eq!(shown.row.state, State::Done, "{:?}", shown.row.error);
    let record = weir_engine::payload::unpack(&shown.attempts[1].2).unwrap();
    let steps = record["steps"].as_array().unwrap();
    assert_eq!((steps.len(), &steps[0]["step"]), (1, &json!("write")));
    assert_eq!(record.get("start"), None);
    assert_eq!(world.store.documents("starts/test/dev").await.unwrap(), []);
    engine.stop().await;
}

#[test]
fn a_crash_loses_no_child_and_splits_nothing_twice() {
    let world = World::new(10, vec![order("a", &["a1", "a2"])]);
    let busy = || Error::new(Kind::RateLimited, "slow down").retry_after_ms(3);
    world.target.fail("a2", [busy()]);
    world.target.held.store(true, Ordering::SeqCst);
    let first = tokio::runtime::Runtime::new().unwrap();
    let engine = first.block_on(async {
        let engine = world.engine(&split()).await;
        engine.run("things", "manual").await.unwrap();
        world.target.arrived.notified().await;
        engine
    });
    drop(engine);
    first.shutdown_timeout(Duration::from_secs(20));
    world.target.held.store(false, Ordering::SeqCst);
    world.target.busy.lock().unwrap().clear();

    let second = tokio::runtime::Runtime::new().unwrap();
    second.block_on(async {
        let engine = world.engine(&split()).await;
        world.settle(&engine).await;
        let mut log = world.target.log();
        log.sort();
        assert_eq!(log, ["a1", "a2"]);
        assert_eq!(world.keys(State::Done).await, ["a", "a1", "a2"]);
        assert!(
            delivered(&world, "a").await.is_some(),
            "the family is known after a restart"
        );
        engine.stop().await;
    });
}
