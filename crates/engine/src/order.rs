//! New tasks and the order of their keys: what newer versions replace.

use jiff::Timestamp;
use weir_model::TaskId;
use weir_model::dependency::Need;
use weir_model::order::Entry;
use weir_model::task::State as TaskState;
use weir_sdk::store::{Change, End};

use crate::family;
use crate::shared::Shared;
use crate::state::State;

/// What the new tasks replace under `latest_only`, held before the commit, so that no worker leases what is about to be
/// replaced. After the commit [`forget`] and [`ended`]; where it fails, [`Shared::let_go`].
pub(crate) fn replace(
    shared: &Shared,
    route: &str,
    new: &[(TaskId, String)],
    at: Timestamp,
    changes: &mut Vec<Change>,
) -> Vec<Entry> {
    let mut replaced: Vec<Entry> = Vec::new();
    let mut state = shared.lock();
    let place = state.route(route);
    for (id, key) in new {
        for old in place.keys.superseded_by(key, i64::MAX) {
            if let Some(entry) = place.hold(&old) {
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

/// The end of what was replaced is stored: the memory follows.
pub(crate) fn forget(state: &mut State, route: &str, replaced: &[Entry]) {
    for entry in replaced {
        state.unpark(route, &entry.task);
        let place = state.route(route);
        place.keys.remove(&entry.task);
        place.released.remove(&entry.task);
        place.skipped += 1;
    }
}

/// Tells those who waited for the end of what was replaced.
pub(crate) async fn ended(shared: &Shared, route: &str, replaced: Vec<Entry>) {
    family::ended(shared, replaced.iter().map(|entry| entry.task)).await;
    let need = |entry: Entry| Need::Key {
        route: route.to_owned(),
        key: entry.key,
    };
    let needs: Vec<Need> = replaced.into_iter().map(need).collect();
    shared.wake(&needs).await;
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
