//! Lookup rows and links, brought to hand for maps: cached, misses too, fetched in as few requests as possible.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use serde_json::Value;
use weir_model::config::Read;
use weir_model::{Address, Error, Kind, json};
use weir_sdk::Context;
use weir_sdk::connector::{LookupRequest, NoObserver, ReadRequest};
use weir_sdk::expressions::{self, Expression, Known, NoReferences, ReferenceSource, Scope, Want};
use weir_sdk::store::Store;

use crate::configuration::{Configuration, Lookup};

/// Rows fetched on demand are kept up to this much JSON text a table (some six times that in memory); the oldest go first.
const CACHE_BYTES_MAX: usize = 4_000_000;
/// Links kept at hand.
const LINKS_MAX: usize = 10_000;
/// Keys asked for in one request to a connection; the connection splits further where its API takes fewer.
const KEYS_MAX: usize = 500;

pub(crate) struct References {
    configuration: Arc<Configuration>,
    store: Arc<dyn Store>,
    context: Context,
    tables: RwLock<HashMap<String, Table>>,
    links: RwLock<Links>,
}

#[derive(Default)]
struct Table {
    rows: HashMap<String, Row>,
    order: VecDeque<(String, u64)>,
    bytes: usize,
    /// A whole table was read; what is not in it is missing.
    whole: bool,
}

struct Row {
    value: Option<Arc<Value>>,
    bytes: usize,
    at_ms: u64,
}

#[derive(Default)]
struct Links {
    known: HashMap<(Address, String), Option<Arc<Value>>>,
    order: VecDeque<(Address, String)>,
}

impl References {
    pub(crate) fn new(configuration: Arc<Configuration>, store: Arc<dyn Store>, context: Context) -> Self {
        References {
            configuration,
            store,
            context,
            tables: RwLock::default(),
            links: RwLock::default(),
        }
    }

    /// A write gave ids: later questions get them.
    pub(crate) fn put_link(&self, address: &Address, key: &str, ids: &BTreeMap<String, Value>) {
        let ids = Value::Object(ids.iter().map(|(name, id)| (name.clone(), id.clone())).collect());
        self.links_mut()
            .put((address.clone(), key.to_owned()), Some(Arc::new(ids)));
    }

    /// A route kept a row: later questions get it, also where the table was never asked for.
    pub(crate) fn put_row(&self, table: &str, key: &str, row: Option<&Value>) {
        let row = Row::pinned(row.cloned(), self.context.clock.monotonic_ms());
        let mut tables = self.tables_mut();
        tables
            .entry(table.to_owned())
            .or_default()
            .rows
            .insert(key.to_owned(), row);
    }

    /// Reads a refreshed table again; the keys whose rows appeared, changed or went. The new rows are in force when
    /// this returns; who has to be told before they are remembered as known is the caller's business.
    pub(crate) async fn refresh(&self, table: &str) -> Result<Vec<(String, Option<Value>)>, Error> {
        let Some(Lookup::Refreshed { read, key, .. }) = self.configuration.lookups.get(table) else {
            return Ok(Vec::new());
        };
        let rows = self.read_whole(table, read, key.as_ref()).await?;
        let known: HashMap<String, Value> = self
            .store
            .lookup_rows(&self.configuration.scope, table)
            .await?
            .into_iter()
            .collect();
        let mut changed: Vec<(String, Option<Value>)> = Vec::new();
        for (key, row) in &rows {
            if known.get(key).is_none_or(|old| !json::same(old, row)) {
                changed.push((key.clone(), Some(row.clone())));
            }
        }
        changed.extend(
            known
                .into_keys()
                .filter(|key| !rows.contains_key(key))
                .map(|key| (key, None)),
        );
        let now_ms = self.context.clock.monotonic_ms();
        self.tables_mut()
            .insert(table.to_owned(), Table::whole(rows, now_ms));
        Ok(changed)
    }

