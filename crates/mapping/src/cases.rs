//! Cases of a map: `maps/NAME.cases.yaml`, what goes in and what is expected to come out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use weir_model::json::same;
use weir_model::{Address, Error, Finding};
use weir_sdk::document::Document;
use weir_sdk::expressions::{Expressions, Known, References, Scope};

/// One case as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    input: Value,
    /// What must be in the result, or the whole result with `exact`.
    #[serde(default, deserialize_with = "given")]
    expect: Option<Value>,
    #[serde(default)]
    exact: bool,
    /// The map gives nothing at all.
    #[serde(default)]
    nothing: bool,
    #[serde(default)]
    error: Option<ExpectedError>,
    /// Lookup rows by table and key.
    #[serde(default)]
    lookups: BTreeMap<String, BTreeMap<String, Value>>,
    /// Ids by `connection/entity` and key.
    #[serde(default)]
    links: BTreeMap<String, BTreeMap<String, Value>>,
    /// Variables of the project that this case wants otherwise.
    #[serde(default)]
    vars: Map<String, Value>,
    /// The time that `$now()` gives.
    #[serde(default)]
    now: Option<jiff::Timestamp>,
}

/// `expect: null` expects null, which is not the same as no expectation.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedError {
    /// The field of the target that could not be made.
    #[serde(default)]
    path: Option<String>,
    /// A part of the message.
    #[serde(default)]
    contains: Option<String>,
}

/// What became of one case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseResult {
    pub name: String,
    /// Where the case stands.
    pub file: String,
    pub line: u32,
    pub passed: bool,
    /// What the map gave, unless it gave nothing or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<Value>,
    /// Why it did not pass, apart from differences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

/// One place where the result is not what was expected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Dotted path, `prices[0].gross`; empty for the whole.
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<Value>,
}

impl fmt::Display for CaseResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.passed { "passed" } else { "FAILED" };
        write!(f, "{word}  {}  ({}:{})", self.name, self.file, self.line)?;
        if let Some(reason) = &self.reason {
            write!(f, "\n    {reason}")?;
        }
        for difference in &self.differences {
            write!(f, "\n    {difference}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "the result"
        } else {
            &self.path
        };
        let show = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
        write!(
            f,
            "{path}\n      expected  {}\n      actual    {}",
            show(&self.expected),
            show(&self.actual)
        )
    }
}

/// Runs the cases in the text of a file against the map `map`. `vars` are the variables of the project. Findings are
/// about the file itself; that a case does not pass is a result.
pub fn run_cases(
    expressions: &dyn Expressions,
    map: &str,
    file: &str,
    text: &str,
    vars: &Value,
) -> Result<Vec<CaseResult>, Vec<Finding>> {
    let document = Document::parse(file, text).map_err(|finding| vec![finding])?;
    let cases: Vec<Case> = document.read().map_err(|finding| vec![finding])?;
    let Some(map) = expressions.map(map) else {
        let message = format!("there is no map `{map}` for these cases; it would be `maps/{map}.jsonata`");
        return Err(vec![document.finding(&[], "unknown-map", message)]);
    };
    let mut findings = Vec::new();
    let mut results = Vec::new();
    for (index, case) in cases.into_iter().enumerate() {
        let index = index.to_string();
        let expectations = [case.expect.is_some(), case.nothing, case.error.is_some()];
        if expectations.iter().filter(|is| **is).count() != 1 {
            let message = format!(
                "the case `{}` needs one of `expect`, `error` and `nothing: true`",
                case.name
            );
            findings.push(document.finding(&[&index], "case", message));
            continue;
        }
        match Fixtures::new(&case) {
            Ok(fixtures) => {
                let (line, _) = document.place(&[&index]);
                let outcome = run(&case, &fixtures, map.expression.as_ref(), vars);
                results.push(judge(case, outcome, file, line));
            }
            Err((address, message)) => {
                findings.push(document.finding(&[&index, "links", &address], "case", message))
            }
        }
    }
    if findings.is_empty() {
        Ok(results)
    } else {
        Err(findings)
    }
}

fn run(
    case: &Case,
    fixtures: &Fixtures,
    expression: &dyn weir_sdk::expressions::Expression,
    vars: &Value,
) -> Result<Option<Value>, Error> {
    let mut all = vars.as_object().cloned().unwrap_or_default();
    all.extend(case.vars.clone());
    let vars = Value::Object(all);
    expression.evaluate(
        &case.input,
        &Scope {
            bindings: &[("vars", &vars), ("source", &case.input)],
            references: fixtures,
            // Some moment, always the same.
            now: case.now.unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        },
    )
}

