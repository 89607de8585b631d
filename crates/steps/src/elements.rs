//! Elements of an entity: where the list is, and an element as an item of its own.

use std::sync::Arc;

use serde_json::Value;
use weir_model::{Error, Finding, Kind as ErrorKind};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Item, Services};

use crate::parameters;

/// Where the list is: a dotted path, or JSONata that makes one.
pub(crate) enum Of {
    Path(String),
    Expression(Arc<dyn Expression>),
}

impl Of {
    pub(crate) fn read(build: &dyn Build, place: &[&str], text: &str) -> Result<Of, Finding> {
        match is_path(text) {
            true => Ok(Of::Path(text.to_owned())),
            false => Ok(Of::Expression(parameters::expression(build, place, text)?)),
        }
    }

    /// The elements of each item that is going. Nothing and `null` are none; of JSONata one value is a list of one.
    pub(crate) async fn lists(
        &self,
        batch: &mut Batch,
        services: &dyn Services,
    ) -> Vec<Option<Result<Vec<Value>, Error>>> {
        let expression = match self {
            Of::Path(path) => {
                let list = |item: &Item| item.is_going().then(|| at_path(item, path));
                return batch.items.iter().map(list).collect();
            }
            Of::Expression(expression) => expression,
        };
        let results = services.evaluate(expression.as_ref(), batch).await;
        let list = |value| match value {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(one) => vec![one],
        };
        results
            .into_iter()
            .map(|result| result.map(|result| result.map(list)))
            .collect()
    }
}

/// `lines` and `order.lines`, which can be written to as well as read.
pub(crate) fn is_path(text: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    text.split('.').all(is_name)
}

/// The list at a dotted path of the entity.
pub(crate) fn at_path(item: &Item, path: &str) -> Result<Vec<Value>, Error> {
    let mut value = &item.value;
    for part in path.split('.') {
        value = match value {
            Value::Object(fields) => match fields.get(part) {
                Some(value) => value,
                None => return Ok(Vec::new()),
            },
            Value::Null => return Ok(Vec::new()),
            _ => return Err(no_list(item, path)),
        };
    }
    match value {
        Value::Array(items) => Ok(items.clone()),
        Value::Null => Ok(Vec::new()),
        _ => Err(no_list(item, path)),
    }
}

fn no_list(item: &Item, path: &str) -> Error {
    let message = format!(
        "`{path}` of `{}` is not a list; write JSONata that makes one, such as `[{path}]`, and name a field with `into`",
        item.key
    );
    Error::new(ErrorKind::Invalid, message)
        .with("entity", &item.key)
        .with("field", path)
}

pub(crate) fn element(entity: &Item, index: usize, value: Value) -> Item {
    let key = format!("{}/{index}", entity.key);
    let mut item = Item::new(entity.task, key, entity.attempt, value, entity.source.clone());
    item.carried.element = Some(within(entity.carried.element.as_deref(), &index.to_string()));
    item
}

/// Which element, seen from the whole entity.
pub(crate) fn within(around: Option<&str>, name: &str) -> String {
    match around {
        Some(around) => format!("{around}#{name}"),
        None => name.to_owned(),
    }
}
