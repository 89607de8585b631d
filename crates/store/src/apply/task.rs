//! Changes of tasks. Each looks its task up first: the row's place, and whether it is in the state that the change
//! expects. A change that comes too late is refused as `conflict`.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde_json::Value;
use weir_model::task::State;
use weir_model::{Error, Kind, TaskId};
use weir_sdk::store::{End, Move, NewTask};

use super::Desk;
use crate::column::{day, list_text, signed, state, state_number, text};
use crate::failure::Fault;

struct Place {
    sequence: i64,
    route: i64,
    run: Option<[u8; 16]>,
    state: State,
}

pub(super) fn insert(desk: &mut Desk<'_>, new: &NewTask) -> Result<i64, Fault> {
    let (scope, route) = desk.names.route(desk.connection, &new.scope, &new.route)?;
    let at = new.at.as_millisecond();
    desk.connection
        .prepare_cached(
            "INSERT INTO tasks (id, scope, route, key, run, state, created_at, since, replay_of)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)",
        )?
        .execute(params![
            new.id.bytes(),
            scope,
            route,
            new.key,
            new.run.as_ref().map(|run| run.bytes()),
            state_number(State::Queued),
            at,
            new.replay_of.as_ref().map(|task| task.bytes()),
        ])?;
    let sequence = desk.connection.last_insert_rowid();
    desk.connection
        .prepare_cached("INSERT INTO inputs (sequence, input) VALUES (?1, ?2)")?
        .execute(params![sequence, new.input])?;
    desk.deltas
        .add(route, new.run.map(|run| *run.bytes()), State::Queued, 1);
    Ok(sequence)
}

pub(super) fn lease(desk: &mut Desk<'_>, task: &TaskId, at: Timestamp, release: u64) -> Result<(), Fault> {
    let place = expect(desk, task, "lease", &[State::Queued, State::Retrying])?;
    desk.connection
        .prepare_cached(
            "UPDATE tasks SET state = ?2, since = ?3, due = NULL, needs = NULL, reason = NULL, attempts = attempts + 1,
                 release = coalesce(release, ?4), first_attempt_at = coalesce(first_attempt_at, ?3)
             WHERE sequence = ?1",
        )?
        .execute(params![
            place.sequence,
            state_number(State::Running),
            at.as_millisecond(),
            signed(release)
        ])?;
    desk.deltas
        .change(place.route, place.run, place.state, State::Running);
    Ok(())
}

pub(super) fn intend(desk: &mut Desk<'_>, task: &TaskId, effect: &str, at: Timestamp) -> Result<(), Fault> {
    let place = expect(desk, task, "note an intended effect of", &[State::Running])?;
    desk.connection
        .prepare_cached(
            "INSERT INTO effects (sequence, effect, intended_at) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET intended_at = excluded.intended_at, result = NULL",
        )?
        .execute(params![place.sequence, effect, at.as_millisecond()])?;
    Ok(())
}

pub(super) fn journal(
    desk: &mut Desk<'_>,
    task: &TaskId,
    effect: &str,
    result: Option<&Value>,
) -> Result<(), Fault> {
    let place = expect(desk, task, "journal an effect of", LIVE)?;
    match result {
        Some(result) => desk
            .connection
            .prepare_cached(
                "INSERT INTO effects (sequence, effect, result) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET result = excluded.result",
            )?
            .execute(params![place.sequence, effect, text(result)?])?,
        None => desk
            .connection
            .prepare_cached("DELETE FROM effects WHERE sequence = ?1 AND effect = ?2")?
            .execute(params![place.sequence, effect])?,
    };
    Ok(())
}

pub(super) fn move_on(desk: &mut Desk<'_>, change: &Move) -> Result<(), Fault> {
    if change.to.is_finished() {
        return Err(Fault::Refused(Error::bug(format!(
            "task {} was to be moved to the finished state `{}`; that is what `End` is for",
            change.task,
            change.to.name()
        ))));
    }
    let place = expect(desk, &change.task, "move", &[change.from])?;
    desk.connection
        .prepare_cached(
            "UPDATE tasks SET state = ?2, since = ?3, due = ?4, needs = ?5, error = ?6, reason = ?7 WHERE sequence = ?1",
        )?
        .execute(params![
            place.sequence,
            state_number(change.to),
            change.at.as_millisecond(),
            change.due.map(|due| due.as_millisecond()),
            list_text(&change.needs)?,
            change.error.as_ref().map(text).transpose()?,
            change.reason,
        ])?;
    if change.forgive_attempt {
        forgive(desk, place.sequence)?;
    }
    desk.deltas.change(place.route, place.run, change.from, change.to);
    Ok(())
}

/// The attempt does not count. A task that then never tried anything is bound to no release and has no age yet.
fn forgive(desk: &Desk<'_>, sequence: i64) -> Result<(), Fault> {
    desk.connection
        .prepare_cached("UPDATE tasks SET attempts = max(attempts - 1, 0) WHERE sequence = ?1")?
        .execute([sequence])?;
    desk.connection
        .prepare_cached(
            "UPDATE tasks SET release = NULL, first_attempt_at = NULL
             WHERE sequence = ?1 AND attempts = 0
                 AND NOT EXISTS (SELECT 1 FROM effects WHERE sequence = ?1 AND substr(effect, 1, 1) <> '@')",
        )?
        .execute([sequence])?;
    Ok(())
}