fn judge(case: Case, outcome: Result<Option<Value>, Error>, file: &str, line: u32) -> CaseResult {
    let mut result = CaseResult {
        name: case.name,
        file: file.to_owned(),
        line,
        passed: false,
        actual: None,
        reason: None,
        differences: Vec::new(),
    };
    match (outcome, case.error) {
        (Ok(actual), None) => {
            let at = Path::default();
            compare(
                &at,
                case.expect.as_ref(),
                actual.as_ref(),
                case.exact,
                &mut result.differences,
            );
            result.actual = actual;
        }
        (Ok(actual), Some(_)) => {
            result.reason = Some("an error was expected; the map gave a result".to_owned());
            result.actual = actual;
        }
        (Err(error), None) => result.reason = Some(error.to_string()),
        (Err(error), Some(expected)) => {
            let field = error.get("field").unwrap_or_default();
            let under = |path: &str| {
                field == path
                    || field
                        .strip_prefix(path)
                        .is_some_and(|rest| rest.starts_with(['.', '[']))
            };
            if let Some(part) = expected
                .contains
                .filter(|part| !error.to_string().contains(part.as_str()))
            {
                result.reason = Some(format!("the error does not contain \"{part}\": {error}"));
            } else if let Some(path) = expected.path.filter(|path| !under(path)) {
                result.reason = Some(format!("the error is not at `{path}` but at `{field}`: {error}"));
            }
        }
    }
    result.passed = result.reason.is_none() && result.differences.is_empty();
    result
}

#[derive(Clone, Default)]
struct Path(String);

impl Path {
    fn field(&self, name: &str) -> Path {
        match self.0.as_str() {
            "" => Path(name.to_owned()),
            path => Path(format!("{path}.{name}")),
        }
    }
    fn item(&self, index: usize) -> Path {
        Path(format!("{}[{index}]", self.0))
    }
}

/// Objects may have more fields than expected unless `exact`; lists have as many items, in this order.
fn compare(
    path: &Path,
    expected: Option<&Value>,
    actual: Option<&Value>,
    exact: bool,
    found: &mut Vec<Difference>,
) {
    match (expected, actual) {
        (Some(Value::Object(wanted)), Some(Value::Object(got))) => {
            for (name, value) in wanted {
                compare(&path.field(name), Some(value), got.get(name), exact, found);
            }
            for (name, value) in got
                .iter()
                .filter(|(name, _)| exact && !wanted.contains_key(*name))
            {
                compare(&path.field(name), None, Some(value), exact, found);
            }
        }
        (Some(Value::Array(wanted)), Some(Value::Array(got))) => {
            for index in 0..wanted.len().max(got.len()) {
                compare(&path.item(index), wanted.get(index), got.get(index), exact, found);
            }
        }
        (None, None) => {}
        (Some(wanted), Some(got)) if same(wanted, got) => {}
        _ => found.push(Difference {
            path: path.0.clone(),
            expected: expected.cloned(),
            actual: actual.cloned(),
        }),
    }
}

/// The references of one case; nothing else exists.
struct Fixtures {
    lookups: BTreeMap<String, BTreeMap<String, Arc<Value>>>,
    links: BTreeMap<Address, BTreeMap<String, Arc<Value>>>,
}

impl Fixtures {
    fn new(case: &Case) -> Result<Fixtures, (String, String)> {
        let share = |rows: &BTreeMap<String, Value>| {
            rows.iter()
                .map(|(key, row)| (key.clone(), Arc::new(row.clone())))
                .collect()
        };
        let mut links = BTreeMap::new();
        for (address, rows) in &case.links {
            let parsed: Address = address.parse().map_err(|message| (address.clone(), message))?;
            links.insert(parsed, share(rows));
        }
        Ok(Fixtures {
            lookups: case
                .lookups
                .iter()
                .map(|(table, rows)| (table.clone(), share(rows)))
                .collect(),
            links,
        })
    }
}

impl References for Fixtures {
    fn row(&self, table: &str, key: &str) -> Known {
        let row = self.lookups.get(table).and_then(|rows| rows.get(key));
        row.map_or(Known::Missing, |row| Known::Found(row.clone()))
    }
    fn link(&self, address: &Address, key: &str) -> Known {
        let ids = self.links.get(address).and_then(|rows| rows.get(key));
        ids.map_or(Known::Missing, |ids| Known::Found(ids.clone()))
    }
}
