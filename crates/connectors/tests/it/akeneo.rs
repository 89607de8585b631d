use std::collections::BTreeMap;

use serde_json::json;
use weir_sdk::connector::{Connection, LookupRequest, NoObserver, ReadRequest};
use weir_simulators::akeneo::{self, Options};
use weir_simulators::{Running, catalogue};

use crate::stage::{connect, read_all};

async fn pim() -> (Running, std::sync::Arc<dyn Connection>) {
    let catalogue = catalogue::Options {
        categories: 130,
        attributes: 30,
        products: 260,
        ..catalogue::Options::default()
    };
    let running = akeneo::start(Options {
        catalogue,
        ..Options::default()
    })
    .await
    .unwrap();
    let connection = sign_in(&running.url(), "weir_password");
    (running, connection)
}

fn sign_in(url: &str, password: &str) -> std::sync::Arc<dyn Connection> {
    let auth = json!({ "client_id": "weir_client", "secret": "weir_secret", "username": "weir", "password": password });
    connect("akeneo", url, ("password", auth))
}

fn all(entity: &str) -> ReadRequest {
    ReadRequest {
        entity: entity.to_owned(),
        ..ReadRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_to_their_ends_and_filters_and_dates_are_asked_for() {
    let (_running, pim) = pim().await;
    assert_eq!(read_all(pim.as_ref(), all("categories")).await.len(), 130);
    let products = read_all(pim.as_ref(), all("products")).await;
    assert_eq!(products.len(), 260);

    let without_parent = BTreeMap::from([("parent".to_owned(), json!({ "empty": true }))]);
    let simple = read_all(
        pim.as_ref(),
        ReadRequest {
            filter: without_parent,
            ..all("products")
        },
    )
    .await;
    let expected = products
        .iter()
        .filter(|row| row.value["parent"].is_null())
        .count();
    assert_eq!(simple.len(), expected);

    let mut times: Vec<_> = read_all(pim.as_ref(), all("categories"))
        .await
        .iter()
        .filter_map(|row| row.changed_at)
        .collect();
    times.sort();
    let middle = times[times.len() / 2];
    let since = Some(("updated".to_owned(), middle));
    let newer = read_all(
        pim.as_ref(),
        ReadRequest {
            since,
            ..all("categories")
        },
    )
    .await;
    let expected = times.iter().filter(|at| **at > middle).count();
    assert_eq!(
        newer.len(),
        expected,
        "the API's own `>` leaves out the second itself; the overlap brings it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sub_resources_are_nested_and_parents_are_gone_through() {
    let (_running, pim) = pim().await;
    let with = BTreeMap::from([("options".to_owned(), "attribute-options".to_owned())]);
    let attributes = read_all(
        pim.as_ref(),
        ReadRequest {
            with,
            ..all("attributes")
        },
    )
    .await;
    assert_eq!(attributes.len(), 30);
    for row in &attributes {
        let is_select = matches!(
            row.value["type"].as_str().unwrap(),
            "pim_catalog_simpleselect" | "pim_catalog_multiselect"
        );
        let options = row.value["options"].as_array().unwrap();
        assert_eq!(!options.is_empty(), is_select, "{}", row.value["code"]);
    }
    let variants = read_all(pim.as_ref(), all("family-variants")).await;
    assert!(
        variants
            .iter()
            .all(|row| row.value["variant_attribute_sets"].is_array())
    );
    assert!(variants.len() > 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_looked_up_together_and_a_missing_one_is_an_answer() {
    let (_running, pim) = pim().await;
    let models = read_all(pim.as_ref(), all("product-models")).await;
    let code = models[0].value["code"].clone();
    let request = LookupRequest {
        entity: "product-models".to_owned(),
        field: "code".to_owned(),
        keys: vec![code.clone(), json!("no-such-model")],
        with: BTreeMap::new(),
        fresh: true,
    };
    let found = pim.lookup(&request, &NoObserver).await.unwrap();
    assert_eq!((found[0].len(), found[1].len()), (1, 0));
    assert_eq!(found[0][0]["code"], code);

    let keys = Some(vec!["master".to_owned()]);
    let by_key = read_all(
        pim.as_ref(),
        ReadRequest {
            keys,
            ..all("categories")
        },
    )
    .await;
    assert_eq!(by_key.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_address_without_anybody_are_explained() {
    let (running, _) = pim().await;
    let check = sign_in(&running.url(), "wrong").check().await.remove(0);
    assert!(!check.ok);
    assert!(
        check.message.contains("could not sign in at `akeneo`"),
        "{}",
        check.message
    );
    assert!(!check.message.contains("weir_secret"), "{}", check.message);

    let check = sign_in("http://127.0.0.1:9", "weir_password")
        .check()
        .await
        .remove(0);
    assert!(
        check.message.contains("Check the address http://127.0.0.1:9"),
        "{}",
        check.message
    );
}
