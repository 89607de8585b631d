//! A disk that is full.

use weir_model::Kind;
use weir_sdk::store::{Change, NewTask, Store};
use weir_store::SqliteStore;

use crate::conformance::given::{insert, new_task, scope, task_id};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_the_store_stays_usable() {
    let folder = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(SqliteStore::open(folder.path()).unwrap());
    store.set_bytes_max(Some(2 << 20)).await.unwrap();
    let large = || {
        Change::InsertTask(NewTask {
            input: vec![7; 200_000],
            ..new_task(task_id(), "products", "large")
        })
    };
    let mut stored = 0;
    let error = loop {
        match store.commit(vec![large()]).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 100, "the limit holds");
    };
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.message.contains("full"), "{error}");
    // Whoever shares a group with the one that does not fit is answered truly, either way.
    let mut callers = Vec::new();
    for number in 0..20 {
        let store = std::sync::Arc::clone(&store);
        let change = if number % 5 == 0 {
            large()
        } else {
            insert(task_id(), "products", "small")
        };
        callers.push(tokio::spawn(async move { store.commit(vec![change]).await }));
    }
    for caller in callers {
        match caller.await.unwrap() {
            Ok(_) => stored += 1,
            Err(error) => assert_eq!(error.kind, Kind::Unavailable),
        }
    }
    assert_eq!(store.live(&scope(), 0, 1_000).await.unwrap().len(), stored);
    store.set_bytes_max(None).await.unwrap();
    store.commit(vec![large()]).await.expect("space is there again");
    assert_eq!(store.health().await.unwrap()["integrity"], "ok");
}
