//! The store: the truth on disk. One contract, one conformance suite ([`crate::store::conformance`] once a second store
//! exists), any number of stores.
//!
//! All mutation is a list of [`Change`]s handed to [`Store::commit`]: the list is applied whole or not at all and is on
//! disk when the call returns. A store gathers lists of many callers into one transaction (group commit), yet one list's
//! failure never sinks another's. Payloads are opaque bytes: the engine packs (and, later, encrypts) them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_model::config::Switch;
use weir_model::cursor::Cursor;
use weir_model::dependency::Need;
use weir_model::task::State;
use weir_model::{Address, Error, Kind, RunId, Scope, TaskId};

use crate::connector::Warning;
use crate::expressions::Want;

/// What the name of a journalled effect begins with when it is a note of the engine's own (where a task goes on, until when
/// it pauses): such a task has changed nothing outside yet.
pub const NOTE: char = '@';

#[async_trait]
pub trait Store: Send + Sync {
    /// Applies the changes in order, all or none, durably. Answers the sequence numbers of inserted tasks, in order.
    ///
    /// Errors: `conflict` when a task is not in the state that a change expects (a stale lease, a finished task);
    /// `unavailable` when the disk is full or the store is closing: nothing of the list is then stored.
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<i64>, Error>;

    // Releases
    async fn release(&self, scope: &Scope, number: Option<u64>) -> Result<Option<Release>, Error>;

    // Runs
    async fn runs(&self, scope: &Scope, route: Option<&str>, limit: usize) -> Result<Vec<Run>, Error>;
    async fn cursor(&self, scope: &Scope, route: &str, read: u32) -> Result<Option<Cursor>, Error>;
    /// The hash last read of each key (`changed_since: snapshot`).
    async fn snapshot(
        &self,
        scope: &Scope,
        route: &str,
        read: u32,
        keys: &[String],
    ) -> Result<Vec<Option<[u8; 16]>>, Error>;

