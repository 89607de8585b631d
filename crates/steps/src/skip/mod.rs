use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::{Error, Finding};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Services, Skipped, Step, StepKind, Verdict};

use crate::parameters;

pub(crate) struct Kind;

struct Skip {
    text: Arc<dyn Expression>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "skip"
    }
    fn summary(&self) -> &'static str {
        "Ends the entity as skipped, with a reason."
    }
    fn schema(&self) -> Value {
        json!({ "type": "string", "description": "Text, with JSONata between {{ and }}." })
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let text: String = parameters::read(parameters, build)?;
        Ok(Arc::new(Skip {
            text: parameters::template(build, &[], &text)?,
        }))
    }
}

#[async_trait]
impl Step for Skip {
    fn rewrites(&self) -> bool {
        false
    }

    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let results = services.evaluate(self.text.as_ref(), batch).await;
        for (item, result) in batch.items.iter_mut().zip(results) {
            match result {
                Some(Ok(value)) => {
                    item.verdict = Verdict::Skip {
                        why: Skipped::Filtered,
                        reason: parameters::text(value),
                    }
                }
                Some(Err(error)) => item.verdict = Verdict::Fail(error),
                None => {}
            }
        }
        Ok(())
    }
}
