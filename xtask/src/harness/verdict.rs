//! Is it all there, once, and right? Both simulators judge their own content and their keys are compared.

use std::collections::BTreeMap;

use anyhow::bail;
use serde_json::Value;

use super::server::{Server, total};
use super::world::World;

/// What both simulators count.
pub const KINDS: [&str; 4] = ["categories", "attributes", "abstracts", "concretes"];
const KEYS_NAMED_MAX: usize = 5;

/// The sentences that say what is wrong; none means that all is well.
pub struct Verdict {
    wrong: Vec<String>,
}

impl Verdict {
    /// Looks at both simulators and at the server's status.
    pub fn reach(world: &World, server: &Server) -> anyhow::Result<Self> {
        let mut wrong = Vec::new();
        for (name, simulator) in [("akeneo", &world.akeneo), ("spryker", &world.spryker)] {
            let report = simulator.get("report")?;
            if report["clean"] != true || report["complete"] == false {
                wrong.push(format!("{name}'s own report: {}", report["sentences"]));
            }
            let twice = report["created_twice"]["total"].as_u64().unwrap_or(0);
            if twice > 0 {
                wrong.push(format!(
                    "{twice} rows were created twice: {}",
                    report["created_twice"]["rows"]
                ));
            }
        }
        for kind in KINDS {
            let path = format!("keys?kind={kind}");
            let source = keys(&world.akeneo.get(&path)?);
            let target = keys(&world.spryker.get(&path)?);
            if source.is_empty() {
                wrong.push(format!("the source has no {kind} at all"));
            }
            let missing: Vec<&String> = source.keys().filter(|key| !target.contains_key(*key)).collect();
            let extra: Vec<&String> = target.keys().filter(|key| !source.contains_key(*key)).collect();
            if !missing.is_empty() {
                wrong.push(format!(
                    "{} {kind} did not arrive: {}",
                    missing.len(),
                    named(&missing)
                ));
            }
            if !extra.is_empty() {
                wrong.push(format!(
                    "{} {kind} that the source does not have: {}",
                    extra.len(),
                    named(&extra)
                ));
            }
            if missing.is_empty() && extra.is_empty() && source != target {
                wrong.push(format!("some {kind} arrived more than once"));
            }
        }
        let status = server.status()?;
        for count in ["dead", "waiting"] {
            let number = total(&status, count);
            if number > 0 {
                let tasks = server.tasks(count)?;
                let first = tasks.first().map(Value::to_string).unwrap_or_default();
                wrong.push(format!("{number} tasks are {count}, for example {first}"));
            }
        }
        Ok(Self { wrong })
    }

    /// An error that says everything that is wrong.
    pub fn must_be_clean(&self) -> anyhow::Result<()> {
        if !self.wrong.is_empty() {
            bail!("{}", self.wrong.join("\n"));
        }
        Ok(())
    }
}

/// Each key with how often it is there.
fn keys(answer: &Value) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for key in answer["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        *counted.entry(key.to_owned()).or_insert(0) += 1;
    }
    counted
}

fn named(keys: &[&String]) -> String {
    let first: Vec<&str> = keys.iter().take(KEYS_NAMED_MAX).map(|key| key.as_str()).collect();
    first.join(", ")
}
