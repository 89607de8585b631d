//! Locks by name, without a lock for each name there is.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tokio::sync::{Mutex, MutexGuard};

/// Enough that the requests under way at once rarely meet by accident, few enough to be held all at once.
const STRIPES: usize = 256;

/// Who holds a name keeps others from holding it; names that share a stripe wait for each other too.
pub(crate) struct Stripes {
    stripes: Vec<Mutex<()>>,
}

impl Default for Stripes {
    fn default() -> Self {
        Stripes {
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Stripes {
    /// Holds all the names, until the answer is dropped. Stripes are taken in order, so that two callers never hold
    /// what the other wants.
    pub(crate) async fn hold<'n>(&self, names: impl IntoIterator<Item = (&'n str, &'n str)>) -> Held<'_> {
        let place = |(space, name): (&str, &str)| {
            let mut hasher = DefaultHasher::new();
            (space, name).hash(&mut hasher);
            (hasher.finish() % STRIPES as u64) as usize
        };
        let mut places: Vec<usize> = names.into_iter().map(place).collect();
        places.sort_unstable();
        places.dedup();
        let mut held = Vec::with_capacity(places.len());
        for place in places {
            held.push(self.stripes[place].lock().await);
        }
        Held { _guards: held }
    }
}

/// Names held.
pub(crate) struct Held<'a> {
    _guards: Vec<MutexGuard<'a, ()>>,
}
