//! What the mover asks the writer to do, in steps of at most [`STEP_ROWS_MAX`] rows.

use rusqlite::{Connection, params};
use weir_model::task::State;

use super::task::take_effects_of;
use crate::column::state_number;
use crate::counters::Deltas;
use crate::failure::Fault;

/// No transaction of the mover is longer, so that no commit waits long behind it.
pub(crate) const STEP_ROWS_MAX: usize = 500;

pub(crate) enum Housekeeping {
    /// These are safe in their day files: sequence and number of attempts that were copied. One to which an attempt was
    /// added meanwhile stays and is copied again.
    Forget(Vec<(i64, i64)>),
    /// Dead tasks that have been so since before this time go to staging, dated by `day`.
    Expire { before: i64, day: i64 },
    /// Runs that ended before this time and have no live task.
    DropRuns { before: i64 },
}

impl Housekeeping {
    pub(crate) fn weight(&self) -> usize {
        match self {
            Housekeeping::Forget(rows) => rows.len(),
            Housekeeping::Expire { .. } | Housekeeping::DropRuns { .. } => STEP_ROWS_MAX,
        }
    }
}

/// Answers how many rows it concerned.
pub(crate) fn apply(connection: &Connection, deltas: &mut Deltas, step: Housekeeping) -> Result<i64, Fault> {
    match step {
        Housekeeping::Forget(rows) => forget(connection, &rows),
        Housekeeping::Expire { before, day } => expire(connection, deltas, before, day),
        Housekeeping::DropRuns { before } => drop_runs(connection, before),
    }
}

fn forget(connection: &Connection, rows: &[(i64, i64)]) -> Result<i64, Fault> {
    let mut staging = connection.prepare_cached(
        "DELETE FROM staging
         WHERE sequence = ?1 AND (SELECT count(*) FROM attempts WHERE sequence = ?1) = ?2",
    )?;
    let mut inputs = connection.prepare_cached("DELETE FROM inputs WHERE sequence = ?1")?;
    let mut attempts = connection.prepare_cached("DELETE FROM attempts WHERE sequence = ?1")?;
    let mut count = 0;
    for (sequence, copied) in rows {
        if staging.execute([sequence, copied])? == 0 {
            continue;
        }
        count += 1;
        inputs.execute([sequence])?;
        if *copied > 0 {
            attempts.execute([sequence])?;
        }
    }
    Ok(count)
}

fn expire(connection: &Connection, deltas: &mut Deltas, before: i64, day: i64) -> Result<i64, Fault> {
    let expired: Vec<(i64, i64)> = connection
        .prepare_cached(
            "SELECT sequence, route FROM tasks INDEXED BY tasks_parked
             WHERE state IN (2, 3, 6) AND state = ?1 AND since < ?2 LIMIT ?3",
        )?
        .query_map(
            params![state_number(State::Dead), before, STEP_ROWS_MAX as i64],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .collect::<Result<_, _>>()?;
    for (sequence, route) in &expired {
        let effects = take_effects_of(connection, *sequence)?;
        connection
            .prepare_cached(
                "INSERT INTO staging (sequence, id, scope, route, key, run, state, day, created_at, since, attempts,
                     release, first_attempt_at, error, reason, effects, replay_of)
                 SELECT sequence, id, scope, route, key, run, state, ?2, created_at, since, attempts,
                     release, first_attempt_at, error, reason, ?3, replay_of
                 FROM tasks WHERE sequence = ?1",
            )?
            .execute(params![sequence, day, effects])?;
        connection
            .prepare_cached("DELETE FROM tasks WHERE sequence = ?1")?
            .execute([sequence])?;
        deltas.forget_dead(*route);
    }
    Ok(expired.len() as i64)
}

fn drop_runs(connection: &Connection, before: i64) -> Result<i64, Fault> {
    let old: Vec<[u8; 16]> = connection
        .prepare_cached(
            "SELECT id FROM runs WHERE ended_at < ?1 AND NOT EXISTS (
                 SELECT 1 FROM run_counters WHERE run = runs.id AND state IN (0, 1, 2, 3) AND count > 0)
             LIMIT ?2",
        )?
        .query_map(params![before, STEP_ROWS_MAX as i64], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for run in &old {
        connection
            .prepare_cached("DELETE FROM run_counters WHERE run = ?1")?
            .execute([run])?;
        connection
            .prepare_cached("DELETE FROM runs WHERE id = ?1")?
            .execute([run])?;
    }
    Ok(old.len() as i64)
}
