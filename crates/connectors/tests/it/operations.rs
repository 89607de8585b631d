//! Operations of a manifest, over a scripted transport.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_connectors::{Source, load};
use weir_mapping::Jsonata;
use weir_model::retry::Repeat;
use weir_model::{Error, Kind};
use weir_sdk::connector::{CallRequest, Connection, Setup};
use weir_sdk::http::{Answer, Http, Request};

use crate::stage::{Journal, over};

const MANIFEST: &str = r#"
connector: prices
version: 1.0.0
title: Prices
connection: {}
http:
  base_url: https://prices.example.com
  errors:
    - { when: "body.code = 'gone'", code: code, message: why, kinds: { gone: not_found } }
entities: {}
operations:
  price.get:
    request: { method: GET, path: "/prices/{{ with.sku }}", query: { customer: "{{ with.customer }}" } }
    result: body.price
  price.list:
    request: { method: GET, path: /prices, query: { page: "{{ page.number }}" } }
    records: body.rows
    paginate: { kind: page, size: 2 }
    records_max: 5
  order.cancel:
    request: { method: POST, path: "/orders/{{ with.id }}/cancel", json: { why: "{{ with.why }}" } }
    result: "$number(body.number)"
  order.touch: { request: { method: PUT, path: /touch }, repeat: safe }
"#;

/// Answers in their order, and what was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<(u16, Value)>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Http for Script {
    async fn send(&self, request: Request) -> Result<Answer, Error> {
        let body = String::from_utf8(request.body.map(|b| b.to_vec()).unwrap_or_default()).unwrap();
        let line = format!("{} {} {body}", request.method, request.url);
        self.asked.lock().unwrap().push(line.trim().to_owned());
        match self.answers.lock().unwrap().pop_front() {
            Some((status, body)) => Ok(Answer {
                status,
                headers: Vec::new(),
                body: body.to_string().into_bytes(),
            }),
            None => Err(Error::new(Kind::OutcomeUnknown, "the connection broke")),
        }
    }
}

fn source(manifest: &str) -> Source {
    Source {
        folder: "connectors/prices".to_owned(),
        manifest: manifest.to_owned(),
        ..Source::default()
    }
}

fn connect(answers: &[(u16, Value)]) -> (Arc<dyn Connection>, Arc<Script>) {
    let script = Arc::new(Script::default());
    script.answers.lock().unwrap().extend(answers.iter().cloned());
    let loaded = load(&source(MANIFEST), &Jsonata).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let setup = Setup {
        name: "prices".to_owned(),
        file: "connections/prices.yaml".to_owned(),
        settings: BTreeMap::new(),
        auth: None,
        concurrency: None,
        rate: None,
        allow_private: true,
    };
    let connection = loaded.connector.connect(setup, &over(script.clone()));
    (
        connection.unwrap_or_else(|findings| panic!("{findings:#?}")),
        script,
    )
}

/// The outcome, kind and sentence of a failure, and what was asked.
async fn call(
    operation: &str,
    with: Value,
    answers: &[(u16, Value)],
) -> (Result<Value, String>, Vec<String>) {
    let (connection, script) = connect(answers);
    let request = CallRequest {
        operation: operation.to_owned(),
        with,
    };
    let journal = Journal::default();
    let outcome = connection.call(&request, &journal).await;
    let asked = script.asked.lock().unwrap().clone();
    let exchanges = journal.exchanges.lock().unwrap();
    assert_eq!(exchanges.len(), asked.len(), "every exchange is heard of");
    assert!(
        exchanges
            .iter()
            .all(|exchange| exchange.purpose == format!("call {operation}"))
    );
    (
        outcome.map_err(|error| format!("{}: {}", error.kind, error.message)),
        asked,
    )
}

