//! What others send: who may, what is taken, and what is said where it is not.

use std::collections::BTreeMap;

use serde_json::json;
use weir_api::{Door, Gate, Verify};
use weir_model::config::{Algorithm, Encoding};

use crate::work::{Working, working_with};
use crate::{BASE, Said, ask, house};

const HOOK: &str = "/hooks/shop/dev/things";
const JSON: &str = "content-type: application/json";
/// `printf '{"code":"a"}' | openssl dgst -sha256 -hmac s3cret`
const SIGNATURE: &str =
    "x-signature: sha256=df9a954e087e305d94797c6041e9d0cf3057c6b42dcfd214b78622f9f5c0a016";

async fn hooked(verify: Verify) -> Working {
    working_with(BTreeMap::from([("things".to_owned(), verify)])).await
}

fn signed() -> Verify {
    Verify::Hmac {
        header: "X-Signature".to_owned(),
        secret: "s3cret".to_owned(),
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        prefix: "sha256=".to_owned(),
    }
}

async fn send(work: &Working, path: &str, headers: &[&str], body: &str) -> Said {
    let router = weir_api::router(work.api.clone(), Door::Network);
    ask(router, "POST", path, headers, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_is_let_in_without_an_account_and_nobody_else() {
    let work = hooked(signed()).await;
    let said = send(&work, HOOK, &[JSON, SIGNATURE], r#"{"code":"a"}"#).await;
    assert_eq!(said.status, 202, "{}", said.text);
    work.engine.wait_settled().await;
    let done = work.ask("GET", "/tasks?state=done", "").await.json();
    assert_eq!(
        said.json(),
        json!({ "tasks": [done["tasks"][0]["id"]], "duplicates": [], "filtered": 0 })
    );

    for (headers, body, words) in [
        (&[JSON][..], r#"{"code":"a"}"#, "`X-Signature` is missing"),
        (&[JSON, SIGNATURE], r#"{"code":"b"}"#, "does not fit"),
        (&[JSON, "authorization: Bearer weir_x"], "{}", "is missing"),
    ] {
        let said = send(&work, HOOK, headers, body).await;
        assert!(
            said.status == 401 && said.text.contains(words) && !said.text.contains("s3cret"),
            "{}",
            said.text
        );
        assert_eq!(said.header("content-type"), "application/problem+json");
    }
    let tasks = work.ask("GET", "/tasks", "").await.json();
    assert_eq!(
        tasks["tasks"].as_array().unwrap().len(),
        1,
        "refused is not stored"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_refused_with_a_sentence() {
    let work = hooked(Verify::None).await;
    let large = format!(r#"{{"code":"{}"}}"#, "x".repeat(2_000_000));
    assert_eq!(
        send(&work, HOOK, &[JSON], &large).await.status,
        202,
        "below entity_bytes"
    );
    let larger = format!(r#"{{"code":"{}"}}"#, "x".repeat(3_000_000));
    for (path, headers, body, status, words) in [
        (HOOK, &[JSON][..], larger.as_str(), 413, "entity_bytes of 3000000"),
        (HOOK, &[JSON], "{", 422, "not JSON"),
        (HOOK, &[JSON], "", 422, "not JSON"),
        (
            HOOK,
            &["content-type: text/xml"],
            "<a/>",
            415,
            "`text/xml` is not taken: send JSON",
        ),
        (
            HOOK,
            &["content-type: application/x-www-form-urlencoded"],
            "a=1",
            415,
            "send JSON",
        ),
        (
            "/hooks/shop/dev/thing",
            &[JSON],
            "{}",
            404,
            "no webhook at this address",
        ),
        (
            "/hooks/shop/live/things",
            &[JSON],
            "{}",
            404,
            "no webhook at this address",
        ),
    ] {
        let said = send(&work, path, headers, body).await;
        assert!(
            said.status == status && said.text.contains(words),
            "{path} {headers:?}: {} {}",
            said.status,
            said.text
        );
        assert!(
            !said.text.contains("`things`"),
            "names nothing to strangers: {}",
            said.text
        );
    }
    for form in ["application/json; charset=utf-8", "application/cloudevents+json"] {
        let form = format!("content-type: {form}");
        assert_eq!(send(&work, HOOK, &[&form], r#"{"code":"f"}"#).await.status, 202);
    }
    assert_eq!(
        send(&work, HOOK, &[], r#"[{"code":"g"},{"code":"h"}]"#)
            .await
            .status,
        202
    );
    work.ask("PUT", "/routes/things/switch", r#"{"switch": "off"}"#)
        .await;
    let off = send(&work, HOOK, &[JSON], r#"{"code":"i"}"#).await;
    assert!(
        off.status == 409 && off.text.contains("switched off"),
        "{}",
        off.text
    );
    work.engine.stop().await;
    work.ask_any("PUT", "/routes/things/switch", r#"{"switch": "on"}"#)
        .await;
    let stopping = send(&work, HOOK, &[JSON], r#"{"code":"i"}"#).await;
    assert_eq!(
        (stopping.status, stopping.header("retry-after")),
        (503, "5"),
        "{}",
        stopping.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn entities_are_put_on_a_route_by_who_is_signed_in() {
    let work = hooked(Verify::None).await;
    let path = format!("{BASE}/routes/things/entities");
    assert_eq!(send(&work, &path, &[JSON], "{}").await.status, 401);
    let token = work
        .api
        .access
        .make_token("t", weir_access::permissions::Role::Operator, 1)
        .await
        .unwrap();
    let token = format!("authorization: Bearer {}", token.token);
    let headers = [JSON, &token, "idempotency-key: k1"];
    let body = r#"[{"code":"a"},{"code":"b"}]"#;
    let first = send(&work, &path, &headers, body).await;
    assert_eq!(first.status, 202, "{}", first.text);
    let again = send(&work, &path, &headers, body).await.json();
    assert_eq!(
        (&again["tasks"], &again["duplicates"]),
        (&json!([]), &first.json()["tasks"])
    );
    let bad = send(&work, &path, &[JSON, &token, "idempotency-key: "], body).await;
    assert_eq!(bad.status, 422, "{}", bad.text);
    work.engine.wait_settled().await;
    assert_eq!(
        work.ask("GET", "/tasks?state=done", "").await.json()["tasks"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_engine_is_up_and_while_it_goes_down_everybody_is_told_to_come_back() {
    let gate = Gate::new(Door::Network);
    let at = async |path: &str| ask(gate.router(), "POST", path, &[JSON], "{}").await;
    for path in [HOOK, "/api/v1/shop/dev/runs", "/anything"] {
        let said = at(path).await;
        assert!(
            said.status == 503 && said.text.contains("starting"),
            "{}",
            said.text
        );
        assert_eq!(
            (said.header("retry-after"), said.header("content-type")),
            ("1", "application/problem+json")
        );
    }
    let health = async |path: &str| ask(gate.router(), "GET", path, &[], "").await.status;
    assert_eq!(
        (health("/health/live").await, health("/health/ready").await),
        (200, 503)
    );
    let house = house();
    gate.open(house.api.clone());
    assert_eq!((at(HOOK).await.status, health("/health/ready").await), (404, 200));
    gate.shut();
    let said = at(HOOK).await;
    assert_eq!((said.status, said.header("retry-after")), (503, "10"));
    assert!(said.text.contains("stopping"), "{}", said.text);
    assert_eq!(
        (health("/health/live").await, health("/health/ready").await),
        (200, 503)
    );
}
