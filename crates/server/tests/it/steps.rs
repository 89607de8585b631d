//! Steps that make tasks, rest, ask and gather, in the real program and over its end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::hooks::{MANIFEST, Sink, ask, project};
use crate::serve::Server;
use crate::{text, weir};

const OPERATIONS: &str = r#"operations:
  orders.known: { request: { method: GET, path: "/orders/{{ with.event }}" }, result: "$count(body)" }
"#;

const ROUTE: &str = r#"source: { webhook: { verify: none } }
entity: { key: event }
steps:
  - call: { connection: sink, operation: orders.known, with: { event: event }, into: known }
  - pause: { for_answer: "May {{ event }} be shipped?", into: approval }
  - split: { each: "lines.{ 'event': sku, 'known': $$.known, 'by': $$.approval.by, 'store': store }", key: event }
  - collect: { by: store, until: { count: 3, after: 1h } }
  - set: { event: key }
write: { connection: sink, entity: orders, mode: create }
"#;

/// Tries until there is something.
fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "still not: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_order_is_asked_about_split_and_gathered_over_kills() {
    let sink = Sink::start();
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("p");
    project(&shop, ROUTE, &sink.url);
    let manifest = shop.join("connectors/sink/connector.yaml");
    std::fs::write(manifest, format!("{MANIFEST}{OPERATIONS}")).unwrap();
    let place = ["--project", text(&shop), "--json"];
    let say = |words: &[&str]| weir(&[words, &place[..]].concat());
    let checked = say(&["check"]);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    let tasks = |state: &str, count: usize| {
        wait(&format!("{count} tasks are {state}"), || {
            let said = say(&["tasks", "list", "--state", state]).json();
            let tasks = said["tasks"].as_array().unwrap().clone();
            (tasks.len() == count).then_some(tasks)
        })
    };
    let serve = || Server::start(&[&["serve", "--listen", "127.0.0.1:0"], &place[..]].concat());
    let order = |event: &str, skus: &[&str]| {
        let line = |sku: &&str| json!({ "sku": sku, "store": "DE" });
        let lines: Vec<Value> = skus.iter().map(line).collect();
        json!({ "event": event, "lines": lines }).to_string()
    };

    let server = serve();
    let address = server.url().strip_prefix("http://").unwrap().to_owned();
    for order in [order("A", &["a1", "a2"]), order("B", &["b1"])] {
        let accepted = ask(&address, "POST /hooks/shop/dev/orders", "", &order).unwrap();
        assert_eq!(accepted.0, 202, "{}", accepted.1);
    }
    let asking = tasks("waiting", 2);
    let id = |key: &str| {
        let of_key = asking.iter().find(|task| task["key"] == key).unwrap();
        of_key["id"].as_str().unwrap().to_owned()
    };
    let questions: Vec<&Value> = asking.iter().map(|task| &task["reason"]).collect();
    assert_eq!(questions, ["May B be shipped?", "May A be shipped?"]);
    drop(server); // SIGKILL
    let server = serve();
    let answered = say(&["tasks", "answer", &id("A"), "--set", "by=Ann"]);
    assert_eq!(answered.json(), json!({ "state": "queued" }), "{}", answered.err);
    tasks("waiting", 3); // two lines in the buffer, and the other question
    drop(server);
    let _server = serve();
    assert_eq!(say(&["tasks", "answer", &id("B"), "--set", "by=Bob"]).code, 0);
    tasks("done", 6);

    let member = |event: &str, by: &str| json!({ "event": event, "known": 0, "by": by, "store": "DE" });
    let members = [member("a1", "Ann"), member("a2", "Ann"), member("b1", "Bob")];
    let kept = sink.kept.lock().unwrap().clone();
    assert_eq!(kept, [json!({ "key": "DE", "members": members, "event": "DE" })]);
    let shown = say(&["tasks", "show", &id("A")]).json();
    assert_eq!(shown["relations"]["children"].as_array().map(Vec::len), Some(2));
    assert!(
        shown["attempts"].to_string().contains("call orders.known"),
        "the exchange of the call is in the record"
    );
    let twice = say(&["tasks", "answer", &id("A"), "--set", "by=Ann"]);
    assert!(
        twice.code != 0 && twice.err.contains("waits for no answer"),
        "{}{}",
        twice.out,
        twice.err
    );
}