#[tokio::test]
async fn a_request_is_made_of_what_is_given_and_its_result_taken_out() {
    let with = json!({ "sku": "a", "customer": null });
    let (price, asked) = call("price.get", with, &[(200, json!({ "price": 1.50 }))]).await;
    assert_eq!(price, Ok(json!(1.5)));
    assert_eq!(asked, ["GET https://prices.example.com/prices/a"]);

    let with = json!({ "id": 7, "why": "late" });
    let (number, asked) = call("order.cancel", with, &[(200, json!({ "number": "12" }))]).await;
    assert_eq!(number, Ok(json!(12)));
    let line = r#"POST https://prices.example.com/orders/7/cancel {"why":"late"}"#;
    assert_eq!(asked, [line]);
}

#[tokio::test]
async fn one_that_reads_many_gives_all_pages_up_to_its_limit() {
    let page = |rows: Value| (200, json!({ "rows": rows }));
    let (all, asked) = call("price.list", json!({}), &[page(json!([1, 2])), page(json!([3]))]).await;
    assert_eq!(all, Ok(json!([1, 2, 3])));
    assert_eq!(asked[1], "GET https://prices.example.com/prices?page=2");
    let (all, _) = call("price.list", json!({}), &[page(json!([])), page(json!([9]))]).await;
    assert_eq!(all, Ok(json!([])));
    let full = page(json!([1, 2]));
    let (all, asked) = call("price.list", json!({}), &[full.clone(), full.clone(), full]).await;
    assert_eq!(asked.len(), 3);
    assert!(all.unwrap_err().contains("limit records_max of 5"));
}

#[tokio::test]
async fn failures_go_by_the_rules_and_an_effect_without_a_usable_answer_is_unknown() {
    let check = async |operation: &str, with: Value, answers: &[(u16, Value)], expected: &str| {
        let failure = call(operation, with, answers).await.0.unwrap_err();
        assert!(
            failure.contains(expected),
            "{operation}: `{failure}` does not say `{expected}`"
        );
    };
    let gone = [(400, json!({ "code": "gone", "why": "no such price" }))];
    check(
        "price.get",
        json!({ "sku": "a", "customer": 1 }),
        &gone,
        "not_found: could not call price.get at `prices`: no such price",
    )
    .await;
    check(
        "price.get",
        json!({ "sku": "a", "customer": 1 }),
        &[],
        "timeout: ",
    )
    .await;
    check(
        "price.get",
        json!({}),
        &[],
        "the value of `{{ with.sku }}` is missing",
    )
    .await;
    let with = || json!({ "id": 7, "why": "late" });
    check("order.cancel", with(), &[], "outcome_unknown: ").await;
    check(
        "order.cancel",
        with(),
        &[(200, json!({ "number": "x" }))],
        "outcome_unknown: ",
    )
    .await;
    check("order.cancel", with(), &[(503, json!({}))], "unavailable: ").await;
    check("order.cansel", with(), &[], "did you mean `order.cancel`?").await;
}

#[test]
fn a_manifest_says_what_has_an_effect_and_what_is_wrong_with_it() {
    let loaded = load(&source(MANIFEST), &Jsonata).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let known = &loaded.connector.description().operations;
    let says = |name: &str| (known[name].has_effect, known[name].repeat, known[name].reads_many);
    assert_eq!(says("price.get"), (false, Repeat::Safe, false));
    assert_eq!(says("price.list"), (false, Repeat::Safe, true));
    assert_eq!(says("order.cancel"), (true, Repeat::Unsafe, false));
    assert_eq!(says("order.touch"), (true, Repeat::Safe, false));
    for (from, to, expected) in [
        ("    records: body.rows\n", "", "say with `records`"),
        ("records_max: 5", "result: body", "leave out `result`"),
        ("repeat: safe", "repeat: lookup", "`safe` or `unsafe`"),
        ("records_max", "record_max", "did you mean `records_max`?"),
        ("result: body.price", "result: \"body.(\"", "connector.yaml:"),
    ] {
        let findings = load(&source(&MANIFEST.replacen(from, to, 1)), &Jsonata)
            .err()
            .unwrap_or_default();
        let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(
            text.iter().any(|line| line.contains(expected)),
            "{text:#?} does not say `{expected}`"
        );
    }
}
