//! The map of the documentation, with its cases.

use serde_json::json;
use weir_mapping::run_cases;

use crate::project::library;

const FUNCTIONS: &str = include_str!("../../cases/flagship/functions.jsonata");
const MAP: &str = include_str!("../../cases/flagship/abstract.jsonata");
const CASES: &str = include_str!("../../cases/flagship/abstract.cases.yaml");

fn run(text: &str) -> Vec<weir_mapping::CaseResult> {
    let library = library(Some(FUNCTIONS), &[("abstract", MAP)]).unwrap();
    let vars = json!({
        "LOCALES": ["de_DE", "en_US"],
        "STORES": {
            "DE": { "channel": "web_de", "currency": "EUR" },
            "CH": { "channel": "web_ch", "currency": "CHF" }
        }
    });
    run_cases(
        library.as_ref(),
        "abstract",
        "maps/abstract.cases.yaml",
        text,
        &vars,
    )
    .unwrap()
}

#[test]
fn every_construct_of_the_flagship_map_gives_what_its_cases_say() {
    let results = run(CASES);
    assert_eq!(results.len(), 4);
    for result in results {
        assert!(
            result.passed,
            "{result}\n{}",
            result.actual.clone().unwrap_or_default()
        );
    }
}

#[test]
fn a_case_that_fails_shows_where_and_what() {
    let results = run(
        "- name: wrong\n  input: { identifier: a }\n  expect: { sku: b, stores: [DE] }\n\
                       - name: no error\n  input: { identifier: a }\n  error: { contains: x }\n",
    );
    let shown: Vec<String> = results.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "FAILED  wrong  (maps/abstract.cases.yaml:1)\n    sku\n      expected  \"b\"\n      actual    \"a\"\n    \
             stores[1]\n      expected  nothing\n      actual    \"CH\"",
            "FAILED  no error  (maps/abstract.cases.yaml:4)\n    an error was expected; the map gave a result",
        ]
    );
}

#[test]
fn exact_and_the_path_of_an_error_are_held_to() {
    let results = run(
        "- name: more than said\n  input: { identifier: a }\n  exact: true\n  expect: { sku: a }\n\
         - name: elsewhere\n  input: { identifier: a, values: { price: [ { scope: null, data: [ { amount: q, currency: EUR } ] } ] } }\n  \
         error: { path: urls, contains: not a number }\n",
    );
    let paths: Vec<&str> = results[0]
        .differences
        .iter()
        .map(|found| found.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "tax_set",
            "approval_status",
            "attributes",
            "localized",
            "stores",
            "categories",
            "prices",
            "urls"
        ]
    );
    let reason = results[1].reason.as_deref().unwrap_or_default();
    assert!(
        reason.starts_with("the error is not at `urls` but at `prices`"),
        "{reason}"
    );
}

#[test]
fn head_comments_are_read() {
    let library = library(Some(FUNCTIONS), &[("abstract", MAP)]).unwrap();
    let map = library.map("abstract").unwrap();
    assert_eq!(map.from.as_deref(), Some("akeneo/model-or-product"));
    assert_eq!(map.to.as_deref(), Some("spryker/product-abstract"));
    assert_eq!(
        map.summary.as_deref(),
        Some("Product model or simple product to abstract product.")
    );
    assert!(!map.expression.is_plain());
    assert!(library.map("concrete").is_none());
}
