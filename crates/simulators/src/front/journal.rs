//! What was asked: counts per method and path, the last requests, and on demand a full recording
//! from which a bench can replay exactly the same requests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::Incoming;

/// How many of the last requests are kept for `GET /_simulator/requests`.
const LAST_MAX: usize = 100;

#[derive(Default)]
struct State {
    counts: BTreeMap<(String, String), BTreeMap<u16, u64>>,
    last: VecDeque<(u64, String, String, u16, u64)>,
    total: u64,
    recorded: Vec<Incoming>,
}

/// The journal of one simulator.
#[derive(Default)]
pub(crate) struct Journal {
    recording: AtomicBool,
    state: Mutex<State>,
}

impl Journal {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the journal is held")
    }

    /// Called before a request is worked on, so that the recording keeps the order of arrival.
    pub(crate) fn arrived(&self, request: &Incoming) {
        if self.recording.load(Ordering::Relaxed) {
            self.state().recorded.push(request.clone());
        }
    }

    /// Called when the fate of a request is known; status 0 stands for an answer that never came.
    pub(crate) fn answered(&self, request: &Incoming, template: String, status: u16, micros: u64) {
        let method = request.method.as_str().to_owned();
        let mut state = self.state();
        state.total += 1;
        let number = state.total;
        *state
            .counts
            .entry((method.clone(), template))
            .or_default()
            .entry(status)
            .or_default() += 1;
        if state.last.len() == LAST_MAX {
            state.last.pop_front();
        }
        let mut path = request.path.clone();
        if !request.query.is_empty() {
            path.push('?');
            path.push_str(&request.query);
        }
        state.last.push_back((number, method, path, status, micros));
    }

    pub(crate) fn record(&self, on: bool) {
        if on {
            self.state().recorded.clear();
        }
        self.recording.store(on, Ordering::Relaxed);
    }

    /// One JSON object per line: method, path with query, headers, body (`body_base64` when the body
    /// is not text).
    pub(crate) fn recorded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for request in &self.state().recorded {
            let mut path = request.path.clone();
            if !request.query.is_empty() {
                path.push('?');
                path.push_str(&request.query);
            }
            let headers: Map<String, Value> = request
                .headers
                .iter()
                .map(|(name, value)| {
                    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    (name.as_str().to_owned(), Value::String(text))
                })
                .collect();
            let mut entry = json!({ "method": request.method.as_str(), "path": path, "headers": headers });
            match std::str::from_utf8(&request.body) {
                Ok(text) => entry["body"] = text.into(),
                Err(_) => {
                    let encoded = base64::engine::general_purpose::STANDARD.encode(&request.body);
                    entry["body_base64"] = encoded.into();
                }
            }
            out.extend_from_slice(entry.to_string().as_bytes());
            out.push(b'\n');
        }
        out
    }

    pub(crate) fn counts(&self) -> Value {
        let state = self.state();
        let mut by_status: BTreeMap<u16, u64> = BTreeMap::new();
        let counts: Vec<Value> = state
            .counts
            .iter()
            .map(|((method, path), statuses)| {
                for (status, count) in statuses {
                    *by_status.entry(*status).or_default() += count;
                }
                json!({
                    "method": method,
                    "path": path,
                    "count": statuses.values().sum::<u64>(),
                    "statuses": names(statuses),
                })
            })
            .collect();
        json!({ "total": state.total, "statuses": names(&by_status), "counts": counts })
    }

    pub(crate) fn last(&self) -> Value {
        let state = self.state();
        Value::Array(
            state
                .last
                .iter()
                .map(|(number, method, path, status, micros)| {
                    json!({ "number": number, "method": method, "path": path, "status": status, "duration_us": micros })
                })
                .collect(),
        )
    }

    /// Forgets the counts; a recording stays until the next one begins.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        state.counts.clear();
        state.last.clear();
        state.total = 0;
    }
}

/// Statuses as names; 0 is `none`, an answer that never came.
fn names(statuses: &BTreeMap<u16, u64>) -> Value {
    let named = statuses.iter().map(|(status, count)| {
        let name = match status {
            0 => "none".to_owned(),
            status => status.to_string(),
        };
        (name, Value::from(*count))
    });
    Value::Object(named.collect())
}
