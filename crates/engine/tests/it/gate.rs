//! A store that can be made to wait with its commits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;
use weir_model::cursor::Cursor;
use weir_model::task::State;
use weir_model::{Address, Error, RunId, Scope, TaskId};
use weir_sdk::expressions::Want;
use weir_sdk::store::*;

/// Hands everything on to the store behind it. Shut, it lets commits be stored and keeps the answer, as if whoever asked
/// went away in that moment.
pub(crate) struct Gate {
    inner: Arc<dyn Store>,
    is_open: watch::Sender<bool>,
    /// Commits that are stored and wait for their answer.
    waiting: watch::Sender<usize>,
    /// Commits that are still answered.
    passes: AtomicUsize,
}

impl Gate {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Gate {
            inner,
            is_open: watch::Sender::new(true),
            waiting: watch::Sender::new(0),
            passes: AtomicUsize::new(0),
        }
    }

    /// After so many further commits.
    pub(crate) fn shut(&self, passes: usize) {
        self.passes.store(passes, Ordering::SeqCst);
        self.is_open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Returns when so many commits are kept waiting.
    pub(crate) async fn waiting(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|now| *now >= count).await.unwrap();
    }

    async fn hold(&self) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let mut is_open = self.is_open.subscribe();
        is_open.wait_for(|is_open| *is_open).await.unwrap();
        self.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

type Answer<T> = Result<T, Error>;

#[async_trait]
impl Store for Gate {
    async fn commit(&self, changes: Vec<Change>) -> Answer<Vec<i64>> {
        let answer = self.inner.commit(changes).await;
        let is_open = *self.is_open.borrow();
        let passes = || {
            self.passes
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |passes| passes.checked_sub(1))
                .is_ok()
        };
        if !is_open && !passes() {
            self.hold().await;
        }
        answer
    }
    async fn release(&self, scope: &Scope, number: Option<u64>) -> Answer<Option<Release>> {
        self.inner.release(scope, number).await
    }
    async fn runs(&self, scope: &Scope, route: Option<&str>, limit: usize) -> Answer<Vec<Run>> {
        self.inner.runs(scope, route, limit).await
    }
    async fn cursor(&self, scope: &Scope, route: &str, read: u32) -> Answer<Option<Cursor>> {
        self.inner.cursor(scope, route, read).await
    }
    async fn snapshot(
        &self,
        scope: &Scope,
        route: &str,
        read: u32,
        keys: &[String],
    ) -> Answer<Vec<Option<[u8; 16]>>> {
        self.inner.snapshot(scope, route, read, keys).await
    }
    async fn live(&self, scope: &Scope, after: i64, limit: usize) -> Answer<Vec<LiveTask>> {
        self.inner.live(scope, after, limit).await
    }
    async fn load(&self, tasks: &[TaskId]) -> Answer<Vec<Loaded>> {
        self.inner.load(tasks).await
    }
    async fn tasks(&self, query: &TaskQuery) -> Answer<TaskPage> {
        self.inner.tasks(query).await
    }
    async fn details(&self, ids: &[TaskId]) -> Answer<Vec<Option<TaskDetail>>> {
        self.inner.details(ids).await
    }
    async fn counts(&self, scope: &Scope) -> Answer<BTreeMap<String, BTreeMap<State, u64>>> {
        self.inner.counts(scope).await
    }
    async fn run_counts(&self, run: &RunId) -> Answer<BTreeMap<State, u64>> {
        self.inner.run_counts(run).await
    }
    async fn delivered(&self, scope: &Scope, route: &str, keys: &[String]) -> Answer<Vec<Option<Delivered>>> {
        self.inner.delivered(scope, route, keys).await
    }
    async fn links(&self, scope: &Scope, address: &Address, keys: &[String]) -> Answer<Vec<Option<Link>>> {
        self.inner.links(scope, address, keys).await
    }
    async fn links_search(
        &self,
        scope: &Scope,
        address: Option<&Address>,
        text: &str,
        limit: usize,
    ) -> Answer<Vec<Link>> {
        self.inner.links_search(scope, address, text, limit).await
    }
    async fn readers(&self, scope: &Scope, route: &str, wants: &[Want]) -> Answer<Vec<String>> {
        self.inner.readers(scope, route, wants).await
    }
    async fn lookup_rows(&self, scope: &Scope, table: &str) -> Answer<Vec<(String, Value)>> {
        self.inner.lookup_rows(scope, table).await
    }
    async fn document(&self, collection: &str, key: &str) -> Answer<Option<Value>> {
        self.inner.document(collection, key).await
    }
    async fn documents(&self, collection: &str) -> Answer<Vec<(String, Value)>> {
        self.inner.documents(collection).await
    }
    async fn documents_of(&self, collection: &str, keys: &[String]) -> Answer<Vec<Option<Value>>> {
        self.inner.documents_of(collection, keys).await
    }
    async fn tidy(&self, now: jiff::Timestamp, retention: &Retention) -> Answer<u64> {
        self.inner.tidy(now, retention).await
    }
    async fn health(&self) -> Answer<BTreeMap<String, Value>> {
        self.inner.health().await
    }
}
