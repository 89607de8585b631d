use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use weir_model::{Error, Finding, json};
use weir_sdk::step::{Batch, Build, Services, Skipped, Step, StepKind, Verdict};

use crate::parameters;

/// What to do with an entity that is the same as what was last delivered of its key.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Parameters {
    /// End it as skipped; nothing is sent.
    Skip,
}

pub(crate) struct Kind;

struct Unchanged;

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "unchanged"
    }
    fn summary(&self) -> &'static str {
        "Skips an entity that is, at this point, the same as what was last delivered of its key."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Parameters>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let Parameters::Skip = parameters::read(parameters, build)?;
        if build.is_within_each() {
            let message = "`unchanged` compares a whole entity with what was delivered of its key; within `each` there \
                           are only parts of one. Put it behind the `each`";
            return Err(build.finding(&[], "wrong-place", message.to_owned()));
        }
        Ok(Arc::new(Unchanged))
    }
}

#[async_trait]
impl Step for Unchanged {
    fn rewrites(&self) -> bool {
        false
    }

    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let going: Vec<usize> = (0..batch.items.len())
            .filter(|i| batch.items[*i].is_going())
            .collect();
        let keys: Vec<&str> = going.iter().map(|i| batch.items[*i].key.as_str()).collect();
        let delivered = services.delivered_hashes(&keys).await?;
        for (i, delivered) in going.into_iter().zip(delivered) {
            let item = &mut batch.items[i];
            if delivered == Some(json::hash(&item.value)) {
                let reason = "unchanged: the same was delivered before".to_owned();
                item.verdict = Verdict::Skip {
                    why: Skipped::Unchanged,
                    reason,
                };
            }
        }
        Ok(())
    }
}
