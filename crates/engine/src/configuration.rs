//! What the server compiles from a project folder and hands to the engine: everything checked, every expression ready.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use weir_model::config::{self, RouteLimits, Switch, Trace};
use weir_model::dependency::Settled;
use weir_model::schedule::{CatchUp, Schedule};
use weir_model::{Address, Scope, retry};
use weir_sdk::checker::Schema;
use weir_sdk::connector::Connection;
use weir_sdk::expressions::Expression;
pub use weir_sdk::step::Placed as Step;
use weir_sdk::store;

pub struct Configuration {
    pub scope: Scope,
    pub release: u64,
    /// An object: the project's variables overlaid by the environment's.
    pub vars: Value,
    pub connections: BTreeMap<String, Arc<dyn Connection>>,
    pub routes: BTreeMap<String, Route>,
    pub lookups: BTreeMap<String, Lookup>,
    pub retention: store::Retention,
}

pub struct Route {
    pub title: String,
    /// One cursor each.
    pub reads: Vec<config::Read>,
    /// A field, or `snapshot`; `None` reads everything each time.
    pub changed_since: Option<String>,
    /// How entities arrive by themselves; then there is nothing to read.
    pub webhook: Option<Webhook>,
    pub trigger: Trigger,
    /// Schema of the entity as read, where the route names one.
    pub schema: Option<Arc<dyn Schema>>,
    pub key: Arc<dyn Expression>,
    pub source_steps: Vec<Step>,
    /// The route's `write:` included, as the last step.
    pub steps: Vec<Step>,
    /// How the caller of the webhook is answered; `None`: with what was stored.
    pub reply: Option<Reply>,
    pub waits_for: Vec<WaitsFor>,
    pub resend_on: Vec<String>,
    pub latest_only: bool,
    pub policy: retry::Policy,
    pub limits: RouteLimits,
    pub trace: Trace,
    pub switch: Switch,
}

/// The expressions of `source.webhook`.
pub struct Webhook {
    /// Gives the entities in a body; `None`: the body is one, or a list of them.
    pub each: Option<Arc<dyn Expression>>,
    /// Tells one event from another.
    pub dedupe: Option<Arc<dyn Expression>>,
}

/// `reply` of a route.
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Arc<dyn Expression>,
    pub deadline_ms: u64,
}

/// What makes a source run.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Trigger {
    /// Only when asked.
    #[default]
    Asked,
    Time {
        schedule: Schedule,
        catch_up: CatchUp,
    },
    /// When runs of these routes have settled.
    After(Vec<String>),
}

pub struct WaitsFor {
    pub on: On,
    /// Which keys; `None` where a whole run is awaited.
    pub keys: Option<Arc<dyn Expression>>,
    pub settled: Settled,
    pub when_delivered: Option<Arc<dyn Expression>>,
    pub timeout_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    Route(String),
    Link(Address),
    /// A run of this route that started after the task's own.
    Run(String),
}

pub enum Lookup {
    /// From a file, by its key column.
    Rows(BTreeMap<String, Value>),
    /// The whole table, read this often and compared.
    Refreshed {
        read: config::Read,
        key: Arc<dyn Expression>,
        every_ms: u64,
    },
    /// Rows by key when asked for; `field` is a plain field name.
    OnDemand {
        read: config::Read,
        field: String,
        cache_ms: u64,
    },
    /// Rows kept by routes.
    Kept,
}

impl Configuration {
    /// Routes that some other (or the same) route waits for.
    pub fn is_awaited(&self, route: &str) -> bool {
        self.routes
            .values()
            .flat_map(|r| &r.waits_for)
            .any(|w| matches!(&w.on, On::Route(awaited) | On::Run(awaited) if awaited == route))
    }
}
