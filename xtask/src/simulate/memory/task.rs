//! Tasks: a row each, live and finished ones in one map.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use weir_model::dependency::Need;
use weir_model::task::State;
use weir_model::{Error, RunId, Scope, TaskId};
use weir_sdk::connector::Warning;
use weir_sdk::store::{End, LiveTask, Loaded, Move, NewTask, Retention, TaskDetail, TaskRow};

use super::change::{Desk, conflict};
use super::{Place, Tables, place};

const DAY_MS: i64 = 86_400_000;

/// A task as it is stored.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) id: TaskId,
    pub(crate) sequence: i64,
    pub(crate) scope: Scope,
    pub(crate) route: String,
    pub(crate) key: String,
    run: Option<RunId>,
    pub(crate) state: State,
    created_at: Timestamp,
    pub(crate) since: Timestamp,
    due: Option<Timestamp>,
    pub(crate) needs: Vec<Need>,
    pub(crate) error: Option<Error>,
    pub(crate) reason: Option<String>,
    warnings: Vec<Warning>,
    pub(crate) attempts: u32,
    release: Option<u64>,
    first_attempt_at: Option<Timestamp>,
    pub(crate) input: Arc<[u8]>,
    pub(crate) effects: BTreeMap<String, Option<Value>>,
    records: BTreeMap<u32, (Timestamp, Arc<[u8]>)>,
    replay_of: Option<TaskId>,
    /// Days since 1970 on which it ended or, dead, expired.
    pub(super) day: Option<i64>,
    is_moved: bool,
}

impl Row {
    pub(crate) fn is_live(&self) -> bool {
        self.day.is_none()
    }

    fn place(&self) -> Place {
        place(&self.scope, &self.route)
    }

    pub(super) fn live_task(&self) -> LiveTask {
        LiveTask {
            id: self.id,
            sequence: self.sequence,
            route: self.route.clone(),
            key: self.key.clone(),
            run: self.run,
            state: self.state,
            due: self.due,
            needs: self.needs.clone(),
            attempts: self.attempts,
            has_effect: !self.effects.is_empty(),
            since: self.since,
        }
    }

    pub(super) fn loaded(&self) -> Loaded {
        Loaded {
            task: self.live_task(),
            input: self.input.to_vec(),
            release: self.release,
            first_attempt_at: self.first_attempt_at,
            effects: self.effects.clone(),
            replay_of: self.replay_of,
        }
    }

    pub(super) fn listed(&self) -> TaskRow {
        TaskRow {
            id: self.id,
            sequence: self.sequence,
            route: self.route.clone(),
            key: self.key.clone(),
            state: self.state,
            attempts: self.attempts,
            created_at: self.created_at,
            since: self.since,
            due: self.due,
            run: self.run,
            error: self.error.clone(),
            reason: self.reason.clone(),
            needs: self.needs.clone(),
            warnings: self.warnings.clone(),
            replay_of: self.replay_of,
        }
    }

    pub(super) fn detail(&self) -> TaskDetail {
        let records = self.records.iter();
        TaskDetail {
            row: self.listed(),
            scope: self.scope.clone(),
            release: self.release,
            input: self.input.to_vec(),
            effects: self.effects.clone(),
            attempts: records
                .map(|(n, (at, bytes))| (*n, *at, bytes.to_vec()))
                .collect(),
        }
    }

    pub(super) fn is_of_run(&self, run: RunId) -> bool {
        self.run == Some(run)
    }
}

pub(super) fn insert(desk: &mut Desk<'_>, new: NewTask) -> Result<i64, Error> {
    if desk.tables.by_id.contains_key(&new.id) {
        return Err(conflict(format!("task {} is there already", new.id)));
    }
    let sequence = desk.number("task");
    let row = Row {
        id: new.id,
        sequence,
        scope: new.scope,
        route: new.route,
        key: new.key,
        run: new.run,
        state: State::Queued,
        created_at: new.at,
        since: new.at,
        due: None,
        needs: Vec::new(),
        error: None,
        reason: None,
        warnings: Vec::new(),
        attempts: 0,
        release: None,
        first_attempt_at: None,
        input: new.input.into(),
        effects: BTreeMap::new(),
        records: BTreeMap::new(),
        replay_of: new.replay_of,
        day: None,
        is_moved: false,
    };
    desk.count(&row.place(), row.run, State::Queued, 1);
    desk.set(|tables| &mut tables.by_id, row.id, Some(sequence));
    desk.set(|tables| &mut tables.tasks, sequence, Some(row));
    Ok(sequence)
}

pub(super) fn lease(desk: &mut Desk<'_>, task: &TaskId, at: Timestamp, release: u64) -> Result<(), Error> {
    let mut row = expect(desk, task, "lease", &[State::Queued, State::Retrying])?;
    count_change(desk, &row, State::Running);
    row.state = State::Running;
    row.since = at;
    (row.due, row.reason) = (None, None);
    row.needs.clear();
    row.attempts += 1;
    row.release = row.release.or(Some(release));
    row.first_attempt_at = row.first_attempt_at.or(Some(at));
    put(desk, row);
    Ok(())
}

