//! Search over live, just finished and historical tasks, newest first. Finished tasks are ordered by the day they ended
//! and then by sequence, wherever they lie: a page's position stays good while the mover carries rows to a day file.

use std::collections::HashSet;
use std::fmt::Write as _;

use rusqlite::types::Value as Bound;
use rusqlite::{Connection, params_from_iter};
use weir_model::task::State;
use weir_model::{Error, Kind, Scope, TaskId};
use weir_sdk::store::{TaskPage, TaskQuery, TaskRow};

use super::task::{AFTER_ROW, ROW_OF_FINISHED, ROW_OF_LIVE, task_row};
use crate::column::{day, state_number};
use crate::failure::Fault;
use crate::history::{Class, History};
use crate::names::{route_id, scope_id};
use crate::readers::Readers;

/// Most rows on one page, whatever is asked for.
const PAGE_ROWS_MAX: usize = 1_000;

/// Rows before this one are wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Position {
    Live { sequence: i64 },
    Finished { day: i64, sequence: i64 },
}

impl Position {
    const NEWEST: Position = Position::Live { sequence: i64::MAX };

    fn parse(text: &str) -> Result<Position, Fault> {
        let mut parts = text.split('.');
        let mut number = || parts.next().and_then(|part| part.parse::<i64>().ok());
        let position = match text.split('.').count() {
            1 => number().map(|sequence| Position::Live { sequence }),
            2 => match (number(), number()) {
                (Some(day), Some(sequence)) => Some(Position::Finished { day, sequence }),
                _ => None,
            },
            _ => None,
        };
        position.ok_or_else(|| {
            Fault::Refused(Error::new(
                Kind::Invalid,
                format!("`{text}` is not the position of a page: use what the page before gave as `next`, unchanged"),
            ))
        })
    }

    fn text(self) -> String {
        match self {
            Position::Live { sequence } => sequence.to_string(),
            Position::Finished { day, sequence } => format!("{day}.{sequence}"),
        }
    }
}

struct Found {
    day: Option<i64>,
    row: TaskRow,
}

pub(crate) fn tasks(readers: &Readers, history: &History, query: &TaskQuery) -> Result<TaskPage, Fault> {
    let limit = query.limit.clamp(1, PAGE_ROWS_MAX);
    let position = match &query.page {
        Some(text) => Position::parse(text)?,
        None => Position::NEWEST,
    };
    let mut page = Page {
        // One more tells whether there is a next page.
        wanted: limit + 1,
        ids: HashSet::new(),
        found: Vec::new(),
    };
    // One snapshot for both, so that a task on its way from live to staging is not missed; and before any day file is
    // opened, because rows go from staging to there.
    let staged = readers.snapshot(|connection| {
        if let Position::Live { sequence } = position {
            for row in live(connection, query, sequence, page.wanted)? {
                page.add(Found { day: None, row });
            }
        }
        if page.is_full() {
            return Ok(Vec::new());
        }
        staged(connection, query, position, page.wanted)
    })?;
    if !page.is_full() {
        finished(history, query, position, staged, &mut page)?;
    }
    let more = page.found.len() > limit;
    page.found.truncate(limit);
    let next = page.found.last().filter(|_| more).map(|last| match last.day {
        None => Position::Live {
            sequence: last.row.sequence,
        },
        Some(day) => Position::Finished {
            day,
            sequence: last.row.sequence,
        },
    });
    Ok(TaskPage {
        tasks: page.found.into_iter().map(|found| found.row).collect(),
        next: next.map(Position::text),
    })
}

struct Page {
    wanted: usize,
    ids: HashSet<TaskId>,
    found: Vec<Found>,
}

impl Page {
    fn is_full(&self) -> bool {
        self.found.len() >= self.wanted
    }

    /// A task found twice (after a restore, or while it moves) is answered once.
    fn add(&mut self, found: Found) {
        if !self.is_full() && self.ids.insert(found.row.id) {
            self.found.push(found);
        }
    }
}

