//! Each rule of RULES.md has a test that bears its number, and each such test has a rule.

use std::collections::BTreeSet;
use std::path::Path;

fn rules() -> BTreeSet<String> {
    include_str!("../../RULES.md")
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**"))
        .map(|(number, _)| number.to_owned())
        .collect()
}

fn tests() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let Some(name) = line.strip_prefix("async fn ") else {
                continue;
            };
            let mut parts = name.splitn(3, '_');
            let (Some(letter), Some(number)) = (parts.next(), parts.next()) else {
                continue;
            };
            if letter.len() == 1 && number.parse::<u32>().is_ok() {
                found.insert(format!("{}-{number}", letter.to_uppercase()));
            }
        }
    }
    found
}

#[test]
fn every_rule_has_a_test_and_every_test_a_rule() {
    assert!(rules().len() > 90, "{}", rules().len());
    assert_eq!(rules(), tests());
}