pub(super) fn intend(desk: &mut Desk<'_>, task: &TaskId, effect: String) -> Result<(), Error> {
    let mut row = expect(desk, task, "note an intended effect of", &[State::Running])?;
    row.effects.insert(effect, None);
    put(desk, row);
    Ok(())
}

pub(super) fn journal(
    desk: &mut Desk<'_>,
    task: &TaskId,
    effect: String,
    result: Option<Value>,
) -> Result<(), Error> {
    let mut row = expect(desk, task, "journal an effect of", &LIVE)?;
    match result {
        Some(result) => drop(row.effects.insert(effect, Some(result))),
        None => drop(row.effects.remove(&effect)),
    }
    put(desk, row);
    Ok(())
}

pub(super) fn move_on(desk: &mut Desk<'_>, change: Move) -> Result<(), Error> {
    if change.to.is_finished() {
        return Err(Error::bug("`Move` is for live states"));
    }
    let mut row = expect(desk, &change.task, "move", &[change.from])?;
    count_change(desk, &row, change.to);
    row.state = change.to;
    row.since = change.at;
    row.due = change.due;
    row.needs = change.needs;
    row.error = change.error;
    row.reason = change.reason;
    if change.forgive_attempt {
        row.attempts = row.attempts.saturating_sub(1);
        if row.attempts == 0 && row.effects.is_empty() {
            (row.release, row.first_attempt_at) = (None, None);
        }
    }
    put(desk, row);
    Ok(())
}

pub(super) fn end(desk: &mut Desk<'_>, end: End) -> Result<(), Error> {
    if !end.to.is_finished() {
        return Err(Error::bug("`End` is for finished states"));
    }
    let mut row = expect(desk, &end.task, "end", &[end.from])?;
    count_change(desk, &row, end.to);
    row.state = end.to;
    row.since = end.at;
    row.day = Some(day(end.at));
    (row.due, row.reason) = (None, end.reason);
    row.needs.clear();
    row.warnings = end.warnings;
    if end.to == State::Done {
        row.error = None;
    }
    put(desk, row);
    Ok(())
}

pub(super) fn put_attempt(
    desk: &mut Desk<'_>,
    task: &TaskId,
    attempt: u32,
    at: Timestamp,
    bytes: Vec<u8>,
) -> Result<(), Error> {
    let found = desk.tables.task(task).filter(|row| !row.is_moved).cloned();
    let mut row = found.ok_or_else(|| conflict(format!("could not record an attempt of task {task}")))?;
    row.records.insert(attempt, (at, bytes.into()));
    put(desk, row);
    Ok(())
}

pub(super) fn put_input(desk: &mut Desk<'_>, task: &TaskId, input: Vec<u8>) -> Result<(), Error> {
    let mut row = expect(desk, task, "correct the input of", &LIVE)?;
    row.input = input.into();
    put(desk, row);
    Ok(())
}

const LIVE: [State; 5] = [
    State::Queued,
    State::Running,
    State::Waiting,
    State::Retrying,
    State::Dead,
];

fn expect(desk: &Desk<'_>, task: &TaskId, doing: &str, states: &[State]) -> Result<Row, Error> {
    let row = desk.tables.task(task).filter(|row| row.is_live());
    let row = row.ok_or_else(|| {
        conflict(format!(
            "could not {doing} task {task}: it is finished or unknown"
        ))
    })?;
    if states.contains(&row.state) {
        return Ok(row.clone());
    }
    Err(conflict(format!(
        "could not {doing} task {task}: it is {}",
        row.state.name()
    )))
}

fn count_change(desk: &mut Desk<'_>, row: &Row, to: State) {
    desk.count(&row.place(), row.run, row.state, -1);
    desk.count(&row.place(), row.run, to, 1);
}

fn put(desk: &mut Desk<'_>, row: Row) {
    desk.set(|tables| &mut tables.tasks, row.sequence, Some(row));
}

fn day(at: Timestamp) -> i64 {
    at.as_millisecond().div_euclid(DAY_MS)
}

/// Expired dead tasks leave the live ones, finished ones count as moved, expired days go.
pub(super) fn tidy(tables: &mut Tables, now: Timestamp, retention: &Retention) -> u64 {
    let dead_before = now.as_millisecond() - i64::from(retention.dead_days) * DAY_MS;
    let today = day(now);
    let mut moved = 0;
    for row in tables.tasks.values_mut() {
        if row.state == State::Dead && row.is_live() && row.since.as_millisecond() < dead_before {
            row.day = Some(today);
            if let Some(count) = tables.route_counts.get_mut(&(row.place(), State::Dead)) {
                *count -= 1;
            }
        }
        if !row.is_live() && !row.is_moved {
            row.is_moved = true;
            moved += 1;
        }
    }
    let days = |state| match state {
        State::Done | State::Dead => retention.done_days,
        _ => retention.skipped_days,
    };
    tables.tasks.retain(|_, row| {
        row.day
            .is_none_or(|day| day >= today - i64::from(days(row.state)))
    });
    let Tables { tasks, by_id, .. } = tables;
    by_id.retain(|_, sequence| tasks.contains_key(sequence));
    moved
}
