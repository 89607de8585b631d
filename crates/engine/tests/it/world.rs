//! Puts a source, a target, a store and an engine together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_engine::Engine;
use weir_engine::configuration::{Configuration, Lookup, On, Reply, Route, Step, Trigger, WaitsFor, Webhook};
use weir_model::config::{Read, RouteLimits, Switch, Trace};
use weir_model::dependency::Settled;
use weir_model::task::State;
use weir_model::{Error, Finding, Scope, retry};
use weir_sdk::Context;
use weir_sdk::checker::Schema;
use weir_sdk::connector::OperationDescription;
use weir_sdk::context::{Clock, Dice};
use weir_sdk::expressions::{self, Expression, Expressions, Known, Snippet};
use weir_sdk::http::{Answer, Http, Request};
use weir_sdk::step::{Build, Table};
use weir_sdk::store::{Retention, Store, TaskQuery, TaskRow};
use weir_store::SqliteStore;

use crate::systems::{Source, Target};

pub(crate) struct World {
    pub(crate) source: Arc<Source>,
    pub(crate) target: Arc<Target>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) folder: tempfile::TempDir,
}

/// What differs between tests.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    pub(crate) changed_since: Option<&'static str>,
    /// `parent` of the entity must be delivered before it.
    pub(crate) waits_for_parent: bool,
    /// Adds `size` from the lookup `sizes` (rows of the source itself, by `code`).
    pub(crate) looks_up: bool,
    pub(crate) queue: Option<u64>,
    pub(crate) split_children: Option<u64>,
    /// Schema of the entity as read.
    pub(crate) schema: Option<Value>,
    /// Writes each element of `lines` instead of the whole.
    pub(crate) writes_lines: bool,
    /// Entities arrive under `events` of a body, told apart by `event`, instead of being read.
    pub(crate) webhook: bool,
    /// Callers of the webhook are answered; so long they wait.
    pub(crate) reply_within_ms: Option<u64>,
    /// Steps of the source: kind and parameters.
    pub(crate) source_steps: Vec<(&'static str, Value)>,
    /// Versions of a key do not replace each other.
    pub(crate) keeps_all: bool,
    pub(crate) trace: Option<Trace>,
    /// So many releases are younger than the first.
    pub(crate) release: u64,
    /// Steps before the write: `when` (a field), kind and parameters.
    pub(crate) extra: Vec<(Option<&'static str>, &'static str, Value)>,
}

impl World {
    pub(crate) fn new(page: usize, rows: Vec<Value>) -> Self {
        World::sized(page, rows).0
    }

