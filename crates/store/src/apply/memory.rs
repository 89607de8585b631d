//! Changes of what is remembered: deliveries and their read sets, links, lookup rows, documents.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};
use serde_json::Value;
use weir_model::Scope;
use weir_sdk::expressions::Want;
use weir_sdk::store::{Delivered, Link};

use super::Desk;
use crate::column::{signed, text};
use crate::failure::Fault;

/// Versions of a key only go up: an older delivery is ignored, read set and all.
pub(super) fn put_delivered(
    desk: &mut Desk<'_>,
    scope: &Scope,
    route: &str,
    key: &str,
    delivered: &Delivered,
    reads: Option<&[Want]>,
) -> Result<(), Fault> {
    let (_, route) = desk.names.route(desk.connection, scope, route)?;
    let stored: Option<(i64, i64)> = desk
        .connection
        .prepare_cached("SELECT id, version FROM delivered WHERE route = ?1 AND key = ?2")?
        .query_row(params![route, key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (version, release) = (delivered.version, signed(delivered.release));
    let at = delivered.at.as_millisecond();
    match stored {
        Some((_, stored)) if stored > version => return Ok(()),
        // A filter dropped the key: what was delivered before is still what the other side has.
        Some((id, _)) if delivered.filtered && delivered.entity.is_none() => {
            desk.connection
                .prepare_cached(
                    "UPDATE delivered SET version = ?2, release = ?3, at = ?4, filtered = 1 WHERE id = ?1",
                )?
                .execute(params![id, version, release, at])?;
        }
        Some((id, _)) => {
            desk.connection
                .prepare_cached(
                    "UPDATE delivered SET version = ?2, release = ?3, at = ?4, filtered = ?5, hash = ?6, entity = ?7
                     WHERE id = ?1",
                )?
                .execute(params![
                    id,
                    version,
                    release,
                    at,
                    delivered.filtered,
                    delivered.hash,
                    delivered.entity
                ])?;
        }
        None => {
            desk.connection
                .prepare_cached(
                    "INSERT INTO delivered (route, key, version, release, at, filtered, hash, entity)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    route,
                    key,
                    version,
                    release,
                    at,
                    delivered.filtered,
                    delivered.hash,
                    delivered.entity
                ])?;
        }
    }
    match reads {
        Some(reads) => put_reads(desk, route, key, reads),
        None => Ok(()),
    }
}

/// Most deliveries read what the last one read: only the difference is written.
fn put_reads(desk: &Desk<'_>, route: i64, key: &str, reads: &[Want]) -> Result<(), Fault> {
    let new: BTreeSet<i64> = reads.iter().map(want_number).collect();
    let old: BTreeSet<i64> = desk
        .connection
        .prepare_cached("SELECT want FROM reads WHERE route = ?1 AND key = ?2")?
        .query_map(params![route, key], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut statement = desk
        .connection
        .prepare_cached("DELETE FROM reads WHERE route = ?1 AND want = ?2 AND key = ?3")?;
    for want in old.difference(&new) {
        statement.execute(params![route, want, key])?;
    }
    let mut statement = desk
        .connection
        .prepare_cached("INSERT INTO reads (route, want, key) VALUES (?1, ?2, ?3)")?;
    for want in new.difference(&old) {
        statement.execute(params![route, want, key])?;
    }
    Ok(())
}

/// The first eight bytes of a hash over the parts, each closed by a zero byte.
pub(crate) fn want_number(want: &Want) -> i64 {
    let mut hasher = blake3::Hasher::new();
    let parts = match want {
        Want::Row { table, key } => ["row", table, "", key],
        Want::Link { address, key } => ["link", &address.connection, &address.entity, key],
    };
    for part in parts {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    let mut short = [0; 8];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    i64::from_le_bytes(short)
}

pub(super) fn put_link(desk: &mut Desk<'_>, link: &Link) -> Result<(), Fault> {
    let address = desk.names.address(desk.connection, &link.scope, &link.address)?;
    desk.connection
        .prepare_cached(
            "INSERT INTO links (address, key, ids, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET ids = excluded.ids, at = excluded.at",
        )?
        .execute(params![
            address,
            link.key,
            text(&link.ids)?,
            link.at.as_millisecond()
        ])?;
    Ok(())
}

pub(super) fn put_lookup_row(
    desk: &mut Desk<'_>,
    scope: &Scope,
    table: &str,
    key: &str,
    row: Option<&Value>,
) -> Result<(), Fault> {
    let scope = desk.names.scope(desk.connection, scope)?;
    match row {
        Some(row) => desk
            .connection
            .prepare_cached(
                "INSERT INTO lookup_rows (scope, \"table\", key, row) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET row = excluded.row",
            )?
            .execute(params![scope, table, key, text(row)?])?,
        None => desk
            .connection
            .prepare_cached("DELETE FROM lookup_rows WHERE scope = ?1 AND \"table\" = ?2 AND key = ?3")?
            .execute(params![scope, table, key])?,
    };
    Ok(())
}

pub(super) fn put_document(
    desk: &Desk<'_>,
    collection: &str,
    key: &str,
    document: Option<&Value>,
) -> Result<(), Fault> {
    match document {
        Some(document) => desk
            .connection
            .prepare_cached(
                "INSERT INTO documents (collection, key, document) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET document = excluded.document",
            )?
            .execute(params![collection, key, text(document)?])?,
        None => desk
            .connection
            .prepare_cached("DELETE FROM documents WHERE collection = ?1 AND key = ?2")?
            .execute(params![collection, key])?,
    };
    Ok(())
}
