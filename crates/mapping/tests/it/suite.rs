//! The public test suite of JSONata, where it is at hand: `$WEIR_SHARED/data/jsonata-test-suite`, or `../shared` beside the
//! repository. It is not part of the repository.

use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_model::json::same;
use weir_sdk::expressions::NoReferences;

use crate::project::{evaluate_with, library};

/// Missing input, which the contract does not have, all but one: `$string(1/0)` has another code of error.
const KNOWN: &[&str] = &[
    "groups/descendent-operator/case016.json#0",
    "groups/encoding/case001.json#0",
    "groups/encoding/case003.json#0",
    "groups/function-string/case019.json#0",
    "groups/function-string/case022.json#0",
    "groups/function-trim/case002.json#0",
    "groups/transform/case022.json#0",
];

fn folder() -> PathBuf {
    let shared = std::env::var_os("WEIR_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    shared.join("data/jsonata-test-suite")
}

fn read(path: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

#[test]
fn the_public_suite_passes_but_for_what_we_know() {
    let root = folder();
    let Ok(groups) = std::fs::read_dir(root.join("groups")) else {
        println!("skipped: there is no suite in {}", root.display());
        return;
    };
    let library = library(None, &[]).unwrap();
    let (mut passed, mut failed) = (0, Vec::new());
    let mut files: Vec<PathBuf> = groups
        .flat_map(|group| std::fs::read_dir(group.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    for path in files {
        // Two files hold halves of a surrogate pair, which are no JSON.
        let Some(content) = read(&path) else { continue };
        let cases = match content {
            Value::Array(cases) => cases,
            case => vec![case],
        };
        for (index, case) in cases.iter().enumerate() {
            // These want limits of their own.
            if case.get("timelimit").is_some() || case.get("depth").is_some() {
                continue;
            }
            if run(library.as_ref(), &root, &path, case) {
                passed += 1;
            } else {
                failed.push(format!("{}#{index}", path.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    println!(
        "passed {passed} of {}; not: {}",
        passed + failed.len(),
        failed.join(", ")
    );
    assert_eq!(
        (passed, failed),
        (1666, KNOWN.iter().map(ToString::to_string).collect())
    );
}

fn run(library: &dyn weir_sdk::expressions::Expressions, root: &Path, path: &Path, case: &Value) -> bool {
    let text = match (case.get("expr"), case.get("expr-file")) {
        (Some(Value::String(text)), _) => text.clone(),
        (_, Some(Value::String(file))) => std::fs::read_to_string(path.with_file_name(file)).unwrap(),
        _ => return false,
    };
    let input = match (case.get("data"), case.get("dataset")) {
        (Some(data), _) => data.clone(),
        (_, Some(Value::String(name))) => read(&root.join("datasets").join(format!("{name}.json"))).unwrap(),
        // The contract has no missing input; none of the rest reads it.
        _ => Value::Null,
    };
    let none = serde_json::Map::new();
    let bindings = case.get("bindings").and_then(Value::as_object).unwrap_or(&none);
    let bindings: Vec<(&str, &Value)> = bindings
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    let code = case.get("code").or_else(|| case.pointer("/error/code"));
    let snippet = weir_sdk::expressions::Snippet::new("t", text.as_str());
    if library.expression(&snippet).is_err() {
        return code.is_some();
    }
    match evaluate_with(library, &text, &input, &bindings, &NoReferences) {
        Ok(None) => case.get("undefinedResult").is_some(),
        Ok(Some(value)) => case.get("result").is_some_and(|expected| close(expected, &value)),
        Err(error) => code.and_then(Value::as_str) == error.get("jsonata"),
    }
}

/// Equal up to the last digit of floating point; the suite writes some numbers shorter.
fn close(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| close(a, b)))
        }
        _ => same(expected, actual),
    }
}
