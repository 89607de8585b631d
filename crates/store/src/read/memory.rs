//! Deliveries, read sets, links, lookup rows and documents.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;
use weir_model::{Address, Scope};
use weir_sdk::expressions::Want;
use weir_sdk::store::{Delivered, Link};

use crate::apply::want_number;
use crate::column::{json, signed, time, unsigned};
use crate::failure::Fault;
use crate::names::{address_id, route_id, scope_id};

pub(crate) fn delivered(
    connection: &Connection,
    scope: &Scope,
    route: &str,
    keys: &[String],
) -> Result<Vec<Option<Delivered>>, Fault> {
    let Some(route) = route_id(connection, scope, route)? else {
        return Ok(keys.iter().map(|_| None).collect());
    };
    let mut statement = connection.prepare_cached(
        "SELECT version, hash, release, at, filtered, entity FROM delivered WHERE route = ?1 AND key = ?2",
    )?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let mut rows = statement.query(params![route, key])?;
        let delivered = match rows.next()? {
            Some(row) => Some(Delivered {
                version: row.get(0)?,
                hash: row.get(1)?,
                release: unsigned(row, 2)?,
                at: time(row, 3)?,
                filtered: row.get(4)?,
                entity: row.get(5)?,
            }),
            None => None,
        };
        found.push(delivered);
    }
    Ok(found)
}

pub(crate) fn links(
    connection: &Connection,
    scope: &Scope,
    address: &Address,
    keys: &[String],
) -> Result<Vec<Option<Link>>, Fault> {
    let Some(number) = address_id(connection, scope, address)? else {
        return Ok(keys.iter().map(|_| None).collect());
    };
    let mut statement =
        connection.prepare_cached("SELECT key, ids, at FROM links WHERE address = ?1 AND key = ?2")?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let mut rows = statement.query(params![number, key])?;
        let link = rows.next()?.map(|row| link(row, scope, address)).transpose()?;
        found.push(link);
    }
    Ok(found)
}

fn link(row: &Row<'_>, scope: &Scope, address: &Address) -> Result<Link, Fault> {
    Ok(Link {
        scope: scope.clone(),
        address: address.clone(),
        key: row.get(0)?,
        ids: json(row, 1)?,
        at: time(row, 2)?,
    })
}

/// Links whose key or ids contain the text, whatever its case (of ASCII letters); by address and key.
pub(crate) fn links_search(
    connection: &Connection,
    scope: &Scope,
    address: Option<&Address>,
    text: &str,
    limit: usize,
) -> Result<Vec<Link>, Fault> {
    let Some(scope_number) = scope_id(connection, scope)? else {
        return Ok(Vec::new());
    };
    let number = match address {
        None => None,
        Some(address) => match address_id(connection, scope, address)? {
            Some(number) => Some(number),
            None => return Ok(Vec::new()),
        },
    };
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let mut statement = connection.prepare_cached(
        "SELECT links.key, ids, at, connection, entity FROM addresses JOIN links ON links.address = addresses.id
         WHERE addresses.scope = ?1 AND (?2 IS NULL OR addresses.id = ?2)
           AND (links.key LIKE ?3 ESCAPE '\\' OR ids LIKE ?3 ESCAPE '\\')
         ORDER BY addresses.id, links.key LIMIT ?4",
    )?;
    let mut rows = statement.query(params![
        scope_number,
        number,
        format!("%{escaped}%"),
        signed(limit as u64)
    ])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let address = Address {
            connection: row.get(3)?,
            entity: row.get(4)?,
        };
        found.push(link(row, scope, &address)?);
    }
    Ok(found)
}

pub(crate) fn readers(
    connection: &Connection,
    scope: &Scope,
    route: &str,
    wants: &[Want],
) -> Result<Vec<String>, Fault> {
    let Some(route) = route_id(connection, scope, route)? else {
        return Ok(Vec::new());
    };
    let mut statement = connection.prepare_cached("SELECT key FROM reads WHERE route = ?1 AND want = ?2")?;
    let mut keys = std::collections::BTreeSet::new();
    for want in wants {
        for key in statement.query_map(params![route, want_number(want)], |row| row.get::<_, String>(0))? {
            keys.insert(key?);
        }
    }
    Ok(keys.into_iter().collect())
}

pub(crate) fn lookup_rows(
    connection: &Connection,
    scope: &Scope,
    table: &str,
) -> Result<Vec<(String, Value)>, Fault> {
    let Some(scope) = scope_id(connection, scope)? else {
        return Ok(Vec::new());
    };
    let mut statement = connection.prepare_cached(
        "SELECT key, row FROM lookup_rows WHERE scope = ?1 AND \"table\" = ?2 ORDER BY key",
    )?;
    pairs(statement.query(params![scope, table])?)
}

pub(crate) fn document(connection: &Connection, collection: &str, key: &str) -> Result<Option<Value>, Fault> {
    let text: Option<String> = connection
        .prepare_cached("SELECT document FROM documents WHERE collection = ?1 AND key = ?2")?
        .query_row(params![collection, key], |row| row.get(0))
        .optional()?;
    text.map(|text| crate::column::parse(&text)).transpose()
}

pub(crate) fn documents_of(
    connection: &Connection,
    collection: &str,
    keys: &[String],
) -> Result<Vec<Option<Value>>, Fault> {
    keys.iter()
        .map(|key| document(connection, collection, key))
        .collect()
}

pub(crate) fn documents(connection: &Connection, collection: &str) -> Result<Vec<(String, Value)>, Fault> {
    let mut statement = connection
        .prepare_cached("SELECT key, document FROM documents WHERE collection = ?1 ORDER BY key")?;
    pairs(statement.query([collection])?)
}

fn pairs(mut rows: rusqlite::Rows<'_>) -> Result<Vec<(String, Value)>, Fault> {
    let mut pairs = Vec::new();
    while let Some(row) = rows.next()? {
        pairs.push((row.get(0)?, json(row, 1)?));
    }
    Ok(pairs)
}
