use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Rate;

/// `connections/NAME.yaml`: one configured use of a connector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The connector, with its major version: `spryker-data-exchange@1`.
    pub connector: String,
    /// The settings that the connector's manifest asks for.
    #[serde(default)]
    pub settings: BTreeMap<String, Value>,
    /// One of the connector's ways to sign in, by name, with its settings: `{ api_key: { key: "${secrets.KEY}" } }`.
    #[serde(default)]
    pub auth: BTreeMap<String, BTreeMap<String, Value>>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub network: Network,
}

/// Narrower or wider than the connector's defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests under way at once.
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// Requests in a time, for example `60/s`.
    #[serde(default)]
    pub rate: Option<Rate>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Needed for addresses on this machine and in private networks; default false.
    #[serde(default)]
    pub allow_private: bool,
}
