use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use weir_engine::{Arrival, Ended, Engine, Replied};
use weir_model::task::State;
use weir_model::{Error, Kind};

use crate::world::{Setup, World};

fn replying(within_ms: u64) -> Setup {
    Setup {
        webhook: true,
        reply_within_ms: Some(within_ms),
        ..Setup::default()
    }
}

async fn call(engine: &Engine, events: Value) -> Result<Replied, Error> {
    let arrival = Arrival::Hook {
        body: json!({ "events": events }),
        headers: json!({}),
    };
    engine.converse("things", arrival).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_hears_what_came_of_the_steps_and_the_task_is_stored_like_any_other() {
    let world = World::new(1, Vec::new());
    let busy = || Error::new(Kind::RateLimited, "slow down").retry_after_ms(3);
    world.target.fail("a", [busy(), busy()]);
    let engine = world.engine(&replying(60_000)).await;
    let replied = call(&engine, json!({ "code": "a", "event": "1" })).await.unwrap();
    let Ended::Well(body) = &replied.ended else {
        panic!("{replied:?}");
    };
    assert_eq!(body["entity"], json!({ "code": "a", "event": "1" }));
    assert_eq!(body["source"], body["entity"]);
    assert_eq!(body["steps"]["write"]["id_thing"], 1, "{body}");
    assert_eq!(body["state"], "done");
    world.settle(&engine).await;
    let done = world.tasks(State::Done).await;
    assert_eq!((done[0].id, done[0].attempts), (replied.task, 3));

    // The same once more under another event: nothing to send, and an answer all the same.
    let replied = call(&engine, json!({ "code": "a", "event": "1", "again": true })).await;
    let duplicate = replied.unwrap_err();
    assert_eq!(
        (duplicate.kind, duplicate.get("task").map(str::to_owned)),
        (Kind::Conflict, Some(done[0].id.to_string()))
    );
    let unmarked = json!({ "code": "b" });
    call(&engine, unmarked.clone()).await.unwrap();
    let skipped = call(&engine, unmarked).await.unwrap();
    assert!(
        matches!(&skipped.ended, Ended::Well(body) if body["state"] == "skipped"),
        "{skipped:?}"
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_task_is_told_with_its_sentence_and_so_is_a_reply_that_cannot_be_made() {
    let world = World::new(1, Vec::new());
    world
        .target
        .fail("a", [Error::new(Kind::Rejected, "no such shop")]);
    let engine = world.engine(&replying(60_000)).await;
    let dead = call(&engine, json!({ "code": "a" })).await.unwrap();
    assert!(
        matches!(&dead.ended, Ended::Badly(error) if error.kind == Kind::Rejected && error.message == "no such shop"),
        "{dead:?}"
    );
    let mute = call(&engine, json!({ "code": "b", "fail_reply": true }))
        .await
        .unwrap();
    assert!(
        matches!(&mute.ended, Ended::Badly(error) if error.kind == Kind::Configuration && error.to_string().contains("is done, but")),
        "{mute:?}"
    );
    assert_eq!(world.keys(State::Done).await, ["b"]);
    for (events, words) in [
        (json!([{ "code": "c" }, { "code": "d" }]), "the body holds 2"),
        (json!([]), "the body holds 0"),
    ] {
        let refused = call(&engine, events).await.unwrap_err();
        assert!(
            refused.kind == Kind::Invalid && refused.to_string().contains(words),
            "{refused}"
        );
    }
    assert_eq!(world.keys(State::Queued).await, Vec::<String>::new());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_the_caller_gets_the_id_and_the_task_goes_on() {
    let world = World::new(1, Vec::new());
    world.target.held.store(true, Ordering::SeqCst);
    let engine = world.engine(&replying(20)).await;
    let late = call(&engine, json!({ "code": "a" })).await.unwrap_err();
    assert_eq!(late.kind, Kind::Timeout);
    let task = late.get("task").unwrap().to_owned();
    assert!(
        late.to_string().contains(&task) && late.to_string().contains("goes on"),
        "{late}"
    );
    world.target.let_go();
    world.settle(&engine).await;
    assert_eq!(world.tasks(State::Done).await[0].id.to_string(), task);
    engine.stop().await;
}
