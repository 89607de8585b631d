//! Rules G-1 to G-6: the generated catalogue, seen as a reader of the API sees it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use weir_simulators::akeneo::Options;
use weir_simulators::catalogue;

use crate::client::{Client, pim_with};

async fn large() -> Client {
    pim_with(Options {
        catalogue: catalogue::Options::default(),
        wall_clock: false,
        ..Options::default()
    })
    .await
}

async fn walk(pim: &Client, list: &str) -> Vec<Value> {
    let by_key = if list.starts_with("product") {
        "&pagination_type=search_after"
    } else {
        ""
    };
    let mut all = Vec::new();
    let mut next = Some(format!("/api/rest/v1/{list}?limit=100{by_key}"));
    while let Some(path) = next {
        let page = pim.get(&path).await.json();
        all.extend(page["_embedded"]["items"].as_array().unwrap().iter().cloned());
        next = page["_links"]["next"]["href"]
            .as_str()
            .map(|href| href[href.find("/api").unwrap()..].to_owned());
    }
    all
}

#[tokio::test]
async fn g_1_equal_seeds_give_equal_catalogues() {
    let page = |seed| async move {
        let options = Options {
            catalogue: catalogue::Options {
                products: 200,
                seed,
                ..catalogue::Options::default()
            },
            ..Options::default()
        };
        let pim = pim_with(options).await;
        let body = pim.get("/api/rest/v1/products?limit=100").await.text();
        body.replace(&pim.running.address.to_string(), "host")
    };
    let first = page(3).await;
    assert_eq!(first, page(3).await);
    assert_ne!(first, page(4).await);
}

#[tokio::test]
async fn g_2_sizes_are_exact() {
    for (categories, attributes, products) in [(1, 19, 0), (2, 20, 1), (1200, 150, 5000)] {
        let options = Options {
            catalogue: catalogue::Options {
                categories,
                attributes,
                products,
                seed: 1,
            },
            ..Options::default()
        };
        let report = pim_with(options).await.control("report", Value::Null).await;
        let totals = &report["totals"];
        assert_eq!(
            (&totals["categories"], &totals["attributes"], &totals["concretes"]),
            (&json!(categories), &json!(attributes), &json!(products))
        );
        let counts = &report["counts"];
        let sum = counts["simple_products"].as_u64().unwrap() + counts["root_models"].as_u64().unwrap();
        assert_eq!(totals["abstracts"], sum);
    }
}

fn depth<'a>(parents: &BTreeMap<&'a str, Option<&'a str>>, mut code: &'a str) -> usize {
    let mut depth = 0;
    while let Some(parent) = parents[code] {
        code = parent;
        depth += 1;
        assert!(depth < 20, "no circle");
    }
    depth
}

#[tokio::test]
async fn g_3_categories_are_one_deep_tree_with_gaps_in_its_labels() {
    let pim = large().await;
    let categories = walk(&pim, "categories").await;
    let parents: BTreeMap<&str, Option<&str>> = categories
        .iter()
        .map(|item| (item["code"].as_str().unwrap(), item["parent"].as_str()))
        .collect();
    assert_eq!(parents.values().filter(|parent| parent.is_none()).count(), 1);
    assert_eq!(parents["master"], None);
    let deepest = parents.keys().map(|code| depth(&parents, code)).max();
    assert!(deepest.unwrap() >= 7);
    let labels: BTreeSet<usize> = categories
        .iter()
        .map(|item| item["labels"].as_object().unwrap().len())
        .collect();
    assert_eq!(labels, BTreeSet::from([0, 1, 2]));
    let later = categories.iter().enumerate().any(|(place, item)| {
        categories
            .iter()
            .position(|other| other["code"] == item["parent"])
            .is_some_and(|parent| parent > place)
    });
    assert!(later, "children come before their parents");
}

