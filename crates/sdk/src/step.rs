//! Steps: one thing done to entities on the way.
//!
//! A step's life: its kind checks the parameters and [`StepKind::build`]s it when the route is loaded (no network); then
//! [`Step::apply`] runs on batches, from many workers at once. Outcomes are per entity: a step that fails one entity sets
//! that entity's verdict and goes on with the others; an `Err` from `apply` is everybody's.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use weir_model::config::{OnError, WriteMode};
use weir_model::{Error, Finding, TaskId};

use crate::checker::Schema;
use crate::codec::Codec;
use crate::connector::OperationDescription;
use crate::expressions::{Expression, Expressions, ReferenceSource, Snippet, Want};

/// A kind of step: one folder in `weir-steps`, one line in its `all.rs`.
pub trait StepKind: Send + Sync {
    /// The word in route files.
    fn name(&self) -> &'static str;

    /// One sentence for the reference page.
    fn summary(&self) -> &'static str;

    /// JSON Schema of the parameters, from the parameters' type.
    fn schema(&self) -> Value;

    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding>;

    /// Where lists of nested steps stand within the parameters, as paths of names and indexes: `[["0", "steps"]]`. The
    /// checker looks into them before anything is built, so this takes parameters of any shape.
    fn nested(&self, _parameters: &Value) -> Vec<Vec<String>> {
        Vec::new()
    }
}

/// What a step kind may ask while it is built. Positions point into the route's file.
pub trait Build {
    fn expressions(&self) -> &dyn Expressions;
    /// A snippet at a place within the step's parameters: `["key"]`, or empty for the parameters themselves.
    fn snippet(&self, path: &[&str], text: &str) -> Snippet;
    /// A finding at a place within the step's parameters.
    fn finding(&self, path: &[&str], code: &str, message: String) -> Finding;
    /// A schema by `PREFIX/NAME`.
    fn schema(&self, name: &str) -> Result<Arc<dyn Schema>, String>;
    /// Identity of the step within its route: its name, else kind and ordinal; of a nested one with the way to it,
    /// `branch-1/0/map-1`.
    fn step_id(&self) -> String;
    /// The name under which its result is remembered (`$steps.NAME`): its name, else kind and ordinal.
    fn result_name(&self) -> String;
    /// True for a step under `source.steps`: what it handles is no task yet.
    fn is_reading(&self) -> bool;
    /// True for a step that stands in a list of another step (`branch`, `each`), not in the route's own.
    fn is_nested(&self) -> bool;
    /// True for a step that works on elements of an entity (within `each`), not on the whole of it.
    fn is_within_each(&self) -> bool;
    /// The nested steps that stand at `path` within this step's parameters; `of_elements` where they work on parts of
    /// the entity.
    fn steps(&self, path: &[&str], of_elements: bool) -> Result<Vec<Placed>, Finding>;
    /// Names of the maps, for "did you mean".
    fn maps(&self) -> Vec<String>;
    fn codecs(&self) -> Vec<Arc<dyn Codec>>;
    /// Path → text of the project's JavaScript files.
    fn scripts(&self) -> BTreeMap<String, String>;
    /// The lookups by name.
    fn lookups(&self) -> BTreeMap<String, Table>;
    /// Names of connections, and of the entities that can be written on one.
    fn connections(&self) -> Vec<String>;
    fn entities(&self, connection: &str) -> Vec<String>;
    /// Operations of a connection.
    fn operations(&self, connection: &str) -> BTreeMap<String, OperationDescription>;
}

/// Where the rows of a lookup come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    File,
    /// Read whole, again and again.
    Refreshed,
    OnDemand,
    /// Kept by routes.
    Kept,
}

#[async_trait]
pub trait Step: Send + Sync {
    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error>;

    /// Connections this step cannot do without; while one of them is away, the route pauses.
    fn connections(&self) -> Vec<String> {
        Vec::new()
    }

    /// False for a step that never changes the entity itself; its trace then needs no copy of it.
    fn rewrites(&self) -> bool {
        true
    }

