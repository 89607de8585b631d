use serde_json::{Value, json};
use weir_model::task::State;
use weir_model::{Error, Kind};

use crate::world::{SIZES, Setup, World, scope};

const NOW: i64 = 1_700_000_000;

fn dated(code: &str, second: i64) -> Value {
    json!({ "code": code, "updated": NOW + second })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_read_asks_only_for_what_changed_and_repeats_make_no_task() {
    let world = World::new(2, vec![dated("a", 0), dated("b", 500), dated("c", 30)]);
    let setup = Setup {
        changed_since: Some("updated"),
        ..Setup::default()
    };
    let engine = world.engine(&setup).await;
    world.run(&engine).await;
    let cursor = world.store.cursor(&scope(), "things", 0).await.unwrap().unwrap();
    assert_eq!(
        cursor.from.unwrap().as_second(),
        NOW + 500,
        "the newest in the data, though it did not come last"
    );

    world.source.put(dated("d", 460));
    world.run(&engine).await;
    let since = world
        .source
        .reads
        .lock()
        .unwrap()
        .last()
        .unwrap()
        .since
        .clone()
        .unwrap();
    assert_eq!(
        (since.0.as_str(), since.1.as_second()),
        ("updated", NOW + 440),
        "a minute of overlap"
    );
    let mut sent = world.target.log();
    sent.sort(); // pages are written side by side
    assert_eq!(sent, ["a", "b", "c", "d"]);
    assert_eq!(
        world.keys(State::Skipped).await,
        Vec::<String>::new(),
        "`b` was read twice and made one task"
    );
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_makes_tasks_only_for_what_differs() {
    let world = World::new(
        2,
        (0..5)
            .map(|n| json!({ "code": format!("t{n}"), "v": 1 }))
            .collect(),
    );
    let setup = Setup {
        changed_since: Some("snapshot"),
        ..Setup::default()
    };
    let engine = world.engine(&setup).await;
    world.run(&engine).await;
    world.source.put(json!({ "code": "t3", "v": 2 }));
    world.run(&engine).await;
    assert_eq!(world.target.log()[5..], ["t3"]);
    assert_eq!(engine.status().routes["things"].tasks_made, 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_fails_goes_on_at_its_page() {
    let world = World::new(2, (0..6).map(|n| json!({ "code": format!("t{n}") })).collect());
    let engine = world.engine(&Setup::default()).await;
    world
        .source
        .failures
        .lock()
        .unwrap()
        .push_back(Error::new(Kind::RateLimited, "slow down").retry_after_ms(1));
    world.run(&engine).await;
    assert_eq!(world.target.log().len(), 6);

    // A failure that no patience cures ends the run; the next one goes on where it stopped.
    let reads = world.source.reads.lock().unwrap().len();
    engine.stop().await;
    let world = World::new(2, (0..6).map(|n| json!({ "code": format!("t{n}") })).collect());
    let engine = world.engine(&Setup::default()).await;
    world.run(&engine).await;
    world
        .source
        .failures
        .lock()
        .unwrap()
        .push_back(Error::new(Kind::Bug, "the page is not JSON"));
    world.run(&engine).await;
    assert_eq!(
        engine.status().routes["things"].failure.as_deref(),
        Some("the page is not JSON")
    );
    world.run(&engine).await;
    assert_eq!(engine.status().routes["things"].failure, None);
    assert!(reads > 0);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_wait_while_the_queue_is_full() {
    let world = World::new(20, (0..600).map(|n| json!({ "code": format!("t{n}") })).collect());
    let engine = world
        .engine(&Setup {
            queue: Some(30),
            ..Setup::default()
        })
        .await;
    world.target.held.store(true, std::sync::atomic::Ordering::SeqCst);
    engine.run("things", "manual").await.unwrap();
    world.target.arrived.notified().await;
    // Nothing moves while the target holds: what is read by then is all that will be.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let status = engine.status().routes["things"].clone();
    assert!(status.queued + status.running <= 30 + 20, "{status:?}");
    world.target.let_go();
    world.settle(&engine).await;
    assert_eq!(world.target.log().len(), 600);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_without_a_key_is_a_dead_letter_and_not_lost() {
    let world = World::new(10, vec![json!({ "code": "a" }), json!({ "name": "nameless" })]);
    let engine = world.engine(&Setup::default()).await;
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["a"]);
    let dead = world.tasks(State::Dead).await;
    assert_eq!(dead.len(), 1);
    assert!(dead[0].error.as_ref().unwrap().message.contains("has no key"));
    engine.stop().await;
}

/// One thread, because the lookup's system is one a thread.
#[tokio::test]
async fn a_changed_lookup_row_sends_again_exactly_those_that_asked_for_it() {
    let world = World::new(10, (0..5).map(|n| json!({ "code": format!("t{n}") })).collect());
    let sizes = SIZES.with(std::sync::Arc::clone);
    sizes.put(json!({ "code": "t1", "size": 10 }));
    let engine = world
        .engine(&Setup {
            looks_up: true,
            changed_since: Some("snapshot"),
            ..Setup::default()
        })
        .await;
    world.run(&engine).await;
    assert_eq!(world.target.table.lock().unwrap()["t1"]["size"], json!(10));

    // One row changes, one that was asked for and missing appears; nothing has changed at the source.
    sizes.put(json!({ "code": "t1", "size": 11 }));
    sizes.put(json!({ "code": "t4", "size": 40 }));
    world.run(&engine).await;
    let mut sent = world.target.log()[5..].to_vec();
    sent.sort();
    assert_eq!(sent, ["t1", "t4"]);
    assert_eq!(world.target.table.lock().unwrap()["t4"]["size"], json!(40));
    engine.stop().await;
}
