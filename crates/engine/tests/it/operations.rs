use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_engine::operations::{Operation, Selection};
use weir_engine::{Action, Correction, Deed, Engine, Set};
use weir_model::config::Switch;
use weir_model::operation::{Control, State as Stage};
use weir_model::task::State;
use weir_model::{Error, Kind, OperationId, TaskId};
use weir_sdk::store::Change;

use crate::gate::Gate;
use crate::world::{Setup, World, scope};

/// A world in which each of so many tasks is dead, as the target refused it once.
fn refused(count: usize) -> World {
    let key = |n: usize| format!("k{n:05}");
    let row = |n| json!({ "code": key(n), "price": "abc" });
    let world = World::new(1_000, (0..count).map(row).collect());
    for n in 0..count {
        world.target.fail(
            &key(n),
            [Error::new(Kind::Rejected, format!("`{}` is refused", key(n)))],
        );
    }
    world
}

fn roomy() -> Setup {
    Setup {
        queue: Some(100_000),
        ..Setup::default()
    }
}

fn dead() -> Selection {
    Selection {
        route: Some("things".to_owned()),
        ..Selection::default()
    }
}

pub(crate) fn these(tasks: &[TaskId]) -> Selection {
    Selection {
        tasks: tasks.to_vec(),
        ..Selection::default()
    }
}

fn set(path: &str, value: Value) -> Deed {
    Deed::correct(Correction {
        set: Some(Set {
            path: path.to_owned(),
            value,
        }),
        ..Correction::default()
    })
}

