use serde_json::{Value, json};
use weir_engine::{Action, Answer, Engine, Set};
use weir_model::task::State;
use weir_model::{Error, Kind};

use crate::world::{Setup, World, until};

fn pause(parameters: Value) -> Setup {
    Setup {
        extra: vec![(None, "pause", parameters)],
        ..Setup::default()
    }
}

fn question(timeout: &str) -> Setup {
    pause(json!({ "for_answer": "code", "into": "may", "timeout": timeout }))
}

fn world() -> World {
    World::new(10, vec![json!({ "code": "a", "v": 1 })])
}

async fn rests(engine: &Engine) {
    until("it rests", || engine.status().routes["things"].retrying == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_takes_no_attempt_and_ends_by_itself() {
    let world = world();
    let busy = Error::new(Kind::RateLimited, "slow down").retry_after_ms(3);
    world.target.fail("a", [busy]);
    let engine = world.engine(&pause(json!({ "for": "40ms" }))).await;
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["a"]);
    let done = world.tasks(State::Done).await.remove(0);
    assert_eq!(done.attempts, 2, "the failed one and the good one");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_task_is_replaced_by_a_newer_version() {
    let world = world();
    let engine = world.engine(&pause(json!({ "for": "1h" }))).await;
    engine.run("things", "manual").await.unwrap();
    rests(&engine).await;
    let paused = world.tasks(State::Retrying).await.remove(0);
    assert!(paused.reason.unwrap().starts_with("pauses until "));
    assert_eq!((paused.attempts, paused.error), (0, None));
    world.source.put(json!({ "code": "a", "v": 2 }));
    engine.run("things", "manual").await.unwrap();
    until("the first one is replaced", || {
        engine.status().routes["things"].skipped == 1
    })
    .await;
    rests(&engine).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_pause_survives_a_restart() {
    let world = world();
    let engine = world.engine(&pause(json!({ "for": "1h" }))).await;
    engine.run("things", "manual").await.unwrap();
    rests(&engine).await;
    let before = world.tasks(State::Retrying).await.remove(0);
    engine.stop().await;
    let engine = world.engine(&pause(json!({ "for": "2h" }))).await;
    // A person may have it looked at at once: the time that was set stands.
    engine.act(&before.id, Action::Retry).await.unwrap();
    rests(&engine).await;
    let after = world.tasks(State::Retrying).await.remove(0);
    assert_eq!((after.id, after.due), (before.id, before.due));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_over_a_restart_and_its_answer_lets_the_task_go_on() {
    let world = world();
    let engine = world.engine(&question("1h")).await;
    world.run(&engine).await;
    let asks = world.tasks(State::Waiting).await.remove(0);
    assert_eq!(asks.reason.as_deref(), Some("a"), "the question");
    engine.stop().await;

    let engine = world.engine(&question("1h")).await;
    world.settle(&engine).await;
    let again = world.tasks(State::Waiting).await.remove(0);
    assert_eq!(
        (again.id, again.due, again.since),
        (asks.id, asks.due, asks.since)
    );
    let released = engine.act(&asks.id, Action::Release).await.unwrap_err();
    assert!(released.message.contains("weir tasks answer"), "{released}");
    let neither = engine.answer(&asks.id, &Answer::default()).await.unwrap_err();
    assert_eq!(neither.kind, Kind::Invalid);
    let answer = Answer {
        set: Some(Set {
            path: "by.name".to_owned(),
            value: json!("Ann"),
        }),
        entity: None,
    };
    engine.answer(&asks.id, &answer).await.unwrap();
    world.settle(&engine).await;
    let table = world.target.table.lock().unwrap().clone();
    assert_eq!(table["a"]["may"], json!({ "by": { "name": "Ann" } }));
    let twice = engine.answer(&asks.id, &answer).await.unwrap_err();
    assert_eq!(twice.kind, Kind::Conflict);
    assert!(
        twice.message.contains("is done and waits for no answer"),
        "{twice}"
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_nobody_answers_is_dead_after_its_timeout() {
    let world = world();
    let engine = world.engine(&question("1ms")).await;
    world.run(&engine).await;
    engine.sweep().await;
    let dead = world.tasks(State::Dead).await.remove(0);
    let message = dead.error.unwrap().message;
    assert!(
        message.contains("an answer to the step `pause`: nobody has given one"),
        "{message}"
    );
    engine.stop().await;
}
