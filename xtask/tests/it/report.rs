//! How a measuring subcommand ends.

use serde_json::{Value, json};
use xtask::report::{Group, Report};

#[test]
fn the_line_is_one_json_object_with_the_groups_that_apply() {
    let mut report = Report::new("bench flagship");
    report
        .figure(Group::Ours, "deliveries_per_second", 900)
        .figure(Group::Limit, "deliveries_per_second", 1500)
        .figure(Group::Ratio, "of_limit", 0.6)
        .check("at least half of the simulator's ceiling", true)
        .check("peak memory below 200 MB", false);
    let line: Value = serde_json::from_str(&report.line()).expect("the line is JSON");
    let expected = json!({
        "name": "bench flagship",
        "ours": { "deliveries_per_second": 900 },
        "limit": { "deliveries_per_second": 1500 },
        "ratio": { "of_limit": 0.6 },
        "passed": 1,
        "failed": 1
    });
    assert_eq!(line, expected);
    assert!(!report.line().contains('\n'));
    assert!(report.table().contains("FAILED peak memory below 200 MB"));
}