/// Waits until the operation is so.
async fn wait(
    engine: &Engine,
    id: &OperationId,
    is_so: impl Fn(&Operation, Option<&str>) -> bool,
) -> Operation {
    let start = Instant::now();
    loop {
        let progress = engine.operation(id).await.unwrap();
        let found = &progress.operation;
        assert!(found.done <= found.total && found.succeeded + found.refused.count() == found.done);
        if is_so(found, progress.held_back.as_deref()) {
            return progress.operation;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "{progress:#?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) async fn ended(engine: &Engine, id: &OperationId) -> Operation {
    wait(engine, id, |operation, _| operation.state.is_ended()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_tasks_are_corrected_in_bulk_and_each_is_touched_once() {
    const COUNT: usize = 500;
    let world = refused(COUNT);
    let engine = world.engine(&roomy()).await;
    world.run(&engine).await;

    let preview = engine.preview(set("price", json!(1)), dead()).await.unwrap();
    let tried = preview.tried.as_ref().unwrap();
    assert_eq!(
        (preview.total, preview.possible, tried.tasks, tried.written),
        (500, 500, 500, 500)
    );
    assert_eq!(preview.counts["things"], BTreeMap::from([(State::Dead, 500)]));
    assert_eq!(preview.summary, "500 tasks: 500 would now succeed in a dry run");
    assert_eq!(
        preview.examples,
        ["k00000", "k00001", "k00002", "k00003", "k00004"]
    );
    assert_eq!(
        world.keys(State::Dead).await.len(),
        COUNT,
        "a preview changes nothing"
    );
    assert_eq!(world.target.log(), Vec::<String>::new());

    let token = preview.token.unwrap();
    let begun = engine.execute(&token, "anna").await.unwrap().operation;
    assert_eq!((begun.total, begun.by.as_str()), (500, "anna"));
    let operation = ended(&engine, &token).await;
    assert_eq!(
        (
            operation.state,
            operation.done,
            operation.succeeded,
            operation.refused.count()
        ),
        (Stage::Done, 500, 500, 0)
    );
    world.settle(&engine).await;
    let again = engine.execute(&token, "ben").await.unwrap().operation;
    assert_eq!((again.by.as_str(), again.ended_at), ("anna", operation.ended_at));
    world.settle(&engine).await;

    delivered_once(&world, COUNT).await;
    engine.stop().await;
}

/// Each task had two attempts, the second with the corrected price, and the target got each once.
async fn delivered_once(world: &World, count: usize) {
    let mut log = world.target.log();
    log.sort();
    let doubled = log.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!((log.len(), doubled), (count, 0));
    let done = world.tasks(State::Done).await;
    assert_eq!(done.len(), count);
    assert!(done.iter().all(|task| task.attempts == 2), "{:#?}", done[0]);
    assert!(
        world
            .target
            .table
            .lock()
            .unwrap()
            .values()
            .all(|row| row["price"] == 1)
    );
}

/// Killed when a chunk is stored and nobody has heard of it yet; then stopped in order; then left alone.
#[test]
fn ten_thousand_dead_tasks_are_corrected_and_replayed_through_a_kill_and_a_stop() {
    let count = 10_000;
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let mut world = refused(count);
    let gate = Arc::new(Gate::new(world.store.clone()));
    let whole = std::mem::replace(&mut world.store, gate.clone());
    let first = runtime();
    let token = first.block_on(async {
        let engine = world.engine(&roomy()).await;
        world.run(&engine).await;
        engine.switch("things", Switch::Pause).await.unwrap();
        let preview = engine.preview(set("price", json!(1)), dead()).await.unwrap();
        gate.shut(3);
        let token = preview.token.unwrap();
        engine.execute(&token, "anna").await.unwrap();
        gate.waiting(1).await;
        token
    });
    first.shutdown_timeout(Duration::from_secs(20));
    world.store = whole;
    runtime().block_on(async {
        let before = world.keys(State::Queued).await.len() as u64;
        assert!(
            before > 0 && before < count as u64,
            "killed in the middle: {before}"
        );
        let engine = world.engine(&roomy()).await;
        let operation = engine.operation(&token).await.unwrap().operation;
        assert!(operation.done >= before, "{operation:#?}");
        wait(&engine, &token, |operation, _| operation.done > before).await;
        engine.stop().await;

        let engine = world.engine(&roomy()).await;
        let operation = ended(&engine, &token).await;
        let all = count as u64;
        assert_eq!(
            (operation.done, operation.succeeded, operation.refused.count()),
            (all, all, 0)
        );
        assert_eq!(world.keys(State::Queued).await.len(), count);
        engine.switch("things", Switch::On).await.unwrap();
        world.settle(&engine).await;
        delivered_once(&world, count).await;
        engine.stop().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_who_would_fail_and_who_cannot_be_touched() {
    let mut rows: Vec<Value> = (0..5).map(|n| json!({ "code": format!("good{n}") })).collect();
    rows.extend(
        (0..3).map(|n| json!({ "code": format!("bad{n}"), "bad": true, "why": format!("`bad{n}` is bad") })),
    );
    rows.push(json!({ "code": "fine" }));
    let world = World::new(100, rows);
    for n in 0..5 {
        world
            .target
            .fail(&format!("good{n}"), [Error::new(Kind::Rejected, "no")]);
    }
    let setup = Setup {
        extra: vec![(Some("bad"), "fail", json!("why"))],
        ..Setup::default()
    };
    let engine = world.engine(&setup).await;
    world.run(&engine).await;
    let mut all = world.tasks(State::Dead).await;
    all.extend(world.tasks(State::Done).await);
    let ids: Vec<TaskId> = all.iter().map(|task| task.id).collect();
    let preview = engine
        .preview(Deed::new(Action::Retry), these(&ids))
        .await
        .unwrap();
    let tried = preview.tried.as_ref().unwrap();
    assert_eq!(
        (
            preview.total,
            preview.possible,
            tried.tasks,
            tried.written,
            tried.failed
        ),
        (9, 8, 8, 5, 3)
    );
    let failing = &tried.failing.groups[..];
    assert_eq!(
        (failing.len(), failing[0].count, &failing[0].examples[..]),
        (
            1,
            3,
            &["bad0".to_owned(), "bad1".to_owned(), "bad2".to_owned()][..]
        )
    );
    assert!(
        preview
            .summary
            .starts_with("9 tasks: 5 would now succeed in a dry run, 3 would fail because ")
            && preview.summary.contains("1 cannot be retried: "),
        "{}",
        preview.summary
    );
    let operation = engine
        .execute(&preview.token.unwrap(), "anna")
        .await
        .unwrap()
        .operation;
    let operation = ended(&engine, &operation.id).await;
    assert_eq!((operation.done, operation.succeeded), (9, 8));
    assert_eq!(operation.refused.groups[0].examples, ["fine"]);
    assert!(
        operation.refused.groups[0]
            .reason
            .contains("is done and cannot be retried")
    );
    world.settle(&engine).await;
    assert_eq!(world.keys(State::Dead).await, ["bad0", "bad1", "bad2"]);

    let skip = Selection {
        text: Some("ad1".to_owned()),
        ..dead()
    };
    let preview = engine.preview(Deed::new(Action::Skip), skip).await.unwrap();
    assert_eq!(
        (preview.summary.as_str(), preview.tried.is_none()),
        ("1 task: 1 would be skipped", true)
    );
    engine.execute(&preview.token.unwrap(), "anna").await.unwrap();
    ended(&engine, &preview.token.unwrap()).await;
    assert_eq!(world.keys(State::Dead).await, ["bad0", "bad2"]);
    let skipped = world.tasks(State::Skipped).await.remove(0);
    assert!(skipped.reason.unwrap().starts_with("skipped by anna (operation "));
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_keeps_to_the_limit_of_the_queue_and_is_paused_resumed_and_cancelled() {
    let world = refused(500);
    let setup = Setup {
        queue: Some(200),
        ..Setup::default()
    };
    let engine = world.engine(&setup).await;
    world.run(&engine).await;
    engine.switch("things", Switch::Pause).await.unwrap();
    let preview = engine.preview(set("price", json!(1)), dead()).await.unwrap();
    let id = preview.token.unwrap();
    engine.execute(&id, "anna").await.unwrap();
    let held = wait(&engine, &id, |operation, held| {
        operation.done == 200 && held.is_some_and(|why| why.contains("limit queue"))
    })
    .await;
    assert_eq!((held.done, held.state), (200, Stage::Running));

    let paused = engine.control(&id, Control::Pause).await.unwrap().operation;
    assert_eq!((paused.state, paused.done), (Stage::Paused, 200));
    engine.switch("things", Switch::On).await.unwrap();
    world.settle(&engine).await;
    assert_eq!(world.target.log().len(), 200, "a paused operation does nothing");
    engine.stop().await;

    let engine = world.engine(&setup).await;
    assert_eq!(
        engine.operation(&id).await.unwrap().operation.state,
        Stage::Paused
    );
    engine.switch("things", Switch::Pause).await.unwrap();
    engine.control(&id, Control::Resume).await.unwrap();
    wait(&engine, &id, |operation, held| {
        operation.done == 400 && held.is_some()
    })
    .await;
    let cancelled = engine.control(&id, Control::Cancel).await.unwrap().operation;
    assert!(cancelled.state == Stage::Cancelled && cancelled.ended_at.is_some());
    engine.switch("things", Switch::On).await.unwrap();
    world.settle(&engine).await;
    assert_eq!(
        (world.target.log().len(), world.keys(State::Dead).await.len()),
        (400, 100)
    );
    let late = engine.control(&id, Control::Resume).await.unwrap_err();
    assert!(
        late.message.ends_with("is cancelled and cannot be resumed"),
        "{late}"
    );
    engine.control(&id, Control::Cancel).await.unwrap();
    assert_eq!(engine.operations(10).await.unwrap().len(), 1);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_older_than_what_was_delivered_are_counted_and_refused_unless_forced() {
    let world = World::new(
        10,
        vec![json!({ "code": "a", "v": 1 }), json!({ "code": "b", "v": 1 })],
    );
    let engine = world.engine(&Setup::default()).await;
    world.run(&engine).await;
    world.source.put(json!({ "code": "a", "v": 2 }));
    world.run(&engine).await;
    let done = Selection {
        states: vec![State::Done],
        ..dead()
    };
    let preview = engine
        .preview(Deed::new(Action::Replay), done.clone())
        .await
        .unwrap();
    assert_eq!((preview.total, preview.superseded, preview.possible), (3, 1, 2));
    let tried = preview.tried.unwrap();
    assert_eq!(
        (tried.written, tried.skipped),
        (0, 2),
        "the same was delivered before"
    );

    let forced = Deed {
        force: true,
        ..Deed::new(Action::Replay)
    };
    let only = Selection {
        key: Some("a".to_owned()),
        ..done
    };
    let preview = engine.preview(forced, only).await.unwrap();
    assert_eq!((preview.total, preview.superseded, preview.possible), (2, 0, 2));
    let id = preview.token.unwrap();
    engine.execute(&id, "anna").await.unwrap();
    assert_eq!(ended(&engine, &id).await.succeeded, 2);
    world.settle(&engine).await;
    assert_eq!(world.target.log(), ["a", "b", "a", "a", "a"], "oldest first");
    assert_eq!(world.target.table.lock().unwrap()["a"]["v"], 2);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_with_a_sentence_and_changes_nothing() {
    let world = refused(3);
    world.source.put(json!({ "code": "k00000", "price": 7 }));
    let setup = Setup {
        schema: Some(json!({ "properties": { "price": { "type": ["number", "string"] } } })),
        ..Setup::default()
    };
    let engine = world.engine(&setup).await;
    world.run(&engine).await;
    let stranger = world.stranger().await;
    let preview = engine.preview(Deed::new(Action::Retry), dead()).await.unwrap();
    let token = preview.token.unwrap();
    let task = world.tasks(State::Dead).await.remove(0).id;

    let check = |error: Error, kind: Kind, part: &str| {
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(part), "{error}");
    };
    let foreign = stranger.execute(&token, "anna").await.unwrap_err();
    check(foreign, Kind::NotFound, "made for another project");
    let foreign = stranger.act(&task, Action::Retry).await.unwrap_err();
    check(foreign, Kind::NotFound, "in other/dev");
    let foreign = stranger
        .preview(Deed::new(Action::Skip), these(&[task]))
        .await
        .unwrap_err();
    check(foreign, Kind::NotFound, "in other/dev");
    let nobody = stranger.preview(
        Deed::new(Action::Skip),
        Selection {
            text: Some("k".to_owned()),
            ..Selection::default()
        },
    );
    assert_eq!(
        nobody.await.unwrap().token,
        None,
        "tasks of one project are not seen from another"
    );
    stranger.stop().await;

    let retry = || Deed::new(Action::Retry);
    let every = engine.preview(retry(), Selection::default()).await.unwrap_err();
    check(every, Kind::Invalid, "this would mean every task");
    let unknown = Selection {
        route: Some("thing".to_owned()),
        ..Selection::default()
    };
    let unknown = engine.preview(retry(), unknown).await.unwrap_err();
    check(unknown, Kind::NotFound, "did you mean `things`?");
    let nothing = engine
        .preview(Deed::new(Action::Correct), dead())
        .await
        .unwrap_err();
    check(nothing, Kind::Invalid, "say what to correct");
    let forced = Deed {
        force: true,
        ..retry()
    };
    check(
        engine.preview(forced, dead()).await.unwrap_err(),
        Kind::Invalid,
        "`replay`",
    );

    let broken = engine.preview(set("price", json!([])), dead()).await.unwrap();
    assert_eq!((broken.possible, broken.token), (0, None));
    assert_eq!(broken.refused.groups.len(), 1);
    assert!(
        broken
            .summary
            .contains("3 cannot be corrected: the correction would break the schema"),
        "{}",
        broken.summary
    );
    let key = engine.preview(set("code", json!("x")), dead()).await.unwrap();
    assert_eq!((key.possible, key.refused.count()), (0, 3));

    let collection = format!("previews/{}/{}", scope().project, scope().environment);
    let mut document = world
        .store
        .document(&collection, &token.to_string())
        .await
        .unwrap()
        .unwrap();
    document["expires_at"] = json!("2020-01-01T00:00:00Z");
    let put = Change::PutDocument {
        collection,
        key: token.to_string(),
        document: Some(document),
    };
    world.store.commit(vec![put]).await.unwrap();
    let late = engine.execute(&token, "anna").await.unwrap_err();
    check(late, Kind::Conflict, "was good until 2020-01-01");
    let none = engine.control(&token, Control::Pause).await.unwrap_err();
    check(none, Kind::NotFound, "there is no operation");
    assert_eq!(world.keys(State::Dead).await.len(), 3);
    engine.stop().await;

    // An expired preview goes with its list of tasks when the engine starts.
    let engine = world.engine(&setup).await;
    let gone = async || {
        let list = format!(
            "operation-tasks/{}/{}/{token}",
            scope().project,
            scope().environment
        );
        world.store.documents(&list).await.unwrap().is_empty()
    };
    let start = Instant::now();
    while !gone().await {
        assert!(start.elapsed() < Duration::from_secs(20), "the list stays");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let gone = engine.execute(&token, "anna").await.unwrap_err();
    check(gone, Kind::NotFound, "it has expired");
    engine.stop().await;
}
