//! Changes of releases, runs and what reads remember.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use weir_model::cursor::Cursor;
use weir_model::{Error, Kind, RunId, Scope};
use weir_sdk::store::{Release, Run, RunOutcome};

use super::Desk;
use crate::column::{signed, text};
use crate::failure::Fault;

/// A release never changes: the same one again is no change, another one under its number a conflict.
pub(super) fn put_release(desk: &mut Desk<'_>, release: &Release) -> Result<(), Fault> {
    let scope = desk.names.scope(desk.connection, &release.scope)?;
    let number = signed(release.number);
    let stored: Option<String> = desk
        .connection
        .prepare_cached("SELECT hash FROM releases WHERE scope = ?1 AND number = ?2")?
        .query_row([scope, number], |row| row.get(0))
        .optional()?;
    match stored {
        Some(hash) if hash == release.hash => return Ok(()),
        Some(_) => {
            return Err(Fault::Refused(Error::new(
                Kind::Conflict,
                format!(
                    "release {} of {} is already there with other files; take the next number",
                    release.number, release.scope
                ),
            )));
        }
        None => {}
    }
    desk.connection
        .prepare_cached(
            "INSERT INTO releases (scope, number, hash, at, author, files) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            scope,
            number,
            release.hash,
            release.at.as_millisecond(),
            release.author,
            text(&release.files)?
        ])?;
    Ok(())
}

pub(super) fn start(desk: &mut Desk<'_>, run: &Run) -> Result<(), Fault> {
    let (scope, route) = desk.names.route(desk.connection, &run.scope, &run.route)?;
    desk.connection
        .prepare_cached(
            "INSERT INTO runs (id, scope, route, release, \"trigger\", started_at, ended_at, outcome, rows, tasks)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            run.id.bytes(),
            scope,
            route,
            signed(run.release),
            run.trigger,
            run.started_at.as_millisecond(),
            run.ended_at.map(|at| at.as_millisecond()),
            run.outcome.as_ref().map(text).transpose()?,
            signed(run.rows),
            signed(run.tasks),
        ])?;
    Ok(())
}

/// A page of a run that has ended is refused: another run may already have moved the cursor on.
pub(super) fn count_page(desk: &Desk<'_>, run: &RunId, rows: u64, tasks: u64) -> Result<(), Fault> {
    let changed = desk
        .connection
        .prepare_cached(
            "UPDATE runs SET rows = rows + ?2, tasks = tasks + ?3 WHERE id = ?1 AND ended_at IS NULL",
        )?
        .execute(params![run.bytes(), signed(rows), signed(tasks)])?;
    under_way(changed, run, "store a page of")
}

pub(super) fn end(desk: &Desk<'_>, run: &RunId, at: Timestamp, outcome: &RunOutcome) -> Result<(), Fault> {
    let changed = desk
        .connection
        .prepare_cached("UPDATE runs SET ended_at = ?2, outcome = ?3 WHERE id = ?1 AND ended_at IS NULL")?
        .execute(params![run.bytes(), at.as_millisecond(), text(outcome)?])?;
    under_way(changed, run, "end")
}

fn under_way(changed: usize, run: &RunId, doing: &str) -> Result<(), Fault> {
    if changed == 1 {
        return Ok(());
    }
    Err(Fault::Refused(
        Error::new(
            Kind::Conflict,
            format!("could not {doing} run {run}: it has ended or was never started; start a new run"),
        )
        .with("run", run),
    ))
}

pub(super) fn put_cursor(
    desk: &mut Desk<'_>,
    scope: &Scope,
    route: &str,
    read: u32,
    cursor: &Cursor,
) -> Result<(), Fault> {
    let (_, route) = desk.names.route(desk.connection, scope, route)?;
    desk.connection
        .prepare_cached(
            "INSERT INTO cursors (route, read, cursor) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET cursor = excluded.cursor",
        )?
        .execute(params![route, read, text(cursor)?])?;
    Ok(())
}

pub(super) fn put_snapshot(
    desk: &mut Desk<'_>,
    scope: &Scope,
    route: &str,
    read: u32,
    rows: &[(String, [u8; 16])],
) -> Result<(), Fault> {
    let (_, route) = desk.names.route(desk.connection, scope, route)?;
    let mut statement = desk.connection.prepare_cached(
        "INSERT INTO snapshots (route, read, key, hash) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET hash = excluded.hash",
    )?;
    for (key, hash) in rows {
        statement.execute(params![route, read, key, hash])?;
    }
    Ok(())
}
