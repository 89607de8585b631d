//! The day files: `history/2026-11-22.done.db` holds the finished tasks of a day and class. A file knows nothing of
//! `main.db`: it has its own names, so it can be copied, read and dropped alone. Its records never change; writing one
//! again (after a crash of the mover) replaces it by task id.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params};
use weir_model::task::State;
use weir_model::{Error, Kind, Scope, TaskId};
use weir_sdk::store::TaskDetail;

use crate::column::{day_of_text, day_text, unsigned_option};
use crate::failure::Fault;
use crate::read::task::{AFTER_ROW, ROW_OF_FINISHED, attempt_rows, kept_effects, task_row};

const BUSY: Duration = Duration::from_secs(10);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS routes (
        id INTEGER PRIMARY KEY,
        project TEXT NOT NULL,
        environment TEXT NOT NULL,
        name TEXT NOT NULL,
        UNIQUE (project, environment, name)
    );
    CREATE TABLE IF NOT EXISTS tasks (
        number INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        sequence INTEGER NOT NULL,
        route INTEGER NOT NULL,
        key TEXT NOT NULL,
        run BLOB,
        state INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        since INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        release INTEGER,
        first_attempt_at INTEGER,
        error TEXT,
        reason TEXT,
        warnings TEXT,
        effects TEXT,
        replay_of BLOB
    );
    CREATE INDEX IF NOT EXISTS tasks_sequence ON tasks (sequence);
    CREATE INDEX IF NOT EXISTS tasks_key ON tasks (key, route);
    CREATE INDEX IF NOT EXISTS tasks_run ON tasks (run) WHERE run IS NOT NULL;
    CREATE TABLE IF NOT EXISTS inputs (number INTEGER PRIMARY KEY, input BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS attempts (
        number INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        at INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (number, attempt)
    );";

/// What is kept and dropped together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Done,
    /// Cancelled ones too.
    Skipped,
    /// Expired ones, dated by their expiry.
    Dead,
}

impl Class {
    const ALL: [Class; 3] = [Class::Done, Class::Skipped, Class::Dead];

    pub(crate) fn of(state: State) -> Option<Class> {
        match state {
            State::Done => Some(Class::Done),
            State::Skipped | State::Cancelled => Some(Class::Skipped),
            State::Dead => Some(Class::Dead),
            State::Queued | State::Running | State::Waiting | State::Retrying => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Class::Done => "done",
            Class::Skipped => "skipped",
            Class::Dead => "dead",
        }
    }
}

/// The folder of the day files.
#[derive(Clone)]
pub(crate) struct History {
    folder: PathBuf,
}

#[derive(Clone, Debug)]
pub(crate) struct DayFile {
    pub(crate) day: i64,
    pub(crate) class: Class,
    path: PathBuf,
}

/// A finished task with all that is kept of it; ids and JSON as they are stored.
pub(crate) struct Record {
    pub(crate) sequence: i64,
    pub(crate) id: [u8; 16],
    pub(crate) project: String,
    pub(crate) environment: String,
    pub(crate) route: String,
    pub(crate) key: String,
    pub(crate) run: Option<[u8; 16]>,
    pub(crate) state: i64,
    pub(crate) created_at: i64,
    pub(crate) since: i64,
    pub(crate) tries: i64,
    pub(crate) release: Option<i64>,
    pub(crate) first_attempt_at: Option<i64>,
    pub(crate) error: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) warnings: Option<String>,
    pub(crate) effects: Option<String>,
    pub(crate) replay_of: Option<[u8; 16]>,
    pub(crate) input: Vec<u8>,
    /// Number, time, bytes.
    pub(crate) attempts: Vec<(i64, i64, Vec<u8>)>,
}

impl History {
    pub(crate) fn new(folder: PathBuf) -> Self {
        History { folder }
    }

    /// Newest day first. Whatever else lies in the folder is left alone.
    pub(crate) fn files(&self) -> Result<Vec<DayFile>, Fault> {
        let failed = |error: std::io::Error| {
            Fault::Refused(
                Error::new(
                    Kind::Unavailable,
                    format!(
                        "could not list the day files in `{}`: check the disk",
                        self.folder.display()
                    ),
                )
                .source(error),
            )
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            files.extend(DayFile::parse(path));
        }
        files.sort_by_key(|file| (std::cmp::Reverse(file.day), file.class));
        Ok(files)
    }

    pub(crate) fn file(&self, day: i64, class: Class) -> DayFile {
        DayFile {
            day,
            class,
            path: self.folder.join(format!("{}.{}.db", day_text(day), class.name())),
        }
    }

    pub(crate) fn bytes(&self) -> Result<u64, Fault> {
        let files = self.files()?;
        Ok(files
            .iter()
            .filter_map(|file| std::fs::metadata(&file.path).ok())
            .map(|file| file.len())
            .sum())
    }

    /// Looks for those that are not found yet, newest day first. The time in the id is not used to stop early: clocks are
    /// set back, and ids may come from another machine.
    pub(crate) fn tasks(&self, ids: &[TaskId], found: &mut [Option<TaskDetail>]) -> Result<(), Fault> {
        if found.iter().all(Option::is_some) {
            return Ok(());
        }
        for file in self.files()? {
            let Some(connection) = file.read()? else { continue };
            for (id, found) in ids
                .iter()
                .zip(found.iter_mut())
                .filter(|(_, found)| found.is_none())
            {
                *found = detail(&connection, id)?;
            }
            if found.iter().all(Option::is_some) {
                break;
            }
        }
        Ok(())
    }
}