    async fn read_whole(
        &self,
        table: &str,
        read: &Read,
        key: &dyn Expression,
    ) -> Result<BTreeMap<String, Value>, Error> {
        let connection = self.connection(table, &read.connection)?;
        let mut request = ReadRequest {
            entity: read.entity.clone(),
            filter: read.filter.clone(),
            fields: read.fields.clone(),
            with: read.with.clone(),
            ..ReadRequest::default()
        };
        let mut rows = BTreeMap::new();
        loop {
            let page = connection
                .read(&request, &NoObserver)
                .await
                .map_err(|error| error.with("connection", &read.connection).with("lookup", table))?;
            for row in page.rows {
                let bindings = [("vars", &self.configuration.vars)];
                let scope = Scope {
                    bindings: &bindings,
                    references: &NoReferences,
                    now: self.context.clock.now(),
                };
                for key in keys_of(key.evaluate(&row.value, &scope)?) {
                    rows.insert(key, row.value.clone());
                }
            }
            match page.next {
                Some(next) => request.page = Some(next),
                None => return Ok(rows),
            }
        }
    }

    async fn fetch_rows(&self, table: &str, keys: &[String]) -> Result<(), Error> {
        match self.configuration.lookups.get(table) {
            None => {
                let known = self.configuration.lookups.keys().map(String::as_str);
                let hint =
                    weir_model::did_you_mean(table, known).unwrap_or_else(|| "look into lookups/".to_owned());
                Err(Error::new(
                    Kind::Configuration,
                    format!("there is no lookup `{table}`; {hint}"),
                ))
            }
            Some(Lookup::Rows(_)) => Ok(()),
            Some(Lookup::Kept) => {
                let rows = self.store.lookup_rows(&self.configuration.scope, table).await?;
                let now_ms = self.context.clock.monotonic_ms();
                let mut tables = self.tables_mut();
                let cache = tables.entry(table.to_owned()).or_default();
                cache.whole = true;
                for (key, row) in rows {
                    // A row that a task kept between the question and here is newer.
                    cache
                        .rows
                        .entry(key)
                        .or_insert_with(|| Row::pinned(Some(row), now_ms));
                }
                Ok(())
            }
            Some(Lookup::Refreshed { read, key, .. }) => {
                let rows = self.read_whole(table, read, key.as_ref()).await?;
                let now_ms = self.context.clock.monotonic_ms();
                self.tables_mut()
                    .insert(table.to_owned(), Table::whole(rows, now_ms));
                Ok(())
            }
            Some(Lookup::OnDemand { read, field, .. }) => {
                let connection = self.connection(table, &read.connection)?;
                for keys in keys.chunks(KEYS_MAX) {
                    let request = LookupRequest {
                        entity: read.entity.clone(),
                        field: field.clone(),
                        keys: keys.iter().map(|key| Value::String(key.clone())).collect(),
                        with: read.with.clone(),
                        fresh: true,
                    };
                    let found = connection
                        .lookup(&request, &NoObserver)
                        .await
                        .map_err(|error| error.with("connection", &read.connection).with("lookup", table))?;
                    let now_ms = self.context.clock.monotonic_ms();
                    let mut tables = self.tables_mut();
                    let cache = tables.entry(table.to_owned()).or_default();
                    for (key, rows) in keys.iter().zip(found) {
                        cache.put(key, rows.into_iter().next(), now_ms);
                    }
                }
                Ok(())
            }
        }
    }

    fn connection(&self, table: &str, name: &str) -> Result<Arc<dyn weir_sdk::connector::Connection>, Error> {
        self.configuration.connections.get(name).cloned().ok_or_else(|| {
            Error::new(
                Kind::Configuration,
                format!("the lookup `{table}` reads from `{name}`, and there is no such connection"),
            )
        })
    }