/// Day by day, newest first: what is in the day's files together with what staging holds of that day.
fn finished(
    history: &History,
    query: &TaskQuery,
    position: Position,
    staged: Vec<(i64, TaskRow)>,
    page: &mut Page,
) -> Result<(), Fault> {
    let files = history.files()?;
    let mut days: Vec<i64> = staged
        .iter()
        .map(|(day, _)| *day)
        .chain(files.iter().map(|file| file.day))
        .collect();
    days.sort_unstable_by(|a, b| b.cmp(a));
    days.dedup();
    let mut staged = staged.into_iter().peekable();
    for day in days {
        let before = match position {
            Position::Finished { day: last, .. } if day > last => continue,
            Position::Finished { day: last, sequence } if day == last => sequence,
            _ => i64::MAX,
        };
        let mut rows: Vec<TaskRow> = Vec::new();
        while let Some((_, row)) = staged.next_if(|(of, _)| *of == day) {
            rows.push(row);
        }
        for file in files.iter().filter(|file| file.day == day) {
            if !concerns(query, file.class) || is_too_old(query, file.day) {
                continue;
            }
            if let Some(connection) = file.read()? {
                rows.extend(filed(&connection, query, before, page.wanted)?);
            }
        }
        rows.sort_by_key(|row| std::cmp::Reverse((row.sequence, row.id)));
        for row in rows {
            page.add(Found { day: Some(day), row });
        }
        if page.is_full() {
            return Ok(());
        }
    }
    Ok(())
}

fn concerns(query: &TaskQuery, class: Class) -> bool {
    query.states.is_empty() || query.states.iter().any(|state| Class::of(*state) == Some(class))
}

/// A day file holds nothing that came into its state on a later day.
fn is_too_old(query: &TaskQuery, of: i64) -> bool {
    query.since.is_some_and(|since| of < day(since))
}

/// The conditions of the query that are the same everywhere, with their values.
struct Conditions {
    sql: String,
    values: Vec<Bound>,
}

impl Conditions {
    fn new() -> Self {
        Conditions {
            sql: "1".to_owned(),
            values: Vec::new(),
        }
    }

    fn and(&mut self, left: &str, value: Bound) {
        self.values.push(value);
        // Writing to a string does not fail.
        let _ = write!(self.sql, " AND {left} ?{}", self.values.len());
    }

    fn of(query: &TaskQuery) -> Self {
        let mut conditions = Conditions::new();
        if let Some(key) = &query.key {
            conditions.and("tasks.key =", Bound::Text(key.clone()));
        }
        if let Some(run) = &query.run {
            conditions.and("tasks.run =", Bound::Blob(run.bytes().to_vec()));
        }
        if let Some(text) = &query.text {
            // No LIKE: a percent sign in a key is a percent sign.
            conditions.and("0 < instr(tasks.key,", Bound::Text(text.clone()));
            conditions.sql.push(')');
        }
        if let Some(kind) = query.error {
            conditions.and("tasks.error ->> '$.kind' =", Bound::Text(kind.name().to_owned()));
        }
        for (since, side) in [(query.since, ">="), (query.until, "<")] {
            if let Some(at) = since {
                conditions.and(
                    &format!("tasks.since {side}"),
                    Bound::Integer(at.as_millisecond()),
                );
            }
        }
        if !query.states.is_empty() {
            let states: Vec<String> = query
                .states
                .iter()
                .map(|state| state_number(*state).to_string())
                .collect();
            let _ = write!(conditions.sql, " AND tasks.state IN ({})", states.join(", "));
        }
        conditions
    }

    /// False where nothing of the scope or route is stored in `main.db`.
    fn within(&mut self, connection: &Connection, query: &TaskQuery) -> Result<bool, Fault> {
        match (&query.scope, &query.route) {
            (Some(scope), Some(route)) => match route_id(connection, scope, route)? {
                Some(id) => self.and("tasks.route =", Bound::Integer(id)),
                None => return Ok(false),
            },
            (Some(scope), None) => match scope_id(connection, scope)? {
                Some(id) => self.and("tasks.scope =", Bound::Integer(id)),
                None => return Ok(false),
            },
            (None, Some(route)) => self.and("routes.name =", Bound::Text(route.clone())),
            (None, None) => {}
        }
        Ok(true)
    }
}

