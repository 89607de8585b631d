use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::{Error, Finding};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Services, Skipped, Step, StepKind, Verdict};

use crate::parameters;

/// Lets entities through for which the expression is true. A missing value counts as false.
///
/// Example: `filter: "enabled and $exists(values.name)"`
type Parameters = String;

pub(crate) struct Kind;

struct Filter {
    expression: Arc<dyn Expression>,
    text: String,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "filter"
    }
    fn summary(&self) -> &'static str {
        "Lets entities through for which an expression is true; the others end as skipped."
    }
    fn schema(&self) -> Value {
        json!({ "type": "string", "description": "JSONata; a missing value counts as false." })
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let text: Parameters = parameters::read(parameters, build)?;
        Ok(Arc::new(Filter {
            expression: parameters::expression(build, &[], &text)?,
            text,
        }))
    }
}

#[async_trait]
impl Step for Filter {
    fn rewrites(&self) -> bool {
        false
    }

    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let results = services.evaluate(self.expression.as_ref(), batch).await;
        for (item, result) in batch.items.iter_mut().zip(results) {
            match result {
                None | Some(Ok(Some(Value::Bool(true)))) => {}
                Some(Ok(_)) => {
                    let reason = format!("filtered: not `{}`", self.text);
                    item.verdict = Verdict::Skip {
                        why: Skipped::Filtered,
                        reason,
                    };
                }
                Some(Err(error)) => item.verdict = Verdict::Fail(error),
            }
        }
        Ok(())
    }
}
