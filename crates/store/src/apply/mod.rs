//! Writes one list of changes. Each kind of change is one function in the file of its subject.

mod housekeeping;
mod memory;
mod run;
mod task;

use rusqlite::Connection;
use weir_sdk::store::Change;

use crate::counters::Deltas;
use crate::failure::Fault;
use crate::names::Names;

pub(crate) use housekeeping::{Housekeeping, STEP_ROWS_MAX, apply as housekeeping};
pub(crate) use memory::want_number;

/// What the functions work with.
struct Desk<'a> {
    connection: &'a Connection,
    names: &'a mut Names,
    deltas: &'a mut Deltas,
}

/// All changes in order; at the first that fails the caller rolls back. Answers the sequences of inserted tasks.
pub(crate) fn changes(
    connection: &Connection,
    names: &mut Names,
    deltas: &mut Deltas,
    changes: Vec<Change>,
) -> Result<Vec<i64>, Fault> {
    let mut desk = Desk {
        connection,
        names,
        deltas,
    };
    let mut sequences = Vec::new();
    for change in changes {
        if let Some(sequence) = apply(&mut desk, change)? {
            sequences.push(sequence);
        }
    }
    Ok(sequences)
}

fn apply(desk: &mut Desk<'_>, change: Change) -> Result<Option<i64>, Fault> {
    match change {
        Change::InsertTask(new) => return task::insert(desk, &new).map(Some),
        Change::Lease { task, at, release } => task::lease(desk, &task, at, release)?,
        Change::Intend { task, effect, at } => task::intend(desk, &task, &effect, at)?,
        Change::Journal { task, effect, result } => task::journal(desk, &task, &effect, result.as_ref())?,
        Change::Move(change) => task::move_on(desk, &change)?,
        Change::End(end) => task::end(desk, &end)?,
        Change::PutAttempt {
            task,
            attempt,
            at,
            bytes,
        } => task::put_attempt(desk, &task, attempt, at, &bytes)?,
        Change::PutInput { task, input } => task::put_input(desk, &task, &input)?,

        Change::PutRelease(release) => run::put_release(desk, &release)?,
        Change::StartRun(run) => run::start(desk, &run)?,
        Change::Page {
            run,
            scope,
            route,
            read,
            cursor,
            rows,
            tasks,
        } => {
            run::count_page(desk, &run, rows, tasks)?;
            run::put_cursor(desk, &scope, &route, read, &cursor)?;
        }
        Change::EndRun { run, at, outcome } => run::end(desk, &run, at, &outcome)?,
        Change::PutCursor {
            scope,
            route,
            read,
            cursor,
        } => run::put_cursor(desk, &scope, &route, read, &cursor)?,
        Change::PutSnapshot {
            scope,
            route,
            read,
            rows,
        } => run::put_snapshot(desk, &scope, &route, read, &rows)?,

        Change::PutDelivered {
            scope,
            route,
            key,
            delivered,
            reads,
        } => memory::put_delivered(desk, &scope, &route, &key, &delivered, reads.as_deref())?,
        Change::PutLink(link) => memory::put_link(desk, &link)?,
        Change::PutLookupRow {
            scope,
            table,
            key,
            row,
        } => memory::put_lookup_row(desk, &scope, &table, &key, row.as_ref())?,
        Change::PutDocument {
            collection,
            key,
            document,
        } => memory::put_document(desk, &collection, &key, document.as_ref())?,
    }
    Ok(None)
}
