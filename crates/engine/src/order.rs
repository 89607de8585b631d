//! New tasks and the order of their keys: what newer versions replace.

use jiff::Timestamp;
use weir_model::TaskId;
use weir_model::order::Entry;
use weir_model::task::State as TaskState;
use weir_sdk::store::{Change, End};

use crate::shared::Shared;

/// What the new tasks replace under `latest_only`, taken out of the order before the commit, so that no worker leases
/// what is about to be replaced; [`put_back`] where the commit fails.
pub(crate) fn replace(
    shared: &Shared,
    route: &str,
    new: &[(TaskId, String)],
    at: Timestamp,
    changes: &mut Vec<Change>,
) -> Vec<Entry> {
    let mut replaced: Vec<Entry> = Vec::new();
    let mut state = shared.lock();
    let keys = &mut state.route(route).keys;
    for (id, key) in new {
        for old in keys.superseded_by(key, i64::MAX) {
            if let Some(entry) = keys.remove(&old) {
                changes.push(Change::End(End {
                    task: old,
                    from: entry.state,
                    to: TaskState::Skipped,
                    at,
                    reason: Some(format!("superseded by {id}")),
                    warnings: Vec::new(),
                }));
                replaced.push(entry);
            }
        }
    }
    replaced
}

pub(crate) fn put_back(shared: &Shared, route: &str, replaced: Vec<Entry>) {
    let mut state = shared.lock();
    for entry in replaced {
        state.route(route).keys.put(entry);
    }
}

/// A task as it comes into the order.
pub(crate) fn queued(task: TaskId, key: String, sequence: i64) -> Entry {
    Entry {
        task,
        key,
        sequence,
        state: TaskState::Queued,
        due: None,
        has_effect: false,
        is_aside: false,
    }
}
