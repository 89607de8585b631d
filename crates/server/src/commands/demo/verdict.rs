//! Is it all there, and is it right? The simulators judge their own content, and their keys are compared.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use weir_engine::Status;
use weir_model::task::State;

use super::simulators::Simulators;
use crate::output::{Output, counted, table};
use crate::runtime::Running;

/// What both simulators count, in the words of their control API.
const KINDS: &[&str] = &["categories", "attributes", "abstracts", "concretes"];
/// Keys that are named where some are missing.
const NAMED_MAX: usize = 5;

pub(super) struct Verdict {
    routes: Vec<(String, Counts)>,
    /// What is wrong, in sentences.
    wrong: Vec<String>,
    /// What is right, in sentences.
    right: Vec<String>,
    seconds: f64,
    peak_rss_mb: u64,
}

#[derive(Default)]
struct Counts {
    read: u64,
    delivered: u64,
    skipped: u64,
    waiting: u64,
    dead: u64,
}

impl Verdict {
    /// `broken_on_purpose`: dead and waiting tasks, and what they would have delivered, are expected.
    pub(super) async fn reach(
        running: &Running,
        simulators: &Simulators,
        broken_on_purpose: bool,
        seconds: f64,
    ) -> anyhow::Result<Verdict> {
        let engine = running.engine()?;
        let status = engine.status();
        let scope = &running.api.served[0].scope;
        let stored = running.api.store.counts(scope).await?;
        let mut verdict = Verdict {
            routes: Vec::new(),
            wrong: Vec::new(),
            right: Vec::new(),
            seconds,
            peak_rss_mb: peak_rss_mb(),
        };
        verdict.count(&status, &stored, broken_on_purpose);
        let undelivered: u64 = verdict.routes.iter().map(|(_, c)| c.waiting + c.dead).sum();
        let allowed = if broken_on_purpose {
            undelivered as usize
        } else {
            0
        };
        for system in ["akeneo", "spryker"] {
            let report = simulators.ask(system, "report", None).await?;
            verdict.report(system, &report, broken_on_purpose);
        }
        for kind in KINDS {
            let path = format!("keys?kind={kind}");
            let source = keys(&simulators.ask("akeneo", &path, None).await?);
            let target = keys(&simulators.ask("spryker", &path, None).await?);
            verdict.compare(kind, &source, &target, allowed);
        }
        Ok(verdict)
    }

    pub(super) fn verified(&self) -> bool {
        self.wrong.is_empty()
    }

    /// The object that `--once --json` ends with.
    pub(super) fn summary(&self) -> Value {
        let routes: serde_json::Map<String, Value> = self
            .routes
            .iter()
            .map(|(name, c)| {
                let counts = json!({
                    "read": c.read, "delivered": c.delivered, "skipped": c.skipped, "waiting": c.waiting, "dead": c.dead,
                });
                (name.clone(), counts)
            })
            .collect();
        let seconds = (self.seconds * 10.0).round() / 10.0;
        json!({ "verified": self.verified(), "routes": routes, "seconds": seconds, "peak_rss_mb": self.peak_rss_mb })
    }

    /// For people, on standard error where the answer is JSON.
    pub(super) fn explain(&self, output: Output) {
        output.say(&self.words());
    }

    pub(super) fn words(&self) -> String {
        let rows: Vec<Vec<Value>> = self
            .routes
            .iter()
            .map(|(name, c)| {
                vec![
                    json!(name),
                    json!(c.read),
                    json!(c.delivered),
                    json!(c.skipped),
                    json!(c.waiting),
                    json!(c.dead),
                ]
            })
            .collect();
        let delivered: u64 = self.routes.iter().map(|(_, c)| c.delivered).sum();
        let mut lines = vec![
            String::new(),
            table(
                &["route", "read", "delivered", "skipped", "waiting", "dead"],
                &rows,
            ),
            String::new(),
            format!(
                "{delivered} deliveries in {:.1} s ({:.0} a second), at most {} MB of memory",
                self.seconds,
                delivered as f64 / self.seconds.max(0.001),
                self.peak_rss_mb
            ),
        ];
        lines.extend(self.right.iter().map(|sentence| format!("  ok     {sentence}")));
        lines.extend(self.wrong.iter().map(|sentence| format!("  WRONG  {sentence}")));
        lines.push(if self.verified() {
            "verified: everything arrived".to_owned()
        } else {
            "not verified".to_owned()
        });
        lines.join("\n")
    }

    fn count(
        &mut self,
        status: &Status,
        stored: &BTreeMap<String, BTreeMap<State, u64>>,
        broken_on_purpose: bool,
    ) {
        for (name, route) in &status.routes {
            let of = |state| {
                stored
                    .get(name)
                    .and_then(|counts| counts.get(&state))
                    .copied()
                    .unwrap_or(0)
            };
            let counts = Counts {
                read: route.rows_read,
                delivered: of(State::Done),
                skipped: of(State::Skipped),
                waiting: route.waiting,
                dead: route.dead,
            };
            if let Some(failure) = &route.failure {
                self.wrong
                    .push(format!("the source of `{name}` failed: {failure}"));
            }
            if counts.dead > 0 || counts.waiting > 0 {
                let sentence = format!("`{name}`: {} dead, {} waiting", counts.dead, counts.waiting);
                let list = if broken_on_purpose {
                    &mut self.right
                } else {
                    &mut self.wrong
                };
                list.push(sentence);
            }
            self.routes.push((name.clone(), counts));
        }
    }

    fn report(&mut self, system: &str, report: &Value, broken_on_purpose: bool) {
        let sentences: Vec<&str> = report["sentences"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        // Half-done content is said only by the target; with broken products some abstracts have no concrete.
        let complete = report["complete"].as_bool().unwrap_or(true) || broken_on_purpose;
        let good = report["clean"] == true && complete;
        let list = if good { &mut self.right } else { &mut self.wrong };
        let words = if sentences.is_empty() {
            "nothing is wrong".to_owned()
        } else {
            sentences.join(" ")
        };
        list.push(format!("{system}'s own report: {words}"));
    }

    fn compare(
        &mut self,
        kind: &str,
        source: &BTreeSet<String>,
        target: &BTreeSet<String>,
        missing_max: usize,
    ) {
        let named = |keys: &[&String]| {
            keys.iter()
                .take(NAMED_MAX)
                .map(|key| format!("`{key}`"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let missing: Vec<&String> = source.difference(target).collect();
        let extra: Vec<&String> = target.difference(source).collect();
        if missing.len() > missing_max {
            self.wrong.push(format!(
                "{} {kind} did not arrive: {}",
                missing.len(),
                named(&missing)
            ));
        } else if extra.is_empty() {
            let of = counted(target.len(), "key").replace("key", kind.trim_end_matches('s'));
            self.right.push(format!(
                "{} of {} {kind} arrived ({of})",
                target.len(),
                source.len()
            ));
        }
        if !extra.is_empty() {
            self.wrong.push(format!(
                "{} {kind} arrived that the source does not have: {}",
                extra.len(),
                named(&extra)
            ));
        }
    }
}

fn keys(answer: &Value) -> BTreeSet<String> {
    answer["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|key| key.as_str().map(str::to_owned))
        .collect()
}

/// The most memory this process ever had, by its own account; 0 where the system does not say.
fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kb| kb.div_ceil(1_024))
}