    /// With a store whose size can be limited.
    pub(crate) fn sized(page: usize, rows: Vec<Value>) -> (Self, Arc<SqliteStore>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path()).unwrap());
        let world = World {
            source: Arc::new(Source::new(page, rows)),
            target: Arc::new(Target::new()),
            store: store.clone(),
            folder,
        };
        (world, store)
    }

    pub(crate) async fn engine(&self, setup: &Setup) -> Engine {
        Engine::start_idle(self.configuration(setup), self.store.clone(), context())
            .await
            .unwrap()
    }

    /// An engine of another project on the same store.
    pub(crate) async fn stranger(&self) -> Engine {
        let configuration = Configuration {
            scope: Scope::new("other", "dev"),
            ..self.configuration(&Setup::default())
        };
        Engine::start_idle(configuration, self.store.clone(), context())
            .await
            .unwrap()
    }

    /// One run of the route, until nothing moves any more.
    pub(crate) async fn run(&self, engine: &Engine) {
        engine.run("things", "manual").await.unwrap();
        self.settle(engine).await;
    }

    pub(crate) async fn settle(&self, engine: &Engine) {
        tokio::time::timeout(Duration::from_secs(30), engine.wait_settled())
            .await
            .unwrap_or_else(|_| {
                panic!("not settled after 30 s: {:#?}", engine.status());
            });
        assert_eq!(*self.target.faults.lock().unwrap(), Vec::<String>::new());
    }

    pub(crate) async fn tasks(&self, state: State) -> Vec<TaskRow> {
        let mut query = TaskQuery {
            scope: Some(scope()),
            states: vec![state],
            limit: 1_000,
            ..TaskQuery::default()
        };
        let mut tasks = Vec::new();
        loop {
            let page = self.store.tasks(&query).await.unwrap();
            tasks.extend(page.tasks);
            query.page = page.next;
            if query.page.is_none() {
                return tasks;
            }
        }
    }

    pub(crate) async fn keys(&self, state: State) -> Vec<String> {
        let mut keys: Vec<String> = self.tasks(state).await.into_iter().map(|task| task.key).collect();
        keys.sort();
        keys
    }

    pub(crate) fn configuration(&self, setup: &Setup) -> Configuration {
        let read = || Read {
            connection: "source".to_owned(),
            entity: "things".to_owned(),
            filter: BTreeMap::new(),
            fields: Vec::new(),
            with: BTreeMap::new(),
        };
        let mut steps = Vec::new();
        if setup.looks_up {
            steps.push(Step {
                step: Arc::new(Size),
                ..step("unchanged", json!("skip"))
            });
        }
        steps.push(step("unchanged", json!("skip")));
        for (when, kind, parameters) in &setup.extra {
            steps.push(Step {
                when: when.map(field),
                ..step(kind, parameters.clone())
            });
        }
        steps.push(match setup.writes_lines {
            true => step("each", json!({ "of": "lines", "steps": [] })),
            false => step("write", write()),
        });
        let waits_for = if setup.waits_for_parent {
            vec![WaitsFor {
                on: On::Route("things".to_owned()),
                keys: Some(field("parent")),
                settled: Settled::Delivered,
                when_delivered: None,
                timeout_ms: 1_000_000,
            }]
        } else {
            Vec::new()
        };
        let route = Route {
            title: "Things".to_owned(),
            reads: if setup.webhook { vec![] } else { vec![read()] },
            changed_since: setup.changed_since.map(str::to_owned),
            webhook: setup.webhook.then(|| Webhook {
                each: Some(field("events")),
                dedupe: Some(field("event")),
            }),
            trigger: Trigger::Asked,
            schema: setup.schema.as_ref().map(|schema| {
                weir_sdk::checker::Checker::compile(&weir_checks::JsonSchema::new(), schema).unwrap()
            }),
            key: field("code"),
            source_steps: setup
                .source_steps
                .iter()
                .map(|(kind, parameters)| step(kind, parameters.clone()))
                .collect(),
            steps,
            reply: setup.reply_within_ms.map(|deadline_ms| Reply {
                status: 200,
                headers: BTreeMap::new(),
                body: Arc::new(Told),
                deadline_ms,
            }),
            waits_for,
            resend_on: if setup.looks_up {
                vec!["sizes".to_owned()]
            } else {
                Vec::new()
            },
            latest_only: !setup.webhook && !setup.keeps_all,
            policy: retry::Policy {
                first_ms: 5,
                factor: 1.5,
                ..retry::Policy::default()
            },
            limits: RouteLimits {
                queue: setup.queue.unwrap_or(2_000),
                split_children: setup.split_children.unwrap_or(1_000),
                ..RouteLimits::default()
            },
            trace: setup.trace.unwrap_or(Trace::Full),
            switch: Switch::On,
        };
        let sizes = Lookup::Refreshed {
            read: Read {
                connection: "sizes".to_owned(),
                ..read()
            },
            key: field("code"),
            every_ms: 1_000_000,
        };
        let mut connections: BTreeMap<String, Arc<dyn weir_sdk::connector::Connection>> = BTreeMap::new();
        connections.insert("source".to_owned(), self.source.clone());
        connections.insert("target".to_owned(), self.target.clone());
        connections.insert("sizes".to_owned(), SIZES.with(Arc::clone));
        Configuration {
            scope: scope(),
            release: 1 + setup.release,
            vars: json!({}),
            connections,
            routes: BTreeMap::from([("things".to_owned(), route)]),
            lookups: BTreeMap::from([("kept".to_owned(), Lookup::Kept), ("sizes".to_owned(), sizes)]),
            retention: Retention {
                done_days: 30,
                skipped_days: 7,
                dead_days: 180,
            },
        }
    }
}

thread_local! {
    /// The system behind the lookup `sizes`, one a test.
    pub(crate) static SIZES: Arc<Source> = Arc::new(Source::new(100, Vec::new()));
}

pub(crate) fn scope() -> Scope {
    Scope::new("test", "dev")
}

pub(crate) fn open(folder: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(folder).unwrap())
}

fn write() -> Value {
    json!({ "connection": "target", "entity": "things" })
}

fn step(kind: &str, parameters: Value) -> Step {
    let kinds = weir_steps::all();
    let built = kinds
        .iter()
        .find(|k| k.name() == kind)
        .unwrap()
        .build(&parameters, &Plain(kind))
        .unwrap();
    Step {
        id: kind.to_owned(),
        kind: kind.to_owned(),
        name: None,
        when: None,
        on_error: None,
        step: built,
    }
}

