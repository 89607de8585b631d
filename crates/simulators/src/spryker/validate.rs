//! The rules of a write that need no database: names, rights, JSON types, limits, required fields.

use serde_json::{Map, Value};

use super::cell::Cell;
use super::definition::{Definitions, Field, Kind, Resource};
use super::problem::{Path, Problem, Problems};

/// What a request wants done to its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Create,
    Update,
    Replace,
}

/// What happens to a child without an identifier inside a PATCH: the documents do not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildWithoutId {
    /// A new row is made.
    #[default]
    Create,
    /// 1310, as for an item of the collection.
    Refuse,
}

pub(crate) struct Validation<'a> {
    pub(crate) definitions: &'a Definitions,
    pub(crate) problems: Problems,
    pub(crate) child_without_id: ChildWithoutId,
    pub(crate) found: Vec<Problem>,
}

/// How one item is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) resource: usize,
    pub(crate) mode: Mode,
    /// The identifier stands in the path of the request.
    pub(crate) id_in_path: bool,
    /// The field that the parent fills.
    pub(crate) filled: Option<usize>,
    pub(crate) path: &'a Path<'a>,
}

impl Validation<'_> {
    pub(crate) fn item(&mut self, value: &Value, item: Item<'_>) {
        let Some(object) = value.as_object() else {
            self.found.push(self.problems.data_format());
            return;
        };
        let resource = &self.definitions.resources[item.resource];
        for (name, value) in object {
            match resource.field(name) {
                Some(field) => self.field(resource, field, value, item),
                None if value.is_array() => self.relation(resource, name, value, item),
                None => {
                    let problem = self.problems.unknown_field(item.path, name);
                    self.found.push(problem);
                }
            }
        }
        match item.mode {
            Mode::Update => {
                let id = &resource.fields[resource.id].name;
                if !item.id_in_path && object.get(id).is_none_or(Value::is_null) {
                    self.found.push(self.problems.no_identifier(item.path));
                }
            }
            Mode::Create | Mode::Replace => self.required(resource, object, item),
        }
    }

    fn required(&mut self, resource: &Resource, object: &Map<String, Value>, item: Item<'_>) {
        for (position, field) in resource.fields.iter().enumerate() {
            let own_id = position == resource.id && (!field.creatable || item.id_in_path);
            if !field.required || own_id || item.filled == Some(position) {
                continue;
            }
            if object.get(&field.name).is_none_or(Value::is_null) {
                let problem = self.problems.required(item.path, &field.name);
                self.found.push(problem);
            }
        }
    }

    fn field(&mut self, resource: &Resource, position: usize, value: &Value, item: Item<'_>) {
        let field = &resource.fields[position];
        let is_id = position == resource.id;
        let allowed = match item.mode {
            // Null counts as absent.
            Mode::Create => field.creatable || value.is_null(),
            // The identifier of a collection item says which row is meant.
            Mode::Update | Mode::Replace => field.editable || (is_id && !item.id_in_path),
        };
        if !allowed {
            let problem = self.problems.immutable(item.path, &field.name);
            self.found.push(problem);
        }
        if value.is_null() {
            return;
        }
        check_value(self.problems, field, value, item.path, &mut self.found);
    }

    fn relation(&mut self, resource: &Resource, name: &str, value: &Value, item: Item<'_>) {
        let Some(position) = resource.relation(name) else {
            self.found.push(self.problems.unknown_relation(name));
            return;
        };
        let relation = &resource.relations[position];
        if !relation.editable {
            self.found.push(self.problems.fixed_relation(name));
            return;
        }
        let child = &self.definitions.resources[relation.resource];
        for (index, value) in value.as_array().into_iter().flatten().enumerate() {
            let path = Path {
                parent: Some(item.path),
                resource: &child.name,
                index,
            };
            let mode = child_mode(item.mode, child, value);
            if mode == Mode::Create
                && item.mode == Mode::Update
                && self.child_without_id == ChildWithoutId::Refuse
            {
                self.found.push(self.problems.no_identifier(&path));
                continue;
            }
            self.item(
                value,
                Item {
                    resource: relation.resource,
                    mode,
                    id_in_path: false,
                    filled: Some(relation.child),
                    path: &path,
                },
            );
        }
    }
}

