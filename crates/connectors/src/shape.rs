//! Entities in natural keys and rows on the wire: turning the one into the other, and finding what differs.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use weir_model::json::{key_text, same};
use weir_model::{Error, Kind};
use weir_sdk::connector::Warning;

use crate::manifest::types::{Missing, Reference};
use crate::manifest::{ChildPlan, ReferencePlan};

/// A row that a reference names: entity, the field it is known by, key.
pub(crate) type Place = (String, String, String);

pub(crate) fn place(reference: &Reference, key: &str) -> Place {
    (reference.entity.clone(), reference.by.clone(), key.to_owned())
}

/// Ids that references were resolved to. What is absent is missing in the system.
pub(crate) type Resolved = HashMap<Place, Value>;

/// A reference that an entity makes.
pub(crate) struct Asked<'a> {
    pub(crate) plan: &'a ReferencePlan,
    pub(crate) key: String,
    /// `prices[0].store`
    pub(crate) path: String,
}

/// What turns entities of one kind into rows.
pub(crate) struct Shape<'a> {
    pub(crate) omit: &'a [String],
    pub(crate) resolved: &'a Resolved,
    /// The entity whose children are made; `rows` expressions see it.
    pub(crate) entity: &'a Value,
}

/// Every reference of the entity and of its children.
pub(crate) fn references<'a>(body: &'a ChildPlan, entity: &Value) -> Result<Vec<Asked<'a>>, Error> {
    let mut asked = Vec::new();
    gather(body, entity, entity, "", &mut asked)?;
    Ok(asked)
}

fn gather<'a>(
    plan: &'a ChildPlan,
    row: &Value,
    entity: &Value,
    path: &str,
    asked: &mut Vec<Asked<'a>>,
) -> Result<(), Error> {
    for (field, reference) in &plan.references {
        if let Some(key) = row.get(field).and_then(key_text) {
            asked.push(Asked {
                plan: reference,
                key,
                path: format!("{path}{field}"),
            });
        }
    }
    for child in &plan.children {
        for (index, row) in natural_rows(child, row, entity)?
            .into_iter()
            .flatten()
            .enumerate()
        {
            gather(
                child,
                &row,
                entity,
                &format!("{path}{}[{index}].", child.name),
                asked,
            )?;
        }
    }
    Ok(())
}

/// The rows of a child in natural keys; `None` where the entity does not carry the list, which leaves it alone.
pub(crate) fn natural_rows(
    child: &ChildPlan,
    parent: &Value,
    entity: &Value,
) -> Result<Option<Vec<Value>>, Error> {
    if let Some(constant) = &child.constant {
        return Ok(Some(constant.clone()));
    }
    if let Some(rows) = &child.rows {
        return rows.list(&json!({ "row": entity, "parent": parent })).map(Some);
    }
    let list = match parent.get(&child.name) {
        None => return Ok(None),
        Some(Value::Null) => return Ok(None),
        Some(Value::Array(items)) => items.clone(),
        Some(_) => {
            let message = format!("`{}` must be a list", child.name);
            return Err(Error::new(Kind::Invalid, message).with("field", &child.name));
        }
    };
    let rows: Vec<Value> = match &child.of {
        Some(field) => list
            .into_iter()
            .map(|item| json!({ field.as_str(): item }))
            .collect(),
        None => list,
    };
    Ok(Some(if child.group.is_empty() {
        rows
    } else {
        grouped(child, rows)
    }))
}

/// A flat list as rows by the grouping fields, the rest under `each`.
fn grouped(child: &ChildPlan, rows: Vec<Value>) -> Vec<Value> {
    let mut groups: Vec<(Vec<Value>, Vec<Value>)> = Vec::new();
    for mut row in rows {
        let head: Vec<Value> = child
            .group
            .iter()
            .map(|field| row.get(field).cloned().unwrap_or(Value::Null))
            .collect();
        if let Some(fields) = row.as_object_mut() {
            fields.retain(|name, _| !child.group.contains(name));
        }
        match groups.iter_mut().find(|(known, _)| *known == head) {
            Some((_, members)) => members.push(row),
            None => groups.push((head, vec![row])),
        }
    }
    let row = |(head, members): (Vec<Value>, Vec<Value>)| {
        let mut row: Map<String, Value> = child.group.iter().cloned().zip(head).collect();
        row.insert("each".to_owned(), Value::Array(members));
        Value::Object(row)
    };
    groups.into_iter().map(row).collect()
}

