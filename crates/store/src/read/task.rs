//! Live tasks, as the engine takes them up; and one task whole.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};
use serde_json::Value;
use weir_model::{Scope, TaskId};
use weir_sdk::store::{LiveTask, Loaded, TaskDetail, TaskRow};

use crate::column::{
    json_option, run_id_option, signed, state, task_id, task_id_option, time, time_option, unsigned_option,
};
use crate::failure::Fault;
use crate::names::scope_id;

const LIVE_COLUMNS: &str = "tasks.id, tasks.sequence, routes.name, tasks.key, tasks.run, tasks.state, tasks.due, \
     tasks.needs, tasks.attempts, EXISTS (SELECT 1 FROM effects WHERE sequence = tasks.sequence AND \
     substr(effect, 1, 1) <> '@'), tasks.since";

fn live_task(row: &Row<'_>) -> Result<LiveTask, Fault> {
    Ok(LiveTask {
        id: task_id(row, 0)?,
        sequence: row.get(1)?,
        route: row.get(2)?,
        key: row.get(3)?,
        run: run_id_option(row, 4)?,
        state: state(row, 5)?,
        due: time_option(row, 6)?,
        needs: json_option(row, 7)?.unwrap_or_default(),
        attempts: row.get(8)?,
        has_effect: row.get(9)?,
        since: time(row, 10)?,
    })
}

pub(crate) fn live(
    connection: &Connection,
    scope: &Scope,
    after: i64,
    limit: usize,
) -> Result<Vec<LiveTask>, Fault> {
    let Some(scope) = scope_id(connection, scope)? else {
        return Ok(Vec::new());
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {LIVE_COLUMNS} FROM tasks JOIN routes ON routes.id = tasks.route
         WHERE tasks.scope = ?1 AND tasks.sequence > ?2 ORDER BY tasks.sequence LIMIT ?3"
    ))?;
    let mut rows = statement.query(params![scope, after, signed(limit as u64)])?;
    let mut tasks = Vec::new();
    while let Some(row) = rows.next()? {
        tasks.push(live_task(row)?);
    }
    Ok(tasks)
}

pub(crate) fn load(connection: &Connection, tasks: &[TaskId]) -> Result<Vec<Loaded>, Fault> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {LIVE_COLUMNS}, input, tasks.release, tasks.first_attempt_at, tasks.replay_of,
             EXISTS (SELECT 1 FROM effects WHERE sequence = tasks.sequence)
         FROM tasks JOIN routes ON routes.id = tasks.route JOIN inputs ON inputs.sequence = tasks.sequence
         WHERE tasks.id = ?1"
    ))?;
    let mut loaded = Vec::with_capacity(tasks.len());
    for id in tasks {
        let mut rows = statement.query([id.bytes()])?;
        let Some(row) = rows.next()? else { continue };
        let task = live_task(row)?;
        loaded.push(Loaded {
            // Most tasks have neither effects nor notes.
            effects: match row.get(15)? {
                true => effects(connection, task.sequence)?,
                false => BTreeMap::new(),
            },
            task,
            input: row.get(11)?,
            release: unsigned_option(row, 12)?,
            first_attempt_at: time_option(row, 13)?,
            replay_of: task_id_option(row, 14)?,
        });
    }
    Ok(loaded)
}

fn effects(connection: &Connection, sequence: i64) -> Result<BTreeMap<String, Option<Value>>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT effect, result FROM effects WHERE sequence = ?1")?;
    let mut rows = statement.query([sequence])?;
    let mut effects = BTreeMap::new();
    while let Some(row) = rows.next()? {
        effects.insert(row.get(0)?, json_option(row, 1)?);
    }
    Ok(effects)
}

/// Columns of a [`TaskRow`], in this order, of a live task; `routes` is joined.
pub(crate) const ROW_OF_LIVE: &str = "tasks.id, tasks.sequence, routes.name, tasks.key, tasks.state, tasks.attempts, \
     tasks.created_at, tasks.since, tasks.run, tasks.error, tasks.reason, tasks.replay_of, tasks.due, tasks.needs, \
     NULL, tasks.release";

