//! A small pool of connections that only read, each for one short snapshot.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;
use weir_model::Error;

use crate::failure::{Fault, closing};
use crate::schema;

/// Snapshots at once; more wait.
const READERS_MAX: usize = 4;

pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Arc<Readers> {
        Arc::new(Readers {
            path,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(READERS_MAX)),
        })
    }

    /// Runs the work on a thread that may block. `doing` completes "could not …".
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| closing())?;
        let readers = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            let answer = readers.snapshot(work);
            drop(permit);
            answer
        });
        match work.await {
            Ok(answer) => answer.map_err(|fault| fault.into_error(doing)),
            Err(error) => Err(Error::bug(format!("could not {doing}: the reader fell over")).source(error)),
        }
    }

    /// One transaction over all that the work reads; on the thread of the caller.
    pub(crate) fn snapshot<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reading(&self.path)?,
        };
        connection.execute_batch("BEGIN")?;
        let answer = work(&connection);
        // Rolled back or committed is one to a reader. A connection that cannot do it is not used again.
        if connection.execute_batch("COMMIT").is_ok() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
        answer
    }
}
