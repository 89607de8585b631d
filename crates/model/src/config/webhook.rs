use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;

/// Entities that others send to `/hooks/PROJECT/ENVIRONMENT/ROUTE` as JSON: one, or a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// How a sender shows that it may send. Must be said; `none` lets everybody send who reaches the address.
    // Optional here, so that `weir check` can say what to write; required in the published schema.
    #[schemars(required)]
    pub verify: Option<Verify>,
    /// JSONata on the body that gives the entities, for example `events`. Without it the body is one entity, or a list
    /// of them. It also sees `$headers`, by names in lower case.
    #[serde(default)]
    pub each: Option<String>,
    /// JSONata on each entity as it was sent: what tells one event from another, for example `event_id`. What was
    /// accepted once makes no second task. It also sees `$headers`.
    #[serde(default)]
    pub dedupe: Option<String>,
}

/// How a sender shows that it may send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// A header carries a signature of the body, made with a secret that both sides know.
    Hmac(Hmac),
    /// A header carries a secret value.
    Header(HeaderIs),
    /// Everybody may send.
    None,
}

/// A signature of the body (RFC 2104).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hmac {
    /// The header with the signature: `X-Signature`.
    pub header: String,
    /// `${secrets.NAME}`.
    pub secret: String,
    /// `sha256` (default), `sha1`, `sha512`.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// `hex` (default) or `base64`.
    #[serde(default)]
    pub encoding: Encoding,
    /// What stands before the signature in the header: `sha256=`.
    #[serde(default)]
    pub prefix: Option<String>,
}

/// A header with a secret value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderIs {
    /// `X-Webhook-Token`.
    pub name: String,
    /// `${secrets.NAME}`, or with more around it: `Bearer ${secrets.NAME}`.
    pub value: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    #[default]
    Sha256,
    /// For senders that know nothing better.
    Sha1,
    Sha512,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    #[default]
    Hex,
    Base64,
}

/// The answer to a webhook's caller: what came of the steps, instead of "stored".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Default 200.
    #[serde(default)]
    pub status: Option<u16>,
    /// JSONata on the entity as it left the last step, with `$steps`, `$source`, `$task` (`id`, `key`, `attempt`, `state`,
    /// `reason`), `$run` and `$vars`: `{ "price": $steps.price.net }`.
    pub body: String,
    /// Headers of the answer, as they stand here. Without a Content-Type it is JSON.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How long the caller waits at most; default `2s`, at most `60s`. Then the answer is 504, and the task goes on.
    #[serde(default)]
    pub deadline: Option<Span>,
}
