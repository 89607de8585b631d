//! A person corrects the entity of a task that has not ended; it is then tried again with what stands there now.

use std::collections::BTreeMap;

use json_patch::Patch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use weir_model::{Error, Kind, json as values};

use crate::configuration::Route;
use crate::family;
use crate::payload;
use crate::plan::{Begin, Plan, Planned, To};
use crate::shared::Shared;
use crate::source;

/// What is to be changed about an entity. Exactly one of the three.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// One place and what stands there from now on: `{"path": "prices[0].gross", "value": 1990}`. Missing objects on the
    /// way are made.
    #[serde(default)]
    pub set: Option<Set>,
    /// Operations of JSON Patch (RFC 6902).
    #[serde(default)]
    #[schemars(with = "Option<Vec<Value>>")]
    pub patch: Option<Patch>,
    /// The whole entity.
    #[serde(default)]
    pub entity: Option<Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// Names with dots between them, places in lists in brackets: `values.price[0].data`.
    pub path: String,
    pub value: Value,
}

/// Puts the corrected entity into the plans. Refused (`invalid`): what cannot be made, would change the key, or breaks the
/// schema of the route's entity where the entity kept to it before.
pub(crate) async fn plan(shared: &Shared, correction: &Correction, planned: &mut [Planned]) {
    let mut by_route: BTreeMap<String, Vec<(usize, Value)>> = BTreeMap::new();
    for (index, planned) in planned.iter_mut().enumerate() {
        let Ok(plan) = &planned.outcome else { continue };
        // What a step made is no entity as read: it keeps the key that the step gave it.
        let is_read = family::behind(&plan.detail.effects).is_none();
        match corrected(shared, correction, plan, is_read) {
            Ok(after) if !is_read => put_in(planned, &after),
            Ok(after) => by_route
                .entry(plan.detail.row.route.clone())
                .or_default()
                .push((index, after)),
            Err(error) => planned.outcome = Err(error),
        }
    }
    for (name, corrected) in by_route {
        let Ok(route) = shared.route(&name) else { continue };
        let keys = source::keys(shared, route, corrected.iter().map(|(_, after)| after)).await;
        for ((index, after), found) in corrected.iter().zip(keys) {
            let planned = &mut planned[*index];
            let checked = found.and_then(|found| check_key(&planned.key, found.as_deref()));
            match checked {
                Err(error) => planned.outcome = Err(error),
                Ok(()) => put_in(planned, after),
            }
        }
    }
}

fn put_in(planned: &mut Planned, after: &Value) {
    if let Ok(plan) = &mut planned.outcome {
        plan.to = To::Queue {
            input: Some(payload::pack(after)),
            begin: Begin::First,
        };
    }
}

fn corrected(shared: &Shared, correction: &Correction, plan: &Plan, is_read: bool) -> Result<Value, Error> {
    let route = shared.route(&plan.detail.row.route)?;
    let before = payload::unpack(&plan.detail.input)?;
    let after = correction.applied(&before)?;
    if is_read {
        check_schema(route, &before, &after)?;
    }
    Ok(after)
}

fn check_key(key: &str, found: Option<&str>) -> Result<(), Error> {
    // A task that was read without a key is allowed to get one only at the source: its place in the order has none.
    if found == Some(key) {
        return Ok(());
    }
    let found = found.map_or("nothing".to_owned(), |found| format!("`{found}`"));
    let message = format!(
        "the correction would change the key of the entity from `{key}` to {found}; order and memory go by the key, so \
         correct other fields only, or correct the key at the source"
    );
    Err(Error::new(Kind::Invalid, message).with("field", "entity.key"))
}

/// Only what the correction makes worse counts: an entity that broke a rule before may be corrected step by step.
fn check_schema(route: &Route, before: &Value, after: &Value) -> Result<(), Error> {
    let Some(schema) = &route.schema else {
        return Ok(());
    };
    let known = schema.violations(before);
    let new = schema.violations(after).into_iter().find(|violation| {
        !known
            .iter()
            .any(|old| old.path == violation.path && old.rule == violation.rule)
    });
    match new {
        None => Ok(()),
        Some(violation) => {
            let message = format!(
                "the correction would break the schema of the entity at `{}`: {}; nothing was changed",
                violation.path, violation.message
            );
            Err(Error::new(Kind::Invalid, message)
                .with("field", violation.path)
                .with("rule", violation.rule))
        }
    }
}

