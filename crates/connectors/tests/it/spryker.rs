use std::sync::Arc;

use serde_json::{Value, json};
use weir_sdk::connector::{Connection, Outcome};
use weir_simulators::Running;
use weir_simulators::faults::{self, Fault};
use weir_simulators::spryker::{self, Options, Profile};

use crate::stage::{Journal, all_words, connect, upsert, words};

async fn shop(options: Options) -> (Running, Arc<dyn Connection>) {
    let running = spryker::start(options).await.unwrap();
    let connection = connect(
        "spryker-data-exchange",
        &running.url(),
        ("api_key", json!({ "key": "weir-api-key" })),
    );
    (running, connection)
}

fn category(key: &str, parent: Value) -> Value {
    json!({
        "key": key, "parent": parent, "order": 1,
        "is_active": true, "is_in_menu": true, "is_clickable": true, "is_searchable": true,
        "template": "Catalog (default)", "stores": ["DE", "AT"],
        "localized": [{ "locale": "de_DE", "name": format!("{key} de") }, { "locale": "en_US", "name": key }]
    })
}

fn product(sku: &str) -> Value {
    json!({
        "sku": sku, "tax_set": "Standard Taxes", "approval_status": "approved", "attributes": { "color": "red", "size": "1.50" },
        "localized": [{ "locale": "de_DE", "name": "Hemd", "description": "Ein <b>Hemd</b> 👕", "attributes": {} }],
        "stores": ["DE"], "categories": [{ "category": "root", "order": 3 }],
        "prices": [{ "store": "DE", "currency": "EUR", "type": "DEFAULT", "gross": 1999, "net": 0 }],
        "image_sets": [{ "name": "default", "images": [{ "url": "https://media.example.com/a.png", "order": 0 }] }],
        "urls": [{ "locale": "de_DE", "url": format!("/de/{sku}") }]
    })
}

async fn report(running: &Running) -> Value {
    let url = format!("{}/_simulator/report", running.url());
    let context = crate::stage::context();
    let request = weir_sdk::http::Request {
        method: "GET".to_owned(),
        url,
        headers: Vec::new(),
        body: None,
        timeout_ms: 5_000,
        answer_bytes_max: 10_000_000,
        allow_private: true,
    };
    serde_json::from_slice(&context.http.send(request).await.unwrap().body).unwrap()
}

