//! Figures for `doctor`.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::failure::Fault;
use crate::history::History;
use crate::schema;

/// Looks at every page of `main.db`: seconds for a large one, beside which work goes on.
pub(crate) fn health(
    connection: &Connection,
    main: &Path,
    history: &History,
    fsync_us: u64,
) -> Result<BTreeMap<String, Value>, Fault> {
    let integrity: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    let mut log = main.as_os_str().to_owned();
    log.push("-wal");
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let count = |table: &str| -> Result<i64, Fault> {
        Ok(connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?)
    };
    Ok(BTreeMap::from([
        ("main_bytes".to_owned(), bytes(main).into()),
        ("log_bytes".to_owned(), bytes(Path::new(&log)).into()),
        ("history_bytes".to_owned(), history.bytes()?.into()),
        ("live".to_owned(), count("tasks")?.into()),
        ("staging".to_owned(), count("staging")?.into()),
        ("fsync_us".to_owned(), fsync_us.into()),
        ("integrity".to_owned(), integrity.into()),
        ("version".to_owned(), schema::version(connection)?.into()),
    ]))
}
