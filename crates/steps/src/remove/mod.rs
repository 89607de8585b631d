use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::{Error, Finding, json as values};
use weir_sdk::step::{Batch, Build, Item, Services, Step, StepKind};

use crate::parameters;

pub(crate) struct Kind;

struct Remove {
    paths: Vec<String>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "remove"
    }
    fn summary(&self) -> &'static str {
        "Removes fields by dotted path; what is not there is no error."
    }
    fn schema(&self) -> Value {
        json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        Ok(Arc::new(Remove {
            paths: parameters::read(parameters, build)?,
        }))
    }
}

#[async_trait]
impl Step for Remove {
    async fn apply(&self, batch: &mut Batch, _: &dyn Services) -> Result<(), Error> {
        for item in batch.items.iter_mut().filter(|item: &&mut Item| item.is_going()) {
            for path in &self.paths {
                values::remove(&mut item.value, path);
            }
        }
        Ok(())
    }
}