/// Letters and digits in small letters, all else a hyphen: what a URL is commonly made of.
fn slug(text: &str) -> String {
    let mapped: String = text
        .to_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let parts: Vec<&str> = mapped.split('-').filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

#[tokio::test]
async fn g_4_every_product_can_be_written_to_a_shop() {
    let pim = large().await;
    let mut abstracts: Vec<String> = Vec::new();
    let mut concretes = BTreeSet::new();
    let models = walk(&pim, "product-models").await;
    for item in walk(&pim, "products").await.into_iter().chain(models) {
        let key = item["identifier"].as_str().or(item["code"].as_str()).unwrap();
        assert!(!key.is_empty() && key.len() <= 255);
        let names = item["values"]["name"].as_array().unwrap();
        assert!(!names.is_empty(), "{key} has a name in one language at least");
        assert!(
            names
                .iter()
                .all(|name| name["data"].as_str().unwrap().len() <= 255)
        );
        for price in item["values"]["price"].as_array().into_iter().flatten() {
            for amount in price["data"].as_array().unwrap() {
                let amount = amount["amount"].as_str().unwrap();
                assert!(
                    amount.parse::<f64>().unwrap() > 0.0 && amount.rsplit_once('.').unwrap().1.len() == 2
                );
            }
        }
        if item["parent"].is_null() {
            abstracts.push(slug(key));
        }
        if item["identifier"].is_string() {
            assert!(concretes.insert(key.to_owned()));
        }
    }
    let distinct: BTreeSet<&String> = abstracts.iter().collect();
    assert_eq!(distinct.len(), abstracts.len(), "URLs made from keys differ");
}

#[tokio::test]
async fn g_5_the_data_is_awkward() {
    let pim = large().await;
    let products = walk(&pim, "products").await;
    let texts = |code: &str| -> Vec<String> {
        products
            .iter()
            .flat_map(|item| item["values"][code].as_array().cloned().unwrap_or_default())
            .filter_map(|value| value["data"].as_str().map(str::to_owned))
            .collect()
    };
    let (names, descriptions) = (texts("name"), texts("description"));
    for (what, found) in [
        ("emoji", names.iter().any(|name| name.contains('🚲'))),
        (
            "right to left",
            names.iter().any(|name| name.contains('ך') || name.contains('כ')),
        ),
        ("Arabic", names.iter().any(|name| name.contains('ك'))),
        ("HTML", descriptions.iter().any(|text| text.contains("<script>"))),
        (
            "60 kB",
            descriptions
                .iter()
                .any(|text| text.len() > 50_000 && text.len() <= 60_000),
        ),
        (
            "one language only",
            products
                .iter()
                .any(|item| item["values"]["name"].as_array().unwrap().len() == 1),
        ),
        ("disabled", products.iter().any(|item| item["enabled"] == false)),
        (
            "many categories",
            products
                .iter()
                .any(|item| item["categories"].as_array().unwrap().len() >= 30),
        ),
        (
            "no price",
            products.iter().any(|item| item["values"]["price"].is_null()),
        ),
        (
            "slash in key",
            products
                .iter()
                .any(|item| item["identifier"].as_str().unwrap().contains('/')),
        ),
        (
            "quote in key",
            products
                .iter()
                .any(|item| item["identifier"].as_str().unwrap().contains('"')),
        ),
        (
            "decimal as text",
            products
                .iter()
                .any(|item| item["values"]["width"][0]["data"].is_string()),
        ),
    ] {
        assert!(found, "{what}");
    }
    let attributes = walk(&pim, "attributes").await;
    assert!(attributes.iter().any(|item| item["labels"] == json!({})));
}

#[tokio::test]
async fn g_6_variants_of_one_parent_differ_in_their_axes() {
    let pim = large().await;
    let mut seen = BTreeSet::new();
    for product in walk(&pim, "products").await {
        let Some(parent) = product["parent"].as_str() else {
            continue;
        };
        let axes: Vec<&str> = ["color", "size", "material"]
            .iter()
            .filter_map(|code| product["values"][code][0]["data"].as_str())
            .collect();
        assert!(
            seen.insert((parent.to_owned(), axes.join("-"))),
            "{parent} {axes:?}"
        );
    }
    assert!(seen.len() > 3000);
}
