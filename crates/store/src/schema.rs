//! The tables of `main.db` and how they change from version to version.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use weir_model::{Error, Kind};

use crate::failure::explain;

/// Numbered from 1; never changed once released, only added to. Each runs in a transaction of its own.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/0001_first.sql")];

pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

/// How long a statement waits for the short lock of a checkpoint or a neighbour.
const BUSY: Duration = Duration::from_secs(10);
/// Statements kept prepared on each connection; more than there are.
const STATEMENTS_MAX: usize = 200;

pub(crate) fn open_writing(path: &Path) -> Result<Connection, Error> {
    connect(path).map_err(|error| explain(&format!("open `{}`", path.display()), &error))
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -65536;
         -- The checkpoint thread does it.
         PRAGMA wal_autocheckpoint = 0;",
    )?;
    Ok(connection)
}

pub(crate) fn open_reading(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// Brings the tables to the newest version; refuses those of a newer Weir.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let doing = format!("bring the tables of `{}` up to date", path.display());
    let failed = |error: rusqlite::Error| explain(&doing, &error);
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS versions (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL)",
        )
        .map_err(failed)?;
    let found = version(connection).map_err(failed)?;
    if found > VERSION {
        return Err(Error::new(
            Kind::Configuration,
            format!(
                "`{}` was written by a newer Weir (tables of version {found}, this one knows {VERSION}): start the \
                 newer version, or restore the backup made before the update",
                path.display()
            ),
        ));
    }
    for (version, sql) in (1_i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        transaction.execute_batch(sql).map_err(failed)?;
        transaction
            .execute(
                "INSERT INTO versions (version, applied_at) VALUES (?1, unixepoch() * 1000)",
                params![version],
            )
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

pub(crate) fn version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.query_row("SELECT coalesce(max(version), 0) FROM versions", [], |row| {
        row.get(0)
    })
}