/// A child with an identifier is treated like its parent, one without is created.
pub(crate) fn child_mode(parent: Mode, child: &Resource, value: &Value) -> Mode {
    let has_id = value
        .get(&child.fields[child.id].name)
        .is_some_and(|id| !id.is_null());
    if has_id { parent } else { Mode::Create }
}

fn check_value(problems: Problems, field: &Field, value: &Value, path: &Path<'_>, found: &mut Vec<Problem>) {
    let right_type = match field.kind {
        Kind::Integer => value.as_i64().is_some(),
        Kind::Boolean => value.is_boolean(),
        Kind::Text => value.is_string(),
        Kind::Decimal => decimal(value).is_some(),
        Kind::Loose => !value.is_array() && !value.is_object(),
    };
    if !right_type {
        found.push(problems.wrong_type(path, &field.name));
        if field.kind == Kind::Boolean {
            // The rules of a boolean are its type, and both checks report.
            found.push(problems.wrong_value(path, &field.name, "boolean"));
        }
        return;
    }
    if !within(field, value) {
        found.push(problems.wrong_value(path, &field.name, &rules(field)));
    }
    if field.url && !value.as_str().is_some_and(relative_url) {
        found.push(problems.url(path, &field.name));
    }
}

fn within(field: &Field, value: &Value) -> bool {
    match field.kind {
        Kind::Integer => value.as_i64().is_some_and(|number| {
            field.min.is_none_or(|min| number >= min) && field.max.is_none_or(|max| number <= max)
        }),
        // Bytes, not characters.
        Kind::Text => value.as_str().is_some_and(|text| {
            field.min_length.is_none_or(|min| text.len() >= min)
                && field.max_length.is_none_or(|max| text.len() <= max)
        }),
        Kind::Decimal => decimal(value).is_some_and(|text| {
            let digits = text.trim_start_matches('-');
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
            let whole = whole.trim_start_matches('0');
            let scale = field.scale.unwrap_or(usize::MAX);
            let precision = field.precision.unwrap_or(usize::MAX);
            fraction.len() <= scale && whole.len() + fraction.len() <= precision
        }),
        Kind::Boolean | Kind::Loose => true,
    }
}

fn rules(field: &Field) -> String {
    let numbers = [("min", field.min), ("max", field.max)]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}: {}", value?)));
    let lengths = [
        ("minLength", field.min_length),
        ("maxLength", field.max_length),
        ("precision", field.precision),
        ("scale", field.scale),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(format!("{name}: {}", value?)));
    numbers.chain(lengths).collect::<Vec<_>>().join(", ")
}

/// The digits of a decimal, from text or number: `-?digits[.digits]`.
pub(crate) fn decimal(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(&text);
    let good = match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    };
    good.then_some(text)
}

fn relative_url(text: &str) -> bool {
    text.starts_with('/')
        && !text.starts_with("//")
        && !text
            .chars()
            .any(|letter| letter.is_whitespace() || letter.is_control())
}

/// The value as the table keeps it; it has passed the checks.
pub(crate) fn to_cell(field: &Field, value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(flag) => Cell::Bool(*flag),
        Value::String(text) => match field.scale {
            Some(scale) if field.kind == Kind::Decimal => Cell::text(&scaled(text, scale)),
            _ => Cell::text(text),
        },
        Value::Number(number) => match field.kind {
            Kind::Integer => number.as_i64().map_or(Cell::Null, Cell::Int),
            _ => Cell::text(&scaled(&number.to_string(), field.scale.unwrap_or(0))),
        },
        other => Cell::text(&other.to_string()),
    }
}

/// A decimal with at least as many places as its column has.
fn scaled(text: &str, scale: usize) -> String {
    let mut text = text.to_owned();
    let have = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if have < scale {
        if have == 0 {
            text.push('.');
        }
        text.push_str(&"0".repeat(scale - have));
    }
    text
}
