//! The store's contract in memory, for the simulation: SQLite's writer thread would bring an order of its own into a
//! world that has to replay. It passes the conformance suite of `weir-store`.

mod change;
mod remembered;
mod search;
mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use weir_model::cursor::Cursor;
use weir_model::task::State;
use weir_model::{Address, Error, RunId, Scope, TaskId};
use weir_sdk::expressions::Want;
use weir_sdk::store::{
    Change, Delivered, Link, LiveTask, Loaded, Release, Retention, Run, Store, TaskDetail, TaskPage,
    TaskQuery,
};

pub(crate) use task::Row;

/// Scope and route.
type Place = (Scope, String);

/// Everything that is stored. Only maps, so that one way of taking a change back serves all of them.
#[derive(Default)]
pub(crate) struct Tables {
    numbers: BTreeMap<&'static str, i64>,
    pub(crate) releases: BTreeMap<(Scope, u64), Release>,
    pub(crate) runs: BTreeMap<RunId, Run>,
    pub(crate) cursors: BTreeMap<(Place, u32), Cursor>,
    snapshots: BTreeMap<(Place, u32, String), [u8; 16]>,
    /// By sequence; live and finished.
    pub(crate) tasks: BTreeMap<i64, Row>,
    pub(crate) by_id: BTreeMap<TaskId, i64>,
    route_counts: BTreeMap<(Place, State), i64>,
    run_counts: BTreeMap<(RunId, State), i64>,
    pub(crate) delivered: BTreeMap<(Place, String), Delivered>,
    reads: BTreeMap<(Place, String), BTreeSet<Want>>,
    addresses: BTreeMap<(Scope, Address), i64>,
    pub(crate) links: BTreeMap<(i64, String), Link>,
    lookup_rows: BTreeMap<(Scope, String, String), Value>,
    documents: BTreeMap<(String, String), Value>,
}

/// A store that forgets everything when it is dropped; what is told to it is there at once.
#[derive(Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
}

impl MemoryStore {
    pub(crate) fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// The live and finished task of this id.
    pub(crate) fn task(&self, id: &TaskId) -> Option<&Row> {
        self.by_id.get(id).and_then(|sequence| self.tasks.get(sequence))
    }
}

