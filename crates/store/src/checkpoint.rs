//! Carries the write-ahead log into `main.db` on a thread of its own, so that no commit pays for it.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use weir_model::Error;

use crate::schema;

/// Below this the log is left alone.
const LOG_BYTES_MIN: u64 = 8 << 20;
/// Above this the writer is held up for a moment so that the log can start anew: under steady load a log is never empty
/// by itself and would grow for ever.
const LOG_BYTES_MAX: u64 = 64 << 20;
/// Checkpoints are at least this far apart: each syncs the whole file.
const PAUSE: Duration = Duration::from_millis(500);
/// Without a commit for so long, what little is in the log is carried over too.
const IDLE: Duration = Duration::from_secs(10);

/// Rung after each commit; never blocks.
pub(crate) struct Bell(SyncSender<()>);

impl Bell {
    pub(crate) fn ring(&self) {
        // Full means that it is rung already, closed that nobody listens any more.
        let _ = self.0.try_send(());
    }
}

/// Ends when every [`Bell`] is gone, after a last checkpoint.
pub(crate) fn start(main: PathBuf) -> Result<(Bell, JoinHandle<()>), Error> {
    let connection = schema::open_writing(&main)?;
    let (bell, heard) = sync_channel(1);
    let thread = std::thread::Builder::new()
        .name("weir-store-checkpoint".to_owned())
        .spawn(move || run(&connection, &main, &heard))
        .map_err(|error| Error::bug("could not start the checkpoint thread").source(error))?;
    Ok((Bell(bell), thread))
}

fn run(connection: &Connection, main: &std::path::Path, heard: &Receiver<()>) {
    let mut log = main.as_os_str().to_owned();
    log.push("-wal");
    let log_bytes = || std::fs::metadata(&log).map_or(0, |file| file.len());
    let mut fresh = false;
    loop {
        match heard.recv_timeout(IDLE) {
            Ok(()) => {
                fresh = true;
                if log_bytes() >= LOG_BYTES_MIN {
                    checkpoint(connection, "PASSIVE");
                    if log_bytes() >= LOG_BYTES_MAX {
                        checkpoint(connection, "TRUNCATE");
                    }
                    fresh = false;
                }
                std::thread::sleep(PAUSE);
            }
            Err(RecvTimeoutError::Timeout) => {
                if std::mem::take(&mut fresh) {
                    checkpoint(connection, "PASSIVE");
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                checkpoint(connection, "TRUNCATE");
                return;
            }
        }
    }
}

fn checkpoint(connection: &Connection, mode: &str) {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    if let Err(error) = connection.query_row(&sql, [], |_| Ok(())) {
        // Nothing is lost: it stays in the log and the next round tries again.
        tracing::warn!(error = %error, "could not carry the write-ahead log into main.db; it grows until this succeeds");
    }
}
