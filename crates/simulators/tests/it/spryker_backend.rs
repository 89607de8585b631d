//! Rules S-41 to S-45: the Backend API resources, and the report.

use serde_json::{Value, json};
use weir_simulators::spryker::{Options, Profile};

use crate::client::{Client, shop, shop_with};

async fn save(
    shop: &Client,
    method: &str,
    path: &str,
    kind: &str,
    attributes: Value,
) -> crate::client::Answer {
    let body = json!({ "data": { "type": kind, "attributes": attributes } }).to_string();
    let headers = [
        ("content-type", "application/vnd.api+json"),
        ("accept", "application/vnd.api+json"),
    ];
    shop.send_with(method, path, &headers, &body).await
}

#[tokio::test]
async fn s_41_categories_by_key() {
    let shop = shop(Profile::Code2026).await;
    let root = json!({ "categoryKey": "root", "isActive": true, "stores": ["DE"], "localizedAttributes": [{ "locale": "de_DE", "name": "Wurzel" }] });
    let answer = save(&shop, "POST", "/categories", "categories", root).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("content-type").unwrap(), "application/vnd.api+json");
    let child = json!({
        "categoryKey": "shoes", "isActive": true, "isInMenu": true, "isClickable": true, "isSearchable": true,
        "stores": ["DE", "AT"], "parent": { "categoryKey": "root", "sortOrder": 5 }, "imageSets": [{ "locale": "de_DE", "name": "default", "images": [] }],
        "localizedAttributes": [{ "locale": "de_DE", "name": "Schuhe", "metaTitle": "S" }],
    });
    save(&shop, "POST", "/categories", "categories", child).await;
    let patch = json!({ "stores": ["AT"], "localizedAttributes": [{ "locale": "en_US", "name": "Shoes" }] });
    let answer = save(&shop, "PATCH", "/categories/shoes", "categories", patch).await;
    assert_eq!(answer.status, 200);
    let data = shop.get("/categories/shoes").await.json()["data"].clone();
    assert_eq!(
        (&data["type"], &data["id"]),
        (&json!("categories"), &json!("shoes"))
    );
    let attributes = &data["attributes"];
    assert_eq!(
        attributes["parent"],
        json!({ "categoryKey": "root", "sortOrder": 5 })
    );
    assert_eq!(attributes["stores"], json!(["AT"]));
    assert_eq!(attributes["localizedAttributes"].as_array().unwrap().len(), 2);
    assert_eq!(attributes["imageSets"][0]["name"], "default");
    let page = shop.get("/categories?page[offset]=1&page[limit]=1").await.json();
    assert_eq!(page["data"][0]["id"], "shoes");
    assert_eq!(page["links"]["next"], Value::Null);
    let nodes = shop.get("/dynamic-entity/category-nodes").await.json();
    assert_eq!(nodes["data"][1]["fk_parent_category_node"], 1, "the same tables");
}

#[tokio::test]
async fn s_42_product_attributes_by_key() {
    let shop = shop(Profile::Code2026).await;
    let attribute = json!({
        "key": "color", "inputType": "select", "allowInput": false, "isSuper": false,
        "localizedKeys": [{ "localeName": "de_DE", "translation": "Farbe" }],
        "values": [{ "value": "red", "localizedValues": [{ "localeName": "de_DE", "translation": "Rot" }] }],
    });
    let answer = save(
        &shop,
        "POST",
        "/product-attributes",
        "product-attributes",
        attribute.clone(),
    )
    .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let patch = json!({ "isSuper": true, "values": [{ "value": "blue" }] });
    save(
        &shop,
        "PATCH",
        "/product-attributes/color",
        "product-attributes",
        patch,
    )
    .await;
    let have = shop.get("/product-attributes/color").await.json()["data"]["attributes"].clone();
    assert_eq!(
        (&have["isSuper"], &have["inputType"]),
        (&json!(true), &json!("select"))
    );
    assert_eq!(have["localizedKeys"], attribute["localizedKeys"]);
    assert_eq!(have["values"][0], attribute["values"][0]);
    assert_eq!(have["values"][1]["value"], "blue");
}

