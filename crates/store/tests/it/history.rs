//! The day files themselves.

use std::path::Path;

use weir_model::task::State;
use weir_sdk::store::Store;
use weir_store::SqliteStore;

use crate::conformance::given::{RETENTION, days, ended, finished, insert, keys, query, task_id};

fn files(folder: &Path) -> String {
    let mut names: Vec<String> = std::fs::read_dir(folder.join("history"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names.join(" ")
}

async fn fill(store: &dyn Store) {
    finished(store, "products", "done", days(0)).await;
    let changes = [State::Skipped, State::Cancelled].map(|state| {
        let id = task_id();
        vec![
            insert(id, "products", state.name()),
            ended(id, State::Queued, state, days(0)),
        ]
    });
    store.commit(changes.concat()).await.unwrap();
}

#[tokio::test]
async fn a_day_and_class_is_one_file_and_is_dropped_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    fill(&store).await;
    std::fs::write(folder.path().join("history/notes.txt"), "of a person").unwrap();
    assert_eq!(store.tidy(days(3), &RETENTION).await.unwrap(), 3);
    assert_eq!(
        files(folder.path()),
        "2026-11-22.done.db 2026-11-22.skipped.db notes.txt"
    );
    store.tidy(days(4), &RETENTION).await.unwrap();
    assert_eq!(
        files(folder.path()),
        "2026-11-22.done.db notes.txt",
        "skipped ones: three days"
    );
    assert_eq!(keys(&store, &query(9)).await.0, "done");
    store.tidy(days(31), &RETENTION).await.unwrap();
    assert_eq!(files(folder.path()), "notes.txt");
}

/// The crash between the copy and the delete: rows lie in staging and in the day file.
#[tokio::test]
async fn a_row_that_was_copied_and_not_yet_deleted_is_found_once_and_moved_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    fill(&store).await;
    drop(store);
    let before = std::fs::read(folder.path().join("main.db")).unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    store.tidy(days(0), &RETENTION).await.unwrap();
    drop(store);
    // Also what a restored backup looks like.
    std::fs::write(folder.path().join("main.db"), before).unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    for _ in 0..2 {
        assert_eq!(
            keys(&store, &query(9)).await,
            ("cancelled skipped done".to_owned(), None)
        );
        store.tidy(days(0), &RETENTION).await.unwrap();
    }
    assert_eq!(store.health().await.unwrap()["staging"], 0);
}

/// More than a step of the mover, in several days.
#[tokio::test]
async fn many_rows_are_moved_in_steps() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    for day in 0..3 {
        let mut changes = Vec::new();
        for number in 0..900 {
            let id = task_id();
            changes.push(insert(id, "products", &number.to_string()));
            changes.push(ended(id, State::Queued, State::Skipped, days(day)));
        }
        store.commit(changes).await.unwrap();
    }
    assert_eq!(store.tidy(days(2), &RETENTION).await.unwrap(), 2_700);
    let page = store.tasks(&query(1_000)).await.unwrap();
    assert_eq!((page.tasks.len(), page.next.is_some()), (1_000, true));
    drop(store);
    let main = rusqlite::Connection::open(folder.path().join("main.db")).unwrap();
    for table in ["tasks", "staging", "inputs", "attempts", "effects"] {
        let left: i64 = main
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .unwrap();
        assert_eq!(left, 0, "nothing of a moved task stays in {table}");
    }
}

/// A mover that was killed in the middle leaves a journal beside the day file; the next reader rolls it back.
#[tokio::test]
async fn a_day_file_with_a_journal_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let mut changes = Vec::new();
    for _ in 0..900 {
        let id = task_id();
        changes.push(insert(id, "products", "before"));
        changes.push(ended(id, State::Queued, State::Skipped, days(0)));
    }
    store.commit(changes).await.unwrap();
    store.tidy(days(0), &RETENTION).await.unwrap();
    let (name, journal) = ("2026-11-22.skipped.db", "2026-11-22.skipped.db-journal");
    let from = folder.path().join("history");
    let killed = rusqlite::Connection::open(from.join(name)).unwrap();
    // So small a cache that the half-written transaction reaches the file.
    killed
        .execute_batch("PRAGMA cache_size = 1; BEGIN; UPDATE tasks SET key = 'half-written';")
        .unwrap();
    let other = tempfile::tempdir().unwrap();
    let to = other.path().join("history");
    std::fs::create_dir(&to).unwrap();
    for file in [name, journal] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
    let store = SqliteStore::open(other.path()).unwrap();
    let page = store.tasks(&query(1_000)).await.unwrap();
    assert_eq!(page.tasks.len(), 900);
    assert!(page.tasks.iter().all(|task| task.key == "before"));
}
