//! The contract on SQLite, and what only an embedded store has: its folder, its day files, its death.
#![expect(clippy::unwrap_used, reason = "tests")]

mod conformance;
mod disk;
mod folder;
mod history;
mod kill;

use std::sync::Arc;

use weir_sdk::store::Store;
use weir_store::SqliteStore;

/// The whole contract, each case in a store of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    for (name, case) in conformance::CASES {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
        // Shown when the case fails.
        println!("case: {name}");
        case(store).await;
    }
}
