//! What steps may ask while they run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use weir_model::{Address, Error, TaskId};
use weir_sdk::connector::{Exchange, Written};
use weir_sdk::expressions::{Expression, Job, ReferenceSource, evaluate_all};
use weir_sdk::step::{Batch, Call, Placed, Services, Write};
use weir_sdk::store::{Change, Loaded};

use crate::call;
use crate::kept;
use crate::pipeline;
use crate::shared::Shared;
use crate::start::Start;
use crate::write;

/// One batch's conversation with the engine.
pub(crate) struct Session<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) route: String,
    pub(crate) run: Value,
    pub(crate) now: Timestamp,
    /// A try-out: writes are written down and not sent.
    pub(crate) captures: bool,
    /// What each step makes of an entity is recorded.
    pub(crate) traces: bool,
    /// Where the one item begins, if not at the first step.
    pub(crate) start: Option<Arc<Start>>,
    /// The stored tasks behind the items; empty while a source reads.
    pub(crate) loaded: HashMap<TaskId, Loaded>,
    pub(crate) notes: Mutex<Notes>,
}

/// What is gathered on the way, for the transaction that ends the tasks.
#[derive(Default)]
pub(crate) struct Notes {
    /// Writes confirmed by the target: step, address, key of the link, result.
    pub(crate) written: HashMap<TaskId, Vec<(String, Address, String, Written)>>,
    pub(crate) exchanges: Vec<(Vec<TaskId>, Exchange)>,
    pub(crate) captured: Vec<(TaskId, Write, Value)>,
    /// Operations with an effect, likewise.
    pub(crate) called: Vec<(TaskId, Call, Value)>,
    /// A connection whose whole batch failed for reasons of its own.
    pub(crate) failing: Option<(String, Error)>,
    /// Tasks with a finished effect in their journal.
    pub(crate) has_effect: Vec<TaskId>,
    /// Changes that wait for the next commit of the batch: what a crash would lose of them is looked up.
    pub(crate) due: Vec<Change>,
    /// May a write of unknown outcome be sent again; by task, of the write that failed.
    pub(crate) repeats: HashMap<TaskId, weir_model::retry::Repeat>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(shared: &'a Shared, route: &str, run: String, started_at: Timestamp) -> Self {
        Session {
            shared,
            route: route.to_owned(),
            run: json!({ "id": run, "route": route, "started_at": started_at.to_string() }),
            now: shared.context.clock.now(),
            captures: false,
            traces: false,
            start: None,
            loaded: HashMap::new(),
            notes: Mutex::default(),
        }
    }

    /// Commits what is due, then these.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<(), Error> {
        let due = std::mem::take(&mut self.notes().due);
        let all: Vec<Change> = due.iter().cloned().chain(changes).collect();
        let outcome = self.shared.store.commit(all).await;
        if outcome.is_err() {
            let mut notes = self.notes();
            let later = std::mem::replace(&mut notes.due, due);
            notes.due.extend(later);
        }
        outcome.map(drop)
    }

    pub(crate) fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Services for Session<'_> {
    fn references(&self) -> &dyn ReferenceSource {
        self.shared.references.as_ref()
    }

    fn vars(&self) -> &Value {
        &self.shared.configuration.vars
    }

    fn run(&self) -> &Value {
        &self.run
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    async fn evaluate(
        &self,
        expression: &dyn Expression,
        batch: &mut Batch,
    ) -> Vec<Option<Result<Option<Value>, Error>>> {
        let tasks: Vec<Value> = batch
            .items
            .iter()
            .map(|item| json!({ "id": item.task.to_string(), "key": item.key, "attempt": item.attempt }))
            .collect();
        let going: Vec<usize> = (0..batch.items.len())
            .filter(|i| batch.items[*i].is_going())
            .collect();
        let jobs: Vec<Job<'_>> = going
            .iter()
            .map(|i| {
                let item = &batch.items[*i];
                let bindings = vec![
                    ("vars", &self.shared.configuration.vars),
                    ("source", item.source.as_ref()),
                    ("steps", &item.steps),
                    ("run", &self.run),
                    ("task", &tasks[*i]),
                ];
                Job {
                    input: &item.value,
                    bindings,
                }
            })
            .collect();
        let evaluated = evaluate_all(expression, &jobs, self.shared.references.as_ref(), self.now).await;
        drop(jobs);
        let mut results: Vec<Option<Result<Option<Value>, Error>>> =
            batch.items.iter().map(|_| None).collect();
        for (i, evaluated) in going.into_iter().zip(evaluated) {
            results[i] = Some(evaluated.map(|(value, reads)| {
                batch.items[i].add_reads(reads);
                value
            }));
        }
        results
    }

    async fn steps(&self, steps: &[Placed], batch: &mut Batch) {
        pipeline::run(steps, batch, self).await;
    }

    async fn delivered_hashes(&self, keys: &[&str]) -> Result<Vec<Option<[u8; 16]>>, Error> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let delivered = self
            .shared
            .store
            .delivered(&self.shared.configuration.scope, &self.route, &keys)
            .await?;
        // A key that a filter skipped since is no longer as it was delivered.
        Ok(delivered
            .into_iter()
            .map(|d| d.filter(|d| !d.filtered).and_then(|d| d.hash))
            .collect())
    }

    async fn claim(&self, step: &str, marks: &[Option<String>], batch: &mut Batch) -> Result<(), Error> {
        kept::claim(self, step, marks, batch).await
    }

    async fn call(&self, call: &Call, with: Vec<Value>, batch: &mut Batch) -> Vec<Option<Value>> {
        call::call(self, call, with, batch).await
    }

    async fn write(&self, write: &Write, batch: &mut Batch) {
        if self.captures {
            let mut notes = self.notes();
            for item in batch.items.iter().filter(|item| item.is_going()) {
                notes
                    .captured
                    .push((item.task, write.clone(), item.value.clone()));
            }
        } else {
            write::write(self, write, batch).await;
        }
    }
}
