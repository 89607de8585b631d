//! GET of the Data Exchange API: pages, filters, includes.

use serde_json::Value;

use super::Profile;
use super::cell::{Cell, write_text};
use super::definition::{Definitions, Kind, Resource};
use super::problem::{Path, Problem, Problems};
use super::store::Store;
use super::table::Row;
use super::write::refuse_one;
use crate::front::Reply;

/// What a query string asks for, with all names resolved.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) page: Option<(usize, usize)>,
    /// Field and the values any of which it may have.
    pub(crate) filters: Vec<(usize, Vec<Cell>)>,
    pub(crate) includes: Vec<Include>,
}

/// A relation to show, and what to show below it.
#[derive(Debug)]
pub(crate) struct Include {
    relation: usize,
    below: Vec<Include>,
}

/// Reads the pairs of a query string.
pub(crate) fn understand(
    definitions: &Definitions,
    problems: Problems,
    resource: usize,
    pairs: &[(String, String)],
) -> Result<Query, Problem> {
    let mut query = Query::default();
    let (mut offset, mut limit) = (None, None);
    for (name, value) in pairs {
        if name == "page[offset]" {
            offset = value.parse().ok();
        } else if name == "page[limit]" {
            limit = value.parse().ok();
        } else if name == "include" {
            for chain in value.split(',').filter(|chain| !chain.is_empty()) {
                let chain: Vec<&str> = chain.split('.').collect();
                include(definitions, problems, resource, &chain, &mut query.includes)?;
            }
        } else if let Some(path) = name
            .strip_prefix("filter[")
            .and_then(|rest| rest.strip_suffix(']'))
        {
            query
                .filters
                .push(filter(definitions, problems, resource, path, value)?);
        }
    }
    // Half a page is no page.
    query.page = offset.zip(limit);
    Ok(query)
}

fn include(
    definitions: &Definitions,
    problems: Problems,
    resource: usize,
    chain: &[&str],
    into: &mut Vec<Include>,
) -> Result<(), Problem> {
    let Some((first, rest)) = chain.split_first() else {
        return Ok(());
    };
    let definition = &definitions.resources[resource];
    let relation = definition
        .relation(first)
        .ok_or_else(|| problems.unknown_relation(first))?;
    let place = match into.iter().position(|have| have.relation == relation) {
        Some(place) => place,
        None => {
            into.push(Include {
                relation,
                below: Vec::new(),
            });
            into.len() - 1
        }
    };
    let child = definition.relations[relation].resource;
    include(definitions, problems, child, rest, &mut into[place].below)
}

fn filter(
    definitions: &Definitions,
    problems: Problems,
    resource: usize,
    path: &str,
    value: &str,
) -> Result<(usize, Vec<Cell>), Problem> {
    let definition = &definitions.resources[resource];
    // Only the part after the dot counts, and the real server fails without a dot.
    let Some((_, name)) = path.split_once('.') else {
        return Err(Problem::new("", 500, "Internal server error"));
    };
    let field = definition
        .field(name)
        .ok_or_else(|| problems.unknown_filter(name, &definition.name))?;
    let kind = definition.fields[field].kind;
    let list = serde_json::from_str::<Value>(value).ok().and_then(|parsed| {
        let object = parsed.as_object()?;
        let (operator, values) = object.iter().next()?;
        (object.len() == 1 && operator.eq_ignore_ascii_case("in")).then(|| values.clone())
    });
    let mut cells = Vec::new();
    match list {
        Some(Value::Array(values)) => {
            for value in values {
                match value {
                    Value::String(text) => candidates(kind, &text, &mut cells),
                    other => candidates(kind, &other.to_string(), &mut cells),
                }
            }
        }
        _ => candidates(kind, value, &mut cells),
    }
    Ok((field, cells))
}

/// What a text in a URL may mean in a column; a configured type can differ from the column's.
fn candidates(kind: Kind, text: &str, into: &mut Vec<Cell>) {
    match kind {
        Kind::Boolean => match text {
            "true" | "1" => into.push(Cell::Bool(true)),
            "false" | "0" => into.push(Cell::Bool(false)),
            _ => {}
        },
        Kind::Integer => {
            if let Ok(number) = text.parse() {
                into.push(Cell::Int(number));
            }
            into.push(Cell::text(text));
        }
        Kind::Text | Kind::Decimal | Kind::Loose => into.push(Cell::text(text)),
    }
}

/// The indexes that a query needs, as table and field.
pub(crate) fn indexes(definitions: &Definitions, resource: usize, query: &Query) -> Vec<(usize, usize)> {
    let mut needed: Vec<(usize, usize)> = query
        .filters
        .iter()
        .map(|(field, _)| (resource, *field))
        .collect();
    children(definitions, resource, &query.includes, &mut needed);
    needed
}

fn children(
    definitions: &Definitions,
    resource: usize,
    includes: &[Include],
    needed: &mut Vec<(usize, usize)>,
) {
    for include in includes {
        let relation = &definitions.resources[resource].relations[include.relation];
        needed.push((relation.resource, relation.child));
        children(definitions, relation.resource, &include.below, needed);
    }
}

