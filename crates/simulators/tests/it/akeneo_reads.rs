//! Rules A-1 to A-23: signing in and reading.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use weir_simulators::akeneo::Options;

use crate::client::{BASIC, Client, pim, pim_with, small, token, url};

pub(crate) const API: &str = "/api/rest/v1";

pub(crate) async fn get(pim: &Client, path: &str) -> Value {
    let answer = pim.get(&format!("{API}/{path}")).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

fn items(page: &Value) -> &Vec<Value> {
    page["_embedded"]["items"].as_array().unwrap()
}

/// Follows the next links and gives all items.
pub(crate) async fn walk(pim: &Client, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = Some(format!("{API}/{path}"));
    while let Some(path) = next {
        let page = pim.get(&path).await.json();
        all.extend(items(&page).iter().cloned());
        next = page["_links"]["next"]["href"].as_str().map(|href| {
            href.split_once("/api")
                .map(|(_, rest)| format!("/api{rest}"))
                .unwrap()
        });
    }
    all
}

async fn search(pim: &Client, list: &str, search: Value) -> Vec<Value> {
    let path = format!(
        "{list}?pagination_type=search_after&limit=100&search={}",
        url(&search.to_string())
    );
    walk(pim, &path).await
}

async fn code_of(pim: &Client, path: &str) -> (u16, String) {
    let answer = pim.get(&format!("{API}/{path}")).await;
    (
        answer.status,
        answer.json()["message"].as_str().unwrap_or("").to_owned(),
    )
}

#[tokio::test]
async fn a_1_a_token_needs_client_and_user() {
    let pim = pim().await;
    let good = token(&pim, "weir").await;
    assert_eq!(good.status, 200);
    assert_eq!(
        (
            &good.json()["expires_in"],
            &good.json()["token_type"],
            &good.json()["scope"]
        ),
        (&json!(3600), &json!("bearer"), &Value::Null)
    );
    assert_eq!(token(&pim, "nobody").await.status, 422);
    let form = "grant_type=password&username=weir&password=weir_password";
    let headers = [
        ("authorization", BASIC),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    assert_eq!(
        pim.send_with("POST", "/api/oauth/v1/token", &headers, form)
            .await
            .status,
        200
    );
    let wrong = [("authorization", "Basic eDp5")];
    assert_eq!(
        pim.send_with("POST", "/api/oauth/v1/token", &wrong, form)
            .await
            .status,
        422
    );
}

#[tokio::test]
async fn a_2_a_refresh_token_works_once() {
    let pim = pim().await;
    let refresh = token(&pim, "weir").await.json()["refresh_token"].clone();
    let body = json!({ "grant_type": "refresh_token", "refresh_token": refresh }).to_string();
    for status in [200, 422] {
        let answer = pim
            .send_with("POST", "/api/oauth/v1/token", &[("authorization", BASIC)], &body)
            .await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn a_3_without_a_valid_token_401() {
    let pim = pim_with(Options {
        token_seconds: 0,
        ..small()
    })
    .await;
    let path = format!("{API}/categories");
    for (authorization, message) in [
        ("", "Authentication is required"),
        ("Bearer made-up", "The access token provided is invalid."),
    ] {
        let answer = pim
            .send_with("GET", &path, &[("authorization", authorization)], "")
            .await;
        assert_eq!(
            (answer.status, answer.json()),
            (401, json!({ "code": 401, "message": message }))
        );
    }
    assert_eq!(
        pim.get(&path).await.json()["message"],
        "The access token provided has expired."
    );
}

#[tokio::test]
async fn a_4_rights_403() {
    let pim = pim().await;
    let token = token(&pim, "restricted").await.json();
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    for (method, path, status) in [
        ("GET", "categories", 200),
        ("GET", "products", 403),
        ("PATCH", "categories/master", 403),
    ] {
        let answer = pim
            .send_with(method, &format!("{API}/{path}"), &headers, "{}")
            .await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_5_only_json_can_be_asked_for() {
    let pim = pim().await;
    for (accept, status) in [("text/html", 406), ("*/*", 200), ("application/json", 200)] {
        let answer = pim
            .send_with("GET", &format!("{API}/channels"), &[("accept", accept)], "")
            .await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn a_6_a_wrong_content_type_is_told_the_right_one() {
    let pim = pim().await;
    for (path, allowed) in [
        ("categories", "application/vnd.akeneo.collection+json"),
        ("categories/master", "'application/json'"),
    ] {
        let answer = pim
            .send_with(
                "PATCH",
                &format!("{API}/{path}"),
                &[("content-type", "text/plain")],
                "{}",
            )
            .await;
        assert_eq!(answer.status, 415);
        assert!(answer.text().contains(allowed));
    }
}

#[tokio::test]
async fn a_7_what_does_not_exist() {
    let pim = pim().await;
    assert_eq!(
        code_of(&pim, "categories/none").await,
        (404, "Category 'none' does not exist.".to_owned())
    );
    for path in [
        "products/none",
        "product-models/none",
        "families/none/variants",
        "attributes/none/options",
        "media-files/a/b.png",
        "nothing",
    ] {
        assert_eq!(code_of(&pim, path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_8_pages_are_hal_with_at_most_100_items() {
    let pim = pim().await;
    let first = get(&pim, "categories").await;
    assert_eq!((items(&first).len(), &first["current_page"]), (10, &json!(1)));
    assert_eq!(first["items_count"], Value::Null);
    assert!(
        first["_links"]["next"]["href"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1")
    );
    assert_eq!(first["_links"]["previous"], Value::Null);
    let last = get(&pim, "categories?limit=50&page=2&with_count=true").await;
    assert_eq!((items(&last).len(), &last["items_count"]), (10, &json!(60)));
    assert!(last["_links"]["previous"].is_object() && last["_links"]["next"].is_null());
    for bad in ["limit=101", "limit=0", "limit=x", "page=0"] {
        assert_eq!(code_of(&pim, &format!("categories?{bad}")).await.0, 422, "{bad}");
    }
    assert_eq!(walk(&pim, "categories?limit=7").await.len(), 60);
}

#[tokio::test]
async fn a_9_products_by_page_end_at_ten_thousand() {
    let pim = pim().await;
    assert_eq!(code_of(&pim, "products?limit=100&page=100").await.0, 200);
    let (status, message) = code_of(&pim, "products?limit=100&page=101").await;
    assert_eq!(status, 422);
    assert!(message.contains("search after"));
    let counted = get(&pim, "products?limit=1&with_count=true").await;
    assert_eq!(counted["items_count"], 400);
}

#[tokio::test]
async fn a_10_pages_by_key_show_everything_once() {
    let pim = pim().await;
    for (list, count, key) in [("products", 400, "identifier"), ("products-uuid", 400, "uuid")] {
        let all = walk(&pim, &format!("{list}?pagination_type=search_after&limit=37")).await;
        let keys: Vec<&str> = all.iter().map(|item| item[key].as_str().unwrap()).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), count);
        assert!(keys.is_sorted(), "in the order of keys");
    }
    let page = get(&pim, "product-models?pagination_type=search_after&limit=5").await;
    assert!(page["current_page"].is_null() && page["_links"]["previous"].is_null());
    assert_eq!(
        code_of(&pim, "categories?pagination_type=search_after").await.0,
        422
    );
}

#[tokio::test]
async fn a_11_updated_selects_by_time() {
    let pim = pim().await;
    let since = |time: &str| json!({ "updated": [{ "operator": ">", "value": time }] });
    assert_eq!(
        search(&pim, "products", since("2020-01-01 00:00:00")).await.len(),
        400
    );
    let some = search(&pim, "products", since("2026-01-01 00:00:00")).await;
    let before = json!({ "updated": [{ "operator": "BETWEEN", "value": ["2020-01-01 00:00:00", "2026-01-01 00:00:00"] }] });
    assert_eq!(some.len() + search(&pim, "products", before).await.len(), 400);
    assert!(!some.is_empty() && some.len() < 400);
    assert_eq!(
        search(&pim, "products", since("2026-08-01 00:00:00")).await.len(),
        0
    );
    let simple = &search(&pim, "products", json!({ "parent": [{ "operator": "EMPTY" }] })).await[0];
    let exact = simple["updated"].as_str().unwrap()[..19].replace('T', " ");
    for (operator, found) in [("=", true), (">", false), ("<", false)] {
        let condition = json!({ "updated": [{ "operator": operator, "value": exact }] });
        let hits = search(&pim, "products", condition).await;
        assert_eq!(
            hits.iter().any(|item| item["uuid"] == simple["uuid"]),
            found,
            "{operator}"
        );
    }
    let change = json!({ "kind": "change_variants", "count": 10 });
    let changed = pim.control("change", change).await["identifiers"]
        .as_array()
        .unwrap()
        .len();
    let found = search(&pim, "products", since("2026-08-01 00:00:00")).await;
    assert_eq!((changed, found.len()), (10, 10));
    let answer = pim
        .get(&format!(
            "{API}/products?search={}",
            url(&since("yesterday").to_string())
        ))
        .await;
    assert_eq!(answer.status, 422);
    let categories = format!(
        "categories?search={}",
        url(&since("2026-08-01 00:00:00").to_string())
    );
    assert_eq!(items(&get(&pim, &categories).await).len(), 0);
    let moved = json!({ "kind": "move_category", "code": get(&pim, "categories/master").await["code"] });
    pim.control("change", moved).await;
    assert_eq!(items(&get(&pim, &categories).await).len(), 1);
}

#[tokio::test]
async fn a_12_parent_selects_roots_and_children() {
    let pim = pim().await;
    let empty = json!({ "parent": [{ "operator": "EMPTY" }] });
    let filled = json!({ "parent": [{ "operator": "NOT EMPTY" }] });
    let report = pim.control("report", Value::Null).await;
    let simple = search(&pim, "products", empty.clone()).await;
    assert_eq!(simple.len(), report["counts"]["simple_products"]);
    assert_eq!(
        simple.len() + search(&pim, "products", filled.clone()).await.len(),
        400
    );
    let roots = search(&pim, "product-models", empty).await;
    let subs = search(&pim, "product-models", filled).await;
    assert_eq!(roots.len(), report["counts"]["root_models"]);
    assert_eq!(subs.len(), report["counts"]["sub_models"]);
    let parent = subs[0]["parent"].as_str().unwrap();
    let below = search(
        &pim,
        "product-models",
        json!({ "parent": [{ "operator": "=", "value": parent }] }),
    )
    .await;
    assert!(!below.is_empty() && below.iter().all(|item| item["parent"] == parent));
    let code = subs[0]["code"].as_str().unwrap();
    let variants = search(
        &pim,
        "products",
        json!({ "parent": [{ "operator": "IN", "value": [code] }] }),
    )
    .await;
    assert!(!variants.is_empty() && variants.iter().all(|item| item["parent"] == code));
}

#[tokio::test]
async fn a_13_other_filters_and_their_conjunction() {
    let pim = pim().await;
    let all = walk(&pim, "products?pagination_type=search_after&limit=100").await;
    let keys = [&all[3]["identifier"], &all[5]["identifier"], &json!("none")];
    let found = search(
        &pim,
        "products",
        json!({ "identifier": [{ "operator": "IN", "value": keys }] }),
    )
    .await;
    assert_eq!(found.len(), 2);
    let off = search(
        &pim,
        "products",
        json!({ "enabled": [{ "operator": "=", "value": false }] }),
    )
    .await;
    assert_eq!(
        off.len(),
        all.iter().filter(|item| item["enabled"] == false).count()
    );
    let family = json!([{ "operator": "IN", "value": ["tee", "bike"] }]);
    let both = search(
        &pim,
        "products",
        json!({ "family": family, "enabled": [{ "operator": "=", "value": true }] }),
    )
    .await;
    let expected = all
        .iter()
        .filter(|item| item["enabled"] == true && (item["family"] == "tee" || item["family"] == "bike"));
    assert_eq!(both.len(), expected.count());
    let category = all[0]["categories"][0].as_str().unwrap();
    let inside = search(
        &pim,
        "products",
        json!({ "categories": [{ "operator": "IN", "value": [category] }] }),
    )
    .await;
    let expected = all.iter().filter(|item| {
        item["categories"]
            .as_array()
            .unwrap()
            .iter()
            .any(|have| have == category)
    });
    assert_eq!(inside.len(), expected.count());
    let tree = search(
        &pim,
        "products",
        json!({ "categories": [{ "operator": "IN CHILDREN", "value": ["master"] }] }),
    )
    .await;
    assert_eq!(tree.len(), 400);
    let codes = url(&json!({ "code": [{ "operator": "IN", "value": ["name", "price"] }] }).to_string());
    assert_eq!(
        items(&get(&pim, &format!("attributes?search={codes}")).await).len(),
        2
    );
}

#[tokio::test]
async fn a_14_searches_that_make_no_sense() {
    let pim = pim().await;
    for bad in [
        "x",
        "5",
        r#"{"updated":5}"#,
        r#"{"updated":[{"value":1}]}"#,
        r#"{"nothing":[{"operator":"="}]}"#,
        r#"{"enabled":[{"operator":"~","value":1}]}"#,
    ] {
        let answer = pim.get(&format!("{API}/products?search={}", url(bad))).await;
        assert_eq!(answer.status, 422, "{bad}");
    }
}

#[tokio::test]
async fn a_15_a_changed_model_counts_for_its_variants_and_their_field_stays_old() {
    let pim = pim().await;
    let roots = search(
        &pim,
        "product-models",
        json!({ "parent": [{ "operator": "EMPTY" }] }),
    )
    .await;
    let subs = search(
        &pim,
        "product-models",
        json!({ "parent": [{ "operator": "NOT EMPTY" }] }),
    )
    .await;
    let root = roots
        .iter()
        .find(|root| subs.iter().any(|sub| sub["parent"] == root["code"]))
        .unwrap();
    let code = &root["code"];
    let change = json!({ "kind": "set_value", "code": code, "attribute": "brand", "data": "kaito" });
    pim.control("change", change).await;
    let since = json!({ "updated": [{ "operator": ">", "value": "2026-08-01 00:00:00" }] });
    let found = search(&pim, "products", since.clone()).await;
    assert!(found.len() >= 2);
    for variant in &found {
        assert!(
            variant["updated"].as_str().unwrap() < "2026-08",
            "the field stays old"
        );
        assert_eq!(
            variant["values"]["brand"][0]["data"], "kaito",
            "and the value is inherited"
        );
        assert!(
            variant["identifier"]
                .as_str()
                .unwrap()
                .starts_with(code.as_str().unwrap())
        );
    }
    let models = search(&pim, "product-models", since).await;
    assert!(
        models
            .iter()
            .any(|model| model["code"] == *code && model["updated"].as_str().unwrap() > "2026-08")
    );
}

#[tokio::test]
async fn a_16_products_carry_the_values_of_their_models() {
    let pim = pim().await;
    let subs = search(
        &pim,
        "product-models",
        json!({ "parent": [{ "operator": "NOT EMPTY" }] }),
    )
    .await;
    let sub = &subs[0];
    let root = get(
        &pim,
        &format!("product-models/{}", url(sub["parent"].as_str().unwrap())),
    )
    .await;
    let below = json!({ "parent": [{ "operator": "=", "value": sub["code"] }] });
    let variant = &search(&pim, "products", below).await[0];
    for (code, list) in root["values"]
        .as_object()
        .unwrap()
        .iter()
        .chain(sub["values"].as_object().unwrap())
    {
        assert_eq!(&variant["values"][code], list, "{code}");
    }
    assert_eq!(variant["categories"], root["categories"]);
    let family = variant["family"].as_str().unwrap();
    let variants = get(
        &pim,
        &format!(
            "families/{family}/variants/{}",
            root["family_variant"].as_str().unwrap()
        ),
    )
    .await;
    for set in variants["variant_attribute_sets"].as_array().unwrap() {
        for axis in set["axes"].as_array().unwrap() {
            assert!(variant["values"][axis.as_str().unwrap()][0]["data"].is_string());
        }
    }
    assert!(root["values"][variants["variant_attribute_sets"][0]["axes"][0].as_str().unwrap()].is_null());
}

#[tokio::test]
async fn a_17_values_have_the_shape_of_their_type() {
    let pim = pim().await;
    let attributes = walk(&pim, "attributes?limit=100").await;
    let mut seen = BTreeSet::new();
    for product in walk(&pim, "products?pagination_type=search_after&limit=100").await {
        for (code, list) in product["values"].as_object().unwrap() {
            let attribute = attributes
                .iter()
                .find(|attribute| attribute["code"] == *code)
                .unwrap();
            for value in list.as_array().unwrap() {
                assert_eq!(value["attribute_type"], attribute["type"]);
                assert_eq!(
                    value["locale"].is_string(),
                    attribute["localizable"].as_bool().unwrap(),
                    "{code}"
                );
                assert_eq!(
                    value["scope"].is_string(),
                    attribute["scopable"].as_bool().unwrap(),
                    "{code}"
                );
                let kind = value["attribute_type"].as_str().unwrap();
                seen.insert(kind.to_owned());
                let data = &value["data"];
                let good = match kind {
                    "pim_catalog_boolean" => data.is_boolean(),
                    "pim_catalog_number" if attribute["decimals_allowed"] == true => data.is_string(),
                    "pim_catalog_number" => data.is_i64() || data.is_number(),
                    "pim_catalog_multiselect" => data.is_array(),
                    "pim_catalog_metric" => data["amount"].is_string() && data["unit"].is_string(),
                    "pim_catalog_price_collection" => {
                        data[0]["amount"].is_string() && data[0]["currency"].is_string()
                    }
                    "pim_catalog_image" | "pim_catalog_file" => {
                        value["_links"]["download"]["href"].is_string()
                    }
                    _ => data.is_string(),
                };
                assert!(good, "{code}: {value}");
            }
        }
    }
    assert_eq!(seen.len(), 11, "every type occurs: {seen:?}");
}

#[tokio::test]
async fn a_18_attributes_have_options_where_they_select() {
    let pim = pim().await;
    let page = get(&pim, "attributes/color/options?limit=3&with_count=true").await;
    assert_eq!((items(&page).len(), &page["items_count"]), (3, &json!(12)));
    let red = get(&pim, "attributes/color/options/red").await;
    assert_eq!(
        (&red["attribute"], &red["labels"]["de_DE"]),
        (&json!("color"), &json!("Rot"))
    );
    assert_eq!(code_of(&pim, "attributes/name/options").await.0, 422);
}

#[tokio::test]
async fn a_19_families_have_variants_of_one_and_two_levels() {
    let pim = pim().await;
    let families = walk(&pim, "families?limit=100").await;
    assert_eq!(families.len(), 12);
    let mut levels = BTreeSet::new();
    for family in &families {
        for variant in walk(
            &pim,
            &format!("families/{}/variants", family["code"].as_str().unwrap()),
        )
        .await
        {
            let sets = variant["variant_attribute_sets"].as_array().unwrap();
            levels.insert(sets.len());
            assert!(sets.iter().all(|set| !set["axes"].as_array().unwrap().is_empty()));
        }
    }
    assert_eq!(levels, BTreeSet::from([1, 2]));
}

#[tokio::test]
async fn a_20_products_by_uuid_have_the_identifier_among_their_values() {
    let pim = pim().await;
    let product = items(&get(&pim, "products?limit=1").await)[0].clone();
    let uuid = product["uuid"].as_str().unwrap();
    let same = get(&pim, &format!("products-uuid/{uuid}")).await;
    assert_eq!(same["values"]["sku"][0]["data"], product["identifier"]);
    assert!(same["identifier"].is_null());
    assert_eq!(same["values"]["name"], product["values"]["name"]);
}

#[tokio::test]
async fn a_21_media_files_can_be_listed_and_downloaded() {
    let pim = pim().await;
    let list = get(&pim, "media-files?limit=100").await;
    let png = items(&list)
        .iter()
        .find(|item| item["extension"] == "png")
        .unwrap();
    let code = png["code"].as_str().unwrap();
    assert_eq!(get(&pim, &format!("media-files/{code}")).await["code"], code);
    let answer = pim.get(&format!("{API}/media-files/{code}/download")).await;
    assert_eq!(answer.header("content-type").unwrap(), "image/png");
    assert_eq!(&answer.bytes[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(answer.bytes.len(), png["size"]);
    // The known checksum of an empty end chunk shows that checksums are right.
    assert_eq!(&answer.bytes[answer.bytes.len() - 4..], [0xae, 0x42, 0x60, 0x82]);
}

#[tokio::test]
async fn a_22_some_values_only() {
    let pim = pim().await;
    let path = "products?limit=5&attributes=name,teaser,price&locales=de_DE&scope=web";
    for item in items(&get(&pim, path).await) {
        for (code, list) in item["values"].as_object().unwrap() {
            assert!(["name", "teaser", "price"].contains(&code.as_str()));
            for value in list.as_array().unwrap() {
                assert!(value["locale"].is_null() || value["locale"] == "de_DE");
                assert!(value["scope"].is_null() || value["scope"] == "web");
            }
        }
    }
}

#[tokio::test]
async fn a_23_the_small_lists() {
    let pim = pim().await;
    for (path, count) in [
        ("channels", 2),
        ("locales", 3),
        ("currencies", 4),
        ("measurement-families", 1),
        ("attribute-groups", 3),
        ("association-types", 1),
    ] {
        assert_eq!(items(&get(&pim, path).await).len(), count, "{path}");
    }
    let enabled = url(r#"{"enabled":[{"operator":"=","value":true}]}"#);
    assert_eq!(
        items(&get(&pim, &format!("locales?search={enabled}")).await).len(),
        2
    );
    assert!(get(&pim, "system-information").await["version"].is_string());
    assert_eq!(get(&pim, "channels/web").await["category_tree"], "master");
}
