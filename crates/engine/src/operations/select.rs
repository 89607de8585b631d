use std::collections::HashSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, RunId, TaskId};
use weir_sdk::store::TaskQuery;

use super::TASKS_MAX;
use crate::actions::Action;
use crate::plan;
use crate::shared::Shared;

/// Rows asked for at once.
const PAGE_ROWS: usize = 1_000;
/// Tasks looked up at once.
const DETAILS_ROWS: usize = 100;

/// Which tasks are meant: a search, or a list of ids.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// Exactly these; nothing else is given then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Where none is named: `dead`; for `release` `waiting`; for `replay` `done`, `skipped` and `cancelled`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<TaskState>,
    /// The kind of the error that they failed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Kind>,
    /// An exact key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A part of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// In their state since this time or later …
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// … and before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
}

impl Selection {
    /// With the states that the action is usually meant for. Errors (`invalid`): it says nothing, or ids and a search.
    pub(crate) fn completed(mut self, action: Action) -> Result<Selection, Error> {
        let wrong = |message: String| Err(Error::new(Kind::Invalid, message).with("field", "selection"));
        if self == Selection::default() {
            return wrong(
                "this would mean every task: say which, by a route, states, a kind of error, a part of the key, a run, a \
                 time or ids"
                    .to_owned(),
            );
        }
        if !self.tasks.is_empty() {
            let only = Selection {
                tasks: self.tasks.clone(),
                ..Selection::default()
            };
            if self != only {
                return wrong("a selection is a list of ids or a search, not both".to_owned());
            }
            if self.tasks.len() > TASKS_MAX {
                return Err(too_many());
            }
            return Ok(self);
        }
        if self.states.is_empty() {
            self.states = match action {
                Action::Release => vec![TaskState::Waiting],
                Action::Replay => vec![TaskState::Done, TaskState::Skipped, TaskState::Cancelled],
                _ => vec![TaskState::Dead],
            };
        }
        Ok(self)
    }
}

fn too_many() -> Error {
    let message = format!(
        "more than {TASKS_MAX} tasks are meant, which is the most for one operation; narrow the selection, for example by \
         a time"
    );
    Error::new(Kind::Limit, message)
}

/// The tasks that are meant now, oldest first. Errors: `not_found` for an id or a route that is not there, `limit`.
pub(crate) async fn tasks(shared: &Shared, selection: &Selection) -> Result<Vec<TaskId>, Error> {
    if !selection.tasks.is_empty() {
        return named(shared, &selection.tasks).await;
    }
    let mut query = TaskQuery {
        scope: Some(shared.configuration.scope.clone()),
        route: selection.route.clone(),
        states: selection.states.clone(),
        key: selection.key.clone(),
        text: selection.text.clone(),
        error: selection.error,
        since: selection.since,
        until: selection.until,
        run: selection.run,
        page: None,
        limit: PAGE_ROWS,
    };
    let mut found: Vec<(i64, TaskId)> = Vec::new();
    let mut known = HashSet::new();
    loop {
        let page = shared.store.tasks(&query).await?;
        let rows = page.tasks.into_iter().map(|row| (row.sequence, row.id));
        // A task that ends between two pages may be on both.
        found.extend(rows.filter(|(_, id)| known.insert(*id)));
        if found.len() > TASKS_MAX {
            return Err(too_many());
        }
        match page.next {
            Some(next) => query.page = Some(next),
            None => break,
        }
    }
    if found.is_empty()
        && let Some(route) = &selection.route
    {
        // A name with a typing error finds nothing, too.
        shared.route(route)?;
    }
    // Versions of a key in the order in which they were made.
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

async fn named(shared: &Shared, ids: &[TaskId]) -> Result<Vec<TaskId>, Error> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(DETAILS_ROWS) {
        for (id, detail) in ids.iter().zip(shared.store.details(ids).await?) {
            let detail = detail
                .filter(|detail| detail.scope == shared.configuration.scope)
                .ok_or_else(|| plan::missing(shared, id))?;
            found.push((detail.row.sequence, *id));
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_says_which_tasks_and_nothing_twice() {
        let route = Selection {
            route: Some("things".to_owned()),
            ..Selection::default()
        };
        let states = |action| route.clone().completed(action).expect("a search").states;
        assert_eq!(states(Action::Correct), [TaskState::Dead]);
        assert_eq!(states(Action::Release), [TaskState::Waiting]);
        assert_eq!(states(Action::Replay).len(), 3);
        let both = Selection {
            tasks: vec![TaskId::from_bytes([1; 16])],
            ..route
        };
        for (selection, part) in [(Selection::default(), "every task"), (both, "not both")] {
            let error = selection.completed(Action::Skip).expect_err(part);
            assert!(error.message.contains(part), "{error}");
        }
    }
}
