use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use weir_model::{Error, Finding, Kind as ErrorKind, config, json as values};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Item, Placed, Services, Step, StepKind, Verdict, connections_of};

use crate::elements::{Of, element, is_path, within};
use crate::parameters;

/// So many elements go through the nested steps together; more go in several rounds.
const ROUND_MAX: usize = 1_000;
/// Of so many elements an attempt records what each step made of them; of those that fail always.
const TRACED_MAX: usize = 20;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// The list: a dotted path such as `lines`, or JSONata. Nothing and `null` mean no elements; with JSONata one value
    /// is a list of one.
    of: String,
    /// What happens to each element, which is the root there; `$steps` starts empty, `$source` stays the whole entity.
    #[schemars(with = "Vec<config::Step>")]
    #[expect(
        dead_code,
        reason = "read at its place by `Build::steps`; stands here for the schema"
    )]
    steps: Vec<Value>,
    /// The field (dotted path) that gets the list of results. Default: where `of` is a path, that same field.
    #[serde(default)]
    into: Option<String>,
    /// JSONata on the element: what it is called in messages and in links that a nested `write` leaves, and how a
    /// repeated attempt knows what was sent. Default: key of the entity and place, `A100/2`; name a field where the list
    /// may change between two attempts.
    #[serde(default)]
    key: Option<String>,
}

pub(crate) struct Kind;

struct Each {
    of: Of,
    /// As it is said in messages.
    said: String,
    into: String,
    key: Option<Arc<dyn Expression>>,
    steps: Vec<Placed>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "each"
    }
    fn summary(&self) -> &'static str {
        "Takes each element of a list through steps of its own and puts the results back; skipped elements are left out."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Parameters>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let read: Parameters = parameters::read(parameters, build)?;
        let path = is_path(&read.of).then(|| read.of.clone());
        let Some(into) = read.into.or_else(|| path.clone()) else {
            let message =
                "`of` is an expression, so its results have no place to go back to: name a field with `into`";
            return Err(build.finding(&["of"], "missing-key", message.to_owned()));
        };
        let of = Of::read(build, &["of"], &read.of)?;
        let key = match &read.key {
            Some(text) => Some(parameters::expression(build, &["key"], text)?),
            None => None,
        };
        Ok(Arc::new(Each {
            of,
            said: read.of,
            into,
            key,
            steps: build.steps(&["steps"], true)?,
        }))
    }
    fn nested(&self, _: &Value) -> Vec<Vec<String>> {
        vec![vec!["steps".to_owned()]]
    }
}

#[async_trait]
impl Step for Each {
    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let lists = self.of.lists(batch, services).await;
        // Of each element the place of its entity.
        let mut elements: Vec<(usize, Item)> = Vec::new();
        for (place, list) in lists.into_iter().enumerate() {
            let entity = &mut batch.items[place];
            match list {
                Some(Ok(list)) => {
                    let made = list.into_iter().enumerate();
                    elements.extend(made.map(|(i, value)| (place, element(entity, i, value))));
                }
                Some(Err(error)) => entity.verdict = Verdict::Fail(error),
                None => {}
            }
        }
        self.name(batch, &mut elements, services).await;
        let mut done: Vec<Option<(usize, Item)>> = elements.iter().map(|_| None).collect();
        let mut open: Vec<(usize, (usize, Item))> = elements.into_iter().enumerate().collect();
        while !open.is_empty() {
            let (round, rest) = round(open);
            open = rest;
            let (places, items): (Vec<(usize, usize)>, Vec<Item>) = round
                .into_iter()
                .map(|(at, (place, item))| ((at, place), item))
                .unzip();
            let mut round = Batch { items };
            services.steps(&self.steps, &mut round).await;
            for ((at, place), item) in places.into_iter().zip(round.items) {
                done[at] = Some((place, item));
            }
        }
        self.gather(batch, done.into_iter().flatten().collect());
        Ok(())
    }
    fn connections(&self) -> Vec<String> {
        connections_of(&self.steps)
    }
    fn has_effect(&self) -> bool {
        self.steps.iter().any(|placed| placed.step.has_effect())
    }
}

