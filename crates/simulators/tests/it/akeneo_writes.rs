//! Rules A-24 to A-28: writing.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use weir_simulators::akeneo::Options;

use crate::akeneo_reads::{API, get, walk};
use crate::client::{pim, pim_with, raw, small, url};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const LINES: &[(&str, &str)] = &[("content-type", "application/vnd.akeneo.collection+json")];

#[tokio::test]
async fn a_24_a_patch_creates_or_changes() {
    let pim = pim().await;
    let path = format!("{API}/categories/fresh");
    let new = pim
        .send_with(
            "PATCH",
            &path,
            JSON,
            r#"{"parent":"master","labels":{"de_DE":"Neu"}}"#,
        )
        .await;
    assert_eq!(new.status, 201);
    assert!(
        new.header("location")
            .unwrap()
            .ends_with("/api/rest/v1/categories/fresh")
    );
    let changed = pim
        .send_with("PATCH", &path, JSON, r#"{"labels":{"en_US":"New"}}"#)
        .await;
    assert_eq!((changed.status, changed.bytes.len()), (204, 0));
    let category = get(&pim, "categories/fresh").await;
    assert_eq!(
        (&category["parent"], &category["labels"]),
        (&json!("master"), &json!({ "de_DE": "Neu", "en_US": "New" }))
    );
    let product = walk(&pim, "products?limit=1&pagination_type=search_after").await[0].clone();
    let path = format!("{API}/products/{}", url(product["identifier"].as_str().unwrap()));
    let body = json!({ "enabled": false, "values": { "name": [{ "locale": "de_DE", "scope": null, "data": "Neu" }] } });
    assert_eq!(
        pim.send_with("PATCH", &path, JSON, &body.to_string())
            .await
            .status,
        204
    );
    let after = pim.get(&path).await.json();
    assert_eq!(after["enabled"], false);
    let names = after["values"]["name"].as_array().unwrap();
    assert!(names.iter().any(|value| value["data"] == "Neu"));
    assert_eq!(
        names.len(),
        product["values"]["name"].as_array().unwrap().len(),
        "other locales stay"
    );
    assert!(after["updated"].as_str() > product["updated"].as_str());
}

#[tokio::test]
async fn a_25_lines_have_each_their_own_status() {
    let pim = pim().await;
    let body = "{\"code\":\"x\",\"parent\":\"master\"}\n{\"code\":\"master\",\"labels\":{}}\n{\"code\":\"y\",\"parent\":\"none\"}\nnot json\n{}\n";
    let answer = pim
        .send_with("PATCH", &format!("{API}/categories"), LINES, body)
        .await;
    assert_eq!(answer.status, 200);
    let lines: Vec<Value> = answer
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let statuses: Vec<u64> = lines
        .iter()
        .map(|line| line["status_code"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [201, 204, 422, 400, 422]);
    assert_eq!(
        (
            &lines[0]["line"],
            &lines[0]["code"],
            &lines[2]["errors"][0]["property"]
        ),
        (&json!(1), &json!("x"), &json!("parent"))
    );
    let many = "{\"code\":\"z\"}\n".repeat(101);
    assert_eq!(
        pim.send_with("PATCH", &format!("{API}/categories"), LINES, &many)
            .await
            .status,
        413
    );
    let long = format!("{{\"code\":\"z\",\"x\":\"{}\"}}", "x".repeat(1_000_000));
    let answer = pim
        .send_with("PATCH", &format!("{API}/categories"), LINES, &long)
        .await;
    assert_eq!(answer.json()["status_code"], 413);
}

#[tokio::test]
async fn a_26_a_post_creates_once() {
    let pim = pim().await;
    let model =
        json!({ "code": "own", "family": "tee", "family_variant": "tee_by_color", "categories": ["master"] });
    let path = format!("{API}/product-models");
    assert_eq!(
        pim.send_with("POST", &path, JSON, &model.to_string())
            .await
            .status,
        201
    );
    assert_eq!(
        pim.send_with("POST", &path, JSON, &model.to_string())
            .await
            .status,
        422
    );
    let product = json!({ "identifier": "own-red", "parent": "own", "values": { "color": [{ "locale": null, "scope": null, "data": "red" }] } });
    let answer = pim
        .send_with("POST", &format!("{API}/products"), JSON, &product.to_string())
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let read = get(&pim, "products/own-red").await;
    assert_eq!(
        (&read["parent"], &read["categories"], &read["family"]),
        (&json!("own"), &json!(["master"]), &json!("tee"))
    );
    assert_eq!(
        read["values"]["color"][0]["attribute_type"],
        "pim_catalog_simpleselect"
    );
    assert_eq!(
        pim.control("report", Value::Null).await["totals"]["concretes"],
        401
    );
}

#[tokio::test]
async fn a_27_values_that_do_not_fit_are_refused() {
    let pim = pim().await;
    let path = format!("{API}/products/new-one");
    for (values, property) in [
        (json!({ "nothing": [] }), "values"),
        (
            json!({ "name": [{ "locale": null, "scope": null, "data": "x" }] }),
            "values",
        ),
        (
            json!({ "price": [{ "locale": null, "scope": "web", "data": [{ "amount": "abc", "currency": "EUR" }] }] }),
            "values",
        ),
        (
            json!({ "eco": [{ "locale": null, "scope": null, "data": "yes" }] }),
            "values",
        ),
    ] {
        let body = json!({ "values": values }).to_string();
        let answer = pim.send_with("PATCH", &path, JSON, &body).await;
        assert_eq!(answer.status, 422);
        assert_eq!(answer.json()["errors"][0]["property"], property);
    }
    assert_eq!(pim.get(&path).await.status, 404, "nothing was made");
    for body in [
        r#"{"family":"none"}"#,
        r#"{"categories":["none"]}"#,
        r#"{"parent":"none"}"#,
        r#"{"colour":1}"#,
    ] {
        assert_eq!(
            pim.send_with("PATCH", &path, JSON, body).await.status,
            422,
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_28_every_change_has_its_own_later_second() {
    let pim = pim_with(Options {
        wall_clock: false,
        ..small()
    })
    .await;
    let changed = pim
        .control("change", json!({ "kind": "change_variants", "count": 3 }))
        .await;
    let mut times = BTreeSet::new();
    for key in changed["identifiers"].as_array().unwrap() {
        let product = get(&pim, &format!("products/{}", url(key.as_str().unwrap()))).await;
        times.insert(product["updated"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        times.iter().map(String::as_str).collect::<Vec<_>>(),
        [
            "2026-06-30T00:00:01+00:00",
            "2026-06-30T00:00:02+00:00",
            "2026-06-30T00:00:03+00:00"
        ]
    );
    let root = raw(pim.running.address, "GET", API, &[], "").await.unwrap();
    assert_eq!(root.status, 200, "the root list is open");
}
