//! Connectors: whatever door one came through (manifest, native, process), the engine sees this.
//!
//! The life of a connection: (1) [`Connector::connect`] checks settings without touching the network; (2)
//! [`Connection::check`] touches it and explains; (3) reads, look-ups and writes run, many at once, each within the
//! connection's own limits on rate and concurrency; (4) it is dropped, which ends what is under way. Retries are the
//! engine's business: a connection repeats by itself only a request refused with 401, once, after it has signed in anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_model::config::WriteMode;
use weir_model::retry::Repeat;
use weir_model::{Error, Finding, TaskId};

use crate::Context;

/// A package that teaches Weir one kind of system.
pub trait Connector: Send + Sync {
    fn description(&self) -> &Description;

    /// Checks settings and makes the connection. Never touches the network.
    fn connect(&self, setup: Setup, context: &Context) -> Result<Arc<dyn Connection>, Vec<Finding>>;
}

/// What a connector says of itself.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Description {
    /// `spryker-data-exchange`
    pub name: String,
    pub version: String,
    pub title: String,
    pub entities: BTreeMap<String, EntityDescription>,
    /// Any other requests, by name.
    pub operations: BTreeMap<String, OperationDescription>,
    /// JSON Schema of the connection's settings.
    pub settings: Value,
    /// JSON Schema of each way to sign in.
    pub auth: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct EntityDescription {
    /// Name of the schema file without its ending, where there is one.
    pub schema: Option<String>,
    /// Fields of the natural key, in the words of the schema.
    pub key: Vec<String>,
    pub can_read: bool,
    pub can_lookup: bool,
    pub modes: Vec<WriteMode>,
    /// The words a route may use under `filter`, each with its operators.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Fields that `changed_since` may name; `snapshot` is always possible.
    pub changed_since: Vec<String>,
    /// May a write whose outcome is unknown be sent again?
    pub repeat: Repeat,
    /// Rows that one write takes at most; the engine gathers that many where it can.
    pub batch_rows: usize,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct OperationDescription {
    /// It changes something outside of Weir.
    pub has_effect: bool,
    /// May it be sent again when no answer came?
    pub repeat: Repeat,
    /// Its result is a list.
    pub reads_many: bool,
}

/// One configured connection. Secrets are already put in; the value lives no longer than the connection.
#[derive(Clone)]
pub struct Setup {
    /// Name of the connection in the project.
    pub name: String,
    /// File it came from, for findings.
    pub file: String,
    pub settings: BTreeMap<String, Value>,
    /// The chosen way to sign in and its settings.
    pub auth: Option<(String, BTreeMap<String, Value>)>,
    pub concurrency: Option<u32>,
    /// Requests, and the milliseconds they may be spread over.
    pub rate: Option<(u64, u64)>,
    pub allow_private: bool,
}

#[async_trait]
pub trait Connection: Send + Sync {
    fn description(&self) -> &Description;

    /// Tries sign-in and one harmless read, and explains in plain words what is wrong.
    async fn check(&self) -> Vec<CheckResult>;

    /// Tries the entities that a project reads, writes or looks up, and what their references stand on: one harmless
    /// request each, so that an entity which the target does not offer is known before the first task. Called when
    /// [`Connection::check`] found nothing wrong.
    async fn check_entities(&self, _entities: &[String]) -> Vec<CheckResult> {
        Vec::new()
    }

    /// Sends a write that the target must refuse as a whole (one good row and one bad row in a transaction), and explains
    /// the answer. Only when a person asked for it: what a target runs beside a create is not always rolled back.
    async fn dry_run_write(&self) -> Vec<CheckResult> {
        vec![CheckResult {
            what: "dry-run write".to_owned(),
            ok: true,
            message: format!(
                "`{}` knows no write that is rolled back; nothing was sent",
                self.description().name
            ),
            duration_ms: 0,
        }]
    }

    /// Reads one page. To read on, send the same request with `page` set to the answer's `next`; positions survive a
    /// restart. Exchanges are reported to `observer`.
    async fn read(&self, request: &ReadRequest, observer: &dyn Observer) -> Result<Page, Error>;

    /// Finds rows by one field, many keys at once. The answer holds for each asked key the rows that have it, possibly
    /// none. `fresh` passes over the cache (it is filled all the same).
    async fn lookup(
        &self,
        request: &LookupRequest,
        observer: &dyn Observer,
    ) -> Result<Vec<Vec<Value>>, Error>;

    /// Writes rows of one entity; never more than one row of a key. Gives one outcome a row, in their order.
    ///
    /// Before each request with an effect, `effects.intend` is awaited (it returns when the intention is durable), and
    /// after its answer `effects.finish`. A row with `uncertain` was intended before and its result never journalled:
    /// the connection looks at the target, past every cache, before it sends anything for that row.
    async fn write(&self, request: &WriteRequest, effects: &dyn Effects) -> Vec<Outcome>;

    /// Carries out one of the description's operations, once, and answers its result. The engine keeps the journal of those
    /// that have an effect: their error is `outcome_unknown` when nobody can tell whether anything happened, and any other
    /// kind promises that nothing did.
    async fn call(&self, request: &CallRequest, _observer: &dyn Observer) -> Result<Value, Error> {
        let name = &self.description().name;
        let message = format!("`{name}` has no operation `{}`", request.operation);
        Err(Error::new(weir_model::Kind::Configuration, message))
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct CheckResult {
    /// `address`, `sign-in`, `read stores` …
    pub what: String,
    pub ok: bool,
    /// What was found, and what to do when it is not ok.
    pub message: String,
    pub duration_ms: u64,
}

#[derive(Clone, Debug, Default)]
pub struct ReadRequest {
    pub entity: String,
    /// `{parent: {empty: true}}`, in the words of the entity's filters.
    pub filter: BTreeMap<String, Value>,
    pub fields: Vec<String>,
    /// Sub-resources to nest: name → entity.
    pub with: BTreeMap<String, String>,
    /// Field and time: rows changed at that time or later.
    pub since: Option<(String, Timestamp)>,
    /// Only rows with one of these natural keys (single-field keys); through the entity's lookup.
    pub keys: Option<Vec<String>>,
    /// From a former answer's `next`.
    pub page: Option<Value>,
}

#[derive(Clone, Debug, Default)]
pub struct Page {
    pub rows: Vec<Row>,
    /// Where to read on; `None` at the end.
    pub next: Option<Value>,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub value: Value,
    /// By the field of `since`, where the request or the entity names one and the row has it.
    pub changed_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct LookupRequest {
    pub entity: String,
    /// A field of the natural key.
    pub field: String,
    pub keys: Vec<Value>,
    pub with: BTreeMap<String, String>,
    pub fresh: bool,
}

#[derive(Clone, Debug)]
pub struct WriteRequest {
    pub entity: String,
    pub mode: WriteMode,
    pub rows: Vec<WriteRow>,
}

#[derive(Clone, Debug)]
pub struct WriteRow {
    pub task: TaskId,
    /// The route's key, for messages and idempotency keys.
    pub key: String,
    /// In natural keys, as the entity's schema says.
    pub value: Value,
    /// Intended before, never answered: look first.
    pub uncertain: bool,
    /// Effects of this write that are journalled as finished, by name, with their results.
    pub finished: BTreeMap<String, Value>,
}

/// An operation and what it is given, by name.
#[derive(Clone, Debug)]
pub struct CallRequest {
    pub operation: String,
    pub with: Value,
}

/// What became of one row.
#[derive(Clone, Debug)]
pub enum Outcome {
    Written(Written),
    Failed(Error),
    /// A reference with `on_missing: wait` is not there yet; nothing was sent for this row.
    Waits {
        entity: String,
        key: String,
        field: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Written {
    pub action: Action,
    /// Ids by name: `{"id_category": 4, "id_category_node": 7}`. Stored as a link.
    #[serde(default)]
    pub ids: BTreeMap<String, Value>,
    /// What the API could not do, each with a name and a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Created,
    #[default]
    Updated,
    /// The target already held everything; nothing was sent.
    Unchanged,
    Deleted,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Warning {
    pub name: String,
    pub message: String,
}

/// Keeps the journal of a write; given by the engine.
#[async_trait]
pub trait Effects: Observer {
    /// Returns when it is durable that `effect` is about to be tried for these rows (indexes into the request).
    async fn intend(&self, effect: &str, rows: &[usize]) -> Result<(), Error>;

    /// Journals results: for each row what came of it, `Err` when it is known that nothing happened. A row whose outcome
    /// is unknown is left out.
    async fn finish(&self, effect: &str, results: Vec<(usize, Result<Value, Error>)>) -> Result<(), Error>;
}

/// Hears of every exchange with the system; secrets are already masked.
pub trait Observer: Send + Sync {
    /// `rows` are indexes into the write request; empty for reads and look-ups.
    fn exchange(&self, rows: &[usize], exchange: Exchange);
}

/// Hears nothing.
pub struct NoObserver;

impl Observer for NoObserver {
    fn exchange(&self, _: &[usize], _: Exchange) {}
}

/// One request and its answer, for the task page. Bodies are cut at a named size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exchange {
    pub connection: String,
    /// `read products`, `lookup categories`, `create product-abstracts`, `sign-in` …
    pub purpose: String,
    pub method: String,
    pub url: String,
    pub request_body: Option<String>,
    pub status: Option<u16>,
    pub answer_body: Option<String>,
    pub error: Option<String>,
    pub at: Timestamp,
    pub duration_ms: u64,
}
