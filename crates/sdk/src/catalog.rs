use std::collections::BTreeMap;
use std::sync::Arc;

use crate::connector::Connector;
use crate::step::StepKind;

/// Everything the engine may use, by name; wired by the server, so that the engine names no connector and no step.
#[derive(Clone, Default)]
pub struct Catalog {
    /// By name with major version: `akeneo@1`.
    pub connectors: BTreeMap<String, Arc<dyn Connector>>,
    pub steps: BTreeMap<&'static str, Arc<dyn StepKind>>,
}
