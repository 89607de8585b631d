//! POST, PATCH, PUT and DELETE of the Data Exchange API, with their two kinds of transaction.

use std::sync::RwLock;

use serde_json::{Map, Value};

use super::cell::Cell;
use super::definition::Definitions;
use super::problem::{Path, Problem, Problems};
use super::read::{self, Query};
use super::store::{Refusal, Store};
use super::table::Row;
use super::validate::{ChildWithoutId, Item, Mode, Validation, child_mode, to_cell};
use super::{Profile, problem};
use crate::front::Reply;

/// A saved row with the children that came with it.
struct Saved {
    table: usize,
    slot: u32,
    children: Vec<(usize, Vec<Saved>)>,
}

/// One write request, understood.
pub(crate) struct Write<'a> {
    pub(crate) definitions: &'a Definitions,
    pub(crate) problems: Problems,
    pub(crate) child_without_id: ChildWithoutId,
    pub(crate) resource: usize,
    pub(crate) mode: Mode,
    /// The identifier of the path.
    pub(crate) id: Option<i64>,
    /// One transaction for everything (the default), or one per item.
    pub(crate) whole: bool,
}

/// `[{"message":…}]` with the status of the entry that decides.
pub(crate) fn refuse(problems: &[Problem], status: u16) -> Reply {
    let mut body = Vec::with_capacity(200 * problems.len());
    body.push(b'[');
    for (position, problem) in problems.iter().enumerate() {
        if position > 0 {
            body.push(b',');
        }
        problem.write(&mut body);
    }
    body.push(b']');
    Reply::json(status, body)
}

pub(crate) fn refuse_one(problem: Problem) -> Reply {
    let status = problem.status;
    refuse(&[problem], status)
}

