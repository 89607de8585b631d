use std::collections::BTreeMap;

use serde_json::{Value, json};
use weir_model::TaskId;
use weir_model::config::WriteMode;
use weir_sdk::connector::{WriteRequest, WriteRow};
use weir_simulators::spryker::{self, Options, Profile};

use crate::stage::{Journal, all_words, connect, connect_to, source, upsert, words};

fn category(key: &str, parent: Value) -> Value {
    json!({
        "categoryKey": key, "isActive": true, "isInMenu": true, "isClickable": true, "isSearchable": true,
        "stores": ["DE", "AT"], "parent": parent,
        "localizedAttributes": [{ "locale": "de_DE", "name": format!("{key} de") }, { "locale": "en_US", "name": key }]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn natural_keys_arrive_and_a_second_write_sends_nothing() {
    for profile in [Profile::Code2026, Profile::Doc2024] {
        for auth in [
            ("api_key", json!({ "key": "weir-api-key" })),
            (
                "password",
                json!({ "username": "admin@weir.example", "password": "change123" }),
            ),
        ] {
            let running = spryker::start(Options {
                profile,
                ..Options::default()
            })
            .await
            .unwrap();
            let shop = connect("spryker-backend-api", &running.url(), auth);

            let journal = Journal::default();
            let root = category("a root/1", Value::Null);
            let child = category("child", json!({ "categoryKey": "a root/1", "sortOrder": 3 }));
            // One after the other: what is written together has no order.
            for row in [&root, &child] {
                let rows = vec![row.clone()];
                let written = upsert(shop.as_ref(), "categories", "categoryKey", rows, &journal).await;
                assert_eq!(all_words(&written), ["created"]);
            }
            let ended = all_words(
                &upsert(
                    shop.as_ref(),
                    "categories",
                    "categoryKey",
                    vec![root, child.clone()],
                    &journal,
                )
                .await,
            );
            assert_eq!(ended, ["unchanged", "unchanged"]);
            let mut other = child;
            other["isActive"] = json!(false);
            other["localizedAttributes"][0]["name"] = json!("neu");
            let ended = all_words(
                &upsert(
                    shop.as_ref(),
                    "categories",
                    "categoryKey",
                    vec![other.clone()],
                    &journal,
                )
                .await,
            );
            assert_eq!(ended, ["updated"]);
            let ended =
                all_words(&upsert(shop.as_ref(), "categories", "categoryKey", vec![other], &journal).await);
            assert_eq!(ended, ["unchanged"]);
            let orphan = category("orphan", json!({ "categoryKey": "nobody", "sortOrder": 3 }));
            let refused =
                &upsert(shop.as_ref(), "categories", "categoryKey", vec![orphan], &journal).await[0];
            assert!(
                words(refused).starts_with("invalid: ") && words(refused).contains("`orphan`"),
                "{}",
                words(refused)
            );

            for values in [
                json!([]),
                json!([{ "value": "oak", "localizedValues": [{ "localeName": "de_DE", "translation": "Eiche" }] }]),
            ] {
                let row = json!({ "key": "material", "inputType": "select", "allowInput": false, "isSuper": false,
                "localizedKeys": [{ "localeName": "de_DE", "translation": "Material" }], "values": values });
                let ended = all_words(
                    &upsert(
                        shop.as_ref(),
                        "product-attributes",
                        "key",
                        vec![row.clone()],
                        &journal,
                    )
                    .await,
                );
                assert!(matches!(ended[0].as_str(), "created" | "updated"), "{ended:?}");

                let ended =
                    all_words(&upsert(shop.as_ref(), "product-attributes", "key", vec![row], &journal).await);
                assert_eq!(ended, ["unchanged"]);
            }
        }
    }
}

/// The connector takes one row a request and four requests at once.
#[tokio::test(flavor = "multi_thread")]
async fn requests_of_one_write_go_side_by_side_as_far_as_the_connection_may() {
    let running = spryker::start(Options::default()).await.unwrap();
    let key = ("api_key", json!({ "key": "weir-api-key" }));
    let shop = connect("spryker-backend-api", &running.url(), key);
    let rows = (0..12)
        .map(|number| category(&format!("root-{number}"), Value::Null))
        .collect();
    let journal = Journal::default();
    let written = upsert(shop.as_ref(), "categories", "categoryKey", rows, &journal).await;
    assert_eq!(all_words(&written), vec!["created"; 12]);
    assert_eq!(*journal.at_once_max.lock().unwrap(), 4);
    assert_eq!(journal.finished.lock().unwrap().len(), 12);
}

/// A manifest that creates without a look before: after an interruption the look decides all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_perhaps_created_is_looked_for_before_it_is_created_again() {
    let running = spryker::start(Options::default()).await.unwrap();
    let key = ("api_key", json!({ "key": "weir-api-key" }));
    let mut manifest = source("spryker-backend-api");
    manifest.manifest = manifest.manifest.replace("      upsert: lookup_then\n", "");
    let shop = connect_to(&manifest, &running.url(), key);
    let journal = Journal::default();
    let row = |name: &str, uncertain| WriteRow {
        task: TaskId(uuid::Uuid::nil()),
        key: name.to_owned(),
        value: category(name, Value::Null),
        uncertain,
        finished: BTreeMap::new(),
    };
    let create = async |rows| {
        let (entity, mode) = ("categories".to_owned(), WriteMode::Create);
        let written = shop.write(&WriteRequest { entity, mode, rows }, &journal).await;
        all_words(&written)
    };
    assert_eq!(create(vec![row("first", false)]).await, ["created"]);
    let again = create(vec![row("first", true), row("second", true)]).await;
    assert_eq!(again, ["created", "created"]);
    assert_eq!(
        journal.effects(),
        ["create categories (1)", "create categories (1)"],
        "what is there is not sent again"
    );
}