/// The same of a finished one, in `staging` or (with its own `routes`) in a day file.
pub(crate) const ROW_OF_FINISHED: &str = "tasks.id, tasks.sequence, routes.name, tasks.key, tasks.state, \
     tasks.attempts, tasks.created_at, tasks.since, tasks.run, tasks.error, tasks.reason, tasks.replay_of, NULL, NULL, \
     tasks.warnings, tasks.release";

/// The first column behind those of a row.
pub(crate) const AFTER_ROW: usize = 16;

pub(crate) fn task_row(row: &Row<'_>) -> Result<TaskRow, Fault> {
    Ok(TaskRow {
        id: task_id(row, 0)?,
        sequence: row.get(1)?,
        route: row.get(2)?,
        key: row.get(3)?,
        state: state(row, 4)?,
        attempts: row.get(5)?,
        created_at: time(row, 6)?,
        since: time(row, 7)?,
        run: run_id_option(row, 8)?,
        error: json_option(row, 9)?,
        reason: row.get(10)?,
        replay_of: task_id_option(row, 11)?,
        due: time_option(row, 12)?,
        needs: json_option(row, 13)?.unwrap_or_default(),
        warnings: json_option(row, 14)?.unwrap_or_default(),
    })
}

/// A live task or one in staging.
pub(crate) fn detail(connection: &Connection, id: &TaskId) -> Result<Option<TaskDetail>, Fault> {
    let live = format!(
        "SELECT {ROW_OF_LIVE}, input, NULL, project, environment FROM tasks JOIN routes ON routes.id = tasks.route
         JOIN scopes ON scopes.id = tasks.scope
         JOIN inputs ON inputs.sequence = tasks.sequence WHERE tasks.id = ?1"
    );
    let staged = format!(
        "SELECT {ROW_OF_FINISHED}, input, effects, project, environment
         FROM staging AS tasks JOIN routes ON routes.id = tasks.route
         JOIN scopes ON scopes.id = tasks.scope
         JOIN inputs ON inputs.sequence = tasks.sequence WHERE tasks.id = ?1"
    );
    for (sql, is_live) in [(live, true), (staged, false)] {
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query([id.bytes()])?;
        let Some(found) = rows.next()? else { continue };
        let row = task_row(found)?;
        return Ok(Some(TaskDetail {
            scope: Scope::new(
                found.get::<_, String>(AFTER_ROW + 2)?,
                found.get::<_, String>(AFTER_ROW + 3)?,
            ),
            release: unsigned_option(found, AFTER_ROW - 1)?,
            input: found.get(AFTER_ROW)?,
            effects: match is_live {
                true => effects(connection, row.sequence)?,
                false => kept_effects(found, AFTER_ROW + 1)?,
            },
            attempts: attempts(connection, row.sequence)?,
            row,
        }));
    }
    Ok(None)
}

/// Effects as a finished row keeps them: a list of the result, or an empty one.
pub(crate) fn kept_effects(row: &Row<'_>, column: usize) -> Result<BTreeMap<String, Option<Value>>, Fault> {
    let kept: Option<BTreeMap<String, Vec<Value>>> = json_option(row, column)?;
    Ok(kept
        .unwrap_or_default()
        .into_iter()
        .map(|(effect, mut result)| (effect, result.pop()))
        .collect())
}

fn attempts(connection: &Connection, sequence: i64) -> Result<Vec<(u32, jiff::Timestamp, Vec<u8>)>, Fault> {
    let mut statement = connection
        .prepare_cached("SELECT attempt, at, bytes FROM attempts WHERE sequence = ?1 ORDER BY attempt")?;
    attempt_rows(statement.query([sequence])?)
}

pub(crate) fn attempt_rows(
    mut rows: rusqlite::Rows<'_>,
) -> Result<Vec<(u32, jiff::Timestamp, Vec<u8>)>, Fault> {
    let mut attempts = Vec::new();
    while let Some(row) = rows.next()? {
        attempts.push((row.get(0)?, time(row, 1)?, row.get(2)?));
    }
    Ok(attempts)
}
