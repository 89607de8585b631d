use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::{Error, Finding};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Services, Step, StepKind, Verdict};

use crate::parameters;

pub(crate) struct Kind;

struct Log {
    text: Arc<dyn Expression>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "log"
    }
    fn summary(&self) -> &'static str {
        "Writes a line into the log of the attempt."
    }
    fn schema(&self) -> Value {
        json!({ "type": "string", "description": "Text, with JSONata between {{ and }}." })
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let text: String = parameters::read(parameters, build)?;
        Ok(Arc::new(Log {
            text: parameters::template(build, &[], &text)?,
        }))
    }
}

#[async_trait]
impl Step for Log {
    fn rewrites(&self) -> bool {
        false
    }

    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let results = services.evaluate(self.text.as_ref(), batch).await;
        for (item, result) in batch.items.iter_mut().zip(results) {
            match result {
                Some(Ok(value)) => item.log.push(parameters::text(value)),
                Some(Err(error)) => item.verdict = Verdict::Fail(error),
                None => {}
            }
        }
        Ok(())
    }
}
