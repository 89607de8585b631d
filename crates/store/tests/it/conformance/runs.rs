//! Runs, cursors, snapshots and releases.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use weir_model::Kind;
use weir_model::cursor::Cursor;
use weir_sdk::store::{Change, Release, RunOutcome, Store};

use super::given::{at, insert, run, run_id, scope, task_id};

fn page(run: weir_model::RunId, number: u64) -> Change {
    Change::Page {
        run,
        scope: scope(),
        route: "products".to_owned(),
        read: 0,
        cursor: Cursor {
            page: Some(json!(number)),
            high_water: Some(at(3)),
            ..Cursor::default()
        },
        rows: 100,
        tasks: 40,
    }
}

pub(super) async fn a_page_moves_cursor_and_counters_with_its_tasks(store: Arc<dyn Store>) {
    let (first, second, other) = (run_id(), run_id(), run_id());
    store
        .commit(vec![
            Change::StartRun(run(first, "products", 0)),
            Change::StartRun(run(other, "stock", 1)),
            Change::StartRun(run(second, "products", 2)),
        ])
        .await
        .unwrap();
    assert_eq!(store.cursor(&scope(), "products", 0).await.unwrap(), None);
    for number in [2, 3] {
        store
            .commit(vec![page(first, number), insert(task_id(), "products", "a")])
            .await
            .unwrap();
    }
    // A list that fails moves nothing.
    let refused = store
        .commit(vec![
            page(first, 4),
            insert(task_id(), "products", "a"),
            page(run_id(), 5),
        ])
        .await;
    assert_eq!(refused.unwrap_err().kind, Kind::Conflict);
    let cursor = store.cursor(&scope(), "products", 0).await.unwrap().unwrap();
    assert_eq!((cursor.page, cursor.high_water), (Some(json!(3)), Some(at(3))));
    assert_eq!(
        store.cursor(&scope(), "products", 1).await.unwrap(),
        None,
        "another read"
    );
    assert_eq!(store.live(&scope(), 0, 10).await.unwrap().len(), 2);

    let runs = store.runs(&scope(), Some("products"), 10).await.unwrap();
    let ids: Vec<_> = runs.iter().map(|run| run.id).collect();
    assert_eq!(ids, [second, first], "newest first");
    assert_eq!((runs[1].rows, runs[1].tasks), (200, 80));
    let all = store.runs(&scope(), None, 2).await.unwrap();
    assert_eq!(all.iter().map(|run| run.id).collect::<Vec<_>>(), [second, other]);
}

pub(super) async fn a_page_of_an_ended_run_is_refused(store: Arc<dyn Store>) {
    let id = run_id();
    let end = |outcome| Change::EndRun {
        run: id,
        at: at(9),
        outcome,
    };
    let stopped = RunOutcome::Stopped("by a person".to_owned());
    store
        .commit(vec![
            Change::StartRun(run(id, "products", 0)),
            end(stopped.clone()),
        ])
        .await
        .unwrap();
    for change in [page(id, 1), end(RunOutcome::Read)] {
        assert_eq!(store.commit(vec![change]).await.unwrap_err().kind, Kind::Conflict);
    }
    let run = store.runs(&scope(), None, 1).await.unwrap().remove(0);
    assert_eq!((run.ended_at, run.outcome), (Some(at(9)), Some(stopped)));
}

pub(super) async fn releases_are_numbered_and_never_change(store: Arc<dyn Store>) {
    let release = |number, hash: &str| Release {
        scope: scope(),
        number,
        hash: hash.to_owned(),
        at: at(1),
        author: "mia".to_owned(),
        files: BTreeMap::from([("weir.yaml".to_owned(), format!("name: {hash}\n"))]),
    };
    assert_eq!(store.release(&scope(), None).await.unwrap(), None);
    for number in [1, 2, 10] {
        store
            .commit(vec![Change::PutRelease(release(number, "first"))])
            .await
            .unwrap();
    }
    store
        .commit(vec![Change::PutRelease(release(2, "first"))])
        .await
        .expect("the same again is no change");
    let other = store.commit(vec![Change::PutRelease(release(2, "other"))]).await;
    assert_eq!(other.unwrap_err().kind, Kind::Conflict);
    for (number, expected) in [(None, Some(10)), (Some(2), Some(2)), (Some(3), None)] {
        let found = store.release(&scope(), number).await.unwrap();
        assert_eq!(found, expected.map(|number| release(number, "first")));
    }
}

pub(super) async fn snapshots_remember_the_last_hash(store: Arc<dyn Store>) {
    let put = |rows: &[(&str, u8)]| Change::PutSnapshot {
        scope: scope(),
        route: "products".to_owned(),
        read: 1,
        rows: rows
            .iter()
            .map(|(key, hash)| ((*key).to_owned(), [*hash; 16]))
            .collect(),
    };
    store
        .commit(vec![put(&[("a", 1), ("b", 2)]), put(&[("b", 3)])])
        .await
        .unwrap();
    let keys = ["b", "x", "a"].map(str::to_owned);
    let found = store.snapshot(&scope(), "products", 1, &keys).await.unwrap();
    assert_eq!(found, [Some([3; 16]), None, Some([1; 16])]);
    let found = store.snapshot(&scope(), "products", 0, &keys).await.unwrap();
    assert_eq!(found, [None; 3], "another read");
}