    /// True for a step that puts another entity in the place of the old one: its trace shows the new one without a
    /// comparison.
    fn replaces(&self) -> bool {
        false
    }

    /// Of a step that collects: when a group of it is closed.
    fn closing(&self) -> Option<Closing> {
        None
    }

    /// True for a step that changes something outside of Weir; such steps are captured in a try-out.
    fn has_effect(&self) -> bool {
        false
    }
}

/// When a group is closed: the first that holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// It has so many members.
    pub count: Option<u64>,
    /// So long after its first member.
    pub after_ms: Option<u64>,
    /// No more members come of the runs of its members.
    pub end_of_run: bool,
}

/// A step at its place in a route, with what every step may say.
pub struct Placed {
    /// See [`Build::step_id`]. Journalled effects carry it.
    pub id: String,
    pub kind: String,
    pub name: Option<String>,
    pub when: Option<Arc<dyn Expression>>,
    pub on_error: Option<OnError>,
    pub step: Arc<dyn Step>,
}

/// Connections that these steps cannot do without.
pub fn connections_of(steps: &[Placed]) -> Vec<String> {
    steps
        .iter()
        .flat_map(|placed| placed.step.connections())
        .collect()
}

/// Entities on their way together.
pub struct Batch {
    pub items: Vec<Item>,
}

/// One entity on its way.
pub struct Item {
    pub task: TaskId,
    pub key: String,
    /// Attempt under way, from 1.
    pub attempt: u32,
    /// The entity as it is now.
    pub value: Value,
    /// The entity as it left the source: `$source`.
    pub source: Arc<Value>,
    /// Results of named steps: `$steps`.
    pub steps: Value,
    /// Lookup rows and links asked for so far.
    pub reads: Vec<Want>,
    pub verdict: Verdict,
    pub log: Vec<String>,
    pub warnings: Vec<crate::connector::Warning>,
    pub carried: Carried,
}

/// What an item gathers on its way for the end of its attempt.
#[derive(Default)]
pub struct Carried {
    /// Of an element within `each`: which one, `2` or its own key; such items share the task of their entity, and
    /// journalled effects are told apart by it.
    pub element: Option<String>,
    /// One entry a step that touched it, for the record of the attempt.
    pub traces: Vec<Value>,
    /// What steps noted of the task on its way, by step: until when it pauses, what was answered.
    pub notes: BTreeMap<String, Value>,
    /// `on_error` of the step that failed it, where that step says so.
    pub on_error: Option<OnError>,
    /// Written with the success of the task, never before.
    pub kept: Vec<Kept>,
}

/// What a task leaves behind when it succeeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// A row of a kept lookup; `None` removes it.
    Row {
        table: String,
        key: String,
        row: Option<Value>,
    },
    /// A mark of this `dedupe` step: it is confirmed.
    Mark { step: String, mark: String },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Goes on to the next step.
    Go,
    /// Ends without a failure.
    Skip {
        why: Skipped,
        reason: String,
    },
    Fail(Error),
    /// Parked until the need is met.
    Wait {
        need: weir_model::dependency::Need,
        reason: String,
    },
    /// Looked at again by this step at that time; the attempt does not count.
    Pause {
        step: String,
        until: Timestamp,
    },
    /// Parked until somebody answers the question, which goes to this step; dead at that time.
    Ask {
        step: String,
        question: String,
        until: Timestamp,
    },
    /// Into the buffer of this step, to the group `by`.
    Collect {
        step: String,
        by: String,
    },
    /// Done with this step: each part goes on behind it as a task of its own.
    Split {
        /// See [`Build::step_id`].
        step: String,
        parts: Vec<Part>,
    },
}

/// What a split makes a task of.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub key: String,
    pub value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// A filter or `skip` said so: remembered as processed.
    Filtered,
    /// The same as what was last delivered.
    Unchanged,
}

