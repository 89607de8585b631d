use std::cmp::Ordering;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, Value};
use weir_model::{Error, Finding, Kind as ErrorKind, json as values};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Item, Services, Step, StepKind, Verdict};

use crate::elements::{at_path, element, is_path};
use crate::parameters;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// The list: a dotted path such as `lines`.
    of: String,
    /// JSONata on the element that gives what is compared: numbers, texts (by code point) or booleans; a list is compared
    /// part by part, `[country, sku]`. Elements with nothing or `null` come last in both orders; equal ones keep their order.
    by: String,
    /// Default `ascending`.
    #[serde(default)]
    order: Order,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    Ascending,
    Descending,
}

pub(crate) struct Kind;

struct Sort {
    of: String,
    by: Arc<dyn Expression>,
    order: Order,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "sort"
    }
    fn summary(&self) -> &'static str {
        "Sorts a list of the entity by what an expression gives for each element."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Parameters>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let read: Parameters = parameters::read(parameters, build)?;
        if !is_path(&read.of) {
            let message =
                "`of` is the dotted path of a list, such as `lines`: it is sorted where it stands".to_owned();
            return Err(build.finding(&["of"], "wrong-value", message));
        }
        Ok(Arc::new(Sort {
            by: parameters::expression(build, &["by"], &read.by)?,
            of: read.of,
            order: read.order,
        }))
    }
}

#[async_trait]
impl Step for Sort {
    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        // Each element with the place of its entity.
        let (mut places, mut elements) = (Vec::new(), Vec::new());
        for (place, item) in batch
            .items
            .iter_mut()
            .enumerate()
            .filter(|(_, item)| item.is_going())
        {
            match at_path(item, &self.of) {
                Ok(list) => {
                    places.extend(list.iter().map(|_| place));
                    let made = list.into_iter().enumerate();
                    elements.extend(made.map(|(i, value)| element(item, i, value)));
                }
                Err(error) => item.verdict = Verdict::Fail(error),
            }
        }
        let mut all = Batch { items: elements };
        let keys = services.evaluate(self.by.as_ref(), &mut all).await;
        let mut lists: Vec<Vec<(Option<Value>, Value)>> = batch.items.iter().map(|_| Vec::new()).collect();
        for ((place, element), key) in places.into_iter().zip(all.items).zip(keys) {
            let entity = &mut batch.items[place];
            entity.add_reads(element.reads);
            match key {
                Some(Ok(key)) => lists[place].push((key.filter(|key| !key.is_null()), element.value)),
                Some(Err(error)) if entity.is_going() => {
                    let message = format!("{}[{}]: {}", self.of, lists[place].len(), error.message);
                    entity.verdict = Verdict::Fail(Error { message, ..error });
                }
                _ => {}
            }
        }
        for (item, list) in batch.items.iter_mut().zip(lists) {
            if item.is_going() && !list.is_empty() {
                self.sort(item, list);
            }
        }
        Ok(())
    }
}

impl Sort {
    fn sort(&self, item: &mut Item, mut list: Vec<(Option<Value>, Value)>) {
        let mut odd: Option<String> = None;
        list.sort_by(|(a, _), (b, _)| match (a, b) {
            (Some(a), Some(b)) => {
                let mut is_odd = false;
                let ordering = compare(a, b, &mut is_odd);
                if is_odd {
                    odd.get_or_insert_with(|| format!("{a} and {b}"));
                }
                match self.order {
                    Order::Ascending => ordering,
                    Order::Descending => ordering.reverse(),
                }
            }
            (a, b) => a.is_none().cmp(&b.is_none()),
        });
        if let Some(odd) = odd {
            let message = format!(
                "`{}` of `{}` cannot be sorted: nobody can say which of {odd} comes first; let `by` give values of one \
                 kind",
                self.of, item.key
            );
            let error = Error::new(ErrorKind::Invalid, message).with("entity", &item.key);
            item.verdict = Verdict::Fail(error.with("field", &self.of));
            return;
        }
        let sorted = list.into_iter().map(|(_, value)| value).collect();
        values::set(&mut item.value, &self.of, Value::Array(sorted));
    }
}

/// An order over all values, which the sort relies on; `odd` is told when it is one that nobody would expect.
fn compare(a: &Value, b: &Value, odd: &mut bool) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let mut parts = a.iter().zip(b).map(|(a, b)| compare(a, b, odd));
            let first = parts.find(|ordering| ordering.is_ne());
            first.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => {
            *odd = true;
            rank(a).cmp(&rank(b))
        }
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// Whole numbers exactly, others as doubles.
fn numbers(a: &Number, b: &Number) -> Ordering {
    let double = |number: &Number| number.as_f64().unwrap_or(f64::INFINITY);
    let whole = |number: &Number| {
        let from_double = || {
            let value = double(number);
            // Beyond this every double is whole, and none is exact.
            (value.fract() == 0.0 && value.abs() < 1e30).then_some(value as i128)
        };
        number.as_i128().or_else(from_double)
    };
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => double(a).total_cmp(&double(b)),
    }
}