impl Correction {
    /// Exactly one of the three is given.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let given = [self.set.is_some(), self.patch.is_some(), self.entity.is_some()];
        if given.iter().filter(|given| **given).count() == 1 {
            return Ok(());
        }
        let message = "a correction is one of `set`, `patch` and `entity`: give exactly one";
        Err(Error::new(Kind::Invalid, message).with("field", "correction"))
    }

    fn applied(&self, entity: &Value) -> Result<Value, Error> {
        let mut after = entity.clone();
        match (&self.set, &self.patch, &self.entity) {
            (Some(set), None, None) => put(&mut after, set)?,
            (None, Some(patch), None) => {
                json_patch::patch(&mut after, patch).map_err(|error| {
                    Error::new(
                        Kind::Invalid,
                        format!("the patch does not fit the entity: {error}; `weir tasks show` prints it"),
                    )
                })?;
            }
            (None, None, Some(entity)) => after = entity.clone(),
            _ => self.check()?,
        }
        if values::same(&after, entity) {
            let message = "the correction changes nothing; `weir tasks retry` tries the task again as it is";
            return Err(Error::new(Kind::Invalid, message));
        }
        Ok(after)
    }
}

/// Objects that are missing on the way are made; lists are not made longer by accident.
pub(crate) fn put(entity: &mut Value, set: &Set) -> Result<(), Error> {
    let wrong = |why: &str| {
        Error::new(
            Kind::Invalid,
            format!(
                "cannot set `{}`: {why}; write it like `prices[0].gross`",
                set.path
            ),
        )
        .with("field", &set.path)
    };
    let mut place = entity;
    for token in tokens(&set.path).ok_or_else(|| wrong("it is no path"))? {
        place = match place {
            Value::Object(fields) => fields.entry(token).or_insert(Value::Object(Map::new())),
            Value::Array(items) => {
                let count = items.len();
                token
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get_mut(index))
                    .ok_or_else(|| wrong(&format!("the list has {count} items and no `{token}`")))?
            }
            other => {
                return Err(wrong(&format!(
                    "`{token}` would stand below {other}, which is no object"
                )));
            }
        };
    }
    *place = set.value.clone();
    Ok(())
}

/// `a.b[0]` as `a`, `b`, `0`.
fn tokens(path: &str) -> Option<Vec<String>> {
    let mut tokens = Vec::new();
    for part in path.split('.') {
        let (name, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
        if name.is_empty() && (tokens.is_empty() || rest.is_empty()) && !path.starts_with('[') {
            return None;
        }
        if !name.is_empty() {
            tokens.push(name.to_owned());
        }
        while let Some(inside) = rest.strip_prefix('[') {
            let (index, behind) = inside.split_once(']')?;
            index.parse::<usize>().ok()?;
            tokens.push(index.to_owned());
            rest = behind;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (!tokens.is_empty()).then_some(tokens)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_set_and_nothing_else() {
        let check = |path: &str, expected: Result<Value, &str>| {
            let correction = Correction {
                set: Some(Set {
                    path: path.to_owned(),
                    value: json!(1),
                }),
                ..Correction::default()
            };
            let found = correction.applied(&json!({ "a": { "b": [{ "c": 0 }] }, "t": "x" }));
            match expected {
                Ok(value) => assert_eq!(found.expect(path), value, "{path}"),
                Err(part) => {
                    let error = found.expect_err(path);
                    assert!(error.message.contains(part), "{path}: {error}");
                }
            }
        };
        check("a.b[0].c", Ok(json!({ "a": { "b": [{ "c": 1 }] }, "t": "x" })));
        check("t", Ok(json!({ "a": { "b": [{ "c": 0 }] }, "t": 1 })));
        check(
            "n.m",
            Ok(json!({ "a": { "b": [{ "c": 0 }] }, "t": "x", "n": { "m": 1 } })),
        );
        check("a.b[1].c", Err("the list has 1 items and no `1`"));
        check("t.u", Err("which is no object"));
        check("a..b", Err("it is no path"));
        check("a.b[x]", Err("it is no path"));
        check("", Err("it is no path"));
    }
}
