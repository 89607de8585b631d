use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::{Error, Finding, Kind as ErrorKind, did_you_mean};
use weir_sdk::checker::Schema;
use weir_sdk::expressions::Map;
use weir_sdk::step::{Batch, Build, Services, Step, StepKind, Verdict};

use crate::parameters;

pub(crate) struct Kind;

struct Apply {
    name: String,
    map: Map,
    /// Of the target, where the map names one: results are validated too.
    target: Option<Arc<dyn Schema>>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "map"
    }
    fn summary(&self) -> &'static str {
        "Replaces the entity by what a map makes of it; the original stays reachable as `$source`."
    }
    fn schema(&self) -> Value {
        json!({ "type": "string", "description": "The name of a map: `category` for `maps/category.jsonata`." })
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let name: String = parameters::read(parameters, build)?;
        let Some(map) = build.expressions().map(&name) else {
            let maps = build.maps();
            let hint = did_you_mean(&name, maps.iter().map(String::as_str));
            let message = format!("there is no map `{name}` (no file maps/{name}.jsonata)");
            return Err(build.finding(&[], "unknown-map", message).suggest(hint));
        };
        let target = match &map.to {
            None => None,
            Some(to) => Some(build.schema(to).map_err(|message| {
                build.finding(
                    &[],
                    "unknown-schema",
                    format!("the map `{name}` says `@to {to}`: {message}"),
                )
            })?),
        };
        Ok(Arc::new(Apply { name, map, target }))
    }
}

#[async_trait]
impl Step for Apply {
    fn replaces(&self) -> bool {
        true
    }

    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let results = services.evaluate(self.map.expression.as_ref(), batch).await;
        for (item, result) in batch.items.iter_mut().zip(results) {
            match result {
                None => {}
                Some(Ok(Some(value))) => match self.violation(&value, &item.key) {
                    None => item.value = value,
                    Some(error) => item.verdict = Verdict::Fail(error),
                },
                Some(Ok(None)) => {
                    let message = format!("map `{}` gives nothing for `{}`", self.name, item.key);
                    item.verdict =
                        Verdict::Fail(Error::new(ErrorKind::Invalid, message).with("entity", &item.key));
                }
                Some(Err(error)) => {
                    let message = format!("map `{}` failed for `{}`: {}", self.name, item.key, error.message);
                    item.verdict = Verdict::Fail(Error { message, ..error }.with("entity", &item.key));
                }
            }
        }
        Ok(())
    }
}

impl Apply {
    fn violation(&self, value: &Value, key: &str) -> Option<Error> {
        let violations = self.target.as_ref()?.violations(value);
        let first = violations.first()?;
        let more = match violations.len() {
            1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        let message = format!(
            "map `{}` makes of `{key}` something the target does not take: {}{more}. Correct the map or the record at the \
             source",
            self.name, first.message
        );
        Some(
            Error::new(ErrorKind::Invalid, message)
                .with("entity", key)
                .with("field", &first.path)
                .with("rule", &first.rule),
        )
    }
}