#[tokio::test]
async fn s_43_backend_requests_that_fail() {
    let shop = shop(Profile::Code2026).await;
    let missing = shop.get("/categories/none").await;
    assert_eq!(missing.status, 404);
    assert!(missing.json()["errors"][0]["detail"].is_string());
    let orphan = json!({ "categoryKey": "x", "parent": { "categoryKey": "none" } });
    assert_eq!(
        save(&shop, "POST", "/categories", "categories", orphan)
            .await
            .status,
        400
    );
    assert_eq!(
        shop.get("/categories").await.json()["data"],
        json!([]),
        "nothing was kept"
    );
    let root = json!({ "categoryKey": "x" });
    save(&shop, "POST", "/categories", "categories", root.clone()).await;
    assert_eq!(
        save(&shop, "POST", "/categories", "categories", root)
            .await
            .status,
        400
    );
    let nobody = shop
        .send_with("GET", "/categories", &[("x-api-key", "")], "")
        .await;
    assert_eq!(nobody.status, 403);
    let text = shop
        .send_with("POST", "/categories", &[("content-type", "text/plain")], "{}")
        .await;
    assert_eq!(text.status, 415);
    let closed = shop_with(Options {
        backend_api: false,
        ..Options::default()
    })
    .await;
    assert_eq!(closed.get("/categories").await.status, 404);
}

#[tokio::test]
async fn s_44_the_report_finds_what_is_there_twice() {
    let shop = shop(Profile::Code2026).await;
    let clean = shop.control("report", Value::Null).await;
    assert_eq!(
        (&clean["clean"], &clean["complete"]),
        (&json!(true), &json!(true)),
        "{clean}"
    );
    assert_eq!(clean["created"], json!({}), "the start is nobody's work");
    let image = json!([{ "external_url_large": "l", "external_url_small": "s" }]);
    for _ in 0..2 {
        assert_eq!(shop.post("product-images", image.clone()).await.status, 201);
    }
    let report = shop.control("report", Value::Null).await;
    assert_eq!(report["clean"], false);
    assert_eq!(report["duplicates"]["rows"][0]["key"], "external_url_large=l");
    assert_eq!(report["created_twice"]["total"], 1);
    // The second row is changed afterwards: no duplicate any more, and still written twice.
    shop.patch(
        "product-images",
        json!([{ "id_product_image": 2, "external_url_large": "other" }]),
    )
    .await;
    let report = shop.control("report", Value::Null).await;
    assert_eq!(report["duplicates"]["total"], 0);
    assert_eq!(
        (&report["created_twice"]["total"], &report["clean"]),
        (&json!(1), &json!(false))
    );
    // Rows that were undone do not count.
    let product = json!({ "sku": "a", "fk_tax_set": 1, "attributes": "{}" });
    shop.post("product-abstracts", json!([product, product])).await;
    shop.post("product-abstracts", json!([product])).await;
    assert_eq!(
        shop.control("report", Value::Null).await["created_twice"]["total"],
        1
    );
}

#[tokio::test]
async fn s_45_the_report_names_half_done_work_and_totals() {
    let shop = shop(Profile::Code2026).await;
    shop.post(
        "product-abstracts",
        json!([{ "sku": "a", "fk_tax_set": 1, "attributes": "{}" }]),
    )
    .await;
    shop.post(
        "categories",
        json!([{ "category_key": "k", "fk_category_template": 1 }]),
    )
    .await;
    let report = shop.control("report", Value::Null).await;
    assert_eq!(
        (&report["clean"], &report["complete"]),
        (&json!(true), &json!(false))
    );
    let missing: Vec<&str> = report["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| gap["missing"].as_str().unwrap())
        .collect();
    assert_eq!(
        missing,
        [
            "a place in the tree",
            "a name",
            "a store",
            "a name",
            "a store",
            "a concrete product"
        ]
    );
    assert_eq!(
        report["totals"],
        json!({ "categories": 1, "attributes": 0, "abstracts": 1, "concretes": 0 })
    );
    let keys = shop.control("keys?kind=abstracts", Value::Null).await;
    assert_eq!(keys["keys"], json!(["a"]));
}
