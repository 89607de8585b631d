use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{OneOrMany, Reply, Retry, RouteLimits, Span, Trace, Webhook};
use crate::dependency::Settled;
use crate::schedule::CatchUp;

/// `routes/NAME.yaml`: source, steps, writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    #[serde(default)]
    pub title: Option<String>,
    pub source: Source,
    /// The entity as read.
    pub entity: Entity,
    /// What happens to each entity, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// The last step of most routes.
    #[serde(default)]
    pub write: Option<Write>,
    /// Of a webhook: the caller is answered with what came of the steps.
    #[serde(default)]
    pub reply: Option<Reply>,
    /// What must be there before a task starts; all of it must hold.
    #[serde(default)]
    pub waits_for: Vec<WaitsFor>,
    /// A newer version of a key replaces one that has not started; default true for reads, false for webhooks.
    #[serde(default)]
    pub latest_only: Option<bool>,
    #[serde(default)]
    pub retry: Retry,
    #[serde(default)]
    pub limits: Option<RouteLimits>,
    #[serde(default)]
    pub trace: Option<Trace>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entity {
    /// `PREFIX/NAME`: PREFIX is `base` or a connection of the project, NAME a schema file.
    #[serde(default)]
    pub schema: Option<String>,
    /// JSONata that gives the business key.
    pub key: String,
}

/// Where entities come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// One read, or several with a cursor each.
    #[serde(default)]
    pub read: OneOrMany<Read>,
    /// Entities that others send here, to `/hooks/PROJECT/ENVIRONMENT/ROUTE`.
    #[serde(default)]
    pub webhook: Option<Webhook>,
    /// The field that says when a row changed, or `snapshot` to compare with what was read before. Without it every run
    /// reads everything.
    #[serde(default)]
    pub changed_since: Option<String>,
    /// Run this often: `5m`.
    #[serde(default)]
    pub every: Option<Span>,
    /// Run at times of the wall clock, in the five fields of cron (minute, hour, day of month, month, day of week):
    /// `0 6 * * 1-5`.
    #[serde(default)]
    pub cron: Option<String>,
    /// The time zone of `cron`, by its IANA name: `Europe/Berlin`; default `UTC`.
    #[serde(default)]
    pub timezone: Option<String>,
    /// What happens to turns of `every` or `cron` that came while Weir was not running: `latest` (default) makes one run
    /// for all of them, `all` one for each, `none` leaves them out.
    #[serde(default)]
    pub catch_up: Option<CatchUp>,
    /// Run when runs of these routes have settled.
    #[serde(default)]
    pub after: Option<After>,
    /// Run only when asked to.
    #[serde(default)]
    pub manual: bool,
    /// Steps that run while reading; what they filter leaves no memory.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Lookups whose changed rows make this route read again the entities that asked for them.
    #[serde(default)]
    pub resend_on: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Read {
    pub connection: String,
    pub entity: String,
    /// In the connector's own filter words.
    #[serde(default)]
    pub filter: BTreeMap<String, Value>,
    /// Only these fields, where the connector can.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Sub-resources, nested under their name: `{ options: attribute-options }`.
    #[serde(default)]
    pub with: BTreeMap<String, String>,
}

/// The routes that go before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// A run starts when a run of each of them, begun after this route's last run began, has settled: its source was read
    /// to the end, and none of its tasks is queued, running or retrying.
    pub routes: Vec<String>,
}

/// One step: a kind with its parameters, and what every step may say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// `map`, `filter`, `write` …
    pub kind: String,
    /// What stands behind the kind; the step kind itself reads it.
    pub parameters: Value,
    /// Its result is `$steps.NAME`.
    pub name: Option<String>,
    /// JSONata; the step is passed over where it is not true.
    pub when: Option<String>,
    pub on_error: Option<OnError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    Retry,
    Dead,
    Skip,
    Continue,
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Step;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step: an object with one kind, for example `map: category`")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Step, A::Error> {
                let (mut kind, mut name, mut when, mut on_error) = (None, None, None, None);
                while let Some(field) = map.next_key::<String>()? {
                    match field.as_str() {
                        "name" => name = Some(map.next_value()?),
                        "when" => when = Some(map.next_value()?),
                        "on_error" => on_error = Some(map.next_value()?),
                        _ => match kind {
                            None => kind = Some((field, map.next_value::<Value>()?)),
                            Some((first, _)) => {
                                return Err(serde::de::Error::custom(format!(
                                    "a step has one kind, and here stand `{first}` and `{field}`: write two steps"
                                )));
                            }
                        },
                    }
                }
                let (kind, parameters) = kind.ok_or_else(|| {
                    serde::de::Error::custom("a step needs a kind, for example `map: category`")
                })?;
                Ok(Step {
                    kind,
                    parameters,
                    name,
                    when,
                    on_error,
                })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl JsonSchema for Step {
    fn schema_name() -> Cow<'static, str> {
        "Step".into()
    }
    /// Any kind; the catalogue replaces this by the kinds it knows when the schemas are published.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "name": { "type": "string" },
                "when": { "type": "string" },
                "on_error": { "enum": ["retry", "dead", "skip", "continue"] }
            },
            "minProperties": 1
        })
    }
}

/// The parameters of `write`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Write {
    pub connection: String,
    pub entity: String,
    #[serde(default)]
    pub mode: WriteMode,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    Create,
    Update,
    #[default]
    Upsert,
    Delete,
}

/// One dependency: `route` and `keys`, `link` and `keys`, or `run`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitsFor {
    /// A route of this project that must have delivered the keys.
    #[serde(default)]
    pub route: Option<String>,
    /// A pair that must be known.
    #[serde(default)]
    pub link: Option<Link>,
    /// A route of this project: a run of it that started after this task's run must have settled.
    #[serde(default)]
    pub run: Option<String>,
    /// JSONata on the entity as it left the source: one key or a list; nothing means nothing to wait for. With `route` and
    /// `link`.
    #[serde(default)]
    pub keys: Option<String>,
    /// `processed` is also content with a key that a filter skipped.
    #[serde(default)]
    pub settled: Settled,
    /// JSONata that must be true of the last delivered entity.
    #[serde(default)]
    pub when_delivered: Option<String>,
    /// How long to wait before giving up; default `7d`.
    #[serde(default)]
    pub timeout: Option<Span>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub connection: String,
    pub entity: String,
}
