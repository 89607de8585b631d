use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use weir_model::config::Span;
use weir_model::{Error, Finding, Kind as ErrorKind};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Closing, Services, Step, StepKind, Verdict};

use crate::parameters;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// JSONata that gives the group of the entity, which is the key of the task that is made of it.
    by: String,
    /// When a group is closed: the first that holds.
    until: Until,
}

/// `after` or `end_of_run` is needed: a group that only counts might never be full.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Until {
    /// It has so many members. The limit `collect_members` closes it too.
    #[serde(default)]
    count: Option<u64>,
    /// So long after its first member: `10m`.
    #[serde(default)]
    after: Option<Span>,
    /// The run of its members is read to the end, and every task of it has ended, is in a buffer, or waits (with `after`:
    /// longer than that).
    #[serde(default)]
    end_of_run: bool,
}

pub(crate) struct Kind;

struct Collect {
    id: String,
    by: Arc<dyn Expression>,
    closing: Closing,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "collect"
    }
    fn summary(&self) -> &'static str {
        "Gathers entities of one group and makes one task of them: `{ key, members }`, which goes on behind this step."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Parameters>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let read: Parameters = parameters::read(parameters, build)?;
        parameters::outermost(build, "collect", "makes a task that goes on behind it")?;
        let wrong = |path: &[&str], message: &str| build.finding(path, "wrong-value", message.to_owned());
        if read.until.after.is_none() && !read.until.end_of_run {
            let message = "a group needs an end that comes by itself: say `after` or `end_of_run: true`";
            return Err(wrong(&["until"], message));
        }
        if read.until.count == Some(0) {
            return Err(wrong(&["until", "count"], "a group has at least one member"));
        }
        Ok(Arc::new(Collect {
            id: build.step_id(),
            by: parameters::expression(build, &["by"], &read.by)?,
            closing: Closing {
                count: read.until.count,
                after_ms: read.until.after.map(|span| span.ms),
                end_of_run: read.until.end_of_run,
            },
        }))
    }
}

#[async_trait]
impl Step for Collect {
    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let results = services.evaluate(self.by.as_ref(), batch).await;
        for (item, result) in batch.items.iter_mut().zip(results) {
            let by = parameters::key(item, result);
            if !item.is_going() {
                continue;
            }
            item.verdict = match by {
                Some(by) => Verdict::Collect {
                    step: self.id.clone(),
                    by,
                },
                None => {
                    let message = format!("`{}` has no group: `by` gives nothing for it", item.key);
                    let error = Error::new(ErrorKind::Invalid, message).with("entity", &item.key);
                    Verdict::Fail(error.with("field", "by"))
                }
            };
        }
        Ok(())
    }
    fn rewrites(&self) -> bool {
        false
    }
    fn closing(&self) -> Option<Closing> {
        Some(self.closing)
    }
}