/// The slots that pass all filters, in the order of insertion; needs at least one filter.
pub(crate) fn matching(store: &mut Store, resource: usize, query: &Query) -> Vec<u32> {
    for (field, _) in &query.filters {
        store.tables[resource].ensure_index(*field);
    }
    filtered(store, resource, query)
}

fn filtered(store: &Store, resource: usize, query: &Query) -> Vec<u32> {
    let table = &store.tables[resource];
    let lists = |cells: &Vec<Cell>, field: usize| -> Vec<&[u32]> {
        cells.iter().filter_map(|cell| table.slots(field, cell)).collect()
    };
    let best = query
        .filters
        .iter()
        .map(|(field, cells)| lists(cells, *field))
        .enumerate()
        .min_by_key(|(_, lists)| lists.iter().map(|list| list.len()).sum::<usize>());
    let Some((chosen, lists)) = best else {
        return Vec::new();
    };
    let mut slots: Vec<u32> = lists
        .into_iter()
        .flatten()
        .copied()
        .filter(|slot| {
            let row = table.row(*slot);
            query
                .filters
                .iter()
                .enumerate()
                .all(|(position, (field, cells))| position == chosen || cells.contains(&row[*field]))
        })
        .collect();
    slots.sort_unstable();
    slots.dedup();
    slots
}

/// A list. The indexes must be there.
pub(crate) fn list(
    store: &Store,
    definitions: &Definitions,
    resource: usize,
    query: &Query,
    default_limit: usize,
    shuffled: bool,
) -> Reply {
    let (offset, limit) = query.page.unwrap_or((0, default_limit));
    let slots = if query.filters.is_empty() {
        page(store, resource, offset, limit, shuffled)
    } else {
        let all = filtered(store, resource, query);
        all.into_iter().skip(offset).take(limit).collect()
    };
    let mut body = Vec::with_capacity(64 + slots.len() * 256);
    body.extend_from_slice(b"{\"data\":[");
    for (position, slot) in slots.iter().enumerate() {
        if position > 0 {
            body.push(b',');
        }
        let row = store.tables[resource].row(*slot);
        write_row(store, definitions, resource, row, &query.includes, &mut body);
    }
    body.extend_from_slice(b"]}");
    Reply::json(200, body)
}

/// With the switch on, every commit turns the order a little, as a database without ORDER BY may.
fn page(store: &Store, resource: usize, offset: usize, limit: usize, shuffled: bool) -> Vec<u32> {
    let table = &store.tables[resource];
    if !shuffled || table.len() == 0 {
        return table.page(offset, limit);
    }
    let mut slots = table.page(0, table.len());
    let turn = (store.version as usize * 7) % slots.len();
    slots.rotate_left(turn);
    slots.into_iter().skip(offset).take(limit).collect()
}

/// One row by its identifier. The indexes must be there.
pub(crate) fn one(
    store: &Store,
    definitions: &Definitions,
    problems: Problems,
    resource: usize,
    id: Option<i64>,
    query: &Query,
) -> Reply {
    let found = id.and_then(|id| store.tables[resource].by_id(id));
    let Some(slot) = found else {
        return refuse_one(problems.entity_missing(&Path {
            parent: None,
            resource: &definitions.resources[resource].name,
            index: 0,
        }));
    };
    let (open, close): (&[u8], &[u8]) = match problems.profile {
        Profile::Doc2024 => (b"{\"data\":[", b"]}"),
        Profile::Code2026 => (b"{\"data\":", b"}"),
    };
    let mut body = Vec::with_capacity(1024);
    body.extend_from_slice(open);
    let row = store.tables[resource].row(slot);
    write_row(store, definitions, resource, row, &query.includes, &mut body);
    body.extend_from_slice(close);
    Reply::json(200, body)
}

/// The fields of a row, without the closing brace.
pub(crate) fn open_row(resource: &Resource, row: &Row, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    for (field, cell) in resource.fields.iter().zip(row.iter()) {
        if field.hidden {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(&field.prefix);
        cell.write(out);
    }
}

fn write_row(
    store: &Store,
    definitions: &Definitions,
    resource: usize,
    row: &Row,
    includes: &[Include],
    out: &mut Vec<u8>,
) {
    let definition = &definitions.resources[resource];
    open_row(definition, row, out);
    for include in includes {
        let relation = &definition.relations[include.relation];
        out.push(b',');
        write_text(&relation.name, out);
        out.extend_from_slice(b":[");
        let key = &row[relation.parent];
        let slots = match key {
            Cell::Null => None,
            key => store.tables[relation.resource].slots(relation.child, key),
        };
        for (position, slot) in slots.unwrap_or_default().iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            let child = store.tables[relation.resource].row(*slot);
            write_row(store, definitions, relation.resource, child, &include.below, out);
        }
        out.push(b']');
    }
    out.push(b'}');
}
