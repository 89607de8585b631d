//! Natural key to id, remembered: misses too, for a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Pairs kept for one field of one entity; beyond it all of them are forgotten and looked up anew.
const PAIRS_MAX: usize = 50_000;

#[derive(Default)]
pub(crate) struct Ids {
    known: Mutex<HashMap<(String, String), HashMap<String, Entry>>>,
}

struct Entry {
    id: Option<Value>,
    until_ms: u64,
}

impl Ids {
    /// `Some(None)`: known to be missing.
    pub(crate) fn get(&self, entity: &str, by: &str, key: &str, now_ms: u64) -> Option<Option<Value>> {
        let known = self.lock();
        let entry = known.get(&(entity.to_owned(), by.to_owned()))?.get(key)?;
        (now_ms < entry.until_ms).then(|| entry.id.clone())
    }

    pub(crate) fn put(&self, entity: &str, by: &str, key: &str, id: Option<Value>, until_ms: u64) {
        let mut known = self.lock();
        let pairs = known.entry((entity.to_owned(), by.to_owned())).or_default();
        if pairs.len() >= PAIRS_MAX {
            pairs.clear();
        }
        pairs.insert(key.to_owned(), Entry { id, until_ms });
    }

    /// The entity's rows have changed in ways that only a look can tell.
    pub(crate) fn forget_misses(&self, entity: &str) {
        for ((name, _), pairs) in self.lock().iter_mut() {
            if name == entity {
                pairs.retain(|_, entry| entry.id.is_some());
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), HashMap<String, Entry>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