impl Write<'_> {
    /// Reads and checks the body before the store is locked, as far as that needs no rows.
    pub(crate) fn run(&self, store: &RwLock<Store>, body: &[u8]) -> Reply {
        let Ok(mut body) = serde_json::from_slice::<Value>(body) else {
            return refuse_one(self.problems.data_format());
        };
        let data = body.get_mut("data").map(Value::take);
        let items = match (data, self.id) {
            (Some(Value::Array(items)), None) if !items.is_empty() => items,
            (Some(one @ Value::Object(_)), Some(_)) => vec![one],
            _ => return refuse_one(self.problems.data_format()),
        };
        let found: Vec<Vec<Problem>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.validate(item, index))
            .collect();
        let mut store = store.write().expect("no panic while the store is held");
        if self.whole {
            self.run_whole(&mut store, &items, found)
        } else {
            self.run_apart(&mut store, &items, found)
        }
    }

    /// One transaction: every item is checked first, then every item is saved; any error undoes all,
    /// and the last one gives the status.
    fn run_whole(&self, store: &mut Store, items: &[Value], found: Vec<Vec<Problem>>) -> Reply {
        let mut found: Vec<Problem> = found.into_iter().flatten().collect();
        let mut saved = Vec::with_capacity(items.len());
        if found.is_empty() {
            for (index, item) in items.iter().enumerate() {
                match self.save_item(store, item, index) {
                    Ok(row) => saved.push(row),
                    Err(problem) => found.push(problem),
                }
            }
        }
        if let Some(last) = found.last() {
            store.rollback();
            return refuse(&found, last.status);
        }
        store.commit(self.definitions);
        self.answer(store, &saved, None)
    }

    /// A transaction per item; the first error gives the status when nothing at all was saved.
    fn run_apart(&self, store: &mut Store, items: &[Value], found: Vec<Vec<Problem>>) -> Reply {
        let mut problems = Vec::new();
        let mut saved = Vec::with_capacity(items.len());
        for (index, (item, mut found)) in items.iter().zip(found).enumerate() {
            if found.is_empty() {
                match self.save_item(store, item, index) {
                    Ok(row) => {
                        store.commit(self.definitions);
                        saved.push(row);
                        continue;
                    }
                    Err(problem) => {
                        store.rollback();
                        found.push(problem);
                    }
                }
            }
            problems.append(&mut found);
        }
        self.answer(store, &saved, Some(&problems))
    }

    fn validate(&self, item: &Value, index: usize) -> Vec<Problem> {
        let mut validation = Validation {
            definitions: self.definitions,
            problems: self.problems,
            child_without_id: self.child_without_id,
            found: Vec::new(),
        };
        let path = self.path(index);
        validation.item(
            item,
            Item {
                resource: self.resource,
                mode: self.mode,
                id_in_path: self.id.is_some(),
                filled: None,
                path: &path,
            },
        );
        validation.found
    }

    fn path(&self, index: usize) -> Path<'_> {
        Path {
            parent: None,
            resource: &self.definitions.resources[self.resource].name,
            index,
        }
    }

    fn save_item(&self, store: &mut Store, item: &Value, index: usize) -> Result<Saved, Problem> {
        let path = self.path(index);
        let object = item.as_object().expect("items are checked to be objects");
        self.save(store, self.resource, object, self.mode, &path, None, self.id)
    }

    /// Saves one row, then its children with their key to it filled in.
    #[expect(
        clippy::too_many_arguments,
        reason = "one recursive step and its place in the tree"
    )]
    fn save(
        &self,
        store: &mut Store,
        table: usize,
        object: &Map<String, Value>,
        mode: Mode,
        path: &Path<'_>,
        filled: Option<(usize, Cell)>,
        id_in_path: Option<i64>,
    ) -> Result<Saved, Problem> {
        let resource = &self.definitions.resources[table];
        let id_name = &resource.fields[resource.id].name;
        let id = id_in_path.or_else(|| object.get(id_name).and_then(Value::as_i64));
        let existing = match mode {
            Mode::Create => None,
            Mode::Update | Mode::Replace => id.and_then(|id| store.tables[table].by_id(id)),
        };
        if existing.is_none() && mode == Mode::Update {
            return Err(self.problems.entity_missing(path));
        }
        let mut cells: Vec<Cell> = match (existing, mode) {
            (Some(slot), Mode::Update) => store.tables[table].row(slot).to_vec(),
            _ => vec![Cell::Null; resource.fields.len()],
        };
        for (name, value) in object {
            if let Some(field) = resource.field(name) {
                cells[field] = to_cell(&resource.fields[field], value);
            }
        }
        if let (Some(slot), Mode::Replace) = (existing, mode) {
            // Columns that are not configured are not touched by a replacement.
            let old = store.tables[table].row(slot);
            for (position, field) in resource.fields.iter().enumerate() {
                if field.hidden {
                    cells[position] = old[position].clone();
                }
            }
        }
        if let Some((field, value)) = filled {
            cells[field] = value;
        }
        if let Some(id) = id {
            cells[resource.id] = Cell::Int(id);
        }
        let refused = |refusal| self.refusal(table, path, refusal);
        let slot = match existing {
            Some(slot) => {
                store
                    .update(self.definitions, table, slot, Row::from(cells))
                    .map_err(refused)?;
                slot
            }
            None => {
                if mode == Mode::Replace && id.is_some() && !resource.fields[resource.id].creatable {
                    let value = id.unwrap_or_default().to_string();
                    return Err(self.problems.not_creatable(path, id_name, &value));
                }
                if cells[resource.id].is_null() {
                    cells[resource.id] = Cell::Int(store.tables[table].take_id());
                } else if id.is_some_and(|id| self.taken(store, table, id)) {
                    return Err(self.problems.duplicate(path, id_name));
                }
                store
                    .insert(self.definitions, table, Row::from(cells))
                    .map_err(refused)?
            }
        };
        let children = self.save_children(store, table, slot, object, mode, path)?;
        Ok(Saved {
            table,
            slot,
            children,
        })
    }

    /// A second row with a sent identifier, where the identifier is the row's own key (in pure link
    /// tables it is a foreign key and may repeat).
    fn taken(&self, store: &Store, table: usize, id: i64) -> bool {
        let resource = &self.definitions.resources[table];
        resource.fields[resource.id].references.is_none() && store.tables[table].by_id(id).is_some()
    }

    fn save_children(
        &self,
        store: &mut Store,
        table: usize,
        slot: u32,
        object: &Map<String, Value>,
        mode: Mode,
        path: &Path<'_>,
    ) -> Result<Vec<(usize, Vec<Saved>)>, Problem> {
        let resource = &self.definitions.resources[table];
        let mut children = Vec::new();
        for (name, value) in object {
            let (Value::Array(list), None) = (value, resource.field(name)) else {
                continue;
            };
            let Some(position) = resource.relation(name) else {
                continue;
            };
            let relation = &resource.relations[position];
            let key = store.tables[table].row(slot)[relation.parent].clone();
            let child = &self.definitions.resources[relation.resource];
            let mut saved = Vec::with_capacity(list.len());
            for (index, value) in list.iter().enumerate() {
                let object = value.as_object().expect("children are checked to be objects");
                let path = Path {
                    parent: Some(path),
                    resource: &child.name,
                    index,
                };
                saved.push(self.save(
                    store,
                    relation.resource,
                    object,
                    child_mode(mode, child, value),
                    &path,
                    Some((relation.child, key.clone())),
                    None,
                )?);
            }
            children.push((position, saved));
        }
        Ok(children)
    }

    fn refusal(&self, table: usize, path: &Path<'_>, refusal: Refusal) -> Problem {
        let fields = &self.definitions.resources[table].fields;
        match refusal {
            Refusal::Duplicate { field } => self.problems.duplicate(path, &fields[field].name),
            Refusal::NotNull => self.problems.not_null(path),
            Refusal::ForeignKey => self.problems.not_persisted(path),
        }
    }

    fn answer(&self, store: &Store, saved: &[Saved], problems: Option<&[Problem]>) -> Reply {
        let mut body = Vec::with_capacity(512 * (saved.len() + 1));
        body.extend_from_slice(b"{\"data\":");
        let alone = self.id.is_some() && self.whole && self.problems.profile == Profile::Code2026;
        match (alone, saved) {
            (true, [one]) => self.render(store, one, &mut body),
            _ => self.render_list(store, saved, &mut body),
        }
        let usual = if self.mode == Mode::Create { 201 } else { 200 };
        let mut status = usual;
        if let Some(problems) = problems {
            body.extend_from_slice(b",\"errors\":[");
            for (position, problem) in problems.iter().enumerate() {
                if position > 0 {
                    body.push(b',');
                }
                problem.write_in_errors(&mut body);
            }
            body.push(b']');
            if saved.is_empty() {
                status = problems.first().map_or(usual, |problem| problem.status);
            }
        }
        body.push(b'}');
        Reply::json(status, body)
    }

    fn render_list(&self, store: &Store, saved: &[Saved], out: &mut Vec<u8>) {
        out.push(b'[');
        for (position, one) in saved.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            self.render(store, one, out);
        }
        out.push(b']');
    }

    fn render(&self, store: &Store, saved: &Saved, out: &mut Vec<u8>) {
        let resource = &self.definitions.resources[saved.table];
        read::open_row(resource, store.tables[saved.table].row(saved.slot), out);
        for (relation, children) in &saved.children {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(resource.relations[*relation].name.as_bytes());
            out.extend_from_slice(b"\":");
            self.render_list(store, children, out);
        }
        out.push(b'}');
    }
}

