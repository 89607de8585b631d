//! Connections to simulators, and a journal that remembers what it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_connectors::{Source, load, shipped};
use weir_model::config::WriteMode;
use weir_model::{Error, TaskId};
use weir_sdk::Context;
use weir_sdk::connector::*;
use weir_sdk::context::{Clock, Dice};

pub(crate) fn source(name: &str) -> Source {
    shipped()
        .into_iter()
        .find(|source| source.folder == format!("connectors/{name}"))
        .unwrap()
}

pub(crate) fn connect(name: &str, base_url: &str, auth: (&str, Value)) -> Arc<dyn Connection> {
    connect_to(&source(name), base_url, auth)
}

pub(crate) fn connect_to(source: &Source, base_url: &str, auth: (&str, Value)) -> Arc<dyn Connection> {
    let loaded = load(source, &weir_mapping::Jsonata).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let auth_settings = auth.1.as_object().unwrap().clone().into_iter().collect();
    let setup = Setup {
        name: source.folder.rsplit('/').next().unwrap_or_default().to_owned(),
        file: "connections/test.yaml".to_owned(),
        settings: BTreeMap::from([("base_url".to_owned(), json!(base_url))]),
        auth: Some((auth.0.to_owned(), auth_settings)),
        concurrency: None,
        rate: None,
        allow_private: true,
    };
    loaded
        .connector
        .connect(setup, &context())
        .unwrap_or_else(|findings| panic!("{findings:#?}"))
}

pub(crate) fn context() -> Context {
    over(Arc::new(weir_connectors::http::Client::new().unwrap()))
}

pub(crate) fn over(http: Arc<dyn weir_sdk::http::Http>) -> Context {
    Context {
        clock: Arc::new(SystemClock(Instant::now())),
        dice: Arc::new(NoDice),
        http,
    }
}

struct SystemClock(Instant);

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
    fn monotonic_ms(&self) -> u64 {
        self.0.elapsed().as_millis() as u64
    }
    async fn sleep_ms(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

struct NoDice;

impl Dice for NoDice {
    fn roll(&self) -> f64 {
        0.0
    }
    fn uuid(&self) -> uuid::Uuid {
        uuid::Uuid::nil()
    }
}

/// What a connection said while it wrote.
#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) intended: Mutex<Vec<(String, usize)>>,
    pub(crate) finished: Mutex<Vec<(String, usize)>>,
    pub(crate) exchanges: Mutex<Vec<Exchange>>,
    /// The most that was intended and not yet finished.
    pub(crate) at_once_max: Mutex<usize>,
}

impl Journal {
    /// `create categories` …, in order, with the number of rows.
    pub(crate) fn effects(&self) -> Vec<String> {
        self.intended
            .lock()
            .unwrap()
            .iter()
            .map(|(effect, rows)| format!("{effect} ({rows})"))
            .collect()
    }
}

#[async_trait]
impl Effects for Journal {
    async fn intend(&self, effect: &str, rows: &[usize]) -> Result<(), Error> {
        self.intended
            .lock()
            .unwrap()
            .push((effect.to_owned(), rows.len()));
        let under_way = self.intended.lock().unwrap().len() - self.finished.lock().unwrap().len();
        let mut most = self.at_once_max.lock().unwrap();
        *most = under_way.max(*most);
        Ok(())
    }
    async fn finish(&self, effect: &str, results: Vec<(usize, Result<Value, Error>)>) -> Result<(), Error> {
        self.finished
            .lock()
            .unwrap()
            .push((effect.to_owned(), results.len()));
        Ok(())
    }
}

impl Observer for Journal {
    fn exchange(&self, _: &[usize], exchange: Exchange) {
        self.exchanges.lock().unwrap().push(exchange);
    }
}

pub(crate) async fn upsert(
    connection: &dyn Connection,
    entity: &str,
    key: &str,
    rows: Vec<Value>,
    journal: &Journal,
) -> Vec<Outcome> {
    let rows = rows
        .into_iter()
        .map(|value| WriteRow {
            task: TaskId(uuid::Uuid::nil()),
            key: value[key].as_str().unwrap_or_default().to_owned(),
            value,
            uncertain: false,
            finished: BTreeMap::new(),
        })
        .collect();
    connection
        .write(
            &WriteRequest {
                entity: entity.to_owned(),
                mode: WriteMode::Upsert,
                rows,
            },
            journal,
        )
        .await
}

/// `created`, `updated`, `unchanged`, `waits FIELD`, or kind and sentence.
pub(crate) fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Written(written) => format!("{:?}", written.action).to_lowercase(),
        Outcome::Waits { field, key, .. } => format!("waits for {field} {key}"),
        Outcome::Failed(error) => format!("{}: {}", error.kind, error.message),
    }
}

pub(crate) fn all_words(outcomes: &[Outcome]) -> Vec<String> {
    outcomes.iter().map(words).collect()
}

/// Reads to the end.
pub(crate) async fn read_all(connection: &dyn Connection, mut request: ReadRequest) -> Vec<Row> {
    let mut rows = Vec::new();
    loop {
        let page = connection
            .read(&request, &NoObserver)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        rows.extend(page.rows);
        match page.next {
            Some(next) => request.page = Some(next),
            None => return rows,
        }
    }
}
