//! Runs that read more than what is new: a range of time, everything, what depended on a row.

use serde_json::{Value, json};
use weir_engine::{Ask, Engine, Range};
use weir_model::{Error, Kind};
use weir_sdk::store::Run;

use crate::world::{SIZES, Setup, World, context, scope};

const NOW: i64 = 1_700_000_000;

fn by_field() -> Setup {
    Setup {
        changed_since: Some("updated"),
        ..Setup::default()
    }
}

fn dated(code: &str, second: i64) -> Value {
    json!({ "code": code, "updated": NOW + second })
}

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(NOW + second).unwrap()
}

fn range(since: i64, until: i64) -> Ask {
    Ask::Range(Range {
        since: at(since),
        until: Some(at(until)),
    })
}

async fn ask(world: &World, engine: &Engine, ask: &Ask) -> Run {
    engine.ask("things", ask).await.unwrap();
    world.settle(engine).await;
    world.store.runs(&scope(), None, 1).await.unwrap().remove(0)
}

fn last_read(world: &World) -> weir_sdk::connector::ReadRequest {
    world.source.reads.lock().unwrap().last().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_reads_its_range_and_leaves_the_cursor() {
    let rows = vec![
        dated("a", 0),
        dated("b", 400),
        dated("c", 899),
        dated("d", 900),
        json!({ "code": "e", "updated": null }),
    ];
    let world = World::new(10, rows);
    let engine = world.engine(&by_field()).await;
    world.run(&engine).await;
    let cursor = world.store.cursor(&scope(), "things", 0).await.unwrap();
    world.source.put(dated("b", 401));

    let run = ask(&world, &engine, &range(401, 900)).await;
    assert_eq!(last_read(&world).since, Some(("updated".to_owned(), at(400))));
    assert_eq!(
        (run.trigger.as_str(), run.rows, run.tasks),
        ("backfill", 3, 2),
        "`b` and `c`"
    );
    let run = ask(&world, &engine, &range(402, 900)).await;
    assert_eq!(run.tasks, 1, "another range begins anew");
    assert_eq!(world.store.cursor(&scope(), "things", 0).await.unwrap(), cursor);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_was_cut_off_goes_on_at_its_page() {
    let world = World::new(1, (0..4).map(|n| dated(&format!("t{n}"), n)).collect());
    let fail = || {
        let error = Error::new(Kind::Bug, "the page is not JSON");
        world.source.failures.lock().unwrap().push_back(error);
    };
    let engine = world.engine(&by_field()).await;
    engine.run("things", "manual").await.unwrap();
    world.settle(&engine).await;
    let all = range(0, 100);

    // The first page is read, the second fails.
    let read = world.source.reads.lock().unwrap().len();
    world.source.failures.lock().unwrap().clear();
    world.source.fail_page(1);
    let run = ask(&world, &engine, &all).await;
    assert!(run.tasks == 1 && run.outcome.is_some(), "{run:?}");
    assert_eq!(world.source.reads.lock().unwrap().len(), read + 2);
    // Asked for again, it goes on there; and fails at once.
    fail();
    ask(&world, &engine, &all).await;
    assert_eq!(last_read(&world).page, Some(json!(1)));
    engine.stop().await;

    // A start goes on by itself, and once it is read to the end there is nothing left to go on with.
    let engine = Engine::start(world.configuration(&by_field()), world.store.clone(), context())
        .await
        .unwrap();
    world.settle(&engine).await;
    let run = world.store.runs(&scope(), None, 1).await.unwrap().remove(0);
    assert_eq!((run.trigger.as_str(), run.tasks), ("backfill", 3));
    engine.stop().await;
    let engine = Engine::start(world.configuration(&by_field()), world.store.clone(), context())
        .await
        .unwrap();
    world.settle(&engine).await;
    let again = world.store.runs(&scope(), None, 1).await.unwrap().remove(0);
    assert_eq!(again.id, run.id);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_by_time_is_refused_in_words() {
    for (changed_since, asked, words) in [
        (
            Some("snapshot"),
            range(0, 9),
            "compares with what was read before",
        ),
        (None, range(0, 9), "it names no field for it"),
        (Some("updated"), range(9, 9), "the range ends before it begins"),
    ] {
        let world = World::new(10, vec![dated("a", 0)]);
        let setup = Setup {
            changed_since,
            ..Setup::default()
        };
        let engine = world.engine(&setup).await;
        let error = engine.ask("things", &asked).await.unwrap_err();
        assert_eq!(error.kind, Kind::Invalid);
        assert!(error.message.contains(words), "{error}");
        assert_eq!(world.store.runs(&scope(), None, 1).await.unwrap(), []);
        engine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_read_takes_everything_for_new_also_when_it_was_cut_off() {
    for changed_since in ["updated", "snapshot"] {
        let world = World::new(1, (0..4).map(|n| dated(&format!("t{n}"), n)).collect());
        let setup = Setup {
            changed_since: Some(changed_since),
            ..Setup::default()
        };
        let engine = world.engine(&setup).await;
        world.run(&engine).await;
        let before = world.store.cursor(&scope(), "things", 0).await.unwrap();
        world.source.fail_page(2);
        let run = ask(&world, &engine, &Ask::Full).await;
        assert_eq!(
            (run.trigger.as_str(), run.tasks),
            ("manual", 2),
            "{changed_since}"
        );
        // The next ordinary run goes on with it.
        let run = ask(&world, &engine, &Ask::Onward).await;
        assert_eq!((run.rows, run.tasks), (2, 2), "{changed_since}");
        assert_eq!(last_read(&world).since, None);
        let after = world.store.cursor(&scope(), "things", 0).await.unwrap();
        assert_eq!(
            after.and_then(|cursor| cursor.from),
            before.and_then(|cursor| cursor.from),
            "{changed_since}"
        );
        // And the one after it reads only what is new.
        let run = ask(&world, &engine, &Ask::Onward).await;
        assert_eq!(run.tasks, 0, "{changed_since}");
        engine.stop().await;
    }
}

/// One thread, because the lookup's system is one a thread.
#[tokio::test]
async fn what_asked_for_a_row_is_sent_again() {
    let world = World::new(10, (0..5).map(|n| json!({ "code": format!("t{n}") })).collect());
    SIZES
        .with(std::sync::Arc::clone)
        .put(json!({ "code": "t1", "size": 10 }));
    let engine = world
        .engine(&Setup {
            looks_up: true,
            changed_since: Some("snapshot"),
            ..Setup::default()
        })
        .await;
    world.run(&engine).await;
    let row = |table: &str, key: &str| Ask::WhereRead {
        table: table.to_owned(),
        key: key.to_owned(),
    };
    // Found or not: `t4` asked and got nothing.
    for key in ["t1", "t4"] {
        let run = ask(&world, &engine, &row("sizes", key)).await;
        assert_eq!((run.trigger.as_str(), run.rows, run.tasks), ("resend", 1, 1));
        assert_eq!(last_read(&world).keys, Some(vec![key.to_owned()]));
    }
    let runs = world.store.runs(&scope(), None, 10).await.unwrap().len();
    for (asked, words) in [
        (
            row("sizes", "t9"),
            "no delivery of `things` asked `sizes` for `t9`",
        ),
        (row("size", "t1"), "did you mean `sizes`?"),
    ] {
        let error = engine.ask("things", &asked).await.unwrap_err();
        assert!(
            error.kind == Kind::NotFound && error.message.contains(words),
            "{error}"
        );
    }
    assert_eq!(world.store.runs(&scope(), None, 10).await.unwrap().len(), runs);
    engine.stop().await;
}