/// Waits until something is so; the tests' only wait, for what has no event to wait for.
pub(crate) async fn until(what: &str, mut check: impl FnMut() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < Duration::from_secs(20), "still not: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// `code` of the entity, as JSONata would read it.
struct Field(String);

pub(crate) fn field(name: &'static str) -> Arc<dyn Expression> {
    Arc::new(Field(name.to_owned()))
}

impl Expression for Field {
    fn evaluate(&self, input: &Value, _: &expressions::Scope<'_>) -> Result<Option<Value>, Error> {
        Ok(input.get(&self.0).cloned())
    }
}

/// `{ "entity": $, "source": $source, "steps": $steps, "state": $task.state }`; fails for an entity that says `fail_reply`.
struct Told;

impl Expression for Told {
    fn evaluate(&self, input: &Value, scope: &expressions::Scope<'_>) -> Result<Option<Value>, Error> {
        let bound = |name| scope.bindings.iter().find(|(bound, _)| *bound == name).unwrap().1;
        if input.get("fail_reply").is_some() {
            return Err(Error::new(weir_model::Kind::Invalid, "not a number"));
        }
        Ok(Some(json!({
            "entity": input, "source": bound("source"), "steps": bound("steps"), "state": bound("task")["state"]
        })))
    }
}

/// `$ref("sizes", code, "size")` put into the entity.
struct Size;

struct SizeOf;

impl Expression for SizeOf {
    fn evaluate(&self, input: &Value, scope: &expressions::Scope<'_>) -> Result<Option<Value>, Error> {
        match scope.references.row("sizes", input["code"].as_str().unwrap()) {
            Known::Found(row) => Ok(row.get("size").cloned()),
            Known::Missing | Known::Pending => Ok(None),
        }
    }
}

#[async_trait]
impl weir_sdk::step::Step for Size {
    async fn apply(
        &self,
        batch: &mut weir_sdk::step::Batch,
        services: &dyn weir_sdk::step::Services,
    ) -> Result<(), Error> {
        let sizes = services.evaluate(&SizeOf, batch).await;
        for (item, size) in batch.items.iter_mut().zip(sizes) {
            if let Some(size) = size {
                item.value["size"] = size?.unwrap_or(Value::Null);
            }
        }
        Ok(())
    }
}

/// Expressions that are names of fields.
struct Fields;

impl Expressions for Fields {
    fn expression(&self, snippet: &Snippet) -> Result<Arc<dyn Expression>, Finding> {
        Ok(Arc::new(Field(snippet.text.clone())))
    }
    fn template(&self, snippet: &Snippet) -> Result<Arc<dyn Expression>, Finding> {
        self.expression(snippet)
    }
    fn map(&self, _: &str) -> Option<expressions::Map> {
        None
    }
}

/// Builds the steps that need nothing but names.
struct Plain<'a>(&'a str);

impl Build for Plain<'_> {
    fn expressions(&self) -> &dyn Expressions {
        &Fields
    }
    fn snippet(&self, _: &[&str], text: &str) -> Snippet {
        Snippet::new("test", text)
    }
    fn finding(&self, _: &[&str], code: &str, message: String) -> Finding {
        Finding::error(code, "test", 0, 0, message)
    }
    fn schema(&self, name: &str) -> Result<Arc<dyn Schema>, String> {
        Err(name.to_owned())
    }
    fn step_id(&self) -> String {
        self.0.to_owned()
    }
    fn result_name(&self) -> String {
        self.0.to_owned()
    }
    fn is_reading(&self) -> bool {
        false
    }
    fn codecs(&self) -> Vec<Arc<dyn weir_sdk::codec::Codec>> {
        Vec::new()
    }
    fn scripts(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
    fn lookups(&self) -> BTreeMap<String, Table> {
        BTreeMap::from([("kept".to_owned(), Table::Kept)])
    }
    fn is_nested(&self) -> bool {
        false
    }
    fn is_within_each(&self) -> bool {
        false
    }
    /// The one nested step there is.
    fn steps(&self, _: &[&str], _: bool) -> Result<Vec<Step>, Finding> {
        Ok(vec![Step {
            id: "each/write".to_owned(),
            ..step("write", write())
        }])
    }
    fn maps(&self) -> Vec<String> {
        Vec::new()
    }
    fn connections(&self) -> Vec<String> {
        vec!["target".to_owned()]
    }
    fn entities(&self, _: &str) -> Vec<String> {
        vec!["things".to_owned()]
    }
    fn operations(&self, _: &str) -> BTreeMap<String, OperationDescription> {
        crate::systems::operations()
    }
}

pub(crate) fn context() -> Context {
    Context {
        clock: Arc::new(SystemClock(Instant::now())),
        dice: Arc::new(SystemDice),
        http: Arc::new(NoHttp),
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

pub(crate) struct SystemDice;

impl Dice for SystemDice {
    fn roll(&self) -> f64 {
        0.5
    }
    fn uuid(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}

pub(crate) struct NoHttp;

#[async_trait]
impl Http for NoHttp {
    async fn send(&self, _: Request) -> Result<Answer, Error> {
        panic!("the scripted systems need no HTTP")
    }
}
