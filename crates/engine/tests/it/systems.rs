//! Two scripted systems: a list to read from and a table to write to.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;
use weir_model::retry::Repeat;
use weir_model::{Error, Kind};
use weir_sdk::connector::*;

fn description(key: &str) -> Description {
    let entity = EntityDescription {
        key: vec![key.to_owned()],
        can_read: true,
        can_lookup: true,
        modes: vec![weir_model::config::WriteMode::Upsert],
        repeat: Repeat::Lookup,
        batch_rows: 100,
        ..EntityDescription::default()
    };
    Description {
        entities: BTreeMap::from([("things".to_owned(), entity)]),
        ..Description::default()
    }
}

pub(crate) fn operations() -> BTreeMap<String, OperationDescription> {
    let operation = |has_effect, repeat| OperationDescription {
        has_effect,
        repeat,
        reads_many: false,
    };
    BTreeMap::from([
        ("price.get".to_owned(), operation(false, Repeat::Safe)),
        ("order.cancel".to_owned(), operation(true, Repeat::Unsafe)),
        ("order.touch".to_owned(), operation(true, Repeat::Safe)),
    ])
}

/// Gives rows in pages of `page`; a row's `updated` (seconds) is its change time.
pub(crate) struct Source {
    pub(crate) rows: Mutex<Vec<Value>>,
    pub(crate) page: usize,
    pub(crate) reads: Mutex<Vec<ReadRequest>>,
    pub(crate) failures: Mutex<VecDeque<Error>>,
    /// The page at this place fails once.
    failing_page: Mutex<Option<u64>>,
    description: Description,
}

impl Source {
    pub(crate) fn new(page: usize, rows: Vec<Value>) -> Self {
        Source {
            rows: Mutex::new(rows),
            page,
            reads: Mutex::default(),
            failures: Mutex::default(),
            failing_page: Mutex::default(),
            description: description("code"),
        }
    }

    pub(crate) fn fail_page(&self, place: u64) {
        *self.failing_page.lock().unwrap() = Some(place);
    }

    /// Replaces the row of this code, or adds it.
    pub(crate) fn put(&self, row: Value) {
        let mut rows = self.rows.lock().unwrap();
        match rows.iter_mut().find(|old| old["code"] == row["code"]) {
            Some(old) => *old = row,
            None => rows.push(row),
        }
    }
}

#[async_trait]
impl Connection for Source {
    fn description(&self) -> &Description {
        &self.description
    }
    async fn check(&self) -> Vec<CheckResult> {
        Vec::new()
    }
    async fn read(&self, request: &ReadRequest, _: &dyn Observer) -> Result<Page, Error> {
        self.reads.lock().unwrap().push(request.clone());
        if let Some(error) = self.failures.lock().unwrap().pop_front() {
            return Err(error);
        }
        let start = request.page.as_ref().and_then(Value::as_u64).unwrap_or(0) as usize;
        if self
            .failing_page
            .lock()
            .unwrap()
            .take_if(|page| *page == start as u64)
            .is_some()
        {
            return Err(Error::new(Kind::Bug, "the page is not JSON"));
        }
        let since = request.since.as_ref().map(|(_, at)| at.as_second());
        let rows = self.rows.lock().unwrap();
        let all: Vec<&Value> = rows
            .iter()
            .filter(|row| since.is_none_or(|since| row["updated"].as_i64().unwrap_or(0) >= since))
            .filter(|row| {
                let code = row["code"].as_str().unwrap_or_default();
                request
                    .keys
                    .as_ref()
                    .is_none_or(|keys| keys.iter().any(|key| key == code))
            })
            .collect();
        let row = |value: &&Value| Row {
            value: (*value).clone(),
            changed_at: value["updated"]
                .as_i64()
                .and_then(|s| jiff::Timestamp::from_second(s).ok()),
        };
        let end = (start + self.page).min(all.len());
        let next = (end < all.len()).then(|| json!(end));
        Ok(Page {
            rows: all[start.min(end)..end].iter().map(row).collect(),
            next,
        })
    }
    async fn lookup(&self, request: &LookupRequest, _: &dyn Observer) -> Result<Vec<Vec<Value>>, Error> {
        let rows = self.rows.lock().unwrap();
        let of = |key: &Value| {
            rows.iter()
                .filter(|row| row[&request.field] == *key)
                .cloned()
                .collect()
        };
        Ok(request.keys.iter().map(of).collect())
    }
    async fn write(&self, _: &WriteRequest, _: &dyn Effects) -> Vec<Outcome> {
        panic!("nobody writes to the source")
    }
}

