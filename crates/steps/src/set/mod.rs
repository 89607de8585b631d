use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::{Error, Finding, json as values};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Services, Step, StepKind, Verdict};

use crate::parameters;

pub(crate) struct Kind;

struct Set {
    fields: Vec<(String, Arc<dyn Expression>)>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "set"
    }
    fn summary(&self) -> &'static str {
        "Sets fields by dotted path; all values see the entity as it was before the step."
    }
    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "description": "Dotted path → JSONata. A value that gives nothing leaves the field as it is.",
            "additionalProperties": { "type": "string" },
            "minProperties": 1
        })
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let fields: BTreeMap<String, String> = parameters::read(parameters, build)?;
        let fields = fields
            .into_iter()
            .map(|(path, text)| Ok((path.clone(), parameters::expression(build, &[&path], &text)?)))
            .collect::<Result<_, Finding>>()?;
        Ok(Arc::new(Set { fields }))
    }
}

#[async_trait]
impl Step for Set {
    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let mut news: Vec<Vec<(&str, Value)>> = batch.items.iter().map(|_| Vec::new()).collect();
        for (path, expression) in &self.fields {
            let results = services.evaluate(expression.as_ref(), batch).await;
            for ((item, news), result) in batch.items.iter_mut().zip(&mut news).zip(results) {
                match result {
                    Some(Ok(Some(value))) => news.push((path, value)),
                    Some(Ok(None)) | None => {}
                    Some(Err(error)) => item.verdict = Verdict::Fail(error.with("field", path)),
                }
            }
        }
        for (item, news) in batch
            .items
            .iter_mut()
            .zip(news)
            .filter(|(item, _)| item.is_going())
        {
            for (path, value) in news {
                values::set(&mut item.value, path, value);
            }
        }
        Ok(())
    }
}