fn live(
    connection: &Connection,
    query: &TaskQuery,
    before: i64,
    limit: usize,
) -> Result<Vec<TaskRow>, Fault> {
    if !query.states.is_empty() && query.states.iter().all(|state| state.is_finished()) {
        return Ok(Vec::new());
    }
    let mut conditions = Conditions::of(query);
    if !conditions.within(connection, query)? {
        return Ok(Vec::new());
    }
    conditions.and("tasks.sequence <", Bound::Integer(before));
    // SQLite takes an index over a part of the rows only where the query repeats the part's condition word by word.
    let parked = [State::Waiting, State::Retrying, State::Dead];
    let few = query.key.is_none()
        && !query.states.is_empty()
        && query.states.iter().all(|state| parked.contains(state));
    let (index, part) = match few {
        true => ("INDEXED BY tasks_parked", "tasks.state IN (2, 3, 6) AND"),
        false => ("", ""),
    };
    let sql = format!(
        "SELECT {ROW_OF_LIVE} FROM tasks {index} JOIN routes ON routes.id = tasks.route
         WHERE {part} {} ORDER BY tasks.sequence DESC LIMIT {limit}",
        conditions.sql
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(conditions.values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(task_row(row)?);
    }
    Ok(found)
}

fn staged(
    connection: &Connection,
    query: &TaskQuery,
    position: Position,
    limit: usize,
) -> Result<Vec<(i64, TaskRow)>, Fault> {
    let mut conditions = Conditions::of(query);
    if !conditions.within(connection, query)? {
        return Ok(Vec::new());
    }
    if let Position::Finished { day, sequence } = position {
        let _ = write!(
            conditions.sql,
            " AND (tasks.day < {day} OR tasks.day = {day} AND tasks.sequence < {sequence})"
        );
    }
    let sql = format!(
        "SELECT {ROW_OF_FINISHED}, tasks.day FROM staging AS tasks JOIN routes ON routes.id = tasks.route
         WHERE {} ORDER BY tasks.day DESC, tasks.sequence DESC LIMIT {limit}",
        conditions.sql
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(conditions.values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(AFTER_ROW)?, task_row(row)?));
    }
    Ok(found)
}

/// From a day file, whose numbers of routes are its own.
fn filed(
    connection: &Connection,
    query: &TaskQuery,
    before: i64,
    limit: usize,
) -> Result<Vec<TaskRow>, Fault> {
    let mut conditions = Conditions::of(query);
    if query.scope.is_some() || query.route.is_some() {
        let routes = routes_of_file(connection, query.scope.as_ref(), query.route.as_deref())?;
        if routes.is_empty() {
            return Ok(Vec::new());
        }
        let _ = write!(conditions.sql, " AND tasks.route IN ({})", routes.join(", "));
    }
    conditions.and("tasks.sequence <", Bound::Integer(before));
    let sql = format!(
        "SELECT {ROW_OF_FINISHED} FROM tasks JOIN routes ON routes.id = tasks.route
         WHERE {} ORDER BY tasks.sequence DESC LIMIT {limit}",
        conditions.sql
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(conditions.values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(task_row(row)?);
    }
    Ok(found)
}

fn routes_of_file(
    connection: &Connection,
    scope: Option<&Scope>,
    route: Option<&str>,
) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare(
        "SELECT id FROM routes
         WHERE (?1 IS NULL OR project = ?1 AND environment = ?2) AND (?3 IS NULL OR name = ?3)",
    )?;
    let scope = scope.map(|scope| (scope.project.as_str(), scope.environment.as_str()));
    let ids = statement
        .query_map(
            rusqlite::params![scope.map(|s| s.0), scope.map(|s| s.1), route],
            |row| row.get::<_, i64>(0),
        )?
        .map(|id| id.map(|id| id.to_string()))
        .collect::<Result<_, _>>()?;
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_and_anything_else_refused() {
        for position in [
            Position::Live { sequence: 7 },
            Position::Finished {
                day: -3,
                sequence: 12,
            },
        ] {
            assert_eq!(Position::parse(&position.text()).expect("its own text"), position);
        }
        for text in ["", "x", "1.x", "1.2.3", "."] {
            assert!(Position::parse(text).is_err(), "{text}");
        }
    }
}
