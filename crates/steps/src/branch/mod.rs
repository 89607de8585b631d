use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use weir_model::{Error, Finding, config};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Placed, Services, Step, StepKind, Verdict, connections_of};

use crate::parameters;

/// One way to go.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Way {
    /// JSONata; the first way for which it is true is taken. Only the last way may do without: it takes the rest.
    #[serde(default)]
    when: Option<String>,
    /// What happens there; none is allowed, and lets the entity pass.
    #[schemars(with = "Vec<config::Step>")]
    #[expect(
        dead_code,
        reason = "read at its place by `Build::steps`; stands here for the schema"
    )]
    steps: Vec<Value>,
}

pub(crate) struct Kind;

type When = Option<Arc<dyn Expression>>;

struct Branch {
    /// A condition, where there is one, and what happens then.
    ways: Vec<(When, Vec<Placed>)>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "branch"
    }
    fn summary(&self) -> &'static str {
        "Takes the first of several ways whose `when` is true; an entity that fits none goes on unchanged."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Vec<Way>>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let ways: Vec<Way> = parameters::list(parameters, build)?;
        if ways.is_empty() {
            let message = "a branch needs at least one way: `- { when: …, steps: [ … ] }`".to_owned();
            return Err(build.finding(&[], "wrong-value", message));
        }
        let last = ways.len() - 1;
        let mut built = Vec::with_capacity(ways.len());
        for (i, way) in ways.iter().enumerate() {
            let index = i.to_string();
            let when = match &way.when {
                Some(text) => Some(parameters::expression(build, &[&index, "when"], text)?),
                None if i == last => None,
                None => {
                    let message = "this way takes everything, so those after it are never taken: give it a \
                                   `when`, or put it last";
                    return Err(build.finding(&[&index], "wrong-value", message.to_owned()));
                }
            };
            built.push((when, build.steps(&[&index, "steps"], false)?));
        }
        Ok(Arc::new(Branch { ways: built }))
    }
    fn nested(&self, parameters: &Value) -> Vec<Vec<String>> {
        let count = parameters.as_array().map_or(0, Vec::len);
        (0..count)
            .map(|i| vec![i.to_string(), "steps".to_owned()])
            .collect()
    }
}

#[async_trait]
impl Step for Branch {
    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        // Where each item stood, so that all come back in their order.
        let mut open: Vec<usize> = (0..batch.items.len())
            .filter(|i| batch.items[*i].is_going())
            .collect();
        for (when, steps) in &self.ways {
            let Some(when) = when else {
                run(steps, open, batch, services).await;
                break;
            };
            let mut these = with(batch, &open);
            let results = services.evaluate(when.as_ref(), &mut these).await;
            let (mut taken, mut rest) = (Vec::new(), Vec::new());
            for ((place, mut item), result) in open.into_iter().zip(these.items).zip(results) {
                match result {
                    Some(Ok(Some(Value::Bool(true)))) => taken.push(place),
                    Some(Err(error)) => item.verdict = Verdict::Fail(error),
                    _ => rest.push(place),
                }
                batch.items[place] = item;
            }
            run(steps, taken, batch, services).await;
            open = rest;
        }
        Ok(())
    }
    fn connections(&self) -> Vec<String> {
        self.ways
            .iter()
            .flat_map(|(_, steps)| connections_of(steps))
            .collect()
    }
    fn rewrites(&self) -> bool {
        let mut steps = self.ways.iter().flat_map(|(_, steps)| steps);
        steps.any(|placed| placed.step.rewrites())
    }
    fn has_effect(&self) -> bool {
        let mut steps = self.ways.iter().flat_map(|(_, steps)| steps);
        steps.any(|placed| placed.step.has_effect())
    }
}

/// Takes the items at these places out; hollow ones stand in until they are put back.
fn with(batch: &mut Batch, places: &[usize]) -> Batch {
    let take = |place: &usize| batch.items[*place].take();
    Batch {
        items: places.iter().map(take).collect(),
    }
}

async fn run(steps: &[Placed], places: Vec<usize>, batch: &mut Batch, services: &dyn Services) {
    if places.is_empty() {
        return;
    }
    let mut these = with(batch, &places);
    services.steps(steps, &mut these).await;
    for (place, item) in places.into_iter().zip(these.items) {
        batch.items[place] = item;
    }
}
