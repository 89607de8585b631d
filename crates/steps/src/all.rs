use std::sync::Arc;

use weir_sdk::step::StepKind;

/// Every kind of step, in alphabetical order.
pub fn all() -> Vec<Arc<dyn StepKind>> {
    vec![
        Arc::new(crate::branch::Kind),
        Arc::new(crate::call::Kind),
        Arc::new(crate::collect::Kind),
        Arc::new(crate::convert::Kind),
        Arc::new(crate::dedupe::Kind),
        Arc::new(crate::each::Kind),
        Arc::new(crate::fail::Kind),
        Arc::new(crate::filter::Kind),
        Arc::new(crate::keep::Kind),
        Arc::new(crate::link::Kind),
        Arc::new(crate::log::Kind),
        Arc::new(crate::lookup::Kind),
        Arc::new(crate::map::Kind),
        Arc::new(crate::pause::Kind),
        Arc::new(crate::remove::Kind),
        Arc::new(crate::rename::Kind),
        Arc::new(crate::script::Kind),
        Arc::new(crate::set::Kind),
        Arc::new(crate::skip::Kind),
        Arc::new(crate::sort::Kind),
        Arc::new(crate::split::Kind),
        Arc::new(crate::unchanged::Kind),
        Arc::new(crate::validate::Kind),
        Arc::new(crate::write::Kind),
    ]
}