    // Tasks
    /// Every live task of the scope without payloads, by rising sequence, in chunks: those after `after`.
    async fn live(&self, scope: &Scope, after: i64, limit: usize) -> Result<Vec<LiveTask>, Error>;
    /// What a worker needs; tasks that are not live are left out.
    async fn load(&self, tasks: &[TaskId]) -> Result<Vec<Loaded>, Error>;
    /// Live, just finished and historical tasks, newest first.
    async fn tasks(&self, query: &TaskQuery) -> Result<TaskPage, Error>;
    async fn task(&self, id: &TaskId) -> Result<Option<TaskDetail>, Error> {
        let found = self.details(std::slice::from_ref(id)).await?;
        Ok(found.into_iter().next().flatten())
    }
    /// Whole tasks, wherever they lie, in the order of the ids.
    async fn details(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskDetail>>, Error>;
    /// Tasks of each route by state, since the beginning (live ones as they are now).
    async fn counts(&self, scope: &Scope) -> Result<BTreeMap<String, BTreeMap<State, u64>>, Error>;
    /// Counts of one run by state.
    async fn run_counts(&self, run: &RunId) -> Result<BTreeMap<State, u64>, Error>;

    // Memory
    async fn delivered(
        &self,
        scope: &Scope,
        route: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Delivered>>, Error>;
    async fn links(
        &self,
        scope: &Scope,
        address: &Address,
        keys: &[String],
    ) -> Result<Vec<Option<Link>>, Error>;
    async fn links_search(
        &self,
        scope: &Scope,
        address: Option<&Address>,
        text: &str,
        limit: usize,
    ) -> Result<Vec<Link>, Error>;
    /// Keys of routes whose last delivery asked for one of these rows or links.
    async fn readers(&self, scope: &Scope, route: &str, wants: &[Want]) -> Result<Vec<String>, Error>;
    /// Rows of a refreshed or kept lookup: all of them, by key.
    async fn lookup_rows(&self, scope: &Scope, table: &str) -> Result<Vec<(String, Value)>, Error>;

    // Small documents: users, sessions, tokens, secrets, switches. `scope` may be the empty one.
    async fn document(&self, collection: &str, key: &str) -> Result<Option<Value>, Error>;
    /// Several of one collection at once, in the order of the keys.
    async fn documents_of(&self, collection: &str, keys: &[String]) -> Result<Vec<Option<Value>>, Error>;
    async fn documents(&self, collection: &str) -> Result<Vec<(String, Value)>, Error>;

    /// Moves finished tasks from staging into the day files and drops expired days; called now and then, resumes after a
    /// crash where it stopped. Answers how many tasks were moved.
    async fn tidy(&self, now: Timestamp, retention: &Retention) -> Result<u64, Error>;

    /// Size and health, for `doctor`: names and values such as `main_bytes`, `history_bytes`, `fsync_us`.
    async fn health(&self) -> Result<BTreeMap<String, Value>, Error>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    pub done_days: u32,
    pub skipped_days: u32,
    pub dead_days: u32,
}

/// One thing to write down.
#[derive(Clone, Debug)]
pub enum Change {
    PutRelease(Release),

    StartRun(Run),
    /// A page was read: counters of the run and the cursor move together with the tasks that stand beside this change.
    Page {
        run: RunId,
        scope: Scope,
        route: String,
        read: u32,
        cursor: Cursor,
        rows: u64,
        tasks: u64,
    },
    /// The run's source ended (`read`), was stopped, or failed.
    EndRun {
        run: RunId,
        at: Timestamp,
        outcome: RunOutcome,
    },
    PutCursor {
        scope: Scope,
        route: String,
        read: u32,
        cursor: Cursor,
    },
    PutSnapshot {
        scope: Scope,
        route: String,
        read: u32,
        rows: Vec<(String, [u8; 16])>,
    },

    /// A task in state `queued`. Answers a sequence number.
    InsertTask(NewTask),
    /// `queued` or `retrying` → `running`; attempts + 1.
    Lease {
        task: TaskId,
        at: Timestamp,
        release: u64,
    },
    /// An effect is about to be tried. Names that begin with [`NOTE`] are kept beside effects and are none.
    Intend {
        task: TaskId,
        effect: String,
        at: Timestamp,
    },
    /// An effect ended: its result, or that nothing happened (the intention is taken back).
    Journal {
        task: TaskId,
        effect: String,
        result: Option<Value>,
    },
    /// To a live state: queued, waiting, retrying, dead.
    Move(Move),
    /// To a finished state; the live row goes to staging. Everything else the success writes stands beside this change.
    End(End),
    /// What was recorded of an attempt: packed bytes.
    PutAttempt {
        task: TaskId,
        attempt: u32,
        at: Timestamp,
        bytes: Vec<u8>,
    },
    /// A corrected payload.
    PutInput {
        task: TaskId,
        input: Vec<u8>,
    },

    PutDelivered {
        scope: Scope,
        route: String,
        key: String,
        delivered: Delivered,
        reads: Option<Vec<Want>>,
    },
    PutLink(Link),
    /// `None` removes the row.
    PutLookupRow {
        scope: Scope,
        table: String,
        key: String,
        row: Option<Value>,
    },
    /// `None` removes the document.
    PutDocument {
        collection: String,
        key: String,
        document: Option<Value>,
    },
}

/// An immutable, numbered state of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    pub scope: Scope,
    pub number: u64,
    /// Hash over all files.
    pub hash: String,
    pub at: Timestamp,
    pub author: String,
    /// Path → content.
    pub files: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Run {
    pub id: RunId,
    pub scope: Scope,
    pub route: String,
    pub release: u64,
    /// `schedule`, `manual`, `start`, `resend`.
    pub trigger: String,
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    pub outcome: Option<RunOutcome>,
    /// Rows read so far.
    pub rows: u64,
    /// Tasks made so far.
    pub tasks: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// The source ended by itself.
    Read,
    /// Stopped by a limit, a person or the end of the process; the next run goes on at its page.
    Stopped(String),
    Failed(Error),
}

#[derive(Clone, Debug)]
pub struct NewTask {
    pub id: TaskId,
    pub scope: Scope,
    pub route: String,
    pub key: String,
    pub run: Option<RunId>,
    pub at: Timestamp,
    pub input: Vec<u8>,
    pub replay_of: Option<TaskId>,
}

/// A live task as the order and the dependencies see it.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveTask {
    pub id: TaskId,
    pub sequence: i64,
    pub route: String,
    pub key: String,
    pub run: Option<RunId>,
    pub state: State,
    pub due: Option<Timestamp>,
    pub needs: Vec<Need>,
    pub attempts: u32,
    /// An effect is journalled or intended; notes are no effects.
    pub has_effect: bool,
    pub since: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Loaded {
    pub task: LiveTask,
    pub input: Vec<u8>,
    /// The release of its first attempt.
    pub release: Option<u64>,
    pub first_attempt_at: Option<Timestamp>,
    /// By name of the effect; `None`: intended and never answered. Notes stand among them.
    pub effects: BTreeMap<String, Option<Value>>,
    pub replay_of: Option<TaskId>,
}

#[derive(Clone, Debug)]
pub struct Move {
    pub task: TaskId,
    /// The state it must be in; otherwise the commit fails as `conflict`.
    pub from: State,
    pub to: State,
    pub at: Timestamp,
    pub due: Option<Timestamp>,
    pub needs: Vec<Need>,
    pub error: Option<Error>,
    /// Said to people: why it waits.
    pub reason: Option<String>,
    /// The attempt under way does not count.
    pub forgive_attempt: bool,
}

impl Move {
    /// A plain change of state; the other fields are filled in by who has them.
    pub fn to(task: TaskId, from: State, to: State, at: Timestamp) -> Self {
        Move {
            task,
            from,
            to,
            at,
            due: None,
            needs: Vec::new(),
            error: None,
            reason: None,
            forgive_attempt: false,
        }
    }
}

#[derive(Clone, Debug)]
pub struct End {
    pub task: TaskId,
    pub from: State,
    pub to: State,
    pub at: Timestamp,
    /// `skipped (unchanged)`, `skipped (superseded by …)`.
    pub reason: Option<String>,
    pub warnings: Vec<Warning>,
}

/// What was last delivered of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    /// Sequence of the task that delivered it; never goes back.
    pub version: i64,
    pub hash: Option<[u8; 16]>,
    pub release: u64,
    pub at: Timestamp,
    /// The entity as delivered, packed; kept when a filter later skipped the key.
    pub entity: Option<Vec<u8>>,
    /// The last task of the key ended skipped by a filter.
    pub filtered: bool,
}

/// A remembered pair: this route key ↔ these ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Link {
    pub scope: Scope,
    pub address: Address,
    pub key: String,
    /// By name: `{"id_category": 4, "id_category_node": 7}`.
    pub ids: BTreeMap<String, Value>,
    #[schemars(with = "String")]
    pub at: Timestamp,
}