impl Item {
    /// An item at the start of its way: going, with nothing asked, said or remembered.
    pub fn new(task: TaskId, key: String, attempt: u32, value: Value, source: Arc<Value>) -> Item {
        Item {
            task,
            key,
            attempt,
            value,
            source,
            steps: Value::Object(Map::new()),
            reads: Vec::new(),
            verdict: Verdict::Go,
            log: Vec::new(),
            warnings: Vec::new(),
            carried: Carried::default(),
        }
    }

    /// Adds to the read set what is not in it yet.
    pub fn add_reads(&mut self, wants: impl IntoIterator<Item = Want>) {
        for want in wants {
            if !self.reads.contains(&want) {
                self.reads.push(want);
            }
        }
    }

    pub fn is_going(&self) -> bool {
        self.verdict == Verdict::Go
    }

    /// Takes the item out of its place in a batch, to be put back; a hollow one that is not going stands in.
    pub fn take(&mut self) -> Item {
        let verdict = Verdict::Skip {
            why: Skipped::Filtered,
            reason: "taken out of its batch".to_owned(),
        };
        let hollow = Item {
            verdict,
            ..Item::new(
                self.task,
                String::new(),
                self.attempt,
                Value::Null,
                self.source.clone(),
            )
        };
        std::mem::replace(self, hollow)
    }
}

/// What a step may ask while it runs; given by the engine.
#[async_trait]
pub trait Services: Send + Sync {
    fn references(&self) -> &dyn ReferenceSource;
    fn vars(&self) -> &Value;
    /// `{id, route, started_at}` of the run.
    fn run(&self) -> &Value;
    /// Frozen for the attempt.
    fn now(&self) -> Timestamp;

    /// Evaluates over every item that is going, in as few rounds as possible, and adds to its read set. The result's
    /// order is that of `batch.items`; `None` for items that are not going.
    async fn evaluate(
        &self,
        expression: &dyn Expression,
        batch: &mut Batch,
    ) -> Vec<Option<Result<Option<Value>, Error>>>;

    /// Runs nested steps over a batch in the way the steps of a route are run: `when`, `on_error` and the record of the
    /// attempt included.
    async fn steps(&self, steps: &[Placed], batch: &mut Batch);

    /// Hash of what was last delivered of each key, where anything was.
    async fn delivered_hashes(&self, keys: &[&str]) -> Result<Vec<Option<[u8; 16]>>, Error>;

    /// Claims marks of a `dedupe` step for the items that are going; `None` claims nothing. An item whose mark another
    /// task has confirmed is skipped, one whose mark another live task holds waits for the end of that task.
    async fn claim(&self, step: &str, marks: &[Option<String>], batch: &mut Batch) -> Result<(), Error>;

    /// Calls an operation for each item that is going; `with` holds what each gives it, in the order of the batch. One that
    /// fails, or whose outcome is unknown, has its verdict set and no result.
    async fn call(&self, call: &Call, with: Vec<Value>, batch: &mut Batch) -> Vec<Option<Value>>;

    /// Writes the items that are going, sets their verdicts, remembers ids for their links and the result as `$steps.NAME`.
    async fn write(&self, write: &Write, batch: &mut Batch);
}

/// A write as a step asks for it.
#[derive(Clone, Debug)]
pub struct Write {
    pub connection: String,
    pub entity: String,
    pub mode: WriteMode,
    /// See [`Build::step_id`].
    pub step: String,
    /// See [`Build::result_name`].
    pub name: String,
}

/// An operation as a step calls it.
#[derive(Clone, Debug)]
pub struct Call {
    pub connection: String,
    pub operation: String,
    /// See [`Build::step_id`].
    pub step: String,
}

/// `$steps` with one more result.
pub fn remember(steps: &mut Value, name: &str, result: Value) {
    if !steps.is_object() {
        *steps = Value::Object(Map::new());
    }
    if let Value::Object(results) = steps {
        results.insert(name.to_owned(), result);
    }
}

/// Ids by name, as a step result shows them.
pub fn ids_value(ids: &BTreeMap<String, Value>) -> Value {
    Value::Object(ids.iter().map(|(name, id)| (name.clone(), id.clone())).collect())
}
