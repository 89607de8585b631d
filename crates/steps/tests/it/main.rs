//! Every step kind against its cases: `src/KIND/cases/*.yaml`, each a list of
//! `{name, parameters, input, vars?, delivered?, within?, expect}` where `expect` is one of `value` (what goes on),
//! `skipped`, `waits`, `failed`, `limit` (a part of the sentence), `finding` (it is not even built; a part of the sentence),
//! `logged`, `kept`, `written`, `split`, `pauses`, `asks` and `collects`.

#![expect(clippy::unwrap_used, reason = "tests")]

mod stage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use weir_model::Kind as ErrorKind;
use weir_sdk::document::Document;
use weir_sdk::step::{Kept, StepKind, Verdict};

use stage::{Site, Stage, run};

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
    /// What the step noted of the task before, by step.
    #[serde(default)]
    notes: BTreeMap<String, Value>,
    /// Scripts of the project.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Where the step stands.
    #[serde(default)]
    within: Within,
    expect: Expect,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Within {
    Source,
    #[default]
    Route,
    Branch,
    Each,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Expect {
    Value(Value),
    Skipped(String),
    Failed(String),
    /// A failure of kind `limit`.
    Limit(String),
    Finding(String),
    Logged(String),
    /// What the success of the task would write.
    Kept(Value),
    Waits(String),
    Written(Value),
    /// Step, and the parts by key.
    Split(Value),
    Collects(String),
    Pauses(String),
    Asks(String),
}

#[tokio::test]
async fn every_kind_does_what_its_cases_say() {
    let mut mistakes = Vec::new();
    for kind in weir_steps::all() {
        let cases = cases_of(kind.as_ref());
        assert!(!cases.is_empty(), "step `{}` has no cases", kind.name());
        for (file, case) in cases {
            if let Err(mistake) = check(kind.as_ref(), &case).await {
                mistakes.push(format!("{}: {}: {mistake}", file.display(), case.name));
            }
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
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

async fn check(kind: &dyn StepKind, case: &Case) -> Result<(), String> {
    let says = |text: &str, part: &str| match text.contains(part) {
        true => Ok(()),
        false => Err(format!("`{text}` does not say `{part}`")),
    };
    let mut stage = Stage::new(case.vars.clone(), case.delivered.as_ref());
    stage.files.clone_from(&case.files);
    let site = Site {
        reading: case.within == Within::Source,
        nested: matches!(case.within, Within::Branch | Within::Each),
        within_each: case.within == Within::Each,
        ..Site::new(&stage, kind.name(), &case.parameters)
    };
    let built = kind.build(&case.parameters, &site);
    let step = match (&case.expect, built) {
        (Expect::Finding(part), Err(finding)) => return says(&finding.to_string(), part),
        (_, Err(finding)) => return Err(finding.to_string()),
        (Expect::Finding(_), Ok(_)) => return Err("built, though a finding is expected".to_owned()),
        (_, Ok(step)) => step,
    };
    let item = run(step.as_ref(), &stage, case.input.clone(), &case.notes).await;
    let is = |value: Value, expected: &Value| match value == *expected {
        true => Ok(()),
        false => Err(format!("{value} is not {expected}")),
    };
    match (&case.expect, &item.verdict) {
        (Expect::Value(expected), Verdict::Go) => is(item.value, expected),
        (Expect::Skipped(part), Verdict::Skip { reason, .. }) => says(reason, part),
        (Expect::Failed(part), Verdict::Fail(error)) => says(&error.message, part),
        (Expect::Limit(part), Verdict::Fail(error)) if error.kind == ErrorKind::Limit => {
            says(&error.message, part)
        }
        (Expect::Logged(line), Verdict::Go) => is(item.log.into(), &json!([line])),
        (Expect::Waits(part), Verdict::Wait { need, reason }) => {
            says(&format!("{}: {reason}", need.words()), part)
        }
        (Expect::Kept(expected), Verdict::Go) => {
            let kept = item.carried.kept.iter().map(|kept| match kept {
                Kept::Row { table, key, row } => json!({ "table": table, "key": key, "row": row }),
                Kept::Mark { step, mark } => json!({ "step": step, "mark": mark }),
            });
            is(kept.collect(), expected)
        }
        (Expect::Written(expected), Verdict::Go) => {
            let written = stage.written.lock().unwrap().clone();
            match expected {
                Value::Array(_) => is(Value::Array(written), expected),
                one => is(Value::Array(written), &json!([one])),
            }
        }
        (Expect::Split(expected), Verdict::Split { step, parts }) => {
            let parts: serde_json::Map<String, Value> = parts
                .iter()
                .map(|part| (part.key.clone(), part.value.clone()))
                .collect();
            is(json!({ "step": step, "parts": parts }), expected)
        }
        (Expect::Collects(expected), Verdict::Collect { step, by }) => {
            is(json!(format!("{step}: {by}")), &json!(expected))
        }
        (Expect::Pauses(expected), Verdict::Pause { step, until }) => {
            is(json!(format!("{step} until {until}")), &json!(expected))
        }
        (
            Expect::Asks(expected),
            Verdict::Ask {
                step,
                question,
                until,
            },
        ) => is(
            json!(format!("{step} until {until}: {question}")),
            &json!(expected),
        ),
        (_, verdict) => Err(format!("ended as {verdict:?}")),
    }
}
