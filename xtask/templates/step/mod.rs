use std::sync::Arc;

use async_trait::async_trait;
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use serde_json::Value;
use weir_model::{Error, Finding};
use weir_sdk::step::{Batch, Build, Services, Step, StepKind};

/// `NAME: …`: what it does to an entity, in one sentence.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// What the user sees in the reference page: a sentence, the default, the unit, an example.
    field: String,
}

/// The word `NAME` in route files.
pub(crate) struct TypeName;

impl StepKind for TypeName {
    fn name(&self) -> &'static str {
        "NAME"
    }

    fn summary(&self) -> &'static str {
        "Say in one sentence what it does to an entity."
    }

    fn schema(&self) -> Value {
        schema_for!(Parameters).to_value()
    }

    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let parameters: Parameters = serde_json::from_value(parameters.clone())
            .map_err(|error| build.finding(&[], "step", format!("`NAME` can not be read: {error}")))?;
        Ok(Arc::new(Built { field: parameters.field }))
    }
}

struct Built {
    field: String,
}

#[async_trait]
impl Step for Built {
    async fn apply(&self, batch: &mut Batch, _services: &dyn Services) -> Result<(), Error> {
        for item in batch.items.iter_mut().filter(|item| item.is_going()) {
            item.log.push(format!("NAME looked at `{}`", self.field));
        }
        Ok(())
    }
}
