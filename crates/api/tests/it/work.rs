//! Runs, tasks and switches with a real engine behind the doors, over a system that refuses one row.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use weir_api::{Api, Door, Served, Verify};
use weir_engine::Engine;
use weir_engine::configuration::{Configuration, Route, Step, Trigger, Webhook};
use weir_model::config::{Read, RouteLimits, Switch, Trace, WriteMode};
use weir_model::{Error, Kind, Scope, retry};
use weir_sdk::Context;
use weir_sdk::connector::{
    CheckResult, Connection, Description, Effects, LookupRequest, Observer, Outcome, Page, ReadRequest, Row,
    WriteRequest, Written,
};
use weir_sdk::context::{Clock, Dice};
use weir_sdk::expressions::{Expression, Scope as Seen};
use weir_sdk::http::{Answer, Http, Request};
use weir_sdk::step::{Batch, Services, Write};
use weir_sdk::store::Retention;

use crate::{BASE, House, Said, ask, house};

/// Three rows to read; `bad` is refused until it is repaired.
struct System {
    description: Description,
    is_repaired: AtomicBool,
}

#[async_trait]
impl Connection for System {
    fn description(&self) -> &Description {
        &self.description
    }
    async fn check(&self) -> Vec<CheckResult> {
        let message = "sign-in works".to_owned();
        vec![CheckResult {
            what: "sign-in".to_owned(),
            ok: true,
            message,
            duration_ms: 1,
        }]
    }
    async fn read(&self, _: &ReadRequest, _: &dyn Observer) -> Result<Page, Error> {
        let row = |code: &str| Row {
            value: json!({ "code": code }),
            changed_at: None,
        };
        Ok(Page {
            rows: vec![row("a"), row("bad"), row("c")],
            next: None,
        })
    }
    async fn lookup(&self, _: &LookupRequest, _: &dyn Observer) -> Result<Vec<Vec<Value>>, Error> {
        Ok(Vec::new())
    }
    async fn write(&self, request: &WriteRequest, effects: &dyn Effects) -> Vec<Outcome> {
        let rows: Vec<usize> = (0..request.rows.len()).collect();
        effects.intend("write", &rows).await.unwrap();
        let mut results = Vec::new();
        let mut outcomes = Vec::new();
        for (i, row) in request.rows.iter().enumerate() {
            if row.key == "bad" && !self.is_repaired.load(Ordering::SeqCst) {
                let error = Error::new(Kind::Rejected, "the system refuses `bad`").with("field", "code");
                results.push((i, Err(error.clone())));
                outcomes.push(Outcome::Failed(error));
            } else {
                results.push((i, Ok(json!({}))));
                let ids = BTreeMap::from([("id".to_owned(), json!(i))]);
                outcomes.push(Outcome::Written(Written {
                    ids,
                    ..Written::default()
                }));
            }
        }
        effects.finish("write", results).await.unwrap();
        outcomes
    }
}

struct Code;

impl Expression for Code {
    fn evaluate(&self, input: &Value, _: &Seen<'_>) -> Result<Option<Value>, Error> {
        Ok(input.get("code").cloned())
    }
}

struct Send;

#[async_trait]
impl weir_sdk::step::Step for Send {
    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let write = Write {
            connection: "system".to_owned(),
            entity: "things".to_owned(),
            mode: WriteMode::Upsert,
            step: "write-1".to_owned(),
            name: "write-1".to_owned(),
        };
        services.write(&write, batch).await;
        Ok(())
    }
    fn has_effect(&self) -> bool {
        true
    }
}

struct Real(Instant);

