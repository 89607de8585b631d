//! Every step kind against its cases: `src/KIND/cases/*.yaml`, each a list of
//! `{name, parameters, input, vars?, delivered?, expect}` where `expect` is one of `value` (what goes on), `skipped`,
//! `failed` (a part of the sentence) or `finding` (it is not even built; a part of the sentence).

#![expect(clippy::unwrap_used, reason = "tests")]

mod stage;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use weir_sdk::document::Document;
use weir_sdk::step::{StepKind, Verdict};

use stage::{Stage, run};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    parameters: Value,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    vars: Value,
    /// What was last delivered of the key.
    #[serde(default)]
    delivered: Option<Value>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Expect {
    Value(Value),
    Skipped(String),
    Failed(String),
    Finding(String),
    Logged(String),
    Written(Value),
}

#[tokio::test]
async fn every_kind_does_what_its_cases_say() {
    let mut count = 0;
    for kind in weir_steps::all() {
        let cases = cases_of(kind.as_ref());
        assert!(!cases.is_empty(), "step `{}` has no cases", kind.name());
        for (file, case) in cases {
            let place = format!("{}: {}", file.display(), case.name);
            check(kind.as_ref(), &case, &place).await;
            count += 1;
        }
    }
    println!("{count} cases");
}

fn cases_of(kind: &dyn StepKind) -> Vec<(PathBuf, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(kind.name())
        .join("cases");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let document = Document::parse(&file.display().to_string(), &text).unwrap_or_else(|f| panic!("{f}"));
        let list: Vec<Case> = document.read().unwrap_or_else(|f| panic!("{f}"));
        cases.extend(list.into_iter().map(|case| (file.clone(), case)));
    }
    cases
}

async fn check(kind: &dyn StepKind, case: &Case, place: &str) {
    let stage = Stage::new(case.vars.clone(), case.delivered.as_ref());
    let built = kind.build(&case.parameters, &stage);
    let step = match (&case.expect, built) {
        (Expect::Finding(part), Err(finding)) => {
            let text = finding.to_string();
            assert!(text.contains(part), "{place}: `{text}` does not say `{part}`");
            return;
        }
        (_, Err(finding)) => panic!("{place}: {finding}"),
        (Expect::Finding(_), Ok(_)) => panic!("{place}: built, though a finding is expected"),
        (_, Ok(step)) => step,
    };
    let item = run(step.as_ref(), &stage, case.input.clone()).await;
    match (&case.expect, &item.verdict) {
        (Expect::Value(expected), Verdict::Go) => assert_eq!(item.value, *expected, "{place}"),
        (Expect::Skipped(part), Verdict::Skip { reason, .. }) => {
            assert!(reason.contains(part), "{place}: {reason}")
        }
        (Expect::Failed(part), Verdict::Fail(error)) => {
            assert!(
                error.message.contains(part),
                "{place}: `{}` does not say `{part}`",
                error.message
            );
        }
        (Expect::Logged(line), Verdict::Go) => assert_eq!(item.log, [line.as_str()], "{place}"),
        (Expect::Written(expected), Verdict::Go) => {
            assert_eq!(
                stage.written.lock().unwrap().as_slice(),
                std::slice::from_ref(expected),
                "{place}"
            );
        }
        (_, verdict) => panic!("{place}: ended as {verdict:?}"),
    }
}
