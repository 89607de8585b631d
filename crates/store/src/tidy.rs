//! The mover: expired dead tasks go to staging, staging goes to the day files, expired day files and runs go. Copy first,
//! durably, then delete: wherever it is interrupted, going on repeats at most a copy, which replaces itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use weir_model::{Error, RunId};
use weir_sdk::store::Retention;

use crate::apply::{Housekeeping, STEP_ROWS_MAX};
use crate::column::{day, state};
use crate::failure::Fault;
use crate::history::{Class, History, Record};
use crate::readers::Readers;
use crate::writer::{Work, Writer};

const DAY_MS: i64 = 86_400_000;
/// A step takes no further row once it holds so much, however few rows that are.
const STEP_BYTES_MAX: usize = 16 << 20;

pub(crate) fn tidy(
    writer: &Writer,
    readers: &Readers,
    history: &History,
    now: Timestamp,
    retention: &Retention,
) -> Result<u64, Error> {
    let today = day(now);
    let step = |step: Housekeeping| -> Result<i64, Error> {
        let answer = writer.write_blocking(Work::Housekeeping(step))?;
        Ok(answer.first().copied().unwrap_or_default())
    };
    let before = |days: u32| now.as_millisecond() - i64::from(days) * DAY_MS;

    let dead_before = before(retention.dead_days);
    while step(Housekeeping::Expire {
        before: dead_before,
        day: today,
    })? == STEP_ROWS_MAX as i64
    {}

    let failed = |fault: Fault| fault.into_error("move finished tasks to their day files");
    // What is finished while this runs is for the next time; else it might never return.
    let mut left = readers.snapshot(staged).map_err(failed)?;
    let mut moved = 0;
    while left > 0 {
        let batch = readers.snapshot(batch).map_err(failed)?;
        left -= batch.rows as i64;
        let copied: Vec<(i64, i64)> = batch
            .files
            .values()
            .flatten()
            .map(|record| (record.sequence, record.attempts.len() as i64))
            .collect();
        for ((day, class), records) in &batch.files {
            history.file(*day, *class).write(records).map_err(failed)?;
        }
        let gone = if copied.is_empty() {
            0
        } else {
            step(Housekeeping::Forget(copied))?
        };
        if gone == 0 {
            break;
        }
        moved += gone.unsigned_abs();
    }

    drop_files(history, today, retention).map_err(|fault| fault.into_error("drop expired day files"))?;
    let longest = retention
        .done_days
        .max(retention.skipped_days)
        .max(retention.dead_days);
    while step(Housekeeping::DropRuns {
        before: before(longest),
    })? == STEP_ROWS_MAX as i64
    {}
    Ok(moved)
}

fn staged(connection: &Connection) -> Result<i64, Fault> {
    Ok(connection.query_row("SELECT count(*) FROM staging", [], |row| row.get(0))?)
}

#[derive(Default)]
struct Batch {
    rows: usize,
    files: BTreeMap<(i64, Class), Vec<Record>>,
}

fn batch(connection: &Connection) -> Result<Batch, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT staging.state, day, staging.sequence, staging.id, project, environment, name, key, run, created_at,
             since, staging.attempts, release, first_attempt_at, error, reason, warnings, effects, replay_of, input
         FROM staging JOIN routes ON routes.id = staging.route JOIN scopes ON scopes.id = staging.scope
             JOIN inputs ON inputs.sequence = staging.sequence
         ORDER BY staging.sequence LIMIT ?1",
    )?;
    let mut attempts = connection
        .prepare_cached("SELECT attempt, at, bytes FROM attempts WHERE sequence = ?1 ORDER BY attempt")?;
    let mut rows = statement.query(params![STEP_ROWS_MAX as i64])?;
    let mut batch = Batch::default();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let sequence: i64 = row.get(2)?;
        let record = Record {
            sequence,
            state: row.get(0)?,
            id: row.get(3)?,
            project: row.get(4)?,
            environment: row.get(5)?,
            route: row.get(6)?,
            key: row.get(7)?,
            run: row.get(8)?,
            created_at: row.get(9)?,
            since: row.get(10)?,
            tries: row.get(11)?,
            release: row.get(12)?,
            first_attempt_at: row.get(13)?,
            error: row.get(14)?,
            reason: row.get(15)?,
            warnings: row.get(16)?,
            effects: row.get(17)?,
            replay_of: row.get(18)?,
            input: row.get(19)?,
            attempts: attempts
                .query_map([sequence], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<_, _>>()?,
        };
        bytes += record.input.len() + record.attempts.iter().map(|a| a.2.len()).sum::<usize>();
        let class = Class::of(state(row, 0)?).ok_or_else(|| live(&record))?;
        batch.rows += 1;
        batch.files.entry((row.get(1)?, class)).or_default().push(record);
        if bytes >= STEP_BYTES_MAX {
            break;
        }
    }
    Ok(batch)
}

fn live(record: &Record) -> Fault {
    let run = record.run.map(|run| RunId::from_bytes(run).to_string());
    Fault::Refused(
        Error::bug("a live task lies among the finished ones; report this")
            .with("sequence", record.sequence)
            .with("run", run.unwrap_or_default()),
    )
}

fn drop_files(history: &History, today: i64, retention: &Retention) -> Result<(), Fault> {
    for file in history.files()? {
        let days = match file.class {
            Class::Done | Class::Dead => retention.done_days,
            Class::Skipped => retention.skipped_days,
        };
        if file.day < today - i64::from(days) {
            file.drop_file()?;
        }
    }
    Ok(())
}