/// The category that products stand in.
async fn put_root(shop: &dyn Connection, journal: &Journal) {
    let root = vec![category("root", Value::Null)];
    upsert(shop, "categories", "key", root, journal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_and_a_product_arrive_whole_and_a_second_write_sends_nothing() {
    for profile in [Profile::Code2026, Profile::Doc2024] {
        let (running, shop) = shop(Options {
            profile,
            ..Options::default()
        })
        .await;
        let journal = Journal::default();
        let root = upsert(
            shop.as_ref(),
            "categories",
            "key",
            vec![category("root", Value::Null)],
            &journal,
        )
        .await;
        assert_eq!(all_words(&root), ["created"], "{profile:?}");
        let Outcome::Written(written) = &root[0] else {
            panic!("written")
        };
        assert!(
            written.ids.contains_key("id_category") && written.ids.contains_key("id_category_node"),
            "{written:?}"
        );
        assert_eq!(
            journal.effects(),
            [
                "create categories (1)",
                "create category-attributes (2)",
                "create category-stores (2)"
            ]
        );

        let below = upsert(
            shop.as_ref(),
            "categories",
            "key",
            vec![category("child", json!("root"))],
            &journal,
        )
        .await;
        assert_eq!(all_words(&below), ["created"]);
        let wrote = upsert(
            shop.as_ref(),
            "product-abstracts",
            "sku",
            vec![product("tee")],
            &journal,
        )
        .await;
        assert_eq!(all_words(&wrote), ["created"]);
        let report = report(&running).await;
        assert_eq!(
            (&report["clean"], &report["gaps"]["total"].as_u64().unwrap_or(0)),
            (&json!(true), &0),
            "{report:#}"
        );

        let quiet = Journal::default();
        for (entity, key, row) in [
            ("categories", "key", category("child", json!("root"))),
            ("product-abstracts", "sku", product("tee")),
        ] {
            let again = upsert(shop.as_ref(), entity, key, vec![row], &quiet).await;
            assert_eq!(all_words(&again), ["unchanged"], "{profile:?} {entity}");
        }
        assert_eq!(quiet.effects(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_differences_are_sent() {
    let (_running, shop) = shop(Options::default()).await;
    let journal = Journal::default();
    put_root(shop.as_ref(), &journal).await;
    upsert(
        shop.as_ref(),
        "product-abstracts",
        "sku",
        vec![product("tee")],
        &journal,
    )
    .await;
    let mut changed = product("tee");
    changed["prices"][0]["gross"] = json!(2499);
    let journal = Journal::default();
    let wrote = upsert(shop.as_ref(), "product-abstracts", "sku", vec![changed], &journal).await;
    assert_eq!(all_words(&wrote), ["updated"]);
    let exchanges = journal.exchanges.lock().unwrap();
    let patch = exchanges
        .iter()
        .find(|exchange| exchange.method == "PATCH")
        .unwrap();
    let body: Value = serde_json::from_str(patch.request_body.as_ref().unwrap()).unwrap();
    let store_price = &body["data"][0]["productAbstractPriceProducts"][0]["priceProductStores"][0];
    assert_eq!(store_price["gross_price"], json!(2499));
    assert_eq!(
        store_price.as_object().unwrap().len(),
        2,
        "the id and the one difference: {store_price}"
    );
    assert_eq!(body["data"][0].as_object().unwrap().len(), 2, "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_category_moves_below_another_parent() {
    let (running, shop) = shop(Options::default()).await;
    let journal = Journal::default();
    for (key, parent) in [("root", Value::Null), ("a", json!("root")), ("b", json!("root"))] {
        upsert(
            shop.as_ref(),
            "categories",
            "key",
            vec![category(key, parent)],
            &journal,
        )
        .await;
    }
    let moved = upsert(
        shop.as_ref(),
        "categories",
        "key",
        vec![category("b", json!("a"))],
        &journal,
    )
    .await;
    assert_eq!(all_words(&moved), ["updated"]);
    assert_eq!(report(&running).await["clean"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_fails_alone_with_field_rule_and_what_to_do() {
    for profile in [Profile::Code2026, Profile::Doc2024] {
        let (_running, shop) = shop(Options {
            profile,
            ..Options::default()
        })
        .await;
        let journal = Journal::default();
        put_root(shop.as_ref(), &journal).await;
        let mut bad_url = product("bad-url");
        bad_url["urls"][0]["url"] = json!("https://elsewhere.example.com/x");
        let mut unknown_tax = product("unknown-tax");
        unknown_tax["tax_set"] = json!("Mars");
        let mut early = product("early");
        early["categories"] = json!([{ "category": "not-yet", "order": 0 }]);
        let rows = vec![product("good-1"), bad_url, unknown_tax, early, product("good-2")];
        let outcomes = upsert(shop.as_ref(), "product-abstracts", "sku", rows, &journal).await;
        assert_eq!(words(&outcomes[0]), "created", "{profile:?}");
        assert_eq!(words(&outcomes[4]), "created");
        let refused = words(&outcomes[1]);
        assert!(
            refused.starts_with("invalid: `spryker-data-exchange` refused product-abstracts `bad-url`"),
            "{refused}"
        );
        assert!(
            refused.contains("1316") && refused.ends_with("Correct it in the map or at the source"),
            "{refused}"
        );
        let missing = words(&outcomes[2]);
        assert!(
            missing.contains("field `tax_set` names `Mars`") && missing.contains("tax-sets"),
            "{missing}"
        );
        assert_eq!(words(&outcomes[3]), "waits for categories[0].category not-yet");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_though_no_answer_came_is_not_done_twice() {
    let (running, shop) = shop(Options::default()).await;
    for kind in [faults::Kind::Truncate, faults::Kind::InvalidJson] {
        let url = format!("{}/_simulator/faults", running.url());
        let fault = Fault {
            count: Some(1),
            method: Some("POST".to_owned()),
            ..Fault::of(kind)
        };
        post(&url, &json!(fault)).await;
        let key = format!("{kind:?}");
        let journal = Journal::default();
        let lost = upsert(
            shop.as_ref(),
            "categories",
            "key",
            vec![category(&key, Value::Null)],
            &journal,
        )
        .await;
        assert!(
            words(&lost[0]).starts_with("outcome_unknown"),
            "{}",
            words(&lost[0])
        );
        assert_eq!(
            journal.finished.lock().unwrap().len(),
            0,
            "the intention stays open"
        );
        // The next attempt looks, finds the row, and adds only what is missing.
        let again = upsert(
            shop.as_ref(),
            "categories",
            "key",
            vec![category(&key, Value::Null)],
            &journal,
        )
        .await;
        assert_eq!(all_words(&again), ["updated"]);
        assert_eq!(report(&running).await["clean"], json!(true));
    }
}

async fn post(url: &str, body: &Value) {
    let request = weir_sdk::http::Request {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: Some(body.to_string().into_bytes().into()),
        timeout_ms: 5_000,
        answer_bytes_max: 1_000_000,
        allow_private: true,
    };
    let answer = crate::stage::context().http.send(request).await.unwrap();
    assert!(answer.status < 300, "{}", String::from_utf8_lossy(&answer.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_by_password_works_in_both_profiles_and_mistakes_are_explained() {
    for profile in [Profile::Code2026, Profile::Doc2024] {
        let running = spryker::start(Options {
            profile,
            ..Options::default()
        })
        .await
        .unwrap();
        let check = async |user: &str, password: &str| {
            let auth = json!({ "username": user, "password": password });
            connect("spryker-data-exchange", &running.url(), ("password", auth))
                .check()
                .await
                .remove(0)
        };
        let good = check("admin@weir.example", "change123").await;
        assert!(good.ok, "{profile:?}: {}", good.message);
        let wrong = check("admin@weir.example", "wrong").await;
        assert!(
            !wrong.ok && wrong.message.starts_with("User or password refused"),
            "{}",
            wrong.message
        );
        let factor = check("mfa@weir.example", "change123").await;
        assert!(
            !factor.ok && factor.message.contains("second factor"),
            "{}",
            factor.message
        );
    }
    let running = spryker::start(Options {
        inactive: vec!["stores".to_owned()],
        ..Options::default()
    })
    .await
    .unwrap();
    let shop = connect(
        "spryker-data-exchange",
        &running.url(),
        ("api_key", json!({ "key": "weir-api-key" })),
    );
    let check = shop.check().await.remove(0);
    assert!(
        check.message.starts_with("This resource is not active"),
        "{}",
        check.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_renewed_once_and_nobody_notices() {
    let fault = Fault {
        count: Some(1),
        path: Some("/dynamic-entity".to_owned()),
        ..Fault::of(faults::Kind::ExpireTokens)
    };
    let running = spryker::start(Options {
        faults: vec![fault],
        ..Options::default()
    })
    .await
    .unwrap();
    let auth = json!({ "username": "admin@weir.example", "password": "change123" });
    let shop = connect("spryker-data-exchange", &running.url(), ("password", auth));
    let check = shop.check().await.remove(0);
    assert!(check.ok, "{}", check.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_failure_while_an_image_is_made_kills_nobody() {
    let fault = Fault {
        count: Some(1),
        method: Some("POST".to_owned()),
        path: Some("/dynamic-entity/product-images".to_owned()),
        ..Fault::of(faults::Kind::Status)
    };
    let (_running, shop) = shop(Options {
        faults: vec![fault],
        ..Options::default()
    })
    .await;
    let journal = Journal::default();
    put_root(shop.as_ref(), &journal).await;
    let both = || vec![product("one"), product("two")];
    let first = upsert(shop.as_ref(), "product-abstracts", "sku", both(), &journal).await;
    for outcome in &first {
        assert!(words(outcome).starts_with("unavailable: "), "{}", words(outcome));
    }
    let second = upsert(shop.as_ref(), "product-abstracts", "sku", both(), &journal).await;
    assert_eq!(all_words(&second), ["created", "created"]);
}
