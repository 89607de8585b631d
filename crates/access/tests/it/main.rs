//! Access over a real store: what opens a door, what does not, and that nothing secret is kept in the clear.
#![expect(clippy::unwrap_used, reason = "tests")]

mod doors;
mod secrets;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use weir_access::Access;
use weir_sdk::context::Clock;
use weir_sdk::store::Store;
use weir_store::SqliteStore;

/// A clock that a test turns.
#[derive(Default)]
pub(crate) struct Hand {
    seconds: AtomicI64,
}

impl Hand {
    pub(crate) fn turn(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + self.seconds.load(Ordering::SeqCst)).unwrap()
    }
    fn monotonic_ms(&self) -> u64 {
        self.seconds.load(Ordering::SeqCst) as u64 * 1_000
    }
    async fn sleep_ms(&self, _: u64) {}
}

pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<Hand>,
    pub(crate) access: Access,
}

pub(crate) fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path()).unwrap());
    let clock = Arc::new(Hand::default());
    let access = Access::new(store.clone(), clock.clone());
    House {
        folder,
        store,
        clock,
        access,
    }
}

/// Does the text stand in any file of the folder?
pub(crate) fn is_on_disk(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder)
        .unwrap()
        .filter_map(Result::ok)
        .any(|entry| {
            let path = entry.path();
            if path.is_dir() {
                return is_on_disk(&path, text);
            }
            let bytes = std::fs::read(&path).unwrap();
            bytes.windows(text.len()).any(|part| part == text.as_bytes())
        })
}
