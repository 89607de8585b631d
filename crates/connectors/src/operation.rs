//! Operations: any other request of a system, by name.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use weir_model::retry::Repeat;
use weir_model::{Error, Finding, Kind, did_you_mean};
use weir_sdk::connector::{CallRequest, Observer, OperationDescription};
use weir_sdk::document::Document;

use crate::errors::Rules;
use crate::manifest::types::{self, Manifest};
use crate::paginate::Paginate;
use crate::request::Request;
use crate::runtime::Runtime;
use crate::session::{Purpose, records};
use crate::template::{Compiler, Formula};

/// Rows that an operation which reads many answers at most, unless its manifest says otherwise.
const RECORDS_MAX: u64 = 10_000;

/// An operation, ready to be called.
pub(crate) struct OperationPlan {
    request: Request,
    result: Option<Formula>,
    /// Of one that reads many.
    records: Option<Formula>,
    paginate: Paginate,
    records_max: u64,
    rules: Option<Rules>,
    pub(crate) description: OperationDescription,
}

pub(crate) fn compile_all<'a>(
    manifest: &Manifest,
    document: &Document,
    compiler: impl Fn(&[&str]) -> Compiler<'a>,
    findings: &mut Vec<Finding>,
) -> BTreeMap<String, OperationPlan> {
    let mut plans = BTreeMap::new();
    for (name, operation) in &manifest.operations {
        let place = ["operations", name];
        match compile(operation, document, &place, &compiler(&place)) {
            Ok(plan) => drop(plans.insert(name.clone(), plan)),
            Err(finding) => findings.push(finding),
        }
    }
    plans
}

fn compile(
    operation: &types::Operation,
    document: &Document,
    place: &[&str],
    compiler: &Compiler<'_>,
) -> Result<OperationPlan, Finding> {
    let refuse = |message: &str| Err(document.finding(place, "wrong-value", message));
    let reads_many = operation.records.is_some();
    if operation.paginate.is_some() && !reads_many {
        return refuse(
            "an operation with `paginate` reads many: say with `records` where the rows of a page are",
        );
    }
    if operation.result.is_some() && reads_many {
        return refuse("the result of an operation with `records` is the list of them: leave out `result`");
    }
    if operation.repeat == Some(Repeat::Lookup) {
        return refuse("an operation has no key to look up: its `repeat` is `safe` or `unsafe`");
    }
    let formula = |text: &Option<String>| match text {
        Some(text) => compiler.expression(text).map(Some),
        None => Ok(None),
    };
    let has_effect = !["GET", "HEAD"].contains(&operation.request.method.to_uppercase().as_str());
    let otherwise = if has_effect { Repeat::Unsafe } else { Repeat::Safe };
    Ok(OperationPlan {
        request: Request::compile(&operation.request, compiler)?,
        result: formula(&operation.result)?,
        records: formula(&operation.records)?,
        paginate: Paginate::compile(operation.paginate.as_ref(), compiler)?,
        records_max: operation.records_max.unwrap_or(RECORDS_MAX),
        rules: match operation.errors.is_empty() {
            true => None,
            false => Some(Rules::compile(&operation.errors, compiler)?),
        },
        description: OperationDescription {
            has_effect,
            repeat: operation.repeat.unwrap_or(otherwise),
            reads_many,
        },
    })
}

/// Carries an operation out, page for page where it reads many.
pub(crate) async fn call(
    runtime: &Runtime,
    call: &CallRequest,
    observer: &dyn Observer,
) -> Result<Value, Error> {
    let name = &call.operation;
    let Some(plan) = runtime.operations.get(name) else {
        let hint = did_you_mean(name, runtime.operations.keys().map(String::as_str)).unwrap_or_default();
        let connection = &runtime.session.connection;
        let message = format!("connection `{connection}` has no operation `{name}`; {hint}");
        return Err(Error::new(Kind::Configuration, message));
    };
    let words = format!("call {name}");
    let purpose = Purpose {
        words: words.clone(),
        rows: &[0],
        observer,
        has_effect: plan.description.has_effect,
        rules: plan.rules.as_ref(),
        lines: false,
    };
    let mut rows: Vec<Value> = Vec::new();
    let mut position: Option<Value> = None;
    loop {
        let parts = vec![
            ("with", call.with.clone()),
            ("page", plan.paginate.page(position.as_ref())),
        ];
        let input = runtime.session.input(&Map::new(), parts);
        // What the entity gives does not fit the request: no other try changes that.
        let mut made = plan.request.make(&input).map_err(|error| {
            let message = format!(
                "could not {words} at `{}`: {}",
                runtime.session.connection, error.message
            );
            Error {
                kind: Kind::Invalid,
                message,
                ..error
            }
        })?;
        if let Some(address) = plan.paginate.address(position.as_ref()) {
            runtime.session.check_origin(address)?;
            made.path = address.to_owned();
            made.query.clear();
        }
        let answer = runtime.session.ask(made, &purpose).await;
        let answer = match answer {
            // Too long to read; the request was sent all the same.
            Err(error) if error.kind == Kind::Limit => return Err(unread(plan, error)),
            other => Value::Object(other?),
        };
        let Some(formula) = &plan.records else {
            return match &plan.result {
                Some(result) => {
                    let result = result.evaluate(&answer).map_err(|error| unread(plan, error))?;
                    Ok(result.unwrap_or(Value::Null))
                }
                None => Ok(answer.get("body").cloned().unwrap_or(Value::Null)),
            };
        };
        let page = records(formula, &answer, &words).map_err(|error| unread(plan, error))?;
        let next = plan.paginate.next(position.as_ref(), page.len(), &answer);
        position = next.map_err(|error| unread(plan, error))?;
        rows.extend(page);
        if rows.len() as u64 > plan.records_max {
            let message = format!(
                "could not {words} at `{}`: it gives more rows than the limit records_max of {}; ask for less, or raise it \
                 in the manifest",
                runtime.session.connection, plan.records_max
            );
            return Err(unread(plan, Error::new(Kind::Limit, message)));
        }
        if position.is_none() {
            return Ok(Value::Array(rows));
        }
    }
}

/// The request was answered and the answer cannot be used: of what has an effect nobody can tell that nothing happened.
fn unread(plan: &OperationPlan, error: Error) -> Error {
    match plan.description.has_effect {
        true => Error {
            kind: Kind::OutcomeUnknown,
            ..error
        },
        false => error,
    }
}