fn detail(connection: &Connection, id: &TaskId) -> Result<Option<TaskDetail>, Fault> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ROW_OF_FINISHED}, input, effects, project, environment, tasks.number
         FROM tasks JOIN routes ON routes.id = tasks.route
         JOIN inputs ON inputs.number = tasks.number WHERE tasks.id = ?1"
    ))?;
    let mut rows = statement.query([id.bytes()])?;
    let Some(found) = rows.next()? else {
        return Ok(None);
    };
    let number: i64 = found.get(AFTER_ROW + 4)?;
    let mut statement = connection
        .prepare_cached("SELECT attempt, at, bytes FROM attempts WHERE number = ?1 ORDER BY attempt")?;
    Ok(Some(TaskDetail {
        scope: Scope::new(
            found.get::<_, String>(AFTER_ROW + 2)?,
            found.get::<_, String>(AFTER_ROW + 3)?,
        ),
        row: task_row(found)?,
        release: unsigned_option(found, AFTER_ROW - 1)?,
        input: found.get(AFTER_ROW)?,
        effects: kept_effects(found, AFTER_ROW + 1)?,
        attempts: attempt_rows(statement.query([number])?)?,
    }))
}

impl DayFile {
    fn parse(path: PathBuf) -> Option<DayFile> {
        let name = path.file_name()?.to_str()?.strip_suffix(".db")?;
        let (day, class) = name.split_once('.')?;
        Some(DayFile {
            day: day_of_text(day)?,
            class: Class::ALL.into_iter().find(|known| known.name() == class)?,
            path,
        })
    }

    /// `None` when retention dropped it meanwhile, or when the mover has not yet made its tables.
    pub(crate) fn read(&self) -> Result<Option<Connection>, Fault> {
        // Not read-only: a mover that was killed leaves a journal which the next reader has to roll back.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match Connection::open_with_flags(&self.path, flags) {
            Ok(connection) => connection,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) && !self.path.exists() => {
                return Ok(None);
            }
            Err(error) => return Err(self.unreadable(&error)),
        };
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "query_only", true)?;
        let tables: i64 = connection
            .query_row(
                "SELECT count(*) FROM sqlite_schema WHERE name = 'attempts'",
                [],
                |row| row.get(0),
            )
            .map_err(|error| self.unreadable(&error))?;
        Ok((tables > 0).then_some(connection))
    }

    fn unreadable(&self, error: &rusqlite::Error) -> Fault {
        Fault::Refused(
            Error::new(
                Kind::Unavailable,
                format!(
                    "could not read the day file `{}`: restore it from a backup, or move it out of the folder to search \
                     the other days",
                    self.path.display()
                ),
            )
            .source(error),
        )
    }

    /// Writes the records in one durable transaction.
    pub(crate) fn write(&self, records: &[Record]) -> Result<(), Fault> {
        let mut connection = Connection::open(&self.path)?;
        connection.busy_timeout(BUSY)?;
        // No write-ahead log: a file of a past day is to be one file. EXTRA: the end of the journal is on disk too, else a
        // power cut could take back what staging has already let go.
        connection.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA;")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(TABLES)?;
        for record in records {
            put(&transaction, record)?;
        }
        transaction.commit()?;
        Ok(())
    }

    pub(crate) fn drop_file(&self) -> Result<(), Fault> {
        let mut journal = self.path.as_os_str().to_owned();
        journal.push("-journal");
        for path in [self.path.as_path(), Path::new(&journal)] {
            match std::fs::remove_file(path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    let message = format!(
                        "could not drop the expired day file `{}`: check owner and rights of the folder",
                        path.display()
                    );
                    return Err(Fault::Refused(
                        Error::new(Kind::Unavailable, message).source(error),
                    ));
                }
            }
        }
        Ok(())
    }
}

fn put(connection: &Connection, record: &Record) -> Result<(), Fault> {
    let route = route(connection, record)?;
    let old: Option<i64> = connection
        .prepare_cached("SELECT number FROM tasks WHERE id = ?1")?
        .query_row([record.id], |row| row.get(0))
        .optional()?;
    if let Some(number) = old {
        for table in ["tasks", "inputs", "attempts"] {
            connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE number = ?1"))?
                .execute([number])?;
        }
    }
    connection
        .prepare_cached(
            "INSERT INTO tasks (id, sequence, route, key, run, state, created_at, since, attempts, release,
                 first_attempt_at, error, reason, warnings, effects, replay_of)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            record.id,
            record.sequence,
            route,
            record.key,
            record.run,
            record.state,
            record.created_at,
            record.since,
            record.tries,
            record.release,
            record.first_attempt_at,
            record.error,
            record.reason,
            record.warnings,
            record.effects,
            record.replay_of,
        ])?;
    let number = connection.last_insert_rowid();
    connection
        .prepare_cached("INSERT INTO inputs (number, input) VALUES (?1, ?2)")?
        .execute(params![number, record.input])?;
    for (attempt, at, bytes) in &record.attempts {
        connection
            .prepare_cached("INSERT INTO attempts (number, attempt, at, bytes) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![number, attempt, at, bytes])?;
    }
    Ok(())
}

fn route(connection: &Connection, record: &Record) -> Result<i64, Fault> {
    let names = params![record.project, record.environment, record.route];
    let mut select = connection
        .prepare_cached("SELECT id FROM routes WHERE project = ?1 AND environment = ?2 AND name = ?3")?;
    if let Some(id) = select.query_row(names, |row| row.get(0)).optional()? {
        return Ok(id);
    }
    connection
        .prepare_cached("INSERT INTO routes (project, environment, name) VALUES (?1, ?2, ?3)")?
        .execute(names)?;
    Ok(connection.last_insert_rowid())
}
