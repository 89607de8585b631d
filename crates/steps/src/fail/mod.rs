use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::{Error, Finding};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Services, Step, StepKind, Verdict};

use crate::parameters;

pub(crate) struct Kind;

struct Fail {
    text: Arc<dyn Expression>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "fail"
    }
    fn summary(&self) -> &'static str {
        "Fails the entity with a sentence of your own; it goes to the dead letters."
    }
    fn schema(&self) -> Value {
        json!({ "type": "string", "description": "Text, with JSONata between {{ and }}." })
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let text: String = parameters::read(parameters, build)?;
        Ok(Arc::new(Fail {
            text: parameters::template(build, &[], &text)?,
        }))
    }
}

#[async_trait]
impl Step for Fail {
    fn rewrites(&self) -> bool {
        false
    }

    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let results = services.evaluate(self.text.as_ref(), batch).await;
        for (item, result) in batch.items.iter_mut().zip(results) {
            match result {
                Some(Ok(value)) => {
                    let error = Error::new(weir_model::Kind::Rejected, parameters::text(value))
                        .with("entity", &item.key);
                    item.verdict = Verdict::Fail(error);
                }
                Some(Err(error)) => item.verdict = Verdict::Fail(error),
                None => {}
            }
        }
        Ok(())
    }
}
