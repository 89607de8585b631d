use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::{Error, Finding, Kind as ErrorKind};
use weir_sdk::checker::Schema;
use weir_sdk::step::{Batch, Build, Item, Services, Step, StepKind, Verdict};

use crate::parameters;

/// So many violations are named in the sentence.
const NAMED_MAX: usize = 5;

pub(crate) struct Kind;

struct Validate {
    name: String,
    schema: Arc<dyn Schema>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "validate"
    }
    fn summary(&self) -> &'static str {
        "Checks the entity against a schema; violations are a failure that names path, rule and value."
    }
    fn schema(&self) -> Value {
        json!({ "type": "string", "description": "`PREFIX/NAME` of a schema: `base/order`." })
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let name: String = parameters::read(parameters, build)?;
        let schema = build
            .schema(&name)
            .map_err(|message| build.finding(&[], "unknown-schema", message))?;
        Ok(Arc::new(Validate { name, schema }))
    }
}

#[async_trait]
impl Step for Validate {
    fn rewrites(&self) -> bool {
        false
    }

    async fn apply(&self, batch: &mut Batch, _: &dyn Services) -> Result<(), Error> {
        for item in batch.items.iter_mut().filter(|item: &&mut Item| item.is_going()) {
            let violations = self.schema.violations(&item.value);
            let Some(first) = violations.first() else { continue };
            let named: Vec<&str> = violations
                .iter()
                .take(NAMED_MAX)
                .map(|v| v.message.as_str())
                .collect();
            let message = format!(
                "`{}` is not a good `{}`: {}. Correct it at the source",
                item.key,
                self.name,
                named.join("; ")
            );
            let error = Error::new(ErrorKind::Invalid, message)
                .with("entity", &item.key)
                .with("field", &first.path)
                .with("rule", &first.rule);
            item.verdict = Verdict::Fail(error);
        }
        Ok(())
    }
}
