//! Search: live tasks first, then finished ones by the day they ended; newest first.

use std::cmp::Reverse;

use weir_model::{Error, Kind};
use weir_sdk::store::{TaskPage, TaskQuery};

use super::{Row, Tables};

/// A place in the order: live before finished, then by day and sequence.
fn position(row: &Row) -> (i64, i64) {
    (row.day.unwrap_or(i64::MAX), row.sequence)
}

fn parse(text: &str) -> Option<(i64, i64)> {
    let (day, sequence) = text.split_once('.')?;
    Some((day.parse().ok()?, sequence.parse().ok()?))
}

pub(super) fn tasks(tables: &Tables, query: &TaskQuery) -> Result<TaskPage, Error> {
    let before = match &query.page {
        None => (i64::MAX, i64::MAX),
        Some(text) => parse(text)
            .ok_or_else(|| Error::new(Kind::Invalid, format!("`{text}` is not the position of a page")))?,
    };
    let is_wanted = |row: &&Row| {
        query.scope.as_ref().is_none_or(|scope| *scope == row.scope)
            && query.route.as_ref().is_none_or(|route| *route == row.route)
            && (query.states.is_empty() || query.states.contains(&row.state))
            && query.key.as_ref().is_none_or(|key| *key == row.key)
            && query
                .text
                .as_ref()
                .is_none_or(|part| row.key.contains(part.as_str()))
            && query
                .error
                .is_none_or(|kind| row.error.as_ref().is_some_and(|error| error.kind == kind))
            && query.since.is_none_or(|since| row.since >= since)
            && query.until.is_none_or(|until| row.since < until)
            && query.run.is_none_or(|run| row.is_of_run(run))
            && position(row) < before
    };
    let mut found: Vec<&Row> = tables.tasks.values().filter(is_wanted).collect();
    found.sort_by_key(|row| Reverse(position(row)));
    let limit = query.limit.max(1);
    let next = (found.len() > limit).then(|| position(found[limit - 1]));
    found.truncate(limit);
    Ok(TaskPage {
        tasks: found.into_iter().map(Row::listed).collect(),
        next: next.map(|(day, sequence)| format!("{day}.{sequence}")),
    })
}