fn place(scope: &Scope, route: &str) -> Place {
    (scope.clone(), route.to_owned())
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<i64>, Error> {
        change::commit(&mut self.tables(), changes)
    }

    async fn release(&self, scope: &Scope, number: Option<u64>) -> Result<Option<Release>, Error> {
        let tables = self.tables();
        let of_scope = tables.releases.iter().filter(|((of, _), _)| of == scope);
        let mut found = of_scope.filter(|((_, n), _)| number.is_none_or(|number| number == *n));
        Ok(found.next_back().map(|(_, release)| release.clone()))
    }

    async fn runs(&self, scope: &Scope, route: Option<&str>, limit: usize) -> Result<Vec<Run>, Error> {
        let tables = self.tables();
        let mut runs: Vec<&Run> = tables
            .runs
            .values()
            .filter(|run| run.scope == *scope && route.is_none_or(|route| route == run.route))
            .collect();
        runs.sort_by_key(|run| std::cmp::Reverse((run.started_at, run.id)));
        Ok(runs.into_iter().take(limit).cloned().collect())
    }

    async fn cursor(&self, scope: &Scope, route: &str, read: u32) -> Result<Option<Cursor>, Error> {
        Ok(self.tables().cursors.get(&(place(scope, route), read)).cloned())
    }

    async fn snapshot(
        &self,
        scope: &Scope,
        route: &str,
        read: u32,
        keys: &[String],
    ) -> Result<Vec<Option<[u8; 16]>>, Error> {
        let tables = self.tables();
        let of = |key: &String| {
            let snapshot = (place(scope, route), read, key.clone());
            tables.snapshots.get(&snapshot).copied()
        };
        Ok(keys.iter().map(of).collect())
    }

    async fn live(&self, scope: &Scope, after: i64, limit: usize) -> Result<Vec<LiveTask>, Error> {
        let tables = self.tables();
        let behind = tables.tasks.range(after.saturating_add(1)..);
        Ok(behind
            .filter(|(_, row)| row.is_live() && row.scope == *scope)
            .take(limit)
            .map(|(_, row)| row.live_task())
            .collect())
    }

    async fn load(&self, tasks: &[TaskId]) -> Result<Vec<Loaded>, Error> {
        let tables = self.tables();
        let found = tasks.iter().filter_map(|id| tables.task(id));
        Ok(found.filter(|row| row.is_live()).map(Row::loaded).collect())
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<TaskPage, Error> {
        search::tasks(&self.tables(), query)
    }

    async fn details(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskDetail>>, Error> {
        let tables = self.tables();
        Ok(ids.iter().map(|id| tables.task(id).map(Row::detail)).collect())
    }

    async fn counts(&self, scope: &Scope) -> Result<BTreeMap<String, BTreeMap<State, u64>>, Error> {
        let mut counts: BTreeMap<String, BTreeMap<State, u64>> = BTreeMap::new();
        for (((of, route), state), count) in &self.tables().route_counts {
            if of == scope && *count > 0 {
                counts
                    .entry(route.clone())
                    .or_default()
                    .insert(*state, count.unsigned_abs());
            }
        }
        Ok(counts)
    }

    async fn run_counts(&self, run: &RunId) -> Result<BTreeMap<State, u64>, Error> {
        let tables = self.tables();
        let of_run = tables.run_counts.iter().filter(|((of, _), _)| of == run);
        Ok(of_run
            .filter(|(_, count)| **count > 0)
            .map(|((_, state), count)| (*state, count.unsigned_abs()))
            .collect())
    }

    async fn delivered(
        &self,
        scope: &Scope,
        route: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Delivered>>, Error> {
        let tables = self.tables();
        let of = |key: &String| tables.delivered.get(&(place(scope, route), key.clone())).cloned();
        Ok(keys.iter().map(of).collect())
    }

    async fn links(
        &self,
        scope: &Scope,
        address: &Address,
        keys: &[String],
    ) -> Result<Vec<Option<Link>>, Error> {
        let tables = self.tables();
        let number = tables.addresses.get(&(scope.clone(), address.clone())).copied();
        let of = |key: &String| number.and_then(|number| tables.links.get(&(number, key.clone())).cloned());
        Ok(keys.iter().map(of).collect())
    }

    async fn links_search(
        &self,
        scope: &Scope,
        address: Option<&Address>,
        text: &str,
        limit: usize,
    ) -> Result<Vec<Link>, Error> {
        Ok(remembered::links_search(
            &self.tables(),
            scope,
            address,
            text,
            limit,
        ))
    }

    async fn readers(&self, scope: &Scope, route: &str, wants: &[Want]) -> Result<Vec<String>, Error> {
        let of = place(scope, route);
        let tables = self.tables();
        let readers = tables
            .reads
            .iter()
            .filter(|((place, _), reads)| *place == of && wants.iter().any(|want| reads.contains(want)));
        Ok(readers.map(|((_, key), _)| key.clone()).collect())
    }

    async fn lookup_rows(&self, scope: &Scope, table: &str) -> Result<Vec<(String, Value)>, Error> {
        let tables = self.tables();
        let rows = tables.lookup_rows.iter();
        Ok(rows
            .filter(|((of, name, _), _)| of == scope && name == table)
            .map(|((_, _, key), row)| (key.clone(), row.clone()))
            .collect())
    }

    async fn document(&self, collection: &str, key: &str) -> Result<Option<Value>, Error> {
        let place = (collection.to_owned(), key.to_owned());
        Ok(self.tables().documents.get(&place).cloned())
    }

    async fn documents_of(&self, collection: &str, keys: &[String]) -> Result<Vec<Option<Value>>, Error> {
        let tables = self.tables();
        let of = |key: &String| {
            tables
                .documents
                .get(&(collection.to_owned(), key.clone()))
                .cloned()
        };
        Ok(keys.iter().map(of).collect())
    }

    async fn documents(&self, collection: &str) -> Result<Vec<(String, Value)>, Error> {
        let tables = self.tables();
        let of_collection = tables.documents.iter().filter(|((of, _), _)| of == collection);
        Ok(of_collection
            .map(|((_, key), document)| (key.clone(), document.clone()))
            .collect())
    }

    async fn tidy(&self, now: Timestamp, retention: &Retention) -> Result<u64, Error> {
        Ok(task::tidy(&mut self.tables(), now, retention))
    }

    async fn health(&self) -> Result<BTreeMap<String, Value>, Error> {
        Ok(BTreeMap::new())
    }
}
