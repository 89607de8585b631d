//! Rules S-1 to S-16: signing in and reading.

use serde_json::{Value, json};
use weir_simulators::spryker::{Options, Profile};

use crate::client::{PROFILES, shop, shop_with, url};

const FORM: &[(&str, &str)] = &[
    ("content-type", "application/x-www-form-urlencoded"),
    ("x-api-key", ""),
];
const SIGN_IN: &str = "grant_type=password&username=admin%40weir.example&password=change123";

#[tokio::test]
async fn s_1_a_token_comes_as_object_or_as_list() {
    for profile in PROFILES {
        let shop = shop(profile).await;
        for path in ["/token", "/token/"] {
            let answer = shop.send_with("POST", path, FORM, SIGN_IN).await;
            let token = match profile {
                Profile::Doc2024 => {
                    assert_eq!(answer.status, 200);
                    answer.json()
                }
                Profile::Code2026 => {
                    assert_eq!(answer.status, 201);
                    answer.json()[0].clone()
                }
            };
            assert_eq!(token["token_type"], "Bearer");
            assert_eq!(token["expires_in"], 28_800);
            let text = token["access_token"].as_str().unwrap();
            assert_eq!(text.split('.').count(), 3, "looks like a JWT");
            let bearer = format!("Bearer {text}");
            let read = shop
                .send_with(
                    "GET",
                    "/dynamic-entity/stores",
                    &[("x-api-key", ""), ("authorization", &bearer)],
                    "",
                )
                .await;
            assert_eq!(read.status, 200);
        }
    }
}

#[tokio::test]
async fn s_2_wrong_credentials_and_grants_are_refused_with_400() {
    for profile in PROFILES {
        let shop = shop(profile).await;
        let wrong = "grant_type=password&username=admin%40weir.example&password=nope";
        let answer = shop.send_with("POST", "/token", FORM, wrong).await;
        assert_eq!(
            (answer.status, answer.codes()),
            (400, vec!["invalid_grant".to_owned()])
        );
        let answer = shop.send_with("POST", "/token", FORM, "grant_type=magic").await;
        assert_eq!(
            (answer.status, answer.codes()),
            (400, vec!["unsupported_grant_type".to_owned()])
        );
    }
}

#[tokio::test]
async fn s_3_missing_half_and_wrong_credentials_differ() {
    for profile in PROFILES {
        let shop = shop(profile).await;
        for (authorization, status, code) in [
            ("", 403, ""),
            ("Bearer", 403, "002"),
            ("Bearer made-up", 401, "001"),
        ] {
            let headers = [("x-api-key", ""), ("authorization", authorization)];
            let answer = shop
                .send_with("GET", "/dynamic-entity/stores", &headers, "")
                .await;
            assert_eq!((answer.status, answer.codes()), (status, vec![code.to_owned()]));
        }
    }
}

