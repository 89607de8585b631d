use std::sync::Arc;

use serde_json::{Value, json};
use weir_engine::{Accepted, Arrival, Engine, payload};
use weir_model::config::Switch;
use weir_model::task::State;
use weir_model::{Error, Kind};

use crate::world::{Setup, World};

fn hooked() -> Setup {
    Setup {
        webhook: true,
        ..Setup::default()
    }
}

fn hook(events: Value) -> Arrival {
    Arrival::Hook {
        body: json!({ "events": events }),
        headers: json!({}),
    }
}

fn event(code: &str, event: &str) -> Value {
    json!({ "code": code, "event": event })
}

async fn send(engine: &Engine, events: Value) -> Result<Accepted, Error> {
    engine.accept("things", hook(events)).await
}

fn refused(outcome: Result<Accepted, Error>, kind: Kind, words: &str) {
    let error = outcome.unwrap_err();
    assert!(
        error.kind == kind && error.to_string().contains(words),
        "{:?}: {error}",
        error.kind
    );
    assert_eq!(
        error.retry_after_ms.is_some(),
        kind == Kind::Unavailable,
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_is_on_disk_when_it_is_answered_and_is_delivered_after_a_restart() {
    let world = World::new(1, Vec::new());
    let engine = world.engine(&hooked()).await;
    engine.switch("things", Switch::Pause).await.unwrap();
    let accepted = send(&engine, json!([event("a", "1"), event("b", "2")]))
        .await
        .unwrap();
    let queued = world.tasks(State::Queued).await;
    let mut ids: Vec<_> = queued.iter().map(|task| task.id).collect();
    ids.reverse(); // newest first
    assert_eq!(accepted.tasks, ids);
    assert_eq!(world.keys(State::Queued).await, ["a", "b"]);
    engine.stop().await;
    refused(
        send(&engine, json!([event("c", "3")])).await,
        Kind::Unavailable,
        "stopping",
    );

    let engine = world.engine(&hooked()).await;
    engine.switch("things", Switch::On).await.unwrap();
    world.settle(&engine).await;
    assert_eq!(world.keys(State::Done).await, ["a", "b"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_makes_one_task_however_often_and_at_once_it_is_sent() {
    let world = World::new(1, Vec::new());
    let engine = Arc::new(world.engine(&hooked()).await);
    let sends = (0..40).map(|_| {
        let engine = engine.clone();
        tokio::spawn(async move { send(&engine, json!([event("a", "same")])).await.unwrap() })
    });
    let mut tasks = Vec::new();
    let mut duplicates = Vec::new();
    for send in sends.collect::<Vec<_>>() {
        let accepted = send.await.unwrap();
        assert_eq!(accepted.tasks.len() + accepted.duplicates.len(), 1);
        tasks.extend(accepted.tasks);
        duplicates.extend(accepted.duplicates);
    }
    assert_eq!(tasks.len(), 1);
    assert!(duplicates.iter().all(|task| *task == tasks[0]));
    world.settle(&engine).await;
    engine.stop().await;

    // The mark outlives the process and the task, and holds within one body too.
    let engine = world.engine(&hooked()).await;
    let twice = json!([event("a", "same"), event("b", "new"), event("b", "new")]);
    let accepted = send(&engine, twice).await.unwrap();
    assert_eq!((accepted.tasks.len(), accepted.duplicates.len()), (1, 2));
    assert_eq!(accepted.duplicates, [tasks[0], accepted.tasks[0]]);
    world.settle(&engine).await;
    assert_eq!(world.target.log(), ["a", "b"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_a_key_are_delivered_in_the_order_in_which_they_are_stored() {
    let world = World::new(1, Vec::new());
    let engine = Arc::new(world.engine(&hooked()).await);
    let sends = (0..200).map(|n| {
        let engine = engine.clone();
        let version = json!({ "code": "a", "v": n });
        tokio::spawn(async move { send(&engine, json!([version])).await.unwrap() })
    });
    for send in sends.collect::<Vec<_>>() {
        send.await.unwrap();
    }
    world.settle(&engine).await;
    let mut done = world.tasks(State::Done).await;
    done.sort_by_key(|task| task.sequence);
    let mut stored = Vec::new();
    for task in done {
        let detail = world.store.task(&task.id).await.unwrap().unwrap();
        stored.push(payload::unpack(&detail.input).unwrap()["v"].clone());
    }
    let written: Vec<Value> = world
        .target
        .written
        .lock()
        .unwrap()
        .iter()
        .map(|row| row["v"].clone())
        .collect();
    assert_eq!(stored.len(), 200, "each version makes a task");
    assert_eq!(written, stored);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_a_key_in_one_body_are_all_delivered() {
    let world = World::new(1, Vec::new());
    let engine = world.engine(&hooked()).await;
    let body = json!([{ "code": "a", "v": 1 }, { "code": "a", "v": 2 }]);
    send(&engine, body).await.unwrap();
    world.settle(&engine).await;
    assert_eq!(world.target.log(), ["a", "a"]);
    assert_eq!(world.target.table.lock().unwrap()["a"]["v"], 2);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_what_was_refused_can_be_sent_again() {
    let (world, store) = World::sized(1, Vec::new());
    let engine = world.engine(&hooked()).await;
    store.set_bytes_max(Some(65_536)).await.unwrap();
    // Larger than what may still be free within the file.
    let noise: String = (0..60_000).map(|_| uuid::Uuid::now_v7().to_string()).collect();
    let large = json!([{ "code": "a", "event": "e", "text": noise }]);
    refused(send(&engine, large.clone()).await, Kind::Unavailable, "full");
    assert_eq!(world.keys(State::Queued).await, Vec::<String>::new());
    store.set_bytes_max(None).await.unwrap();
    let accepted = send(&engine, large).await.unwrap();
    assert_eq!(accepted.tasks.len(), 1, "the refusal left no mark");
    world.settle(&engine).await;
    assert_eq!(world.target.log(), ["a"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_and_a_full_queue_refuse() {
    let world = World::new(1, Vec::new());
    let setup = Setup {
        queue: Some(2),
        ..hooked()
    };
    let engine = world.engine(&setup).await;
    engine.switch("things", Switch::Off).await.unwrap();
    refused(
        send(&engine, json!([event("a", "1")])).await,
        Kind::Conflict,
        "switched off",
    );
    engine.switch("things", Switch::Pause).await.unwrap();
    send(&engine, json!([event("a", "1")])).await.unwrap();
    // Below the limit a body is taken whole.
    send(&engine, json!([event("b", "2"), event("c", "3")]))
        .await
        .unwrap();
    refused(
        send(&engine, json!([event("d", "4")])).await,
        Kind::Unavailable,
        "3 tasks under way, and its limit queue is 2",
    );
    engine.switch("things", Switch::On).await.unwrap();
    world.settle(&engine).await;
    send(&engine, json!([event("d", "4")])).await.unwrap();
    world.settle(&engine).await;
    assert_eq!(world.keys(State::Done).await, ["a", "b", "c", "d"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_what_the_route_looks_for_is_refused_and_an_empty_list_is_not() {
    let world = World::new(1, Vec::new());
    let engine = world.engine(&hooked()).await;
    let body = Arrival::Hook {
        body: json!({ "event": [] }),
        headers: json!({}),
    };
    refused(
        engine.accept("things", body).await,
        Kind::Invalid,
        "finds nothing",
    );
    assert_eq!(send(&engine, json!([])).await.unwrap(), Accepted::default());
    refused(
        engine.accept("thing", hook(json!([]))).await,
        Kind::NotFound,
        "did you mean `things`?",
    );
    let error = engine.run("things", "manual").await.unwrap_err();
    assert!(error.to_string().contains("/hooks/test/dev/things"), "{error}");
    // Without a key it is a task that says so, not a refusal that nobody sees.
    send(&engine, json!([{ "event": "x" }])).await.unwrap();
    world.settle(&engine).await;
    assert_eq!(world.tasks(State::Dead).await.len(), 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_of_the_source_filter_what_arrives_before_it_has_a_mark() {
    let world = World::new(1, Vec::new());
    let setup = Setup {
        source_steps: vec![("filter", json!("good"))],
        ..hooked()
    };
    let engine = world.engine(&setup).await;
    let bad = json!({ "code": "a", "event": "1", "good": false });
    let good = json!({ "code": "a", "event": "1", "good": true });
    let accepted = send(&engine, json!([bad, good])).await.unwrap();
    assert_eq!(
        (accepted.filtered, accepted.tasks.len(), accepted.duplicates.len()),
        (1, 1, 0)
    );
    world.settle(&engine).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entities_are_put_on_a_route_that_reads_and_an_idempotency_key_is_honoured() {
    let world = World::new(1, vec![json!({ "code": "read" })]);
    let engine = world.engine(&Setup::default()).await;
    let put = |key: Option<&str>| Arrival::Entities {
        entities: vec![json!({ "code": "a" }), json!({ "code": "b" })],
        idempotency_key: key.map(str::to_owned),
    };
    let first = engine.accept("things", put(Some("k"))).await.unwrap();
    let again = engine.accept("things", put(Some("k"))).await.unwrap();
    assert_eq!((again.tasks.len(), again.duplicates), (0, first.tasks));
    world.settle(&engine).await;
    assert_eq!(world.target.log(), ["a", "b"]);
    let other = engine.accept("things", put(Some("l"))).await.unwrap();
    assert_eq!(other.tasks.len(), 2);
    world.run(&engine).await;
    refused(
        engine.accept("things", hook(json!([]))).await,
        Kind::NotFound,
        "has no webhook",
    );
    assert_eq!(world.keys(State::Done).await, ["a", "b", "read"]);
    engine.stop().await;
}
