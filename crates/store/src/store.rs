use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use weir_model::cursor::Cursor;
use weir_model::task::State;
use weir_model::{Address, Error, RunId, Scope, TaskId};
use weir_sdk::expressions::Want;
use weir_sdk::store::{
    Change, Delivered, Link, LiveTask, Loaded, Release, Retention, Run, Store, TaskDetail, TaskPage,
    TaskQuery,
};

use crate::failure::Fault;
use crate::folder::Folder;
use crate::history::History;
use crate::readers::Readers;
use crate::writer::{Work, Writer};
use crate::{checkpoint, health, read, schema, tidy};

/// A folder on a local disk as a store. It belongs to this process until it is dropped; dropping it writes what still
/// waits and blocks for that moment.
///
/// Its methods need a tokio runtime around them: reads go to threads that may block.
pub struct SqliteStore {
    // In the order in which they end: the writer first, then the checkpoints it rings for, the folder's lock last.
    writer: Arc<Writer>,
    _checkpoint: Joined,
    readers: Arc<Readers>,
    history: History,
    /// One mover at a time.
    tidying: Arc<Mutex<()>>,
    folder: Folder,
}

impl SqliteStore {
    /// Opens the data folder, making it where it is missing, and brings its tables up to date.
    ///
    /// Errors (all `configuration` unless the disk itself fails): another process holds the folder (the sentence names
    /// its pid), it cannot be written, it lies on a network file system, a newer Weir wrote it.
    pub fn open(folder: &Path) -> Result<SqliteStore, Error> {
        let folder = Folder::take(folder)?;
        let main = folder.main();
        let mut connection = schema::open_writing(&main)?;
        schema::migrate(&mut connection, &main)?;
        let (bell, checkpoint) = checkpoint::start(main.clone())?;
        let writer = Writer::start(connection, bell)
            .map_err(|error| Error::bug("could not start the thread that writes").source(error))?;
        Ok(SqliteStore {
            writer: Arc::new(writer),
            _checkpoint: Joined(Some(checkpoint)),
            readers: Readers::new(main),
            history: History::new(folder.history()),
            tidying: Arc::default(),
            folder,
        })
    }

    /// Holds `main.db` below a size: beyond it commits answer `unavailable`, as on a full disk. `None` lifts the limit. What
    /// is there already stays, however large.
    pub async fn set_bytes_max(&self, bytes: Option<u64>) -> Result<(), Error> {
        self.writer.write(Work::BytesMax(bytes.unwrap_or(0))).await?;
        Ok(())
    }

    /// Work that looks at `main.db` and day files on its own terms.
    async fn look<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Readers, &History) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        let (readers, history) = (Arc::clone(&self.readers), self.history.clone());
        match tokio::task::spawn_blocking(move || work(&readers, &history)).await {
            Ok(answer) => answer.map_err(|fault| fault.into_error(doing)),
            Err(error) => Err(Error::bug(format!("could not {doing}: the reader fell over")).source(error)),
        }
    }
}

/// A thread that is waited for when this is dropped.
struct Joined(Option<JoinHandle<()>>);

impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            drop(thread.join());
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<i64>, Error> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        self.writer.write(Work::Changes(changes)).await
    }

    async fn release(&self, scope: &Scope, number: Option<u64>) -> Result<Option<Release>, Error> {
        let scope = scope.clone();
        self.readers
            .read("read a release", move |c| read::run::release(c, &scope, number))
            .await
    }

    async fn runs(&self, scope: &Scope, route: Option<&str>, limit: usize) -> Result<Vec<Run>, Error> {
        let (scope, route) = (scope.clone(), route.map(str::to_owned));
        self.readers
            .read("read the runs", move |c| {
                read::run::runs(c, &scope, route.as_deref(), limit)
            })
            .await
    }

    async fn cursor(&self, scope: &Scope, route: &str, read: u32) -> Result<Option<Cursor>, Error> {
        let (scope, route) = (scope.clone(), route.to_owned());
        self.readers
            .read("read a cursor", move |c| {
                read::run::cursor(c, &scope, &route, read)
            })
            .await
    }

    async fn snapshot(
        &self,
        scope: &Scope,
        route: &str,
        read: u32,
        keys: &[String],
    ) -> Result<Vec<Option<[u8; 16]>>, Error> {
        let (scope, route, keys) = (scope.clone(), route.to_owned(), keys.to_vec());
        self.readers
            .read("read the hashes of a snapshot", move |c| {
                read::run::snapshot(c, &scope, &route, read, &keys)
            })
            .await
    }

    async fn live(&self, scope: &Scope, after: i64, limit: usize) -> Result<Vec<LiveTask>, Error> {
        let scope = scope.clone();
        self.readers
            .read("read the live tasks", move |c| {
                read::task::live(c, &scope, after, limit)
            })
            .await
    }

    async fn load(&self, tasks: &[TaskId]) -> Result<Vec<Loaded>, Error> {
        let tasks = tasks.to_vec();
        self.readers
            .read("load tasks", move |c| read::task::load(c, &tasks))
            .await
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<TaskPage, Error> {
        let query = query.clone();
        self.look("search tasks", move |readers, history| {
            read::search::tasks(readers, history, &query)
        })
        .await
    }

    async fn details(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskDetail>>, Error> {
        let ids = ids.to_vec();
        self.look("read tasks", move |readers, history| {
            let mut found = readers.snapshot(|connection| {
                ids.iter()
                    .map(|id| read::task::detail(connection, id))
                    .collect::<Result<Vec<_>, _>>()
            })?;
            history.tasks(&ids, &mut found)?;
            Ok(found)
        })
        .await
    }

    async fn counts(&self, scope: &Scope) -> Result<BTreeMap<String, BTreeMap<State, u64>>, Error> {
        let scope = scope.clone();
        self.readers
            .read("count tasks", move |c| read::run::counts(c, &scope))
            .await
    }

    async fn run_counts(&self, run: &RunId) -> Result<BTreeMap<State, u64>, Error> {
        let run = *run;
        self.readers
            .read("count the tasks of a run", move |c| {
                read::run::run_counts(c, &run)
            })
            .await
    }

    async fn delivered(
        &self,
        scope: &Scope,
        route: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Delivered>>, Error> {
        let (scope, route, keys) = (scope.clone(), route.to_owned(), keys.to_vec());
        self.readers
            .read("read what was delivered", move |c| {
                read::memory::delivered(c, &scope, &route, &keys)
            })
            .await
    }

    async fn links(
        &self,
        scope: &Scope,
        address: &Address,
        keys: &[String],
    ) -> Result<Vec<Option<Link>>, Error> {
        let (scope, address, keys) = (scope.clone(), address.clone(), keys.to_vec());
        self.readers
            .read("read links", move |c| {
                read::memory::links(c, &scope, &address, &keys)
            })
            .await
    }

    async fn links_search(
        &self,
        scope: &Scope,
        address: Option<&Address>,
        text: &str,
        limit: usize,
    ) -> Result<Vec<Link>, Error> {
        let (scope, address, text) = (scope.clone(), address.cloned(), text.to_owned());
        self.readers
            .read("search links", move |c| {
                read::memory::links_search(c, &scope, address.as_ref(), &text, limit)
            })
            .await
    }

    async fn readers(&self, scope: &Scope, route: &str, wants: &[Want]) -> Result<Vec<String>, Error> {
        let (scope, route, wants) = (scope.clone(), route.to_owned(), wants.to_vec());
        self.readers
            .read("find who read a reference", move |c| {
                read::memory::readers(c, &scope, &route, &wants)
            })
            .await
    }

    async fn lookup_rows(&self, scope: &Scope, table: &str) -> Result<Vec<(String, Value)>, Error> {
        let (scope, table) = (scope.clone(), table.to_owned());
        self.readers
            .read("read the rows of a lookup", move |c| {
                read::memory::lookup_rows(c, &scope, &table)
            })
            .await
    }

    async fn document(&self, collection: &str, key: &str) -> Result<Option<Value>, Error> {
        let (collection, key) = (collection.to_owned(), key.to_owned());
        self.readers
            .read("read a document", move |c| {
                read::memory::document(c, &collection, &key)
            })
            .await
    }

    async fn documents_of(&self, collection: &str, keys: &[String]) -> Result<Vec<Option<Value>>, Error> {
        let (collection, keys) = (collection.to_owned(), keys.to_vec());
        self.readers
            .read("read documents", move |c| {
                read::memory::documents_of(c, &collection, &keys)
            })
            .await
    }

    async fn documents(&self, collection: &str) -> Result<Vec<(String, Value)>, Error> {
        let collection = collection.to_owned();
        self.readers
            .read("read documents", move |c| read::memory::documents(c, &collection))
            .await
    }

    async fn tidy(&self, now: Timestamp, retention: &Retention) -> Result<u64, Error> {
        let (writer, readers, history) = (
            Arc::clone(&self.writer),
            Arc::clone(&self.readers),
            self.history.clone(),
        );
        let (tidying, retention) = (Arc::clone(&self.tidying), *retention);
        let work = tokio::task::spawn_blocking(move || {
            let _one = tidying.lock().unwrap_or_else(PoisonError::into_inner);
            tidy::tidy(&writer, &readers, &history, now, &retention)
        });
        match work.await {
            Ok(moved) => moved,
            Err(error) => Err(Error::bug("could not tidy the store: the mover fell over").source(error)),
        }
    }

    async fn health(&self) -> Result<BTreeMap<String, Value>, Error> {
        let (main, history, fsync_us) = (self.folder.main(), self.history.clone(), self.folder.fsync_us);
        self.readers
            .read("look at the store's health", move |c| {
                health::health(c, &main, &history, fsync_us)
            })
            .await
    }
}
