//! The demo, small: everything arrives, by the simulators' own account.

use serde_json::Value;

use crate::weir;

const SMALL: &[&str] = &[
    "demo",
    "--once",
    "--json",
    "--categories",
    "40",
    "--attributes",
    "30",
    "--products",
    "60",
];

#[test]
fn a_small_catalogue_arrives_whole() {
    let said = weir(SMALL);
    let summary = said.json();
    assert!(
        said.code == 0 && summary["verified"] == true,
        "{summary}\n{}",
        said.err
    );
    assert_eq!(
        said.out.trim().lines().count(),
        1,
        "one object and nothing else: {}",
        said.out
    );
    for route in ["categories", "attributes", "abstracts", "concretes"] {
        let counts = &summary["routes"][route];
        let number = |name: &str| {
            counts[name]
                .as_u64()
                .unwrap_or_else(|| panic!("{route} {name}: {summary}"))
        };
        assert!(number("read") > 0 && number("delivered") > 0, "{route}: {counts}");
        assert_eq!((number("waiting"), number("dead")), (0, 0), "{route}: {counts}");
    }
    assert!(summary["seconds"].as_f64().unwrap() > 0.0 && summary["peak_rss_mb"].as_u64().unwrap() > 0);
}

#[test]
fn broken_products_sink_only_themselves() {
    let said = weir(&[SMALL, &["--faults", "broken"]].concat());
    let summary = said.json();
    let dead: u64 = summary["routes"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(|r| r["dead"].as_u64())
        .sum();
    assert!(dead >= 2, "{summary}\n{}", said.err);
    assert!(
        said.code == 0 && summary["verified"] == Value::Bool(true),
        "it was asked for: {summary}\n{}",
        said.err
    );
}

#[test]
fn a_shop_that_is_away_for_a_while_costs_nothing_but_time() {
    let said = weir(
        &[
            SMALL,
            &["--faults", "spryker:down,akeneo:rate_limit,spryker:late"],
        ]
        .concat(),
    );
    let summary = said.json();
    assert!(
        said.code == 0 && summary["verified"] == true,
        "{summary}\n{}",
        said.err
    );
}

#[test]
fn unknown_faults_are_refused_before_anything_starts() {
    for (faults, part) in [
        ("rate_limt", "did you mean `rate_limit`?"),
        ("sap:cut", "akeneo:KIND"),
        ("cut=2", "between 0 and 1"),
    ] {
        let said = weir(&["demo", "--once", "--faults", faults]);
        assert!(
            said.code == 3 && said.err.contains(part),
            "{faults}: {}",
            said.err
        );
    }
}
