use std::sync::Arc;

use serde_json::json;
use weir_engine::{Action, Correction, Deed, Set, Under};
use weir_model::config::{Switch, Trace};
use weir_model::task::State;
use weir_model::{Error, Kind};

use crate::gate::Gate;
use crate::world::{Setup, World, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_task_is_retried_or_skipped_by_a_person() {
    let world = World::new(10, vec![json!({ "code": "a" }), json!({ "code": "b" })]);
    for key in ["a", "b"] {
        world.target.fail(key, [Error::new(Kind::Rejected, "no")]);
    }
    let engine = world.engine(&Setup::default()).await;
    world.run(&engine).await;
    let dead = world.tasks(State::Dead).await;
    let task = |key: &str| dead.iter().find(|task| task.key == key).unwrap().id;
    assert_eq!(
        engine.act(&task("a"), Action::Retry).await.unwrap(),
        State::Queued
    );
    assert_eq!(
        engine.act(&task("b"), Action::Skip).await.unwrap(),
        State::Skipped
    );
    world.settle(&engine).await;
    assert_eq!(world.target.log(), ["a"]);
    assert_eq!(world.keys(State::Done).await, ["a"]);
    assert_eq!(world.keys(State::Skipped).await, ["b"]);

    let refused = engine.act(&task("b"), Action::Retry).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict);
    assert!(
        refused
            .message
            .ends_with("(`b`) is skipped and cannot be retried"),
        "{refused}"
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_task_is_let_go_by_a_person() {
    let world = World::new(10, vec![json!({ "code": "leaf", "parent": "never" })]);
    let engine = world
        .engine(&Setup {
            waits_for_parent: true,
            ..Setup::default()
        })
        .await;
    world.run(&engine).await;
    let leaf = world.tasks(State::Waiting).await.remove(0);
    engine.act(&leaf.id, Action::Release).await.unwrap();
    world.settle(&engine).await;
    assert_eq!(world.target.log(), ["leaf"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_a_new_task_and_an_old_version_is_refused() {
    let world = World::new(10, vec![json!({ "code": "a", "v": 1 })]);
    let engine = world.engine(&Setup::default()).await;
    world.run(&engine).await;
    let first = world.tasks(State::Done).await.remove(0);
    let again = engine.replay(&first.id, Deed::new(Action::Replay)).await.unwrap();
    world.settle(&engine).await;
    let replayed = world.store.task(&again).await.unwrap().unwrap().row;
    assert_eq!(replayed.replay_of, Some(first.id));
    assert_eq!(replayed.state, State::Skipped, "the same was delivered before");

    world.source.put(json!({ "code": "a", "v": 2 }));
    world.run(&engine).await;
    let refused = engine
        .replay(&first.id, Deed::new(Action::Replay))
        .await
        .unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict);
    assert!(
        refused.message.contains("a newer version of `a` was delivered"),
        "{refused}"
    );
    engine.stop().await;
}

fn set(path: &str, value: serde_json::Value) -> Correction {
    Correction {
        set: Some(Set {
            path: path.to_owned(),
            value,
        }),
        ..Correction::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_task_is_delivered_with_what_was_corrected() {
    let world = World::new(
        10,
        vec![json!({ "code": "a", "price": "abc" }), json!({ "code": "b" })],
    );
    world
        .target
        .fail("a", [Error::new(Kind::Rejected, "the price is no number")]);
    let engine = world.engine(&Setup::default()).await;
    world.run(&engine).await;
    let dead = world.tasks(State::Dead).await.remove(0);

    let key = engine
        .correct(&dead.id, &set("code", json!("c")))
        .await
        .unwrap_err();
    assert!(key.message.contains("from `a` to `c`"), "{key}");
    let nothing = engine
        .correct(&dead.id, &set("price", json!("abc")))
        .await
        .unwrap_err();
    assert!(nothing.message.contains("changes nothing"), "{nothing}");
    let both = Correction {
        entity: Some(json!({ "code": "a" })),
        ..set("price", json!(1))
    };
    assert!(engine.correct(&dead.id, &both).await.is_err());
    assert_eq!(
        world.keys(State::Dead).await,
        ["a"],
        "what is refused changes nothing"
    );

    let corrected = engine
        .correct(&dead.id, &set("price", json!(19.9)))
        .await
        .unwrap();
    assert_eq!(corrected, json!({ "code": "a", "price": 19.9 }));
    world.settle(&engine).await;
    assert_eq!(world.target.log(), ["b", "a"]);
    let done = world.store.task(&dead.id).await.unwrap().unwrap();
    assert_eq!((done.row.state, done.row.attempts), (State::Done, 2));
    assert_eq!(weir_engine::payload::unpack(&done.input).unwrap(), corrected);

    let ended = engine
        .correct(&dead.id, &set("price", json!(1)))
        .await
        .unwrap_err();
    assert!(
        ended.message.contains("is done and cannot be corrected"),
        "{ended}"
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_may_not_break_the_schema_that_the_entity_kept_to() {
    let world = World::new(10, vec![json!({ "code": "a", "price": 1, "size": "wide" })]);
    world.target.fail("a", [Error::new(Kind::Rejected, "no")]);
    let schema = json!({ "properties": { "price": { "type": "number" }, "size": { "type": "number" } } });
    let engine = world
        .engine(&Setup {
            schema: Some(schema),
            ..Setup::default()
        })
        .await;
    world.run(&engine).await;
    let dead = world.tasks(State::Dead).await.remove(0);
    let broken = engine
        .correct(&dead.id, &set("price", json!("x")))
        .await
        .unwrap_err();
    assert_eq!(
        (broken.kind, broken.get("field")),
        (Kind::Invalid, Some("price")),
        "{broken}"
    );
    // Another field broke its rule before, which is no reason to refuse what makes nothing worse.
    engine.correct(&dead.id, &set("price", json!(2))).await.unwrap();
    world.settle(&engine).await;
    assert_eq!(world.keys(State::Done).await, ["a"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_in_the_middle_of_an_action_leaves_memory_and_store_alike() {
    let mut world = World::new(10, vec![json!({ "code": "a" }), json!({ "code": "b" })]);
    for key in ["a", "b"] {
        world.target.fail(key, [Error::new(Kind::Rejected, "no")]);
    }
    let gate = Arc::new(Gate::new(world.store.clone()));
    world.store = gate.clone();
    let engine = world.engine(&Setup::default()).await;
    world.run(&engine).await;
    let dead = world.tasks(State::Dead).await;
    let task = |key: &str| dead.iter().find(|task| task.key == key).unwrap().id;
    let (a, b) = (task("a"), task("b"));
    let price = set("price", json!(1));

    gate.shut(0);
    let mut retry = Box::pin(engine.act(&a, Action::Retry));
    let mut correct = Box::pin(engine.correct(&b, &price));
    tokio::select! {
        _ = &mut retry => panic!("the gate is shut"),
        _ = &mut correct => panic!("the gate is shut"),
        () = gate.waiting(2) => {}
    }
    drop((retry, correct));
    gate.open();
    // Memory that had not followed would know nothing of a queued task, and nobody would deliver it.
    until("both are delivered", || world.target.log().len() == 2).await;
    world.settle(&engine).await;
    assert_eq!(world.keys(State::Done).await, ["a", "b"]);
    engine.stop().await;
}

fn from(step: &str) -> Deed {
    Deed {
        from: Some(step.to_owned()),
        ..Deed::new(Action::Replay)
    }
}

/// The route: unchanged, set (`size` from the field `fresh`), write.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_from_a_step_goes_on_with_what_the_step_got() {
    let world = World::new(10, vec![json!({ "code": "a", "fresh": 1 })]);
    world.target.fail(
        "a",
        [Error::new(Kind::Rejected, "no"), Error::new(Kind::Rejected, "no")],
    );
    let setup = Setup {
        extra: vec![
            (None, "set", json!({ "size": "fresh" })),
            (Some("fails"), "fail", json!("fails")),
        ],
        ..Setup::default()
    };
    let engine = world.engine(&setup).await;
    world.run(&engine).await;
    let dead = world.tasks(State::Dead).await.remove(0);

    let unknown = engine.replay(&dead.id, from("wriet")).await.unwrap_err();
    assert_eq!(
        (unknown.kind, unknown.get("field")),
        (Kind::NotFound, Some("from"))
    );
    assert!(unknown.message.contains("did you mean `write`?"), "{unknown}");
    let then = Deed {
        release: Under::Then,
        ..from("write")
    };
    engine.replay(&dead.id, then.clone()).await.unwrap();
    world.settle(&engine).await;
    let shown = world.store.task(&dead.id).await.unwrap().unwrap();
    let record = weir_engine::payload::unpack(&shown.attempts[1].2).unwrap();
    let steps: Vec<&str> = record["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(
        (steps, shown.row.state),
        (vec!["write"], State::Dead),
        "only the step and what follows"
    );
    assert_eq!(record["start"]["entity"]["size"], 1);

    // A retry begins where the last attempt did, also after a restart.
    engine.stop().await;
    let engine = world.engine(&setup).await;
    engine.act(&dead.id, Action::Retry).await.unwrap();
    world.settle(&engine).await;
    assert_eq!(world.target.table.lock().unwrap()["a"]["size"], 1);
    let starts = world.store.documents("starts/test/dev").await.unwrap();
    assert_eq!(starts, [], "it goes with the task");

    let again = engine.replay(&dead.id, from("set")).await.unwrap();
    world.settle(&engine).await;
    let shown = world.store.task(&again).await.unwrap().unwrap();
    assert_eq!(
        (shown.row.state, shown.row.replay_of),
        (State::Done, Some(dead.id)),
        "not even `unchanged` is asked"
    );
    assert_eq!(world.target.log(), ["a", "a"]);
    let not_there = engine.replay(&again, from("unchanged")).await.unwrap_err();
    assert!(
        not_there.message.contains("went through `unchanged`"),
        "{not_there}"
    );
    engine.stop().await;

    let later = Setup { release: 1, ..setup };
    let engine = world.engine(&later).await;
    let refused = engine.replay(&dead.id, then).await.unwrap_err();
    assert_eq!(
        (refused.kind, refused.get("field")),
        (Kind::Conflict, Some("release"))
    );
    assert!(
        refused
            .message
            .contains("under release 1, and release 2 is in force"),
        "{refused}"
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_from_a_step_without_a_record_is_refused() {
    let world = World::new(10, vec![json!({ "code": "a" })]);
    let setup = Setup {
        trace: Some(Trace::Off),
        ..Setup::default()
    };
    let engine = world.engine(&setup).await;
    world.run(&engine).await;
    let done = world.tasks(State::Done).await.remove(0);
    let refused = engine.replay(&done.id, from("write")).await.unwrap_err();
    assert!(
        refused.message.contains("is on record") && refused.message.contains("`trace`"),
        "{refused}"
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_being_corrected_is_not_overtaken() {
    let mut world = World::new(10, vec![json!({ "code": "a", "v": 1 })]);
    let gate = Arc::new(Gate::new(world.store.clone()));
    world.store = gate.clone();
    let setup = Setup {
        keeps_all: true,
        ..Setup::default()
    };
    let engine = world.engine(&setup).await;
    engine.switch("things", Switch::Pause).await.unwrap();
    let read = async |rows: Vec<serde_json::Value>| {
        rows.into_iter().for_each(|row| world.source.put(row));
        engine.run("things", "manual").await.unwrap();
        until("the run has ended", || !engine.status().routes["things"].reading).await;
    };
    read(vec![]).await;
    let first = world.tasks(State::Queued).await.remove(0).id;
    read(vec![json!({ "code": "a", "v": 2 }), json!({ "code": "b" })]).await;

    gate.shut(0);
    let price = set("price", json!(1));
    let mut correct = Box::pin(engine.correct(&first, &price));
    tokio::select! {
        _ = &mut correct => panic!("the gate is shut"),
        () = gate.waiting(1) => {}
    }
    gate.shut(1_000);
    engine.switch("things", Switch::On).await.unwrap();
    until("the other key is delivered", || {
        world.target.log().contains(&"b".to_owned())
    })
    .await;
    assert_eq!(
        world.target.log(),
        ["b"],
        "the second version waits for the first"
    );
    gate.open();
    correct.await.unwrap();
    world.settle(&engine).await;
    assert_eq!(world.target.log(), ["b", "a", "a"]);
    assert_eq!(world.target.table.lock().unwrap()["a"]["v"], 2);
    engine.stop().await;
}
