//! Rules S-17 to S-39: writing.

use serde_json::{Value, json};
use weir_simulators::spryker::{ChildWithoutId, Options, Profile, ResourceText};

use crate::client::{Client, PROFILES, shop, shop_with, url};

fn abstract_product(sku: &str) -> Value {
    json!({ "sku": sku, "fk_tax_set": 1, "attributes": "{}" })
}

async fn count(shop: &Client, resource: &str) -> u64 {
    shop.control("report", Value::Null).await["counts"][resource]
        .as_u64()
        .unwrap_or(0)
}

#[track_caller]
fn refused(answer: &crate::client::Answer, status: u16, codes: &[&str]) {
    assert_eq!(
        (answer.status, answer.codes()),
        (status, codes.iter().map(|code| (*code).to_owned()).collect()),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn s_17_a_post_creates_a_whole_tree() {
    for profile in PROFILES {
        let shop = shop(profile).await;
        let mut product = abstract_product("a");
        product["productAbstractProducts"] = json!([{
            "sku": "c", "attributes": "{}", "is_active": true,
            "productStocks": [{ "fk_stock": 1, "quantity": 5 }],
            "productLocalizedAttributes": [{ "fk_locale": 1, "name": "N", "attributes": "{}" }],
        }]);
        product["productAbstractPriceProducts"] = json!([{
            "fk_price_type": 1,
            "priceProductStores": [{ "fk_store": 1, "fk_currency": 1, "gross_price": 1990, "net_price": 0, "priceProductStoreDefaults": [{}] }],
        }]);
        let answer = shop.post("product-abstracts", json!([product])).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let saved = &answer.json()["data"][0];
        assert_eq!(saved["id_product_abstract"], 1);
        assert_eq!(saved["approval_status"], Value::Null, "all fields are there");
        let price = &saved["productAbstractPriceProducts"][0]["priceProductStores"][0];
        assert_eq!(price["priceProductStoreDefaults"][0]["fk_price_product_store"], 1);
        assert_eq!(
            saved["productAbstractProducts"][0]["productStocks"][0]["fk_product"],
            1
        );
        assert_eq!(count(&shop, "price-product-defaults").await, 1);
    }
}

#[tokio::test]
async fn s_18_a_body_without_data_is_refused() {
    let shop = shop(Profile::Code2026).await;
    for body in ["", "{", "[]", "{}", r#"{"data":[]}"#, r#"{"data":{"name":"x"}}"#] {
        let answer = shop
            .try_send("POST", "/dynamic-entity/stocks", body)
            .await
            .unwrap();
        refused(&answer, 400, &["1301"]);
    }
    let answer = shop
        .send(
            "PATCH",
            "/dynamic-entity/stocks/1",
            json!({ "data": [{ "name": "x" }] }),
        )
        .await;
    refused(&answer, 400, &["1301"]);
}

#[tokio::test]
async fn s_19_fields_that_may_not_be_written() {
    let shop = shop(Profile::Code2026).await;
    let mut product = abstract_product("a");
    product["id_product_abstract"] = 7.into();
    let answer = shop.post("product-abstracts", json!([product])).await;
    refused(&answer, 400, &["1304"]);
    assert!(
        answer
            .message()
            .contains("`product-abstracts[0].id_product_abstract`")
    );
    refused(
        &shop
            .patch("stocks", json!([{ "id_stock": 1, "uuid": "x" }]))
            .await,
        400,
        &["1304"],
    );
    let in_path = json!({ "data": { "id_store": 1, "name": "X" } });
    refused(
        &shop.send("PATCH", "/dynamic-entity/stores/1", in_path).await,
        400,
        &["1304"],
    );
    assert_eq!(
        shop.patch("stores", json!([{ "id_store": 1, "name": "X" }]))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn s_20_json_types_are_strict() {
    let shop = shop(Profile::Code2026).await;
    for (field, value, codes) in [
        ("fk_tax_set", json!("1"), &["1305"][..]),
        ("fk_tax_set", json!(1.5), &["1305"]),
        ("sku", json!(5), &["1305"]),
        ("attributes", json!({}), &["1305"]),
    ] {
        let mut product = abstract_product("a");
        product[field] = value;
        refused(
            &shop.post("product-abstracts", json!([product])).await,
            400,
            codes,
        );
    }
    let answer = shop
        .patch("stocks", json!([{ "id_stock": 1, "is_active": 1 }]))
        .await;
    refused(&answer, 400, &["1305", "1306"]);
    refused(
        &shop.post("price-types", json!([{ "name": "TEXT" }])).await,
        400,
        &["1305"],
    );
}

fn sample() -> ResourceText {
    serde_json::from_value(json!({
        "name": "samples", "table": "weir_sample", "id": "id_sample", "deletable": true,
        "fields": [
            { "name": "id_sample", "type": "integer", "creatable": false, "editable": false },
            { "name": "amount", "type": "decimal", "precision": 6, "scale": 2 },
            { "name": "loose", "type": "float" },
            { "name": "short", "type": "string", "min_length": 2, "max_length": 4 },
        ],
    }))
    .unwrap()
}

#[tokio::test]
async fn s_21_values_have_limits() {
    let options = Options {
        more_resources: vec![sample()],
        ..Options::default()
    };
    let shop = shop_with(options).await;
    for (field, value, codes) in [
        ("amount", json!("12.345"), &["1306"][..]),
        ("amount", json!("123456.00"), &["1306"]),
        ("amount", json!("1,5"), &["1305"]),
        ("amount", json!("1."), &["1305"]),
        ("short", json!("x"), &["1306"]),
        ("short", json!("äää"), &["1306"]),
    ] {
        let answer = shop.post("samples", json!([{ field: value }])).await;
        refused(&answer, 400, codes);
        assert!(answer.message().contains("`samples[0]`"));
    }
    let answer = shop
        .post(
            "samples",
            json!([{ "amount": 12.5, "loose": "anything", "short": "ää" }]),
        )
        .await;
    assert_eq!(answer.json()["data"][0]["amount"], "12.50");
    assert_eq!(answer.json()["data"][0]["loose"], "anything");
    let review = json!({ "fk_locale": 1, "fk_product_abstract": 1, "customer_reference": "c", "rating": 6, "status": 0 });
    let answer = shop.post("product-reviews", json!([review])).await;
    refused(&answer, 400, &["1306"]);
    assert!(answer.message().contains("min: 1, max: 5"));
}

#[tokio::test]
async fn s_22_required_fields_count_on_post_and_put_only() {
    let shop = shop(Profile::Code2026).await;
    let answer = shop
        .post("product-abstracts", json!([{ "sku": null, "fk_tax_set": 1 }]))
        .await;
    refused(&answer, 400, &["1307", "1307"]);
    assert!(answer.message().contains("`product-abstracts[0]."));
    shop.post("product-abstracts", json!([abstract_product("a")]))
        .await;
    let patch = json!([{ "id_product_abstract": 1, "color_code": "red" }]);
    assert_eq!(shop.patch("product-abstracts", patch.clone()).await.status, 200);
    let put = shop
        .send(
            "PUT",
            "/dynamic-entity/product-abstracts",
            json!({ "data": patch }),
        )
        .await;
    refused(&put, 400, &["1307", "1307", "1307"]);
}

#[tokio::test]
async fn s_23_unique_keys_are_refused_with_their_place() {
    for profile in PROFILES {
        let shop = shop(profile).await;
        let items = json!([
            abstract_product("a"),
            abstract_product("b"),
            abstract_product("a")
        ]);
        let answer = shop.post("product-abstracts", items).await;
        refused(&answer, 400, &["1309"]);
        assert!(
            answer.message().contains("`product-abstracts[2].sku`"),
            "{}",
            answer.message()
        );
        let twice = json!([{ "fk_category": 1, "fk_locale": 1, "name": "x" }]);
        let category = json!([{ "category_key": "k", "fk_category_template": 1 }]);
        shop.post("categories", category).await;
        assert_eq!(shop.post("category-attributes", twice.clone()).await.status, 201);
        refused(&shop.post("category-attributes", twice).await, 400, &["1309"]);
    }
}

#[tokio::test]
async fn s_24_a_foreign_key_without_a_row_is_refused_by_the_database() {
    for (profile, status) in [(Profile::Doc2024, 400), (Profile::Code2026, 500)] {
        let shop = shop(profile).await;
        let mut product = abstract_product("a");
        product["fk_tax_set"] = 999.into();
        let answer = shop.post("product-abstracts", json!([product])).await;
        refused(&answer, status, &["1302"]);
        assert!(answer.message().contains("`product-abstracts[0]`"));
    }
}

#[tokio::test]
async fn s_25_null_in_a_column_that_needs_a_value() {
    for (profile, status, code) in [(Profile::Doc2024, 400, "1302"), (Profile::Code2026, 500, "")] {
        let shop = shop(profile).await;
        let answer = shop
            .patch("stocks", json!([{ "id_stock": 1, "name": null }]))
            .await;
        refused(&answer, status, &[code]);
    }
}

#[tokio::test]
async fn s_26_a_patch_item_needs_an_identifier_that_exists() {
    let shop = shop(Profile::Code2026).await;
    refused(
        &shop.patch("stocks", json!([{ "name": "x" }])).await,
        400,
        &["1310"],
    );
    let answer = shop
        .patch(
            "stocks",
            json!([{ "id_stock": 1 }, { "id_stock": 99, "name": "x" }]),
        )
        .await;
    refused(&answer, 404, &["1303"]);
    assert!(answer.message().contains("`stocks[1]`"));
}

#[tokio::test]
async fn s_27_unknown_names() {
    let shop = shop(Profile::Code2026).await;
    let answer = shop
        .post("stocks", json!([{ "name": "x", "colour": "red", "things": [] }]))
        .await;
    refused(&answer, 400, &["1311", "1313"]);
    assert!(answer.message().contains("`stocks[0].colour`"));
}

#[tokio::test]
async fn s_28_relations_that_are_not_editable() {
    for profile in PROFILES {
        let shop = shop(profile).await;
        let category = json!([{ "category_key": "k", "fk_category_template": 1, "categoryStores": [{ "fk_store": 1 }] }]);
        refused(&shop.post("categories", category).await, 422, &["1314"]);
    }
}

#[tokio::test]
async fn s_29_urls_are_relative() {
    let shop = shop(Profile::Code2026).await;
    for bad in ["de/x", "https://example.test/x", "//x", "/a b", ""] {
        let answer = shop.post("urls", json!([{ "fk_locale": 1, "url": bad }])).await;
        refused(&answer, 400, &["1316"]);
    }
    assert_eq!(
        shop.post("urls", json!([{ "fk_locale": 1, "url": "/de/ok" }]))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn s_30_paths_of_children_name_resources_in_a_chain() {
    let shop = shop(Profile::Code2026).await;
    let mut second = abstract_product("b");
    second["productAbstractProducts"] = json!([
        { "sku": "c1", "attributes": "{}" },
        { "sku": "c2", "attributes": "{}", "productStocks": [{ "fk_stock": 1, "quantity": "5" }] },
    ]);
    let answer = shop
        .post("product-abstracts", json!([abstract_product("a"), second]))
        .await;
    refused(&answer, 400, &["1305"]);
    let path = "`product-abstracts[1].products[1].stock-products[0]`";
    assert!(answer.message().contains(path), "{}", answer.message());
}

#[tokio::test]
async fn s_31_one_transaction_fails_as_a_whole_with_the_last_status() {
    let shop = shop(Profile::Code2026).await;
    let items = json!([{ "id_stock": 1, "name": "Changed" }, { "id_stock": 1, "name": "Warehouse2" }, { "id_stock": 99 }]);
    let answer = shop.patch("stocks", items).await;
    refused(&answer, 404, &["1309", "1303"]);
    let entry = answer.text();
    assert!(entry.starts_with("[{\"message\":") && entry.contains("\"status\":400,\"code\":\"1309\"}"));
    let read = shop.get("/dynamic-entity/stocks/1").await.json();
    assert_eq!(read["data"]["name"], "Warehouse1", "nothing was kept");
    let mut bad = abstract_product("b");
    bad["productAbstractStores"] = json!([{ "fk_store": 99 }]);
    refused(
        &shop
            .post("product-abstracts", json!([abstract_product("a"), bad]))
            .await,
        500,
        &["1302"],
    );
    assert_eq!(count(&shop, "product-abstracts").await, 0);
    assert_eq!(count(&shop, "product-abstract-stores").await, 0);
}

#[tokio::test]
async fn s_32_single_transactions_save_what_they_can() {
    for profile in PROFILES {
        let shop = shop(profile).await;
        let mut bad = abstract_product("b");
        bad["productAbstractStores"] = json!([{ "fk_store": 1 }, { "fk_store": 1 }]);
        let answer = shop
            .post_apart(
                "product-abstracts",
                json!([abstract_product("a"), bad, abstract_product("c")]),
            )
            .await;
        assert_eq!(answer.status, 201);
        assert!(
            answer.text().starts_with("{\"data\":[")
                && answer
                    .text()
                    .contains("\"errors\":[{\"code\":\"1309\",\"status\":400,\"message\":")
        );
        assert_eq!(answer.json()["data"].as_array().unwrap().len(), 2);
        assert_eq!(
            count(&shop, "product-abstract-stores").await,
            0,
            "the item with its children is undone"
        );
        let good = shop
            .post_apart("product-abstracts", json!([abstract_product("d")]))
            .await;
        assert_eq!(good.json()["errors"], json!([]), "present and empty");
        let none = shop
            .post_apart("product-abstracts", json!([{ "sku": 1 }, abstract_product("a")]))
            .await;
        assert_eq!((none.status, none.json()["data"].clone()), (400, json!([])));
        let path = "/dynamic-entity/stocks";
        let body = json!({ "data": [{ "id_stock": 99 }, { "name": "x" }] }).to_string();
        let first = shop
            .send_with("PATCH", path, &[("x-is-transactional", "0")], &body)
            .await;
        assert_eq!(first.status, 404, "the first error decides");
    }
}

#[tokio::test]
async fn s_33_put_replaces_and_creates() {
    let shop = shop(Profile::Code2026).await;
    let mut product = abstract_product("a");
    product["color_code"] = "red".into();
    shop.post("product-abstracts", json!([product])).await;
    let mut put = abstract_product("a");
    put["id_product_abstract"] = 1.into();
    let path = "/dynamic-entity/product-abstracts";
    let answer = shop
        .send(
            "PUT",
            path,
            json!({ "data": [put.clone(), abstract_product("b")] }),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.json()["data"][0]["color_code"],
        Value::Null,
        "what is not sent is lost"
    );
    assert_eq!(
        answer.json()["data"][1]["id_product_abstract"],
        2,
        "no identifier: created"
    );
    put["id_product_abstract"] = 77.into();
    put["sku"] = "z".into();
    refused(
        &shop.send("PUT", path, json!({ "data": [put] })).await,
        400,
        &["1308"],
    );
    let group = json!({ "data": [{ "id_product_group": 50, "product_group_key": "g" }] });
    let made = shop.send("PUT", "/dynamic-entity/product-groups", group).await;
    assert_eq!(
        made.json()["data"][0]["id_product_group"],
        50,
        "creatable identifier"
    );
    let next = shop
        .post("product-groups", json!([{ "product_group_key": "h" }]))
        .await;
    assert_eq!(next.json()["data"][0]["id_product_group"], 51);
}

#[tokio::test]
async fn s_34_patch_and_put_of_one_by_path() {
    for profile in PROFILES {
        let shop = shop(profile).await;
        let answer = shop
            .send(
                "PATCH",
                "/dynamic-entity/stores/1",
                json!({ "data": { "name": "X" } }),
            )
            .await;
        assert_eq!(answer.status, 200);
        let data = answer.json()["data"].clone();
        let name = if profile == Profile::Doc2024 {
            &data[0]["name"]
        } else {
            &data["name"]
        };
        assert_eq!(name, "X");
        let missing = shop
            .send(
                "PATCH",
                "/dynamic-entity/stores/99",
                json!({ "data": { "name": "X" } }),
            )
            .await;
        refused(&missing, 404, &["1303"]);
    }
}

#[tokio::test]
async fn s_35_children_of_a_patch_with_and_without_identifier() {
    for (variant, status) in [(ChildWithoutId::Create, 200), (ChildWithoutId::Refuse, 400)] {
        let shop = shop_with(Options {
            child_without_id: variant,
            ..Options::default()
        })
        .await;
        let mut product = abstract_product("a");
        product["productAbstractLocalizedAttributes"] =
            json!([{ "fk_locale": 1, "name": "old", "attributes": "{}" }]);
        shop.post("product-abstracts", json!([product])).await;
        let known = json!([{ "id_abstract_attributes": 1, "name": "new" }]);
        let patch = json!([{ "id_product_abstract": 1, "productAbstractLocalizedAttributes": known }]);
        assert_eq!(shop.patch("product-abstracts", patch).await.status, 200);
        let fresh = json!([{ "fk_locale": 2, "name": "neu", "attributes": "{}" }]);
        let patch = json!([{ "id_product_abstract": 1, "productAbstractLocalizedAttributes": fresh }]);
        let answer = shop.patch("product-abstracts", patch).await;
        assert_eq!(answer.status, status);
        let read = shop
            .get("/dynamic-entity/product-abstract-localized-attributes")
            .await
            .json();
        assert_eq!(read["data"][0]["name"], "new");
        assert_eq!(
            read["data"].as_array().unwrap().len(),
            if status == 200 { 2 } else { 1 }
        );
    }
}

#[tokio::test]
async fn s_36_delete_where_it_is_allowed() {
    let options = Options {
        deletable: vec!["product-groups".to_owned()],
        ..Options::default()
    };
    let shop = shop_with(options).await;
    refused(
        &shop
            .try_send("DELETE", "/dynamic-entity/stores/1", "")
            .await
            .unwrap(),
        405,
        &["1318"],
    );
    for key in ["a", "b", "c"] {
        shop.post("product-groups", json!([{ "product_group_key": key }]))
            .await;
    }
    shop.post("product-abstracts", json!([abstract_product("p")]))
        .await;
    shop.post(
        "product-abstract-groups",
        json!([{ "fk_product_abstract": 1, "fk_product_group": 2 }]),
    )
    .await;
    let delete = |path: &str| {
        let path = format!("/dynamic-entity/product-groups{path}");
        let shop = &shop;
        async move { shop.try_send("DELETE", &path, "").await.unwrap() }
    };
    let gone = delete("/1").await;
    assert_eq!((gone.status, gone.text().as_str()), (204, ""));
    refused(&delete("/1").await, 404, &["1303"]);
    let both = url(r#"{"in":["b","c"]}"#);
    let answer = delete(&format!("?filter[product-groups.product_group_key]={both}")).await;
    refused(&answer, 400, &["1317"]);
    assert!(answer.message().contains("`spy_product_abstract_group`"));
    assert_eq!(
        count(&shop, "product-groups").await,
        1,
        "the other row of the call is gone"
    );
}

#[tokio::test]
async fn s_37_messages_follow_the_language_and_codes_do_not() {
    let shop = shop(Profile::Code2026).await;
    let german = shop
        .send_with(
            "GET",
            "/dynamic-entity/nothing",
            &[("accept-language", "de-DE,de;q=0.9")],
            "",
        )
        .await;
    assert_eq!(
        (german.message().as_str(), german.codes()),
        ("Nicht gefunden", vec!["007".to_owned()])
    );
    let english = shop.get("/dynamic-entity/nothing").await;
    assert_eq!(english.message(), "Not found");
}

#[tokio::test]
async fn s_38_numbers_of_undone_rows_are_not_given_again() {
    let shop = shop(Profile::Code2026).await;
    shop.post(
        "product-abstracts",
        json!([abstract_product("a"), abstract_product("a")]),
    )
    .await;
    let answer = shop
        .post("product-abstracts", json!([abstract_product("a")]))
        .await;
    assert_eq!(answer.json()["data"][0]["id_product_abstract"], 3);
}

#[tokio::test]
async fn s_39_pages_may_shift_while_others_write() {
    for (shuffle_pages, same) in [(false, true), (true, false)] {
        let shop = shop_with(Options {
            shuffle_pages,
            ..Options::default()
        })
        .await;
        let path = "/dynamic-entity/tax-rates?page[offset]=0&page[limit]=3";
        let before = shop.get(path).await.text();
        shop.patch("stocks", json!([{ "id_stock": 1, "is_active": false }]))
            .await;
        assert_eq!(shop.get(path).await.text() == before, same);
    }
}

#[tokio::test]
async fn s_40_all_76_resources_of_the_demo_shops_are_there() {
    let shop = shop(Profile::Code2026).await;
    let file: Value = serde_json::from_str(include_str!("../../data/spryker-resources.json")).unwrap();
    let resources = file["resources"].as_array().unwrap();
    assert_eq!(resources.len(), 76);
    for resource in resources {
        let name = resource["name"].as_str().unwrap();
        let includes: Vec<&str> = resource["relations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|relation| relation["name"].as_str().unwrap())
            .collect();
        let answer = shop
            .get(&format!("/dynamic-entity/{name}?include={}", includes.join(",")))
            .await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
}
