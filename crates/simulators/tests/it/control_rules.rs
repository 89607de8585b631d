//! Rules C-1 to C-9: the control API.

use serde_json::{Value, json};
use weir_simulators::spryker::Profile;

use crate::client::{pim, raw, shop, url};

#[tokio::test]
async fn c_1_requests_are_counted_by_method_and_template() {
    let shop = shop(Profile::Code2026).await;
    for path in [
        "/dynamic-entity/stores/1",
        "/dynamic-entity/stores/2",
        "/dynamic-entity/stores/99",
        "/dynamic-entity/stores?page[limit]=1",
    ] {
        shop.get(path).await;
    }
    let requests = shop.control("requests", Value::Null).await;
    assert_eq!(requests["total"], 4);
    assert_eq!(
        requests["counts"][1],
        json!({ "method": "GET", "path": "/dynamic-entity/stores/{id}", "count": 3, "statuses": { "200": 2, "404": 1 } })
    );
    assert_eq!(
        requests["last"][3]["path"],
        "/dynamic-entity/stores?page[limit]=1"
    );
    let pim = pim().await;
    for path in [
        "products/a%2Fb",
        "attributes/color/options/red",
        "media-files/a/b/c.png/download",
    ] {
        pim.get(&format!("/api/rest/v1/{path}")).await;
    }
    let requests = pim.control("requests", Value::Null).await;
    let paths: Vec<&str> = requests["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| count["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "/api/rest/v1/attributes/{code}/options/{code}",
            "/api/rest/v1/media-files/{code}/download",
            "/api/rest/v1/products/{code}",
            "/api/oauth/v1/token"
        ]
    );
}

#[tokio::test]
async fn c_2_a_recording_can_be_replayed_after_a_reset() {
    let shop = shop(Profile::Code2026).await;
    shop.control("record", json!({ "on": true })).await;
    let first = shop.post("stocks", json!([{ "name": "Größe ✨" }])).await.text();
    shop.get("/dynamic-entity/stocks?page[offset]=0&page[limit]=1")
        .await;
    shop.control("record", json!({ "on": false })).await;
    shop.get("/dynamic-entity/stores").await;
    let recorded = shop.get("/_simulator/recorded").await.text();
    let lines: Vec<Value> = recorded
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        lines[1]["path"],
        "/dynamic-entity/stocks?page[offset]=0&page[limit]=1"
    );
    shop.control("reset", json!({})).await;
    let headers: Vec<(String, String)> = lines[0]["headers"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| !["host", "connection", "content-length"].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let again = raw(
        shop.running.address,
        lines[0]["method"].as_str().unwrap(),
        lines[0]["path"].as_str().unwrap(),
        &headers,
        lines[0]["body"].as_str().unwrap(),
    )
    .await
    .unwrap();
    assert_eq!(again.text(), first, "the same numbers are given");
}

#[tokio::test]
async fn c_3_a_reset_brings_back_the_start_and_keeps_tokens() {
    let pim = pim().await;
    let before = pim.get("/api/rest/v1/products?limit=100").await.text();
    pim.control("change", json!({ "kind": "change_variants", "count": 5 }))
        .await;
    pim.control(
        "faults",
        json!({ "kind": "status", "count": 5, "path": "/never" }),
    )
    .await;
    assert_ne!(pim.get("/api/rest/v1/products?limit=100").await.text(), before);
    pim.control("reset", json!({})).await;
    assert_eq!(pim.get("/api/rest/v1/products?limit=100").await.text(), before);
    let report = pim.control("report", Value::Null).await;
    assert_eq!(
        (&report["requests"]["total"], &report["faults"]["faults"]),
        (&json!(1), &json!([]))
    );
}

#[tokio::test]
async fn c_4_a_value_can_be_set() {
    let pim = pim().await;
    let key = pim.control("keys?kind=concretes", Value::Null).await["keys"][0]
        .as_str()
        .unwrap()
        .to_owned();
    let change = json!({ "kind": "set_value", "identifier": key, "attribute": "name", "locale": "de_DE", "data": "Ganz neu" });
    pim.control("change", change).await;
    let product = pim
        .get(&format!("/api/rest/v1/products/{}", url(&key)))
        .await
        .json();
    let names = product["values"]["name"].as_array().unwrap();
    assert!(
        names
            .iter()
            .any(|name| name["locale"] == "de_DE" && name["data"] == "Ganz neu")
    );
    pim.control(
        "change",
        json!({ "kind": "set_enabled", "identifier": key, "enabled": false }),
    )
    .await;
    assert_eq!(
        pim.get(&format!("/api/rest/v1/products/{}", url(&key)))
            .await
            .json()["enabled"],
        false
    );
    let wrong = pim
        .send(
            "POST",
            "/_simulator/change",
            json!({ "kind": "set_value", "identifier": "none", "attribute": "name", "data": "x" }),
        )
        .await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("`none`"));
}

