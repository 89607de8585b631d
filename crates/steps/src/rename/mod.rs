use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::{Error, Finding, json as values};
use weir_sdk::step::{Batch, Build, Item, Services, Step, StepKind};

use crate::parameters;

pub(crate) struct Kind;

struct Rename {
    /// Old path → new path.
    paths: BTreeMap<String, String>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "rename"
    }
    fn summary(&self) -> &'static str {
        "Moves fields from one dotted path to another; what is not there is no error."
    }
    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "description": "Old path → new path.",
            "additionalProperties": { "type": "string" },
            "minProperties": 1
        })
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        Ok(Arc::new(Rename {
            paths: parameters::read(parameters, build)?,
        }))
    }
}

#[async_trait]
impl Step for Rename {
    async fn apply(&self, batch: &mut Batch, _: &dyn Services) -> Result<(), Error> {
        for item in batch.items.iter_mut().filter(|item: &&mut Item| item.is_going()) {
            // Out first, in second: `{a: b, b: a}` swaps.
            let moved: Vec<(&String, Value)> = self
                .paths
                .iter()
                .filter_map(|(old, new)| Some((new, values::remove(&mut item.value, old)?)))
                .collect();
            for (new, value) in moved {
                values::set(&mut item.value, new, value);
            }
        }
        Ok(())
    }
}
