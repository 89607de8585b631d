//! Checking entities against JSON Schema.

use std::sync::Arc;

use serde_json::Value;
use weir_model::Error;

/// One implementation: `weir-checks`.
pub trait Checker: Send + Sync {
    /// Compiles a schema (2020-12). References to other files are resolved through `resolve`.
    fn compile(&self, schema: &Value) -> Result<Arc<dyn Schema>, Error>;
}

pub trait Schema: Send + Sync {
    /// Every violation, none when the value is good.
    fn violations(&self, value: &Value) -> Vec<Violation>;
}

#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Violation {
    /// Dotted path, `prices[0].gross`.
    pub path: String,
    /// `type`, `required`, `enum` …
    pub rule: String,
    pub value: Value,
    pub message: String,
}
