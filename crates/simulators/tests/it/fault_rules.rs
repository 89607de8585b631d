//! Rules F-1 to F-10: faults.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_simulators::faults::{Fault, Kind};
use weir_simulators::spryker::{Options, Profile};

use crate::client::{Client, PROFILES, pim, shop, shop_with};

const STORES: &str = "/dynamic-entity/stores";

async fn stocks(shop: &Client) -> u64 {
    shop.control("report", Value::Null).await["counts"]["stocks"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn f_1_latency_delays_the_answer() {
    let shop = shop(Profile::Code2026).await;
    shop.control("faults", json!({ "kind": "latency", "delay_ms": 80, "count": 1 }))
        .await;
    for (at_least, below) in [(80, 5000), (0, 80)] {
        let start = Instant::now();
        assert_eq!(shop.get(STORES).await.status, 200);
        let took = start.elapsed();
        assert!(
            took >= Duration::from_millis(at_least) && took < Duration::from_millis(below),
            "{took:?}"
        );
    }
}

#[tokio::test]
async fn f_2_too_many_requests_with_and_without_a_time() {
    let shop = shop(Profile::Code2026).await;
    shop.control(
        "faults",
        json!([{ "kind": "rate_limit", "count": 1, "retry_after": 3 }, { "kind": "rate_limit", "count": 1 }]),
    )
    .await;
    let first = shop.get(STORES).await;
    assert_eq!(
        (first.status, first.header("retry-after")),
        (429, Some("3".to_owned()))
    );
    let second = shop.get(STORES).await;
    assert_eq!((second.status, second.header("retry-after")), (429, None));
    assert_eq!(shop.get(STORES).await.status, 200);
}

#[tokio::test]
async fn f_3_a_status_instead_of_work() {
    let shop = shop(Profile::Code2026).await;
    shop.control(
        "faults",
        json!({ "kind": "status", "status": 502, "count": 1, "method": "post" }),
    )
    .await;
    assert_eq!(shop.get(STORES).await.status, 200, "another method");
    assert_eq!(shop.post("stocks", json!([{ "name": "x" }])).await.status, 502);
    assert_eq!(stocks(&shop).await, 2, "nothing was done");
}

#[tokio::test]
async fn f_4_a_cut_connection_does_nothing() {
    for profile in PROFILES {
        let shop = shop(profile).await;
        shop.control("faults", json!({ "kind": "cut", "count": 1 })).await;
        let body = json!({ "data": [{ "name": "x" }] }).to_string();
        assert!(
            shop.try_send("POST", "/dynamic-entity/stocks", &body)
                .await
                .is_err()
        );
        assert_eq!(stocks(&shop).await, 2);
        let requests = shop.control("requests", Value::Null).await;
        assert_eq!(requests["statuses"]["none"], 1);
    }
}

#[tokio::test]
async fn f_5_a_truncated_body_belongs_to_work_that_was_done() {
    let shop = shop(Profile::Code2026).await;
    shop.control("faults", json!({ "kind": "truncate", "count": 1 }))
        .await;
    let body = json!({ "data": [{ "name": "x" }] }).to_string();
    assert!(
        shop.try_send("POST", "/dynamic-entity/stocks", &body)
            .await
            .is_err()
    );
    assert_eq!(stocks(&shop).await, 3);
}

#[tokio::test]
async fn f_6_an_answer_that_is_not_json_to_work_that_was_done() {
    let shop = shop(Profile::Code2026).await;
    shop.control("faults", json!({ "kind": "invalid_json", "count": 1 }))
        .await;
    let answer = shop.post("stocks", json!([{ "name": "x" }])).await;
    assert_eq!(answer.status, 200);
    assert!(serde_json::from_slice::<Value>(&answer.bytes).is_err());
    assert_eq!(stocks(&shop).await, 3);
}

#[tokio::test]
async fn f_7_all_tokens_expire() {
    let pim = pim().await;
    let path = "/api/rest/v1/channels";
    assert_eq!(pim.get(path).await.status, 200);
    pim.control(
        "faults",
        json!({ "kind": "expire_tokens", "count": 1, "path": "/api/rest" }),
    )
    .await;
    assert_eq!(pim.get(path).await.status, 401);
    assert_eq!(pim.get(path).await.status, 401, "until a new one is taken");
}

#[tokio::test]
async fn f_8_down_and_the_control_api_still_answers() {
    let shop = shop(Profile::Code2026).await;
    let id = shop
        .control("faults", json!({ "kind": "down", "seconds": 600 }))
        .await["id"]
        .clone();
    assert!(shop.try_send("GET", STORES, "").await.is_err());
    assert_eq!(shop.control("health", Value::Null).await["ok"], true);
    assert!(
        shop.control("faults", Value::Null).await["down_ms"]
            .as_u64()
            .unwrap()
            > 500_000
    );
    shop.try_send("DELETE", &format!("/_simulator/faults/{id}"), "")
        .await
        .unwrap();
    assert_eq!(shop.get(STORES).await.status, 200);
}

#[tokio::test]
async fn f_9_work_is_done_after_the_client_gave_up() {
    let shop = shop(Profile::Code2026).await;
    shop.control(
        "faults",
        json!({ "kind": "late", "count": 1, "delay_ms": 60, "method": "POST", "path": "/dynamic-entity" }),
    )
    .await;
    let body = json!({ "data": [{ "name": "x" }] }).to_string();
    let send = shop.try_send("POST", "/dynamic-entity/stocks", &body);
    assert!(
        tokio::time::timeout(Duration::from_millis(20), send)
            .await
            .is_err()
    );
    assert_eq!(
        stocks(&shop).await,
        2,
        "the client is gone and nothing is done yet"
    );
    for _ in 0..200 {
        if stocks(&shop).await == 3 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the work was never done");
}

#[tokio::test]
async fn f_10_rules_choose_by_chance_place_and_number() {
    let outcomes = |seed| async move {
        let half = Fault {
            probability: 0.5,
            ..Fault::of(Kind::Status)
        };
        let shop = shop_with(Options {
            seed,
            faults: vec![half],
            ..Options::default()
        })
        .await;
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(shop.get(STORES).await.status);
        }
        statuses
    };
    let first = outcomes(5).await;
    assert_eq!(first, outcomes(5).await, "seeded");
    assert_ne!(first, outcomes(6).await);
    let failed = first.iter().filter(|status| **status == 503).count();
    assert!((5..35).contains(&failed), "{failed}");
    let shop = shop(Profile::Code2026).await;
    let rule = json!({ "kind": "status", "path": "/dynamic-entity/*/1", "skip": 1, "count": 1 });
    shop.control("faults", rule).await;
    let mut statuses = Vec::new();
    for path in [
        STORES,
        "/dynamic-entity/stores/1",
        "/dynamic-entity/stocks/1",
        "/dynamic-entity/stores/1",
    ] {
        statuses.push(shop.get(path).await.status);
    }
    assert_eq!(statuses, [200, 200, 503, 200]);
    let listed = shop.control("faults", Value::Null).await;
    assert_eq!(listed["faults"][0]["hits"], 1);
    let wrong = shop
        .send(
            "POST",
            "/_simulator/faults",
            json!({ "kind": "status", "colour": 1 }),
        )
        .await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("colour"));
}
