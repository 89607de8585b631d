//! The store as a process sees it: slow, sometimes unable to write, and a place to die before or after a commit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use weir_model::cursor::Cursor;
use weir_model::task::State;
use weir_model::{Address, Error, Kind, RunId, Scope, TaskId};
use weir_sdk::expressions::Want;
use weir_sdk::store::{
    Change, Delivered, Link, LiveTask, Loaded, Release, Retention, Run, Store, TaskDetail, TaskPage,
    TaskQuery,
};

use super::judge;
use super::stage::Stage;

pub(super) struct Disk {
    stage: Arc<Stage>,
    /// When the last commit on its way is applied: later ones never overtake it, as with one writer.
    last_ms: Mutex<u64>,
}

impl Disk {
    pub(super) fn new(stage: &Arc<Stage>) -> Self {
        Disk {
            stage: stage.clone(),
            last_ms: Mutex::new(0),
        }
    }

    fn is_down(&self) -> bool {
        let world = &self.stage.world;
        world.weather().store_down_until_ms > world.now_ms()
    }

    /// Waits for this commit's turn.
    async fn queue(&self) {
        let world = &self.stage.world;
        let (wait_ms, now_ms) = (world.weather().store_ms, world.now_ms());
        let until_ms = {
            let mut last_ms = self.last_ms.lock().unwrap_or_else(PoisonError::into_inner);
            let until_ms = (now_ms + world.chance().between(0, wait_ms)).max(*last_ms);
            *last_ms = until_ms;
            until_ms
        };
        world.sleep(until_ms - now_ms).await;
    }

    async fn before_read(&self) -> Result<(), Error> {
        let world = &self.stage.world;
        world.call("before a look into the store").await;
        let wait_ms = world.weather().store_ms;
        if world.chance().percent(50) {
            world.linger(wait_ms / 2).await;
        }
        if self.is_down() && world.chance().percent(20) {
            return Err(Error::new(Kind::Unavailable, "the store cannot be read"));
        }
        Ok(())
    }

    async fn after_read(&self) {
        let world = &self.stage.world;
        let wait_ms = world.weather().store_ms;
        if world.chance().percent(50) {
            world.linger(wait_ms / 2).await;
        }
        world.call("after a look into the store").await;
    }
}

/// A look into the store between two moments at which anything may happen.
macro_rules! look {
    ($self:ident . $method:ident ( $($argument:expr),* )) => {{
        $self.before_read().await?;
        let answer = $self.stage.store.$method($($argument),*).await;
        $self.after_read().await;
        answer
    }};
}

#[async_trait]
impl Store for Disk {
    async fn commit(&self, changes: Vec<Change>) -> Result<Vec<i64>, Error> {
        let world = &self.stage.world;
        world.call("before a commit").await;
        self.queue().await;
        if self.is_down() {
            world.tell(|| "commit    the store cannot write".to_owned());
            world.sleep(5).await;
            return Err(Error::new(Kind::Unavailable, "the disk is full"));
        }
        world.call("at a commit").await;
        let kept = changes.clone();
        let answer = self.stage.store.commit(changes).await;
        world.tell(|| {
            let what = kept.iter().filter_map(|change| judge::words(&self.stage, change));
            let what: Vec<String> = what.collect();
            match &answer {
                Ok(_) => format!("commit    {}", what.join("; ")),
                Err(error) => format!("refused   {}: {error}", what.join("; ")),
            }
        });
        if answer.is_ok() {
            judge::committed(&self.stage, &kept);
        }
        let wait_ms = world.weather().store_ms;
        world.linger(wait_ms / 4).await;
        world.call("after a commit").await;
        answer
    }

    async fn release(&self, scope: &Scope, number: Option<u64>) -> Result<Option<Release>, Error> {
        look!(self.release(scope, number))
    }
    async fn runs(&self, scope: &Scope, route: Option<&str>, limit: usize) -> Result<Vec<Run>, Error> {
        look!(self.runs(scope, route, limit))
    }
    async fn cursor(&self, scope: &Scope, route: &str, read: u32) -> Result<Option<Cursor>, Error> {
        look!(self.cursor(scope, route, read))
    }
    async fn snapshot(
        &self,
        scope: &Scope,
        route: &str,
        read: u32,
        keys: &[String],
    ) -> Result<Vec<Option<[u8; 16]>>, Error> {
        look!(self.snapshot(scope, route, read, keys))
    }
    async fn live(&self, scope: &Scope, after: i64, limit: usize) -> Result<Vec<LiveTask>, Error> {
        look!(self.live(scope, after, limit))
    }
    async fn load(&self, tasks: &[TaskId]) -> Result<Vec<Loaded>, Error> {
        look!(self.load(tasks))
    }
    async fn tasks(&self, query: &TaskQuery) -> Result<TaskPage, Error> {
        look!(self.tasks(query))
    }
    async fn details(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskDetail>>, Error> {
        look!(self.details(ids))
    }
    async fn counts(&self, scope: &Scope) -> Result<BTreeMap<String, BTreeMap<State, u64>>, Error> {
        look!(self.counts(scope))
    }
    async fn run_counts(&self, run: &RunId) -> Result<BTreeMap<State, u64>, Error> {
        look!(self.run_counts(run))
    }
    async fn delivered(
        &self,
        scope: &Scope,
        route: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Delivered>>, Error> {
        look!(self.delivered(scope, route, keys))
    }
    async fn links(
        &self,
        scope: &Scope,
        address: &Address,
        keys: &[String],
    ) -> Result<Vec<Option<Link>>, Error> {
        look!(self.links(scope, address, keys))
    }
    async fn links_search(
        &self,
        scope: &Scope,
        address: Option<&Address>,
        text: &str,
        limit: usize,
    ) -> Result<Vec<Link>, Error> {
        look!(self.links_search(scope, address, text, limit))
    }
    async fn readers(&self, scope: &Scope, route: &str, wants: &[Want]) -> Result<Vec<String>, Error> {
        look!(self.readers(scope, route, wants))
    }
    async fn lookup_rows(&self, scope: &Scope, table: &str) -> Result<Vec<(String, Value)>, Error> {
        look!(self.lookup_rows(scope, table))
    }
    async fn document(&self, collection: &str, key: &str) -> Result<Option<Value>, Error> {
        look!(self.document(collection, key))
    }
    async fn documents_of(&self, collection: &str, keys: &[String]) -> Result<Vec<Option<Value>>, Error> {
        look!(self.documents_of(collection, keys))
    }
    async fn documents(&self, collection: &str) -> Result<Vec<(String, Value)>, Error> {
        look!(self.documents(collection))
    }
    async fn tidy(&self, now: Timestamp, retention: &Retention) -> Result<u64, Error> {
        self.stage.store.tidy(now, retention).await
    }
    async fn health(&self) -> Result<BTreeMap<String, Value>, Error> {
        self.stage.store.health().await
    }
}