/// DELETE by identifier or by filter. Each row is tried by itself.
pub(crate) fn delete(
    store: &mut Store,
    definitions: &Definitions,
    problems: Problems,
    resource: usize,
    id: Option<i64>,
    query: &Query,
) -> Reply {
    let definition = &definitions.resources[resource];
    let nothing = problem::Path {
        parent: None,
        resource: &definition.name,
        index: 0,
    };
    let slots: Vec<u32> = match id {
        Some(id) => store.tables[resource].by_id(id).into_iter().collect(),
        // Without any filter nothing is meant, rather than everything.
        None if query.filters.is_empty() => Vec::new(),
        None => read::matching(store, resource, query),
    };
    if slots.is_empty() {
        return refuse_one(problems.entity_missing(&nothing));
    }
    for (child, field) in &definitions.referenced_by[resource] {
        store.tables[*child].ensure_index(*field);
    }
    let mut found = Vec::new();
    for slot in slots {
        let key = store.tables[resource].row(slot)[definition.id].clone();
        let child = definitions.referenced_by[resource]
            .iter()
            .find(|(child, field)| store.tables[*child].slots(*field, &key).is_some());
        match child {
            Some((child, _)) => found.push(problems.has_children(
                &format!("{}.{}", definition.name, definition.fields[definition.id].name),
                &key.shown(),
                &definitions.resources[*child].table,
            )),
            None => store.delete(resource, slot),
        }
    }
    store.commit(definitions);
    match found.last() {
        Some(last) => refuse(&found, last.status),
        None => Reply::empty(204),
    }
}