#[derive(Clone, Debug, Default)]
pub struct TaskQuery {
    pub scope: Option<Scope>,
    pub route: Option<String>,
    pub states: Vec<State>,
    /// An exact key.
    pub key: Option<String>,
    /// A part of the key.
    pub text: Option<String>,
    /// The kind of the error that it failed with last.
    pub error: Option<Kind>,
    /// It came into its state at this time or later …
    pub since: Option<Timestamp>,
    /// … and before this one.
    pub until: Option<Timestamp>,
    pub run: Option<RunId>,
    /// From a former page's `next`.
    pub page: Option<String>,
    pub limit: usize,
}

#[derive(Clone, Debug, Default, Serialize, schemars::JsonSchema)]
pub struct TaskPage {
    pub tasks: Vec<TaskRow>,
    pub next: Option<String>,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct TaskRow {
    pub id: TaskId,
    pub sequence: i64,
    pub route: String,
    pub key: String,
    pub state: State,
    pub attempts: u32,
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// When it came into its state.
    #[schemars(with = "String")]
    pub since: Timestamp,
    #[schemars(with = "Option<String>")]
    pub due: Option<Timestamp>,
    pub run: Option<RunId>,
    pub error: Option<Error>,
    pub reason: Option<String>,
    pub needs: Vec<Need>,
    pub warnings: Vec<Warning>,
    pub replay_of: Option<TaskId>,
}

#[derive(Clone, Debug)]
pub struct TaskDetail {
    pub scope: Scope,
    pub row: TaskRow,
    pub release: Option<u64>,
    pub input: Vec<u8>,
    pub effects: BTreeMap<String, Option<Value>>,
    /// Attempt number, time and packed record.
    pub attempts: Vec<(u32, Timestamp, Vec<u8>)>,
}

/// The stored switch of a route, where a person set one; wins over the environment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSwitch {
    pub switch: Switch,
}
