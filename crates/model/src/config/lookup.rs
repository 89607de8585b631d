use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Read, Span};

/// `lookups/NAME.yaml`: a named table that maps may read with `$ref`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// A CSV file beside this one; its header names the columns.
    #[serde(default)]
    pub file: Option<String>,
    /// A table from a system.
    #[serde(default)]
    pub read: Option<Read>,
    /// JSONata on the row; with several keys the row stands under each. For a file: the name of a column.
    pub key: String,
    /// Read the whole table this often and compare; misses are forgotten too.
    #[serde(default)]
    pub refresh: Option<Span>,
    /// Fetch rows on demand and keep them this long, misses too.
    #[serde(default)]
    pub cache: Option<Span>,
    /// Rows are kept by routes (`keep`).
    #[serde(default)]
    pub kept: bool,
}