#[tokio::test]
async fn s_4_an_api_key_is_taken_from_header_or_query() {
    let shop = shop(Profile::Code2026).await;
    assert_eq!(shop.get("/dynamic-entity/stores").await.status, 200);
    let none = [("x-api-key", "")];
    let by_query = "/dynamic-entity/stores?api_key=weir-api-key";
    assert_eq!(shop.send_with("GET", by_query, &none, "").await.status, 200);
    let wrong = [("x-api-key", "other")];
    assert_eq!(
        shop.send_with("GET", "/dynamic-entity/stores", &wrong, "")
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn s_5_a_user_with_a_second_factor_is_stopped() {
    let shop = shop(Profile::Doc2024).await;
    let form = SIGN_IN.replace("admin", "mfa");
    let token = shop.send_with("POST", "/token", FORM, &form).await.json();
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    for (code, expected) in [("", "5900"), ("123456", "5901")] {
        let headers = [
            ("x-api-key", ""),
            ("authorization", &*bearer),
            ("x-mfa-code", code),
        ];
        let answer = shop
            .send_with("GET", "/dynamic-entity/stores", &headers, "")
            .await;
        assert_eq!(answer.codes(), [expected]);
    }
}

#[tokio::test]
async fn s_6_tokens_end_and_only_one_profile_refreshes_them() {
    for profile in PROFILES {
        let options = Options {
            profile,
            token_seconds: 0,
            ..Options::default()
        };
        let shop = shop_with(options).await;
        let token = shop.send_with("POST", "/token", FORM, SIGN_IN).await.json();
        let token = if token.is_array() { token[0].clone() } else { token };
        let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
        let headers = [("x-api-key", ""), ("authorization", &*bearer)];
        let answer = shop
            .send_with("GET", "/dynamic-entity/stores", &headers, "")
            .await;
        assert_eq!((answer.status, answer.codes()), (401, vec!["001".to_owned()]));
        let form = format!(
            "grant_type=refresh_token&refresh_token={}",
            token["refresh_token"].as_str().unwrap()
        );
        let again = shop.send_with("POST", "/token", FORM, &form).await;
        let expected = if profile == Profile::Doc2024 { 200 } else { 400 };
        assert_eq!(again.status, expected);
    }
}

#[tokio::test]
async fn s_7_every_request_needs_a_content_type() {
    for profile in PROFILES {
        let shop = shop(profile).await;
        for (headers, status) in [
            ([("content-type", ""), ("accept", "*/*")], 500),
            ([("content-type", "text/plain"), ("accept", "*/*")], 415),
            (
                [("content-type", "application/json"), ("accept", "text/html")],
                415,
            ),
            (
                [
                    ("content-type", "application/json; charset=utf-8"),
                    ("accept", "*/*"),
                ],
                200,
            ),
        ] {
            let answer = shop
                .send_with("GET", "/dynamic-entity/stores", &headers, "")
                .await;
            assert_eq!(answer.status, status, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn s_8_resources_that_are_unknown_or_inactive_are_not_found() {
    for profile in PROFILES {
        let options = Options {
            profile,
            inactive: vec!["urls".to_owned()],
            ..Options::default()
        };
        let shop = shop_with(options).await;
        for name in ["urls", "unheard-of"] {
            let answer = shop.get(&format!("/dynamic-entity/{name}")).await;
            assert_eq!((answer.status, answer.codes()), (404, vec!["007".to_owned()]));
        }
        shop.control("change", json!({ "kind": "activate", "resource": "urls" }))
            .await;
        assert_eq!(shop.get("/dynamic-entity/urls").await.status, 200);
    }
}

#[tokio::test]
async fn s_9_a_list_holds_raw_values_and_may_be_empty() {
    for profile in PROFILES {
        let shop = shop(profile).await;
        assert_eq!(shop.get("/dynamic-entity/urls").await.text(), r#"{"data":[]}"#);
        let rates = shop.get("/dynamic-entity/tax-rates").await.json();
        assert_eq!(rates["data"][0]["rate"], "19.00", "decimals are text");
        let types = shop.get("/dynamic-entity/price-types").await.json();
        assert_eq!(
            types["data"][0]["name"], "DEFAULT",
            "typed integer, and text in the column"
        );
        let attributes = "{\"color\":\"red\"}";
        shop.post(
            "product-abstracts",
            json!([{ "sku": "a", "fk_tax_set": 1, "attributes": attributes }]),
        )
        .await;
        let rows = shop.get("/dynamic-entity/product-abstracts").await.json();
        assert_eq!(rows["data"][0]["attributes"], attributes, "JSON columns are text");
    }
}

#[tokio::test]
async fn s_10_one_by_id_is_a_list_or_an_object() {
    for profile in PROFILES {
        let shop = shop(profile).await;
        let answer = shop.get("/dynamic-entity/stores/1").await;
        assert_eq!(answer.status, 200);
        let data = answer.json()["data"].clone();
        match profile {
            Profile::Doc2024 => assert_eq!(data[0]["name"], "DE"),
            Profile::Code2026 => assert_eq!(data["name"], "DE"),
        }
        for id in ["999", "abc"] {
            let missing = shop.get(&format!("/dynamic-entity/stores/{id}")).await;
            assert_eq!((missing.status, missing.codes()), (404, vec!["1303".to_owned()]));
        }
    }
}

fn count(value: &Value) -> usize {
    value["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn s_11_half_a_page_is_no_page() {
    let shop = shop(Profile::Code2026).await;
    let base = "/dynamic-entity/locales";
    let page = shop
        .get(&format!("{base}?page[offset]=1&page[limit]=2"))
        .await
        .json();
    assert_eq!(count(&page), 2);
    assert_eq!(page["data"][0]["id_locale"], 2);
    for half in ["page[offset]=3", "page[limit]=1"] {
        assert_eq!(count(&shop.get(&format!("{base}?{half}")).await.json()), 5);
    }
    let beyond = shop.get(&format!("{base}?page[offset]=50&page[limit]=2")).await;
    assert_eq!(beyond.text(), r#"{"data":[]}"#);
}

#[tokio::test]
async fn s_12_without_a_page_a_default_limit_holds() {
    for (profile, expected) in [(Profile::Doc2024, 20), (Profile::Code2026, 1000)] {
        let shop = shop(profile).await;
        let items: Vec<Value> = (0..1005)
            .map(|n| json!({ "product_group_key": format!("g{n}") }))
            .collect();
        assert_eq!(shop.post("product-groups", items.into()).await.status, 201);
        assert_eq!(
            count(&shop.get("/dynamic-entity/product-groups").await.json()),
            expected
        );
        let all = shop
            .get("/dynamic-entity/product-groups?page[offset]=0&page[limit]=20000")
            .await;
        assert_eq!(count(&all.json()), 1005, "no maximum");
    }
}

#[tokio::test]
async fn s_13_filters_are_equalities_and_all_must_hold() {
    let shop = shop(Profile::Code2026).await;
    let one = shop
        .get("/dynamic-entity/stores?filter[stores.name]=AT")
        .await
        .json();
    assert_eq!((count(&one), &one["data"][0]["id_store"]), (1, &json!(2)));
    let both = "/dynamic-entity/locale-stores?filter[locale-stores.fk_store]=1&filter[anything.fk_locale]=2";
    assert_eq!(count(&shop.get(both).await.json()), 1);
    let flag = "/dynamic-entity/locales?filter[locales.is_active]=false";
    assert_eq!(shop.get(flag).await.json()["data"][0]["locale_name"], "fr_FR");
    // An index made by the first filter must follow later writes.
    shop.post("stocks", json!([{ "name": "Third" }])).await;
    let third = "/dynamic-entity/stocks?filter[stocks.name]=Third";
    assert_eq!(count(&shop.get(third).await.json()), 1);
    shop.patch("stocks", json!([{ "id_stock": 3, "name": "Fourth" }]))
        .await;
    assert_eq!(count(&shop.get(third).await.json()), 0);
}

#[tokio::test]
async fn s_14_in_takes_a_list_in_either_case() {
    let shop = shop(Profile::Code2026).await;
    for text in [r#"{"in":["DE","AT","DE","none"]}"#, r#"{"IN":["AT","DE"]}"#] {
        let path = format!("/dynamic-entity/stores?filter[stores.name]={}", url(text));
        assert_eq!(count(&shop.get(&path).await.json()), 2);
    }
    let numbers = url(r#"{"in":[1,"3"]}"#);
    let path =
        format!("/dynamic-entity/stores?filter[stores.id_store]={numbers}&page[offset]=1&page[limit]=5");
    assert_eq!(shop.get(&path).await.json()["data"][0]["name"], "US");
}

#[tokio::test]
async fn s_15_filters_that_make_no_sense() {
    let shop = shop(Profile::Code2026).await;
    assert_eq!(
        shop.get("/dynamic-entity/stores?filter[name]=DE").await.status,
        500
    );
    let answer = shop.get("/dynamic-entity/stores?filter[stores.nothing]=DE").await;
    assert_eq!((answer.status, answer.codes()), (400, vec!["1315".to_owned()]));
    assert!(answer.message().contains("`nothing`") && answer.message().contains("`stores`"));
}

#[tokio::test]
async fn s_16_includes_descend_by_dots_and_are_lists() {
    let shop = shop(Profile::Code2026).await;
    let path = "/dynamic-entity/tax-sets?include=taxSets,taxSetProductAbstracts.productAbstractStores";
    let answer = shop.get(path).await.json();
    assert_eq!(answer["data"][0]["taxSets"].as_array().unwrap().len(), 3);
    assert_eq!(answer["data"][0]["taxSetProductAbstracts"], json!([]));
    let stores = json!([{ "fk_store": 2 }]);
    shop.post(
        "product-abstracts",
        json!([{ "sku": "a", "fk_tax_set": 1, "attributes": "{}", "productAbstractStores": stores }]),
    )
    .await;
    let answer = shop.get(path).await.json();
    let child = &answer["data"][0]["taxSetProductAbstracts"][0];
    assert_eq!(child["productAbstractStores"][0]["fk_store"], 2);
    let unknown = shop.get("/dynamic-entity/tax-sets?include=taxSets.nothing").await;
    assert_eq!((unknown.status, unknown.codes()), (400, vec!["1313".to_owned()]));
}
