use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use weir_model::{Error, Finding, Kind as ErrorKind};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Services, Step, StepKind, Verdict};

use crate::parameters;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// JSONata that gives the mark: what tells one event from another, such as `event_id`.
    by: String,
}

pub(crate) struct Kind;

struct Dedupe {
    by: Arc<dyn Expression>,
    step: String,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "dedupe"
    }
    fn summary(&self) -> &'static str {
        "Lets each mark through once: claimed here, confirmed with the task's success; a second claimant waits, and is skipped then."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Parameters>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let read: Parameters = parameters::read(parameters, build)?;
        let misplaced = match (build.is_reading(), build.is_within_each()) {
            (true, _) => Some(
                "a mark is confirmed by the success of a task, and under `source.steps` there is none yet; move \
                               `dedupe` to `steps`",
            ),
            (_, true) => Some(
                "a mark belongs to a whole task, and within `each` there are only parts of one; put `dedupe` \
                               before the `each`",
            ),
            _ => None,
        };
        if let Some(message) = misplaced {
            return Err(build.finding(&[], "wrong-place", message.to_owned()));
        }
        Ok(Arc::new(Dedupe {
            by: parameters::expression(build, &["by"], &read.by)?,
            step: build.step_id(),
        }))
    }
}

#[async_trait]
impl Step for Dedupe {
    fn rewrites(&self) -> bool {
        false
    }

    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let results = services.evaluate(self.by.as_ref(), batch).await;
        let mut marks = Vec::with_capacity(results.len());
        for (item, result) in batch.items.iter_mut().zip(results) {
            let mark = parameters::key(item, result);
            if mark.is_none() && item.is_going() {
                let message = format!(
                    "`{}` has no mark: `by` gives nothing for it, so nobody can say whether it was there before",
                    item.key
                );
                item.verdict = Verdict::Fail(Error::new(ErrorKind::Invalid, message).with("field", "by"));
            }
            marks.push(mark);
        }
        services.claim(&self.step, &marks, batch).await
    }
}
