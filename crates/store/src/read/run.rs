//! Releases, runs, cursors, snapshots and counts.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use weir_model::cursor::Cursor;
use weir_model::task::State;
use weir_model::{RunId, Scope};
use weir_sdk::store::{Release, Run};

use crate::column::{json, json_option, signed, state, time, time_option, unsigned};
use crate::failure::Fault;
use crate::names::{route_id, scope_id};

/// The newest where no number is named.
pub(crate) fn release(
    connection: &Connection,
    scope: &Scope,
    number: Option<u64>,
) -> Result<Option<Release>, Fault> {
    let Some(id) = scope_id(connection, scope)? else {
        return Ok(None);
    };
    let mut statement = connection.prepare_cached(
        "SELECT number, hash, at, author, files FROM releases
         WHERE scope = ?1 AND (?2 IS NULL OR number = ?2) ORDER BY number DESC LIMIT 1",
    )?;
    let mut rows = statement.query(params![id, number.map(signed)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Release {
        scope: scope.clone(),
        number: unsigned(row, 0)?,
        hash: row.get(1)?,
        at: time(row, 2)?,
        author: row.get(3)?,
        files: json(row, 4)?,
    }))
}

/// Newest first.
pub(crate) fn runs(
    connection: &Connection,
    scope: &Scope,
    route: Option<&str>,
    limit: usize,
) -> Result<Vec<Run>, Fault> {
    let Some(scope_number) = scope_id(connection, scope)? else {
        return Ok(Vec::new());
    };
    let (column, id) = match route {
        None => ("runs.scope", scope_number),
        Some(route) => match route_id(connection, scope, route)? {
            Some(id) => ("runs.route", id),
            None => return Ok(Vec::new()),
        },
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT runs.id, routes.name, release, \"trigger\", started_at, ended_at, outcome, rows, tasks
         FROM runs JOIN routes ON routes.id = runs.route
         WHERE {column} = ?1 ORDER BY started_at DESC, runs.id DESC LIMIT ?2"
    ))?;
    let mut rows = statement.query(params![id, signed(limit as u64)])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push(run(row, scope)?);
    }
    Ok(runs)
}

fn run(row: &Row<'_>, scope: &Scope) -> Result<Run, Fault> {
    Ok(Run {
        id: RunId::from_bytes(row.get(0)?),
        scope: scope.clone(),
        route: row.get(1)?,
        release: unsigned(row, 2)?,
        trigger: row.get(3)?,
        started_at: time(row, 4)?,
        ended_at: time_option(row, 5)?,
        outcome: json_option(row, 6)?,
        rows: unsigned(row, 7)?,
        tasks: unsigned(row, 8)?,
    })
}

pub(crate) fn cursor(
    connection: &Connection,
    scope: &Scope,
    route: &str,
    read: u32,
) -> Result<Option<Cursor>, Fault> {
    let Some(route) = route_id(connection, scope, route)? else {
        return Ok(None);
    };
    let mut statement =
        connection.prepare_cached("SELECT cursor FROM cursors WHERE route = ?1 AND read = ?2")?;
    let mut rows = statement.query(params![route, read])?;
    rows.next()?.map(|row| json(row, 0)).transpose()
}

pub(crate) fn snapshot(
    connection: &Connection,
    scope: &Scope,
    route: &str,
    read: u32,
    keys: &[String],
) -> Result<Vec<Option<[u8; 16]>>, Fault> {
    let Some(route) = route_id(connection, scope, route)? else {
        return Ok(vec![None; keys.len()]);
    };
    let mut statement = connection
        .prepare_cached("SELECT hash FROM snapshots WHERE route = ?1 AND read = ?2 AND key = ?3")?;
    keys.iter()
        .map(|key| {
            let hash = statement
                .query_row(params![route, read, key], |row| row.get(0))
                .optional()?;
            Ok(hash)
        })
        .collect()
}

pub(crate) fn counts(
    connection: &Connection,
    scope: &Scope,
) -> Result<BTreeMap<String, BTreeMap<State, u64>>, Fault> {
    let mut counts: BTreeMap<String, BTreeMap<State, u64>> = BTreeMap::new();
    let Some(scope) = scope_id(connection, scope)? else {
        return Ok(counts);
    };
    let mut statement = connection.prepare_cached(
        "SELECT name, state, count FROM counters JOIN routes ON routes.id = counters.route
         WHERE scope = ?1 AND count > 0",
    )?;
    let mut rows = statement.query([scope])?;
    while let Some(row) = rows.next()? {
        counts
            .entry(row.get(0)?)
            .or_default()
            .insert(state(row, 1)?, unsigned(row, 2)?);
    }
    Ok(counts)
}

pub(crate) fn run_counts(connection: &Connection, run: &RunId) -> Result<BTreeMap<State, u64>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT state, count FROM run_counters WHERE run = ?1 AND count > 0")?;
    let mut rows = statement.query([run.bytes()])?;
    let mut counts = BTreeMap::new();
    while let Some(row) = rows.next()? {
        counts.insert(state(row, 0)?, unsigned(row, 1)?);
    }
    Ok(counts)
}
