//! Who may open a folder, and what is found there.

use std::path::Path;

use weir_model::{Error, Kind};
use weir_sdk::store::Store;
use weir_store::SqliteStore;

use crate::conformance::given::{insert, scope, task_id};

fn refused(folder: &Path) -> Error {
    match SqliteStore::open(folder) {
        Ok(_) => panic!("{} was opened", folder.display()),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_second_opener_hears_who_holds_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let error = refused(folder.path());
    assert_eq!(error.kind, Kind::Configuration);
    let pid = std::process::id().to_string();
    assert!(error.message.contains(&format!("pid {pid}")), "{error}");
    assert_eq!(error.get("pid"), Some(pid.as_str()));
    drop(store);
    SqliteStore::open(folder.path()).expect("the lock ends with the store");
}

#[tokio::test]
async fn what_was_stored_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/on/the/way");
    let store = SqliteStore::open(&path).unwrap();
    store
        .commit(vec![insert(task_id(), "products", "a")])
        .await
        .unwrap();
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.live(&scope(), 0, 10).await.unwrap().len(), 1);
    let health = store.health().await.unwrap();
    assert_eq!((&health["integrity"], &health["live"]), (&"ok".into(), &1.into()));
    assert!(health["fsync_us"].as_u64().is_some() && health["main_bytes"].as_u64() > Some(0));
}

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = refused(&file);
    assert_eq!(error.kind, Kind::Configuration);
    assert!(error.message.contains("local disk"), "{error}");
}

#[tokio::test]
async fn tables_of_a_newer_weir_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(folder.path()).unwrap());
    let main = rusqlite::Connection::open(folder.path().join("main.db")).unwrap();
    main.execute("INSERT INTO versions VALUES (99, 0)", []).unwrap();
    drop(main);
    let error = refused(folder.path());
    assert_eq!(error.kind, Kind::Configuration);
    assert!(
        error.message.contains("newer Weir (tables of version 99"),
        "{error}"
    );
}