impl Shape<'_> {
    /// The whole row, editable children inside.
    pub(crate) fn wire(&self, plan: &ChildPlan, row: &Value) -> Result<Map<String, Value>, Error> {
        let mut wire = self.fields(plan, row);
        for child in plan.children.iter().filter(|child| child.follow_up.is_none()) {
            let Some(rows) = natural_rows(child, row, self.entity)? else {
                continue;
            };
            let rows: Vec<Value> = rows
                .iter()
                .map(|row| self.wire(child, row).map(Value::Object))
                .collect::<Result<_, _>>()?;
            if !rows.is_empty() {
                wire.insert(child.relation.clone(), Value::Array(rows));
            }
        }
        Ok(wire)
    }

    /// The row's own fields on the wire.
    fn fields(&self, plan: &ChildPlan, row: &Value) -> Map<String, Value> {
        let mut wire = Map::new();
        for (name, value) in row.as_object().into_iter().flatten() {
            let is_child = plan.children.iter().any(|child| child.name == *name);
            if is_child || (plan.name.is_empty() && self.omit.contains(name)) {
                continue;
            }
            if let Some(reference) = plan.references.get(name) {
                wire.insert(reference.reference.field.clone(), self.id(reference, value));
                continue;
            }
            let value = match value {
                Value::Null | Value::String(_) => value.clone(),
                other if plan.json_text.contains(name) => Value::String(other.to_string()),
                other => other.clone(),
            };
            wire.insert(plan.rename.get(name).unwrap_or(name).clone(), value);
        }
        wire
    }

    fn id(&self, plan: &ReferencePlan, key: &Value) -> Value {
        let reference = &plan.reference;
        key_text(key)
            .and_then(|key| self.resolved.get(&place(reference, &key)).cloned())
            .unwrap_or(Value::Null)
    }

    /// What differs from the row that is there, its id inside; `None` when nothing does.
    pub(crate) fn difference(
        &self,
        plan: &ChildPlan,
        row: &Value,
        there: &Value,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Map<String, Value>>, Error> {
        let mut patch = Map::new();
        for (name, value) in self.fields(plan, row) {
            let old = there.get(&name).unwrap_or(&Value::Null);
            let is_json = plan
                .json_text
                .iter()
                .any(|field| plan.rename.get(field).unwrap_or(field) == &name);
            if !alike(&value, old, is_json) {
                patch.insert(name, value);
            }
        }
        for child in plan.children.iter().filter(|child| child.follow_up.is_none()) {
            let Some(rows) = natural_rows(child, row, self.entity)? else {
                continue;
            };
            let mut changed = Vec::new();
            for (row, old) in self.pairs(child, &rows, there, warnings) {
                match old {
                    None => changed.push(Value::Object(self.wire(child, row)?)),
                    Some(old) => {
                        if let Some(patch) = self.difference(child, row, old, warnings)? {
                            changed.push(Value::Object(patch));
                        }
                    }
                }
            }
            if !changed.is_empty() {
                patch.insert(child.relation.clone(), Value::Array(changed));
            }
        }
        if patch.is_empty() {
            return Ok(None);
        }
        let mut whole = Map::new();
        if let Some((name, id)) = id_of(there) {
            whole.insert(name.clone(), id.clone());
        }
        whole.extend(patch);
        Ok(Some(whole))
    }

    /// Each wanted row with the one that is there, by key; and a warning about those that are there and not wanted.
    pub(crate) fn pairs<'r>(
        &self,
        child: &ChildPlan,
        rows: &'r [Value],
        there: &'r Value,
        warnings: &mut Vec<Warning>,
    ) -> Vec<(&'r Value, Option<&'r Value>)> {
        let existing = there
            .get(&child.relation)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let mut taken = vec![false; existing.len()];
        let mut pairs = Vec::with_capacity(rows.len());
        for row in rows {
            let wire = self.fields(child, row);
            let keys: Vec<(String, Value)> = child
                .key
                .iter()
                .map(|key| {
                    let name = match child.references.get(key) {
                        Some(reference) => reference.reference.field.clone(),
                        None => child.rename.get(key).unwrap_or(key).clone(),
                    };
                    let value = wire.get(&name).cloned().unwrap_or(Value::Null);
                    (name, value)
                })
                .collect();
            let found = existing.iter().enumerate().position(|(index, old)| {
                !taken[index]
                    && keys
                        .iter()
                        .all(|(name, value)| alike(value, old.get(name).unwrap_or(&Value::Null), false))
            });
            if let Some(index) = found {
                taken[index] = true;
            }
            pairs.push((row, found.map(|index| &existing[index])));
        }
        let extra = taken.iter().filter(|taken| !**taken).count();
        if extra > 0 && child.missing != Missing::Keep && child.constant.is_none() {
            warnings.push(Warning {
                name: "kept-in-target".to_owned(),
                message: format!(
                    "the target holds {extra} of `{}` that the entity does not carry; its API cannot remove them",
                    child.name
                ),
            });
        }
        pairs
    }
}

/// Equal for the target: a decimal may come back as text, and JSON text is compared as JSON.
fn alike(wanted: &Value, there: &Value, is_json: bool) -> bool {
    if is_json && let (Value::String(a), Value::String(b)) = (wanted, there) {
        let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
        if let (Some(a), Some(b)) = (parse(a), parse(b)) {
            // PHP writes an empty object as an empty list.
            let empty = |v: &Value| {
                v.as_object().is_some_and(Map::is_empty) || v.as_array().is_some_and(Vec::is_empty)
            };
            return same(&a, &b) || (empty(&a) && empty(&b));
        }
    }
    match (wanted, there) {
        (Value::Number(_), Value::String(text)) => serde_json::from_str::<Value>(text)
            .is_ok_and(|number| number.is_number() && same(wanted, &number)),
        _ => same(wanted, there),
    }
}

/// The row's own id: its first field that begins with `id_`.
pub(crate) fn id_of(row: &Value) -> Option<(&String, &Value)> {
    row.as_object()?
        .iter()
        .find(|(name, value)| name.starts_with("id_") && !value.is_null())
}