    fn tables_mut(&self) -> RwLockWriteGuard<'_, HashMap<String, Table>> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn links_mut(&self) -> RwLockWriteGuard<'_, Links> {
        self.links.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables(&self) -> RwLockReadGuard<'_, HashMap<String, Table>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl expressions::References for References {
    fn row(&self, table: &str, key: &str) -> Known {
        let lookup = self.configuration.lookups.get(table);
        if let Some(Lookup::Rows(rows)) = lookup {
            return rows
                .get(key)
                .map_or(Known::Missing, |row| Known::Found(Arc::new(row.clone())));
        }
        let tables = self.tables();
        let Some(cache) = tables.get(table) else {
            return Known::Pending;
        };
        match cache.rows.get(key) {
            Some(row) => {
                if let Some(Lookup::OnDemand { cache_ms, .. }) = lookup
                    && self.context.clock.monotonic_ms().saturating_sub(row.at_ms) > *cache_ms
                {
                    return Known::Pending;
                }
                row.value.clone().map_or(Known::Missing, Known::Found)
            }
            None if cache.whole => Known::Missing,
            None => Known::Pending,
        }
    }

    fn link(&self, address: &Address, key: &str) -> Known {
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        match links.known.get(&(address.clone(), key.to_owned())) {
            Some(Some(ids)) => Known::Found(ids.clone()),
            Some(None) => Known::Missing,
            None => Known::Pending,
        }
    }
}

#[async_trait]
impl ReferenceSource for References {
    async fn fetch(&self, wants: &[Want]) -> Result<(), Error> {
        let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut links: BTreeMap<&Address, Vec<String>> = BTreeMap::new();
        for want in wants {
            match want {
                Want::Row { table, key } => rows.entry(table).or_default().push(key.clone()),
                Want::Link { address, key } => links.entry(address).or_default().push(key.clone()),
            }
        }
        for (table, keys) in rows {
            self.fetch_rows(table, &keys).await?;
        }
        for (address, keys) in links {
            let found = self
                .store
                .links(&self.configuration.scope, address, &keys)
                .await?;
            let mut cache = self.links_mut();
            for (key, link) in keys.into_iter().zip(found) {
                let ids = link.map(|link| Arc::new(Value::Object(link.ids.into_iter().collect())));
                // A write that finished between the question and here knows better.
                if !matches!(cache.known.get(&(address.clone(), key.clone())), Some(Some(_))) {
                    cache.put((address.clone(), key), ids);
                }
            }
        }
        Ok(())
    }
}

impl Row {
    /// A row that does not count against the cache and never leaves it for space.
    fn pinned(value: Option<Value>, at_ms: u64) -> Row {
        Row {
            value: value.map(Arc::new),
            bytes: 0,
            at_ms,
        }
    }
}

impl Table {
    /// A table that was read to its end: what is not among the rows is missing.
    fn whole(rows: BTreeMap<String, Value>, now_ms: u64) -> Table {
        let pinned = |(key, row)| (key, Row::pinned(Some(row), now_ms));
        Table {
            rows: rows.into_iter().map(pinned).collect(),
            whole: true,
            ..Table::default()
        }
    }

    fn put(&mut self, key: &str, value: Option<Value>, now_ms: u64) {
        let bytes = value.as_ref().map_or(0, |value| value.to_string().len()) + key.len() + 64;
        if let Some(old) = self.rows.insert(
            key.to_owned(),
            Row {
                value: value.map(Arc::new),
                bytes,
                at_ms: now_ms,
            },
        ) {
            self.bytes -= old.bytes;
        }
        self.bytes += bytes;
        self.order.push_back((key.to_owned(), now_ms));
        while self.bytes > CACHE_BYTES_MAX && self.order.len() > 1 {
            let Some((oldest, at_ms)) = self.order.pop_front() else {
                break;
            };
            if self.rows.get(&oldest).is_some_and(|row| row.at_ms == at_ms)
                && let Some(row) = self.rows.remove(&oldest)
            {
                self.bytes -= row.bytes;
            }
        }
    }
}

impl Links {
    fn put(&mut self, place: (Address, String), ids: Option<Arc<Value>>) {
        if self.known.insert(place.clone(), ids).is_none() {
            self.order.push_back(place);
        }
        while self.known.len() > LINKS_MAX {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.known.remove(&oldest);
        }
    }
}

/// The keys that an expression gave: one, a list, or none. Doubled ones once.
pub(crate) fn keys_of(value: Option<Value>) -> Vec<String> {
    let mut seen = HashSet::new();
    let keys: Vec<String> = match value {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().filter_map(json::key_text).collect(),
        Some(value) => json::key_text(&value).into_iter().collect(),
    };
    keys.into_iter().filter(|key| seen.insert(key.clone())).collect()
}
