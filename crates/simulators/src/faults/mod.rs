//! Faults on demand: rules that say which requests go wrong and how. The dice are seeded, so that a
//! run with the same requests in the same order fails in the same places.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::front::Incoming;
use crate::random::Random;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The answer comes `delay_ms` later.
    Latency,
    /// 429; with the header `Retry-After` when `retry_after` is given.
    RateLimit,
    /// The answer is `status` (default 503) and nothing is done.
    Status,
    /// The connection is reset before anything is done.
    Cut,
    /// The request is done, and the answer is cut off in the middle of its body.
    Truncate,
    /// The request is done, and the answer is text that is not JSON, with status 200.
    InvalidJson,
    /// All tokens given out so far expire.
    ExpireTokens,
    /// Every connection is reset for `seconds`; the control paths still answer.
    Down,
    /// Applied after the client gave up: the request is done after `delay_ms`, the answer never comes
    /// (the connection is reset after `hang_ms`).
    Late,
}

/// One rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: Kind,
    /// Share of the matching requests, 0 to 1. Default 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// How often it strikes before it is used up. Default: no limit (`down`: once).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How many matching requests go well first. Default 0.
    #[serde(default)]
    pub skip: u64,
    /// Only requests of this method, for example `POST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only requests whose path starts with this; `*` stands for one whole segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// For `latency` and `late`: milliseconds before the request is done. Default 1000 and 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// For `late`: milliseconds until the connection is reset. Default 120,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hang_ms: Option<u64>,
    /// For `status`: the status. Default 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// For `rate_limit`: seconds in `Retry-After`; absent means no such header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// For `down`: seconds. Default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

fn always() -> f64 {
    1.0
}

impl Fault {
    /// A rule of one kind that strikes every request.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        Self {
            kind,
            probability: 1.0,
            count: None,
            skip: 0,
            method: None,
            path: None,
            delay_ms: None,
            hang_ms: None,
            status: None,
            retry_after: None,
            seconds: None,
        }
    }

    fn concerns(&self, request: &Incoming) -> bool {
        self.method
            .as_ref()
            .is_none_or(|method| method.eq_ignore_ascii_case(request.method.as_str()))
            && self
                .path
                .as_ref()
                .is_none_or(|pattern| path_starts(&request.path, pattern))
    }
}

fn path_starts(path: &str, pattern: &str) -> bool {
    if !pattern.contains('*') {
        return path.starts_with(pattern);
    }
    let mut have = path.split('/').filter(|part| !part.is_empty());
    pattern.split('/').filter(|part| !part.is_empty()).all(|want| {
        have.next()
            .is_some_and(|part| want == "*" || part.starts_with(want))
    })
}

/// What the server in front has to do to one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    pub(crate) delay: Option<Duration>,
    pub(crate) strike: Option<Fault>,
}

struct Armed {
    id: u64,
    fault: Fault,
    seen: u64,
    hits: u64,
    random: Random,
}

#[derive(Default)]
struct State {
    next: u64,
    armed: Vec<Armed>,
    down_until: Option<Instant>,
    struck: u64,
}

/// All rules of one simulator.
pub(crate) struct Faults {
    seed: u64,
    state: Mutex<State>,
}

impl Faults {
    pub(crate) fn new(seed: u64, first: Vec<Fault>) -> Self {
        let faults = Self {
            seed,
            state: Mutex::default(),
        };
        for fault in first {
            faults.add(fault);
        }
        faults
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while faults are held")
    }

    /// Adds a rule and gives its number. `down` without a condition begins at once.
    pub(crate) fn add(&self, fault: Fault) -> u64 {
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        let at_once = fault.kind == Kind::Down
            && fault.path.is_none()
            && fault.method.is_none()
            && fault.skip == 0
            && fault.probability >= 1.0;
        if at_once {
            let length = Duration::from_secs(fault.seconds.unwrap_or(60));
            state.down_until = Some(Instant::now() + length);
            state.struck += 1;
        }
        state.armed.push(Armed {
            id,
            random: Random::new(self.seed, id),
            seen: 0,
            hits: u64::from(at_once),
            fault,
        });
        id
    }

    /// Removes one rule, or all of them and an outage that is under way.
    pub(crate) fn remove(&self, id: Option<u64>) -> bool {
        let mut state = self.state();
        let before = state.armed.len();
        match id {
            Some(id) => {
                let outage = state
                    .armed
                    .iter()
                    .any(|armed| armed.id == id && armed.fault.kind == Kind::Down);
                if outage {
                    state.down_until = None;
                }
                state.armed.retain(|armed| armed.id != id);
            }
            None => {
                state.armed.clear();
                state.down_until = None;
            }
        }
        before != state.armed.len()
    }

    pub(crate) fn list(&self) -> serde_json::Value {
        let state = self.state();
        let rules: Vec<_> = state
            .armed
            .iter()
            .map(|armed| {
                let mut rule = serde_json::to_value(&armed.fault).unwrap_or_default();
                rule["id"] = armed.id.into();
                rule["matched"] = armed.seen.into();
                rule["hits"] = armed.hits.into();
                rule
            })
            .collect();
        let down_ms = state
            .down_until
            .map(|until| until.saturating_duration_since(Instant::now()).as_millis() as u64)
            .unwrap_or(0);
        serde_json::json!({ "faults": rules, "struck": state.struck, "down_ms": down_ms })
    }

    /// Decides about one request. Latencies add up; of the others the first that strikes counts.
    pub(crate) fn judge(&self, request: &Incoming) -> Verdict {
        let mut verdict = Verdict::default();
        let mut state = self.state();
        if state.armed.is_empty() && state.down_until.is_none() {
            return verdict;
        }
        if let Some(until) = state.down_until {
            if Instant::now() < until {
                verdict.strike = Some(Fault::of(Kind::Cut));
                return verdict;
            }
            state.down_until = None;
        }
        let mut down = None;
        let mut struck = 0;
        for armed in &mut state.armed {
            if !armed.fault.concerns(request) {
                continue;
            }
            let count = match armed.fault.kind {
                Kind::Down => armed.fault.count.or(Some(1)),
                _ => armed.fault.count,
            };
            if count.is_some_and(|count| armed.hits >= count) {
                continue;
            }
            armed.seen += 1;
            if armed.seen <= armed.fault.skip
                || (armed.fault.probability < 1.0 && armed.random.fraction() >= armed.fault.probability)
            {
                continue;
            }
            if armed.fault.kind == Kind::Latency {
                armed.hits += 1;
                struck += 1;
                let delay = Duration::from_millis(armed.fault.delay_ms.unwrap_or(1000));
                verdict.delay = Some(verdict.delay.unwrap_or_default() + delay);
            } else if verdict.strike.is_none() {
                armed.hits += 1;
                struck += 1;
                if armed.fault.kind == Kind::Down {
                    down = Some(Duration::from_secs(armed.fault.seconds.unwrap_or(60)));
                    verdict.strike = Some(Fault::of(Kind::Cut));
                } else {
                    verdict.strike = Some(armed.fault.clone());
                }
            }
        }
        state.struck += struck;
        if let Some(length) = down {
            state.down_until = Some(Instant::now() + length);
        }
        verdict
    }
}