impl Each {
    /// Gives elements their own keys, where the step says which.
    async fn name(&self, batch: &mut Batch, elements: &mut Vec<(usize, Item)>, services: &dyn Services) {
        let Some(key) = &self.key else { return };
        let (places, items): (Vec<usize>, Vec<Item>) = std::mem::take(elements).into_iter().unzip();
        let mut all = Batch { items };
        let results = services.evaluate(key.as_ref(), &mut all).await;
        let mut seen: HashSet<(usize, String)> = HashSet::new();
        for ((place, mut item), result) in places.into_iter().zip(all.items).zip(results) {
            match parameters::key(&mut item, result) {
                _ if !item.is_going() => {}
                None => item.verdict = self.unnamed(&item, "has no key: `key` gives nothing for it"),
                Some(key) if !seen.insert((place, key.clone())) => {
                    let what =
                        format!("is called `{key}` like another one before it; their `key` must differ");
                    item.verdict = self.unnamed(&item, &what);
                }
                Some(key) => {
                    let around = batch.items[place].carried.element.as_deref();
                    item.carried.element = Some(within(around, &key));
                    item.key = key;
                }
            }
            elements.push((place, item));
        }
    }

    fn unnamed(&self, item: &Item, what: &str) -> Verdict {
        let message = format!("the element `{}` {what}", item.key);
        Verdict::Fail(Error::new(ErrorKind::Invalid, message).with("field", "key"))
    }

    /// Puts results back and lets what happened to elements count for their entities.
    fn gather(&self, batch: &mut Batch, elements: Vec<(usize, Item)>) {
        let mut lists: Vec<Option<Vec<Value>>> = batch.items.iter().map(|_| None).collect();
        let mut counts = vec![0_usize; batch.items.len()];
        for (place, mut element) in elements {
            let entity = &mut batch.items[place];
            let index = counts[place];
            counts[place] += 1;
            entity.add_reads(element.reads.drain(..));
            entity.warnings.append(&mut element.warnings);
            let failed = matches!(element.verdict, Verdict::Fail(_));
            if !element.carried.traces.is_empty() && (index < TRACED_MAX || failed) {
                let steps = std::mem::take(&mut element.carried.traces);
                let trace = json!({ "element": format!("{}[{index}]", self.said), "key": element.key, "steps": steps });
                entity.carried.traces.push(trace);
            }
            let list = lists[place].get_or_insert_default();
            match element.verdict {
                Verdict::Go => {
                    entity.carried.kept.append(&mut element.carried.kept);
                    list.push(element.value);
                }
                Verdict::Skip { .. } => {}
                // The first failure is told, and it is told before a wait: waiting would not help.
                Verdict::Fail(error) if !matches!(entity.verdict, Verdict::Fail(_)) => {
                    let message = format!("{}[{index}] (`{}`): {}", self.said, element.key, error.message);
                    let error = Error { message, ..error };
                    entity.verdict = Verdict::Fail(error.with("element", format!("{}[{index}]", self.said)));
                    entity.carried.on_error = element.carried.on_error;
                }
                Verdict::Wait { need, reason } if entity.is_going() => {
                    let reason = format!("{}[{index}] (`{}`): {reason}", self.said, element.key);
                    entity.verdict = Verdict::Wait { need, reason };
                }
                Verdict::Fail(_) | Verdict::Wait { .. } => {}
                Verdict::Split { .. }
                | Verdict::Collect { .. }
                | Verdict::Pause { .. }
                | Verdict::Ask { .. } => {
                    unreachable!("steps that put a whole task aside are refused within `each`")
                }
            }
        }
        for (entity, list) in batch.items.iter_mut().zip(lists) {
            if let Some(list) = list.filter(|_| entity.is_going()) {
                values::set(&mut entity.value, &self.into, Value::Array(list));
            }
        }
    }
}

type Waiting = Vec<(usize, (usize, Item))>;

/// Elements that go together now, and the rest: never two with one key, because a connection is given each key once.
fn round(open: Waiting) -> (Waiting, Waiting) {
    let mut keys: HashSet<String> = HashSet::new();
    open.into_iter()
        .partition(|(_, (_, item))| keys.len() < ROUND_MAX && keys.insert(item.key.clone()))
}
