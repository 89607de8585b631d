//! Acting on many tasks: a preview says what would happen and freezes which tasks are meant; its token is executed as an
//! operation. The progress of an operation is stored in the transaction that changes its tasks, so that after a crash it
//! goes on at its place and no task is touched twice.
//!
//! `select.rs` finds the tasks, `preview.rs` looks at each without changing anything, `work.rs` carries out,
//! `records.rs` is what stands in the store.

mod preview;
mod records;
mod select;
mod work;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use weir_model::operation::State;
use weir_model::reasons::Reasons;
use weir_model::{Error, OperationId};

pub(crate) use preview::preview;
pub use preview::{Preview, Tried};
pub use select::Selection;
pub use work::{all_stored, stored};
pub(crate) use work::{control, execute, list, show, start, tidy};

use crate::actions::Deed;

/// Most tasks that one preview or operation may mean.
pub const TASKS_MAX: usize = 100_000;
/// How long the token of a preview can be executed.
pub const TOKEN_MS: u64 = 3_600_000;
/// Previews that wait for being executed, in one project and environment; the oldest goes for a new one.
pub const PREVIEWS_MAX: usize = 100;
/// Days that an ended operation can be looked at.
pub const KEPT_DAYS: u32 = 30;

/// Long work done on request: an action on many tasks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    pub id: OperationId,
    pub deed: Deed,
    /// What was looked for when the preview froze which tasks are meant.
    pub selection: Selection,
    /// Routes of the tasks that are meant.
    pub routes: Vec<String>,
    /// Who asked for it.
    pub by: String,
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    pub state: State,
    /// Tasks that are meant.
    pub total: u64,
    /// Tasks that were looked at: the ones changed and the ones refused.
    pub done: u64,
    /// Tasks that were changed.
    pub succeeded: u64,
    /// Why others were not.
    pub refused: Reasons,
    /// Why it failed.
    pub failure: Option<Error>,
    /// Time spent working, pauses left out.
    pub worked_ms: u64,
}

/// An operation as it comes along.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Progress {
    pub operation: Operation,
    /// Tasks a second so far.
    pub rate_per_s: Option<f64>,
    /// How long the rest takes at this rate, while it runs.
    pub eta_ms: Option<u64>,
    /// What it waits for right now.
    pub held_back: Option<String>,
}

/// The operations under way, in memory.
pub(crate) type Running = Mutex<HashMap<OperationId, Arc<work::Live>>>;
