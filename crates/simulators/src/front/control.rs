//! The control API under `/_simulator/`, the same for every simulator.

use serde_json::{Value, json};

use super::{Front, Incoming, Reply};
use crate::faults::Fault;

fn problem(status: u16, message: impl Into<String>) -> Reply {
    Reply::value(status, &json!({ "error": message.into() }))
}

/// Answers one control request; `parts` are the segments after `_simulator`.
pub(super) fn answer(front: &Front, request: &Incoming, parts: &[&str]) -> Reply {
    let system = &front.system;
    match (request.method.as_str(), parts) {
        ("GET", ["health"]) => Reply::value(200, &json!({ "ok": true, "simulator": system.name() })),
        ("GET", ["report"]) => {
            let mut report = system.report();
            report["requests"] = front.journal.counts();
            report["faults"] = front.faults.list();
            Reply::value(200, &report)
        }
        ("GET", ["requests"]) => {
            let mut counts = front.journal.counts();
            counts["last"] = front.journal.last();
            Reply::value(200, &counts)
        }
        ("GET", ["faults"]) => Reply::value(200, &front.faults.list()),
        ("POST", ["faults"]) => arm(front, request),
        ("DELETE", ["faults"]) => {
            front.faults.remove(None);
            Reply::value(200, &front.faults.list())
        }
        ("DELETE", ["faults", id]) => match id.parse().map(|id| front.faults.remove(Some(id))) {
            Ok(true) => Reply::value(200, &front.faults.list()),
            _ => problem(
                404,
                format!("There is no fault {id}; GET /_simulator/faults lists them."),
            ),
        },
        ("GET", ["keys"]) => keys(front, request),
        ("POST", ["change"]) => match body(request).and_then(|change| system.change(&change)) {
            Ok(value) => Reply::value(200, &value),
            Err(message) => problem(422, message),
        },
        ("POST", ["reset"]) => {
            system.reset();
            front.journal.reset();
            front.faults.remove(None);
            Reply::value(200, &json!({ "ok": true }))
        }
        ("POST", ["record"]) => {
            let on = match body(request) {
                Ok(value) => value["on"].as_bool().unwrap_or(true),
                Err(message) => return problem(422, message),
            };
            front.journal.record(on);
            Reply::value(200, &json!({ "recording": on }))
        }
        ("GET", ["recorded"]) => Reply::json(200, front.journal.recorded()).typed("application/x-ndjson"),
        _ => system.control(request, parts).unwrap_or_else(|| {
            problem(
                404,
                "Control paths: health, report, requests, faults, keys, change, reset, record, recorded.",
            )
        }),
    }
}

/// The JSON body; nothing at all counts as an empty object.
pub(crate) fn body(request: &Incoming) -> Result<Value, String> {
    if request.body.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(&request.body)
        .map_err(|error| format!("The body of {} is not JSON: {error}.", request.path))
}

/// One fault or a list of them.
fn arm(front: &Front, request: &Incoming) -> Reply {
    let parsed = body(request).and_then(|value| {
        let list = match value {
            Value::Array(list) => list,
            one => vec![one],
        };
        list.into_iter()
            .map(|one| {
                serde_json::from_value::<Fault>(one)
                    .map_err(|error| format!("Could not read the fault: {error}."))
            })
            .collect::<Result<Vec<_>, _>>()
    });
    match parsed {
        Ok(faults) => {
            let ids: Vec<u64> = faults.into_iter().map(|fault| front.faults.add(fault)).collect();
            Reply::value(201, &json!({ "id": ids.first(), "ids": ids }))
        }
        Err(message) => problem(422, message),
    }
}

fn keys(front: &Front, request: &Incoming) -> Reply {
    let pairs = request.pairs();
    let kind = pairs
        .iter()
        .find(|(name, _)| name == "kind")
        .map_or("", |(_, value)| value.as_str());
    match front.system.keys(kind) {
        Some(keys) => Reply::value(200, &json!({ "kind": kind, "count": keys.len(), "keys": keys })),
        None => problem(
            422,
            format!("`{kind}` is no kind of key; use categories, attributes, abstracts or concretes."),
        ),
    }
}