/// A table by key. Fails as scripted, counts what it is told, and refuses two writes of one key at once.
#[derive(Default)]
pub(crate) struct Target {
    pub(crate) table: Mutex<HashMap<String, Value>>,
    /// Every accepted row, in order.
    pub(crate) log: Mutex<Vec<String>>,
    /// What was in them.
    pub(crate) written: Mutex<Vec<Value>>,
    /// Next answers for a key; an empty list means success.
    pub(crate) failures: Mutex<HashMap<String, VecDeque<Error>>>,
    /// While set, every request fails as unavailable, and so does the check.
    pub(crate) away: AtomicBool,
    /// While set, a write saves its rows and never answers.
    pub(crate) mute: AtomicBool,
    /// Keys that came marked as uncertain.
    pub(crate) uncertain: Mutex<Vec<String>>,
    pub(crate) busy: Mutex<Vec<String>>,
    pub(crate) faults: Mutex<Vec<String>>,
    /// While set, writes wait here.
    pub(crate) held: AtomicBool,
    pub(crate) release: Notify,
    pub(crate) arrived: Notify,
    description: Option<Description>,
}

impl Target {
    pub(crate) fn new() -> Self {
        Target {
            description: Some(Description {
                operations: operations(),
                ..description("code")
            }),
            ..Target::default()
        }
    }

    pub(crate) fn fail(&self, key: &str, errors: impl IntoIterator<Item = Error>) {
        self.failures
            .lock()
            .unwrap()
            .insert(key.to_owned(), errors.into_iter().collect());
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn let_go(&self) {
        self.held.store(false, Ordering::SeqCst);
        self.release.notify_waiters();
    }
}

#[async_trait]
impl Connection for Target {
    fn description(&self) -> &Description {
        self.description.as_ref().unwrap()
    }
    async fn check(&self) -> Vec<CheckResult> {
        let ok = !self.away.load(Ordering::SeqCst);
        vec![CheckResult {
            what: "read things".to_owned(),
            ok,
            message: String::new(),
            duration_ms: 0,
        }]
    }
    async fn read(&self, _: &ReadRequest, _: &dyn Observer) -> Result<Page, Error> {
        panic!("nobody reads from the target")
    }
    async fn lookup(&self, _: &LookupRequest, _: &dyn Observer) -> Result<Vec<Vec<Value>>, Error> {
        Ok(Vec::new())
    }
    async fn write(&self, request: &WriteRequest, effects: &dyn Effects) -> Vec<Outcome> {
        let rows: Vec<usize> = (0..request.rows.len()).collect();
        {
            let mut busy = self.busy.lock().unwrap();
            for row in &request.rows {
                if busy.contains(&row.key) {
                    self.faults
                        .lock()
                        .unwrap()
                        .push(format!("two writes of `{}` at once", row.key));
                }
                busy.push(row.key.clone());
                if row.uncertain {
                    self.uncertain.lock().unwrap().push(row.key.clone());
                }
            }
        }
        effects.intend("upsert things", &rows).await.unwrap();
        self.arrived.notify_one();
        while self.held.load(Ordering::SeqCst) {
            let released = self.release.notified();
            if self.held.load(Ordering::SeqCst) {
                released.await;
            }
        }
        let mut outcomes = Vec::new();
        let mut results = Vec::new();
        for (index, row) in request.rows.iter().enumerate() {
            let scripted = self
                .failures
                .lock()
                .unwrap()
                .get_mut(&row.key)
                .and_then(VecDeque::pop_front);
            let away = self
                .away
                .load(Ordering::SeqCst)
                .then(|| Error::new(Kind::Unavailable, "nobody is there"));
            match scripted.or(away) {
                Some(error) => {
                    results.push((index, Err(error.clone())));
                    outcomes.push(Outcome::Failed(error));
                }
                None => {
                    let created = self
                        .table
                        .lock()
                        .unwrap()
                        .insert(row.key.clone(), row.value.clone())
                        .is_none();
                    self.log.lock().unwrap().push(row.key.clone());
                    self.written.lock().unwrap().push(row.value.clone());
                    results.push((index, Ok(json!({}))));
                    outcomes.push(Outcome::Written(Written {
                        action: if created { Action::Created } else { Action::Updated },
                        ids: BTreeMap::from([("id_thing".to_owned(), json!(row.key.len()))]),
                        warnings: Vec::new(),
                    }));
                }
            }
        }
        if self.mute.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        effects.finish("upsert things", results).await.unwrap();
        self.busy
            .lock()
            .unwrap()
            .retain(|key| !request.rows.iter().any(|row| row.key == *key));
        outcomes
    }
    /// Answers what it was given; fails as scripted for the operation's name.
    async fn call(&self, request: &CallRequest, _: &dyn Observer) -> Result<Value, Error> {
        let name = &request.operation;
        self.log.lock().unwrap().push(format!("{name} {}", request.with));
        if self.mute.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let scripted = self
            .failures
            .lock()
            .unwrap()
            .get_mut(name)
            .and_then(VecDeque::pop_front);
        match scripted {
            Some(error) => Err(error),
            None => Ok(json!({ "of": name })),
        }
    }
}
