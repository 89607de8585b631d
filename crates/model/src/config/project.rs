use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Bytes, Span};
use crate::retry;

/// `weir.yaml`: the project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// The project's name: letters, digits and hyphens. Part of every address.
    pub project: String,
    /// The environments of the project; each has a file `environments/NAME.yaml`.
    #[serde(default = "default_environments")]
    pub environments: Vec<String>,
    /// Variables with the same value everywhere; an environment may replace them. Read as `${vars.NAME}` or `$vars.NAME`.
    #[serde(default)]
    pub vars: BTreeMap<String, Value>,
    #[serde(default)]
    pub defaults: Defaults,
    #[serde(default)]
    pub retention: Retention,
    /// How much of each attempt is kept: `full` (default), `on_failure`, `off`.
    #[serde(default)]
    pub trace: Trace,
}

fn default_environments() -> Vec<String> {
    vec!["dev".to_owned()]
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    #[serde(default)]
    pub retry: Retry,
    #[serde(default)]
    pub limits: RouteLimits,
}

/// How often and how long a failed task is tried again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all; default 8.
    #[serde(default)]
    pub attempts: Option<u32>,
    /// The first wait; default `2s`.
    #[serde(default)]
    pub first: Option<Span>,
    /// Each wait is this many times the one before; default 3.
    #[serde(default)]
    pub factor: Option<f64>,
    /// The longest wait; default `15m`.
    #[serde(default)]
    pub max: Option<Span>,
    /// Age at which no further attempt is made; default `24h`.
    #[serde(default)]
    pub give_up_after: Option<Span>,
}

impl Retry {
    /// These words, then the other's, then the built-in ones.
    pub fn policy(&self, otherwise: &Retry) -> retry::Policy {
        let built_in = retry::Policy::default();
        retry::Policy {
            attempts_max: self
                .attempts
                .or(otherwise.attempts)
                .unwrap_or(built_in.attempts_max),
            first_ms: self
                .first
                .or(otherwise.first)
                .map_or(built_in.first_ms, |span| span.ms),
            factor: self.factor.or(otherwise.factor).unwrap_or(built_in.factor),
            wait_max_ms: self
                .max
                .or(otherwise.max)
                .map_or(built_in.wait_max_ms, |span| span.ms),
            give_up_after_ms: self
                .give_up_after
                .or(otherwise.give_up_after)
                .map_or(built_in.give_up_after_ms, |s| s.ms),
        }
    }
}

/// Limits of a route. At a limit sources pause; nothing is dropped silently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteLimits {
    /// The largest entity; default `10MB`.
    pub entity_bytes: Bytes,
    /// Tasks one run may make; default 5,000,000.
    pub tasks_per_run: u64,
    /// The longest run; default `6h`.
    pub run_time: Span,
    /// Queued, running and retrying tasks of a route at which its source pauses; default 2,000. A webhook cannot pause
    /// its senders, it refuses them with 503: there the default is 100,000.
    pub queue: u64,
    /// Waiting tasks of a route at which its source pauses, unless somebody waits for the route; default 100,000.
    pub waiting: u64,
    /// Tasks that one entity may be split into, which are stored together; default 1,000.
    pub split_children: u64,
    /// Members at which a group of a collecting step is closed in any case; default 1,000.
    pub collect_members: u64,
}

impl Default for RouteLimits {
    fn default() -> Self {
        RouteLimits {
            entity_bytes: Bytes { count: 10_000_000 },
            tasks_per_run: 5_000_000,
            run_time: Span { ms: 6 * 3_600_000 },
            queue: 2_000,
            waiting: 100_000,
            split_children: 1_000,
            collect_members: 1_000,
        }
    }
}

/// How long finished tasks are kept, in whole days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    pub done: Span,
    pub skipped: Span,
    pub dead: Span,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |n: u64| Span { ms: n * 86_400_000 };
        Retention {
            done: days(30),
            skipped: days(7),
            dead: days(180),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trace {
    /// Steps and calls of every attempt.
    #[default]
    Full,
    /// Only of attempts that failed.
    OnFailure,
    Off,
}

/// `environments/NAME.yaml`: what differs from place to place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    #[serde(default)]
    pub vars: BTreeMap<String, Value>,
    /// Where secrets come from, never what they are.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSource>,
    /// Switches of routes: `on` (default), `pause` (tasks are made and queue), `off` (none are made).
    #[serde(default)]
    pub routes: BTreeMap<String, Switch>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    #[default]
    On,
    Pause,
    Off,
}

/// `store`, `{ env: NAME }` or `{ file: PATH }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// Entered with `weir secrets set`, encrypted in the store.
    Store,
    /// An environment variable of the server process.
    Env(String),
    /// A file on the server, for example a mounted secret.
    File(String),
}
