//! Interned names: scopes, routes and addresses as small numbers. The writer keeps what it has seen; readers ask.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use weir_model::{Address, Scope};

use crate::failure::Fault;

/// The writer's memory. To be cleared whenever something is rolled back: a number may have gone with it.
#[derive(Default)]
pub(crate) struct Names {
    scopes: HashMap<Scope, i64>,
    routes: HashMap<i64, HashMap<String, i64>>,
    addresses: HashMap<i64, HashMap<Address, i64>>,
}

impl Names {
    pub(crate) fn clear(&mut self) {
        *self = Names::default();
    }

    pub(crate) fn scope(&mut self, connection: &Connection, scope: &Scope) -> Result<i64, Fault> {
        if let Some(id) = self.scopes.get(scope) {
            return Ok(*id);
        }
        connection
            .prepare_cached(
                "INSERT INTO scopes (project, environment) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            )?
            .execute(params![scope.project, scope.environment])?;
        let id = scope_id(connection, scope)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        self.scopes.insert(scope.clone(), id);
        Ok(id)
    }

    /// The numbers of the scope and the route.
    pub(crate) fn route(
        &mut self,
        connection: &Connection,
        scope: &Scope,
        route: &str,
    ) -> Result<(i64, i64), Fault> {
        let scope = self.scope(connection, scope)?;
        let routes = self.routes.entry(scope).or_default();
        if let Some(id) = routes.get(route) {
            return Ok((scope, *id));
        }
        connection
            .prepare_cached("INSERT INTO routes (scope, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(params![scope, route])?;
        let id: i64 = connection
            .prepare_cached("SELECT id FROM routes WHERE scope = ?1 AND name = ?2")?
            .query_row(params![scope, route], |row| row.get(0))?;
        routes.insert(route.to_owned(), id);
        Ok((scope, id))
    }

    pub(crate) fn address(
        &mut self,
        connection: &Connection,
        scope: &Scope,
        address: &Address,
    ) -> Result<i64, Fault> {
        let scope = self.scope(connection, scope)?;
        let addresses = self.addresses.entry(scope).or_default();
        if let Some(id) = addresses.get(address) {
            return Ok(*id);
        }
        connection
            .prepare_cached(
                "INSERT INTO addresses (scope, connection, entity) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )?
            .execute(params![scope, address.connection, address.entity])?;
        let id: i64 = connection
            .prepare_cached("SELECT id FROM addresses WHERE scope = ?1 AND connection = ?2 AND entity = ?3")?
            .query_row(params![scope, address.connection, address.entity], |row| {
                row.get(0)
            })?;
        addresses.insert(address.clone(), id);
        Ok(id)
    }
}

pub(crate) fn scope_id(connection: &Connection, scope: &Scope) -> Result<Option<i64>, Fault> {
    let id = connection
        .prepare_cached("SELECT id FROM scopes WHERE project = ?1 AND environment = ?2")?
        .query_row(params![scope.project, scope.environment], |row| row.get(0))
        .optional()?;
    Ok(id)
}

/// `None`: nothing was ever stored of this route.
pub(crate) fn route_id(connection: &Connection, scope: &Scope, route: &str) -> Result<Option<i64>, Fault> {
    let id = connection
        .prepare_cached(
            "SELECT routes.id FROM routes JOIN scopes ON scopes.id = routes.scope
             WHERE project = ?1 AND environment = ?2 AND name = ?3",
        )?
        .query_row(params![scope.project, scope.environment, route], |row| row.get(0))
        .optional()?;
    Ok(id)
}

pub(crate) fn address_id(
    connection: &Connection,
    scope: &Scope,
    address: &Address,
) -> Result<Option<i64>, Fault> {
    let id = connection
        .prepare_cached(
            "SELECT addresses.id FROM addresses JOIN scopes ON scopes.id = addresses.scope
             WHERE project = ?1 AND environment = ?2 AND connection = ?3 AND entity = ?4",
        )?
        .query_row(
            params![
                scope.project,
                scope.environment,
                address.connection,
                address.entity
            ],
            |row| row.get(0),
        )
        .optional()?;
    Ok(id)
}
