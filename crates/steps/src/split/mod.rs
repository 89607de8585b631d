use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use weir_model::{Error, Finding, Kind as ErrorKind};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Item, Part, Services, Step, StepKind, Verdict};

use crate::elements::{Of, element};
use crate::parameters;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// The list: a dotted path such as `lines`, or JSONata, which may put into each element what it needs of the whole:
    /// `"lines.{ 'order': $$.code, 'sku': sku }"`. An empty list ends the task as done.
    each: String,
    /// JSONata on the element (`$source` is the whole entity) that gives the key of its task: no two of one entity may
    /// have the same, nor the key of the entity itself.
    key: String,
}

pub(crate) struct Kind;

struct Split {
    id: String,
    of: Of,
    /// As it is said in messages.
    said: String,
    key: Arc<dyn Expression>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "split"
    }
    fn summary(&self) -> &'static str {
        "Makes a task of each element of a list; they go on behind this step, and the task itself is done."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Parameters>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let read: Parameters = parameters::read(parameters, build)?;
        parameters::outermost(build, "split", "makes tasks that go on behind it")?;
        Ok(Arc::new(Split {
            id: build.step_id(),
            of: Of::read(build, &["each"], &read.each)?,
            said: read.each,
            key: parameters::expression(build, &["key"], &read.key)?,
        }))
    }
}

#[async_trait]
impl Step for Split {
    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let lists = self.of.lists(batch, services).await;
        // Of each element the place of its entity.
        let mut places: Vec<usize> = Vec::new();
        let mut all = Batch { items: Vec::new() };
        let mut parts: Vec<Option<Vec<Part>>> = Vec::with_capacity(lists.len());
        for (place, list) in lists.into_iter().enumerate() {
            let entity = &mut batch.items[place];
            parts.push(match list {
                Some(Ok(list)) => {
                    places.extend(std::iter::repeat_n(place, list.len()));
                    let made = list.into_iter().enumerate();
                    all.items.extend(made.map(|(i, value)| element(entity, i, value)));
                    Some(Vec::new())
                }
                Some(Err(error)) => {
                    entity.verdict = Verdict::Fail(error);
                    None
                }
                None => None,
            });
        }
        let results = services.evaluate(self.key.as_ref(), &mut all).await;
        let mut seen: HashSet<(usize, String)> = HashSet::new();
        for ((place, mut item), result) in places.into_iter().zip(all.items).zip(results) {
            let key = parameters::key(&mut item, result);
            let entity = &mut batch.items[place];
            entity.add_reads(item.reads.drain(..));
            let Some(made) = parts[place].as_mut().filter(|_| entity.is_going()) else {
                continue;
            };
            match (item.verdict, key) {
                (Verdict::Fail(error), _) => {
                    let message = format!("{}[{}]: {}", self.said, made.len(), error.message);
                    entity.verdict = Verdict::Fail(Error { message, ..error });
                }
                (_, None) => self.refuse(entity, made.len(), "has no key: `key` gives nothing for it"),
                (_, Some(key)) if key == entity.key => {
                    let what = format!("has the key `{key}` of the entity itself; its `key` must differ");
                    self.refuse(entity, made.len(), &what);
                }
                (_, Some(key)) if !seen.insert((place, key.clone())) => {
                    let what =
                        format!("has the key `{key}` like another one before it; their keys must differ");
                    self.refuse(entity, made.len(), &what);
                }
                (_, Some(key)) => made.push(Part {
                    key,
                    value: item.value,
                }),
            }
        }
        for (entity, parts) in batch.items.iter_mut().zip(parts) {
            if let Some(parts) = parts.filter(|_| entity.is_going()) {
                entity.log.push(format!("split into {} tasks", parts.len()));
                let step = self.id.clone();
                entity.verdict = Verdict::Split { step, parts };
            }
        }
        Ok(())
    }
    fn rewrites(&self) -> bool {
        false
    }
}

impl Split {
    fn refuse(&self, entity: &mut Item, index: usize, what: &str) {
        let message = format!("{}[{index}] of `{}` {what}", self.said, entity.key);
        let error = Error::new(ErrorKind::Invalid, message).with("entity", &entity.key);
        entity.verdict = Verdict::Fail(error.with("field", "key"));
    }
}