#[tokio::test]
async fn c_5_a_category_can_be_moved_and_makes_no_circle() {
    let pim = pim().await;
    let page = pim.get("/api/rest/v1/categories?limit=100").await.json();
    let moved = page["_embedded"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["parent"].is_string() && item["parent"] != "master")
        .unwrap()
        .clone();
    let code = moved["code"].as_str().unwrap();
    pim.control(
        "change",
        json!({ "kind": "move_category", "code": code, "parent": "master" }),
    )
    .await;
    let after = pim.get(&format!("/api/rest/v1/categories/{code}")).await.json();
    assert_eq!(after["parent"], "master");
    assert!(after["updated"].as_str() > moved["updated"].as_str());
    let circle = json!({ "kind": "move_category", "code": "master", "parent": code });
    assert_eq!(pim.send("POST", "/_simulator/change", circle).await.status, 422);
}

#[tokio::test]
async fn c_6_variants_of_different_models_can_be_changed() {
    let pim = pim().await;
    let changed = pim
        .control(
            "change",
            json!({ "kind": "change_variants", "count": 10, "attribute": "stock" }),
        )
        .await;
    let mut roots = std::collections::BTreeSet::new();
    for key in changed["identifiers"].as_array().unwrap() {
        let product = pim
            .get(&format!("/api/rest/v1/products/{}", url(key.as_str().unwrap())))
            .await
            .json();
        assert!(product["values"]["stock"][0]["data"].as_i64().unwrap() >= 1000);
        let mut parent = product["parent"].clone();
        loop {
            let model = pim
                .get(&format!(
                    "/api/rest/v1/product-models/{}",
                    url(parent.as_str().unwrap())
                ))
                .await
                .json();
            if model["parent"].is_null() {
                break;
            }
            parent = model["parent"].clone();
        }
        roots.insert(parent.to_string());
    }
    assert_eq!(roots.len(), 10);
}

#[tokio::test]
async fn c_7_products_can_be_broken_and_repaired() {
    let pim = pim().await;
    let price = pim.control("change", json!({ "kind": "break_price" })).await["identifier"]
        .as_str()
        .unwrap()
        .to_owned();
    let name = pim.control("change", json!({ "kind": "refuse" })).await["identifier"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(price, name);
    let read = |key: String| {
        let pim = &pim;
        async move {
            pim.get(&format!("/api/rest/v1/products/{}", url(&key)))
                .await
                .json()["values"]
                .clone()
        }
    };
    assert_eq!(read(price.clone()).await["price"][0]["data"][0]["amount"], "abc");
    assert!(
        read(name.clone()).await["name"][0]["data"]
            .as_str()
            .unwrap()
            .len()
            > 255
    );
    assert_eq!(
        pim.control("report", Value::Null).await["broken"][&price],
        json!(["price"])
    );
    let repaired = pim.control("change", json!({ "kind": "repair" })).await;
    assert_eq!(repaired["identifiers"].as_array().unwrap().len(), 2);
    assert!(
        read(price).await["price"][0]["data"][0]["amount"]
            .as_str()
            .unwrap()
            .parse::<f64>()
            .is_ok()
    );
    assert!(read(name).await["name"][0]["data"].as_str().unwrap().len() < 255);
}

#[tokio::test]
async fn c_8_a_variant_can_get_an_axis_later() {
    let pim = pim().await;
    let change = json!({ "kind": "add_axis", "family": "tee", "variant": "tee_by_color", "axis": "brand", "level": 1 });
    pim.control("change", change).await;
    let variant = pim
        .get("/api/rest/v1/families/tee/variants/tee_by_color")
        .await
        .json();
    assert_eq!(
        variant["variant_attribute_sets"][0]["axes"],
        json!(["color", "brand"])
    );
    assert!(
        !variant["common_attributes"]
            .as_array()
            .unwrap()
            .contains(&json!("brand"))
    );
}

#[tokio::test]
async fn c_9_keys_of_both_sides_can_be_compared() {
    let pim = pim().await;
    let totals = pim.control("report", Value::Null).await["totals"].clone();
    for kind in ["categories", "attributes", "abstracts", "concretes"] {
        let keys = pim.control(&format!("keys?kind={kind}"), Value::Null).await;
        assert_eq!(keys["count"], totals[kind], "{kind}");
        let list: Vec<&str> = keys["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key.as_str().unwrap())
            .collect();
        assert!(list.is_sorted());
    }
    assert_eq!(pim.get("/_simulator/keys?kind=things").await.status, 422);
    assert_eq!(pim.get("/_simulator/nothing").await.status, 404);
}

#[tokio::test]
async fn c_10_a_simulator_stops_and_frees_its_port() {
    let shop = shop(Profile::Code2026).await;
    let address = shop.running.address;
    assert_eq!(shop.running.url(), format!("http://{address}"));
    shop.running.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