#[async_trait]
impl Clock for Real {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    fn monotonic_ms(&self) -> u64 {
        self.0.elapsed().as_millis() as u64
    }
    async fn sleep_ms(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

impl Dice for Real {
    fn roll(&self) -> f64 {
        0.5
    }
    fn uuid(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}

#[async_trait]
impl Http for Real {
    async fn send(&self, _: Request) -> Result<Answer, Error> {
        Err(Error::bug("there is no network here"))
    }
}

fn configuration(system: Arc<System>) -> Configuration {
    let read = Read {
        connection: "system".to_owned(),
        entity: "things".to_owned(),
        filter: BTreeMap::new(),
        fields: Vec::new(),
        with: BTreeMap::new(),
    };
    let step = Step {
        id: "write-1".to_owned(),
        kind: "write".to_owned(),
        name: None,
        when: None,
        on_error: None,
        step: Arc::new(Send),
    };
    let route = Route {
        title: "Things".to_owned(),
        reads: vec![read],
        changed_since: None,
        webhook: None,
        trigger: Trigger::Asked,
        schema: None,
        key: Arc::new(Code),
        source_steps: Vec::new(),
        steps: vec![step],
        reply: None,
        waits_for: Vec::new(),
        resend_on: Vec::new(),
        latest_only: true,
        policy: retry::Policy::default(),
        limits: RouteLimits::default(),
        trace: Trace::Full,
        switch: Switch::On,
    };
    let connection: Arc<dyn Connection> = system;
    Configuration {
        scope: Scope::new("shop", "dev"),
        release: 1,
        vars: json!({}),
        connections: BTreeMap::from([("system".to_owned(), connection)]),
        routes: BTreeMap::from([("things".to_owned(), route)]),
        lookups: BTreeMap::new(),
        retention: Retention {
            done_days: 30,
            skipped_days: 7,
            dead_days: 180,
        },
    }
}

pub(crate) struct Working {
    house: House,
    pub(crate) api: Arc<Api>,
    pub(crate) engine: Arc<Engine>,
    system: Arc<System>,
}

pub(crate) async fn working() -> Working {
    working_with(BTreeMap::new()).await
}

/// Routes with a webhook, and who may send there.
pub(crate) async fn working_with(hooks: BTreeMap<String, Verify>) -> Working {
    let house = house();
    let system = Arc::new(System {
        description: Description::default(),
        is_repaired: AtomicBool::new(false),
    });
    let mut configuration = configuration(system.clone());
    for name in hooks.keys() {
        let route = configuration.routes.get_mut(name).unwrap();
        route.webhook = Some(Webhook {
            each: None,
            dedupe: None,
        });
        route.limits.entity_bytes.count = 3_000_000;
    }
    let connections = configuration.connections.clone();
    let real = Arc::new(Real(Instant::now()));
    let context = Context {
        clock: real.clone(),
        dice: real.clone(),
        http: real,
    };
    let engine = Arc::new(
        Engine::start_idle(configuration, house.api.store.clone(), context)
            .await
            .unwrap(),
    );
    let api = Arc::new(Api {
        store: house.api.store.clone(),
        access: house.api.access.clone(),
        secrets: house.api.secrets.clone(),
        served: vec![Served {
            scope: Scope::new("shop", "dev"),
            release: 1,
            engine: Some(engine.clone()),
            connections,
            hooks,
            used: BTreeMap::new(),
        }],
    });
    Working {
        house,
        api,
        engine,
        system,
    }
}

impl Working {
    /// Whatever is answered.
    pub(crate) async fn ask_any(&self, method: &str, path: &str, body: &str) -> Said {
        let router = weir_api::router(self.api.clone(), Door::Socket);
        let headers = &["content-type: application/json"];
        ask(router, method, &format!("{BASE}{path}"), headers, body).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Said {
        let said = self.ask_any(method, path, body).await;
        assert!(said.status < 500, "{method} {path}: {}", said.text);
        said
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_started_watched_repaired_and_replayed() {
    let work = working().await;
    let started = work.ask("POST", "/runs", r#"{"route": "things"}"#).await;
    assert_eq!(started.status, 202);
    work.engine.wait_settled().await;

    let runs = work.ask("GET", "/runs?route=things", "").await.json();
    assert_eq!(runs[0]["run"]["id"], started.json()["run"]);
    assert_eq!(runs[0]["counts"], json!({ "done": 2, "dead": 1 }));
    let routes = work.ask("GET", "/routes", "").await.json();
    assert_eq!(
        (&routes[0]["counts"]["done"], &routes[0]["status"]["dead"]),
        (&json!(2), &json!(1))
    );

    let dead = work.ask("GET", "/tasks?state=dead", "").await.json();
    let id = dead["tasks"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(dead["tasks"][0]["error"]["message"], "the system refuses `bad`");
    let shown = work.ask("GET", &format!("/tasks/{id}"), "").await.json();
    assert_eq!(shown["input"], json!({ "code": "bad" }));
    assert_eq!(shown["attempts"][0]["attempt"], 1, "{shown}");

    let conflict = work.ask("POST", &format!("/tasks/{id}/release"), "").await;
    assert!(
        conflict.status == 409 && conflict.text.contains("dead"),
        "{}",
        conflict.text
    );
    let answered = work
        .ask("POST", &format!("/tasks/{id}/answer"), r#"{"entity": 1}"#)
        .await;
    assert!(
        answered.status == 409 && answered.text.contains("is dead and waits for no answer"),
        "{}",
        answered.text
    );
    work.system.is_repaired.store(true, Ordering::SeqCst);
    assert_eq!(
        work.ask("POST", &format!("/tasks/{id}/retry"), "").await.json(),
        json!({ "state": "queued" })
    );
    work.engine.wait_settled().await;
    let done = work.ask("GET", "/tasks?state=done&key=bad", "").await.json();
    assert_eq!(done["tasks"][0]["id"], id.as_str());
    let replayed = work.ask("POST", &format!("/tasks/{id}/replay"), "").await.json();
    work.engine.wait_settled().await;
    let again = work
        .ask(
            "GET",
            &format!("/tasks/{}", replayed["task"].as_str().unwrap()),
            "",
        )
        .await
        .json();
    assert_eq!(
        (&again["task"]["replay_of"], &again["task"]["state"]),
        (&json!(id), &json!("done"))
    );

    let links = work.ask("GET", "/links?of=system/things&text=a", "").await.json();
    assert!(
        links.as_array().unwrap().iter().any(|link| link["key"] == "a"),
        "{links}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_are_switched_and_connections_tried() {
    let work = working().await;
    let off = work
        .ask("PUT", "/routes/things/switch", r#"{"switch": "off"}"#)
        .await;
    assert_eq!(off.json(), json!({ "switch": "off" }));
    assert_eq!(
        work.ask("GET", "/status", "").await.json()["routes"]["things"]["switch"],
        "off"
    );
    let unknown = work
        .ask("PUT", "/routes/thing/switch", r#"{"switch": "off"}"#)
        .await;
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    let checks = work
        .ask("POST", "/connections/system/check?dry_run_write=true", "")
        .await
        .json();
    assert_eq!(
        (&checks[0]["ok"], &checks[1]["what"]),
        (&json!(true), &json!("dry-run write"))
    );
    let page = ask(
        weir_api::router(work.api.clone(), Door::Socket),
        "GET",
        "/",
        &[],
        "",
    )
    .await;
    assert!(
        page.text.contains("Things") && page.text.contains("works"),
        "{}",
        page.text
    );
    assert_eq!(
        work.house
            .ask("GET", &format!("{BASE}/tasks"), &[], "")
            .await
            .status,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_are_acted_on_by_a_preview_and_its_token() {
    let work = working().await;
    work.ask("POST", "/runs", r#"{"route": "things"}"#).await;
    work.engine.wait_settled().await;
    work.system.is_repaired.store(true, Ordering::SeqCst);
    let found = |path: &'static str| work.ask("GET", path, "");
    let listed = found("/tasks?error=rejected&text=ba&since=2020-01-01T00:00:00Z")
        .await
        .json();
    assert_eq!(listed["tasks"][0]["key"], "bad");
    let none = found("/tasks?error=rejected&until=2020-01-01T00:00:00Z")
        .await
        .json();
    assert_eq!(none["tasks"], json!([]));

    let asked = r#"{"action": "retry", "selection": {"route": "things", "error": "rejected"}}"#;
    let preview = work.ask("POST", "/tasks/preview", asked).await.json();
    assert_eq!(preview["summary"], "1 task: 1 would now succeed in a dry run");
    assert_eq!(
        preview["selection"]["states"],
        json!(["dead"]),
        "the filter is echoed"
    );
    assert_eq!(found("/operations").await.json(), json!([]));
    let execute = json!({ "token": preview["token"] }).to_string();
    let begun = work.ask("POST", "/operations", &execute).await;
    assert_eq!(
        (begun.status, &begun.json()["operation"]["by"]),
        (202, &json!("socket"))
    );
    let id = begun.json()["operation"]["id"].as_str().unwrap().to_owned();
    let start = Instant::now();
    let shown = loop {
        let shown = work.ask("GET", &format!("/operations/{id}"), "").await.json();
        if shown["operation"]["state"] != "running" {
            break shown;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{shown}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    let counts = |shown: &Value| ["done", "total", "succeeded"].map(|name| shown["operation"][name].clone());
    assert_eq!(counts(&shown), [json!(1), json!(1), json!(1)]);
    work.engine.wait_settled().await;
    let again = work.ask("POST", "/operations", &execute).await.json();
    assert_eq!(again["operation"]["ended_at"], shown["operation"]["ended_at"]);
    assert_eq!(
        found("/operations").await.json()[0]["operation"]["id"],
        id.as_str()
    );
    assert_eq!(found("/tasks?state=dead").await.json()["tasks"], json!([]));

    let replay = found("/tasks?key=bad").await.json()["tasks"][0]["id"].clone();
    let path = format!("/tasks/{}/replay", replay.as_str().unwrap());
    assert_eq!(work.ask("POST", &path, r#"{"force": true}"#).await.status, 200);
    assert_eq!(work.ask("POST", &path, r#"{"frce": true}"#).await.status, 422);

    for (method, path, body, status, part) in [
        ("GET", "/tasks?error=rejektd", "", 422, "did you mean `rejected`?"),
        ("GET", "/tasks?since=noon", "", 422, "is not a time"),
        (
            "POST",
            "/tasks/preview",
            r#"{"action": "retry", "selection": {}}"#,
            422,
            "every task",
        ),
        (
            "POST",
            "/tasks/preview",
            r#"{"action": "retry", "selection": {"states": ["ded"]}}"#,
            422,
            "unknown variant `ded`",
        ),
        (
            "POST",
            "/operations",
            r#"{"token": "x"}"#,
            422,
            "is not the token",
        ),
        (
            "POST",
            "/operations",
            r#"{"token": "018f0000-0000-7000-8000-000000000000"}"#,
            404,
            "make a new preview",
        ),
        (
            "GET",
            "/operations/018f0000-0000-7000-8000-000000000000",
            "",
            404,
            "no operation",
        ),
    ] {
        let said = work.ask(method, path, body).await;
        assert!(
            said.status == status && said.text.contains(part),
            "{path}: {}",
            said.text
        );
    }
    let late = work.ask("POST", &format!("/operations/{id}/pause"), "").await;
    assert!(
        late.status == 409 && late.text.contains("is done and cannot be paused"),
        "{}",
        late.text
    );
}