pub(super) fn end(desk: &mut Desk<'_>, end: &End) -> Result<(), Fault> {
    if !end.to.is_finished() {
        return Err(Fault::Refused(Error::bug(format!(
            "task {} was to end in the live state `{}`; that is what `Move` is for",
            end.task,
            end.to.name()
        ))));
    }
    let place = expect(desk, &end.task, "end", &[end.from])?;
    let effects = take_effects(desk, place.sequence)?;
    desk.connection
        .prepare_cached(
            // What went wrong on the way stands in the attempts; a task that is done has no error.
            "INSERT INTO staging (sequence, id, scope, route, key, run, state, day, created_at, since, attempts, release,
                 first_attempt_at, error, reason, warnings, effects, replay_of)
             SELECT sequence, id, scope, route, key, run, ?2, ?3, created_at, ?4, attempts, release,
                 first_attempt_at, CASE WHEN ?2 = 4 THEN NULL ELSE error END, ?5, ?6, ?7, replay_of
             FROM tasks WHERE sequence = ?1",
        )?
        .execute(params![
            place.sequence,
            state_number(end.to),
            day(end.at),
            end.at.as_millisecond(),
            end.reason,
            list_text(&end.warnings)?,
            effects,
        ])?;
    desk.connection
        .prepare_cached("DELETE FROM tasks WHERE sequence = ?1")?
        .execute([place.sequence])?;
    desk.deltas.change(place.route, place.run, end.from, end.to);
    Ok(())
}

/// Removes the effects and answers them as one JSON object, as they are kept in the finished row.
fn take_effects(desk: &Desk<'_>, sequence: i64) -> Result<Option<String>, Fault> {
    take_effects_of(desk.connection, sequence)
}

pub(super) fn take_effects_of(
    connection: &rusqlite::Connection,
    sequence: i64,
) -> Result<Option<String>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT effect, result FROM effects WHERE sequence = ?1")?;
    let mut rows = statement.query([sequence])?;
    let mut object = String::new();
    while let Some(row) = rows.next()? {
        let effect: String = row.get(0)?;
        let result: Option<String> = row.get(1)?;
        object.push(if object.is_empty() { '{' } else { ',' });
        object.push_str(&text(&effect)?);
        object.push(':');
        // An effect that was intended and never answered is an empty list, one with a result a list of it: a result may
        // itself be null.
        object.push('[');
        object.push_str(result.as_deref().unwrap_or(""));
        object.push(']');
    }
    if object.is_empty() {
        return Ok(None);
    }
    object.push('}');
    connection
        .prepare_cached("DELETE FROM effects WHERE sequence = ?1")?
        .execute([sequence])?;
    Ok(Some(object))
}

/// Also of a task that ended a moment ago: the record of an attempt may stand behind its `End`.
pub(super) fn put_attempt(
    desk: &mut Desk<'_>,
    task: &TaskId,
    attempt: u32,
    at: Timestamp,
    bytes: &[u8],
) -> Result<(), Fault> {
    let sequence = match find(desk, task)? {
        Some(place) => place.sequence,
        None => desk
            .connection
            .prepare_cached("SELECT sequence FROM staging WHERE id = ?1")?
            .query_row([task.bytes()], |row| row.get(0))
            .optional()?
            .ok_or_else(|| gone(task, "record an attempt of"))?,
    };
    desk.connection
        .prepare_cached(
            "INSERT OR REPLACE INTO attempts (sequence, attempt, at, bytes) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![sequence, attempt, at.as_millisecond(), bytes])?;
    Ok(())
}

pub(super) fn put_input(desk: &mut Desk<'_>, task: &TaskId, input: &[u8]) -> Result<(), Fault> {
    let place = expect(desk, task, "correct the input of", LIVE)?;
    desk.connection
        .prepare_cached("UPDATE inputs SET input = ?2 WHERE sequence = ?1")?
        .execute(params![place.sequence, input])?;
    Ok(())
}

const LIVE: &[State] = &[
    State::Queued,
    State::Running,
    State::Waiting,
    State::Retrying,
    State::Dead,
];

/// `doing` completes "could not … task T".
fn expect(desk: &Desk<'_>, task: &TaskId, doing: &str, states: &[State]) -> Result<Place, Fault> {
    let place = find(desk, task)?.ok_or_else(|| gone(task, doing))?;
    if states.contains(&place.state) {
        return Ok(place);
    }
    let expected: Vec<&str> = states.iter().map(|state| state.name()).collect();
    let error = Error::new(
        Kind::Conflict,
        format!(
            "could not {doing} task {task}: it is {}, not {}; somebody else was faster, look at it again",
            place.state.name(),
            expected.join(" or ")
        ),
    );
    Err(Fault::Refused(
        error.with("task", task).with("state", place.state.name()),
    ))
}

fn find(desk: &Desk<'_>, task: &TaskId) -> Result<Option<Place>, Fault> {
    let mut statement = desk
        .connection
        .prepare_cached("SELECT sequence, route, run, state FROM tasks WHERE id = ?1")?;
    let mut rows = statement.query([task.bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Place {
        sequence: row.get(0)?,
        route: row.get(1)?,
        run: row.get(2)?,
        state: state(row, 3)?,
    }))
}

fn gone(task: &TaskId, doing: &str) -> Fault {
    Fault::Refused(
        Error::new(
            Kind::Conflict,
            format!("could not {doing} task {task}: it is finished or was never stored; leave it as it is"),
        )
        .with("task", task),
    )
}
