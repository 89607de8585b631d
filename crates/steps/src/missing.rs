//! `on_missing`: what becomes of an entity whose row or link is not there.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use weir_model::dependency::Need;
use weir_model::{Error, Finding, Kind, json as values};
use weir_sdk::expressions::{Expression, Known, Want};
use weir_sdk::step::{Batch, Build, Item, Services, Skipped, Verdict};

use crate::parameters;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnMissing {
    /// The entity fails and goes to the dead letters.
    #[default]
    Dead,
    /// The entity is parked until the row or link is there.
    Wait,
    /// The field becomes `null`.
    Null,
    /// The entity ends as skipped.
    Skip,
}

impl OnMissing {
    /// Refuses `wait` where there is no task yet that could.
    pub(crate) fn check(self, build: &dyn Build) -> Result<(), Finding> {
        if self == OnMissing::Wait && build.is_reading() {
            let message = "a step under `source.steps` cannot wait; move it to `steps`".to_owned();
            return Err(build.finding(&["on_missing"], "wrong-place", message));
        }
        Ok(())
    }
}

/// What a step looks for.
pub(crate) struct Search<'a> {
    pub(crate) key: &'a dyn Expression,
    /// What to ask for a key.
    pub(crate) want: &'a (dyn Fn(String) -> Want + Sync),
    /// In words: `a row of the lookup tax-sets`.
    pub(crate) what: String,
    pub(crate) on_missing: OnMissing,
}

/// Looks for every item that is going, in one request for all; what was found goes into the field `into`.
pub(crate) async fn find(
    search: &Search<'_>,
    into: &str,
    pick: impl Fn(&Value) -> Option<Value>,
    batch: &mut Batch,
    services: &dyn Services,
) -> Result<(), Error> {
    let results = services.evaluate(search.key, batch).await;
    let mut asked: Vec<Option<Want>> = Vec::with_capacity(results.len());
    for (item, result) in batch.items.iter_mut().zip(results) {
        let key = parameters::key(item, result);
        if key.is_none() && item.is_going() {
            search.missing(item, None, into);
        }
        asked.push(key.map(search.want));
    }
    let references = services.references();
    let look = |want: &Want| match want {
        Want::Row { table, key } => references.row(table, key),
        Want::Link { address, key } => references.link(address, key),
    };
    // Taken at once: what is cached for a moment may go while others are fetched.
    let mut known: HashMap<&Want, Known> = HashMap::new();
    let mut pending: Vec<Want> = Vec::new();
    for want in asked.iter().flatten() {
        let answer = look(want);
        if answer == Known::Pending && !pending.contains(want) {
            pending.push(want.clone());
        }
        known.insert(want, answer);
    }
    if !pending.is_empty() {
        references.fetch(&pending).await?;
        for want in asked.iter().flatten().filter(|want| pending.contains(want)) {
            known.insert(want, look(want));
        }
    }
    for (item, want) in batch.items.iter_mut().zip(&asked) {
        let Some(want) = want else { continue };
        let found = match known.get(want) {
            Some(Known::Found(row)) => pick(row),
            _ => None,
        };
        item.add_reads([want.clone()]);
        match found {
            Some(value) => values::set(&mut item.value, into, value),
            None => search.missing(item, Some(want), into),
        }
    }
    Ok(())
}

impl Search<'_> {
    fn missing(&self, item: &mut Item, want: Option<&Want>, into: &str) {
        let (key, need) = match want {
            Some(Want::Row { table, key }) => {
                let (table, key) = (table.clone(), key.clone());
                (key.clone(), Some(Need::Row { table, key }))
            }
            Some(Want::Link { address, key }) => {
                let need = Need::Link {
                    connection: address.connection.clone(),
                    entity: address.entity.clone(),
                    key: key.clone(),
                };
                (key.clone(), Some(need))
            }
            None => (String::new(), None),
        };
        let message = match want {
            Some(_) => format!(
                "there is no {} `{key}`, which `{}` needs for `{into}`",
                self.what, item.key
            ),
            None => format!(
                "`{}` says no key of the {} for `{into}`: `key` gives nothing for it",
                item.key, self.what
            ),
        };
        item.verdict = match (self.on_missing, need) {
            (OnMissing::Null, _) => {
                values::set(&mut item.value, into, Value::Null);
                return;
            }
            (OnMissing::Skip, _) => Verdict::Skip {
                why: Skipped::Filtered,
                reason: message,
            },
            (OnMissing::Wait, Some(need)) => Verdict::Wait {
                need,
                reason: message,
            },
            // A key that is not there can not arrive.
            (OnMissing::Dead | OnMissing::Wait, _) => {
                let advice = format!("{message}. Add it, or say `on_missing: null`, then retry the task");
                let error = Error::new(Kind::Invalid, advice).with("entity", &item.key);
                Verdict::Fail(error.with("field", into))
            }
        };
    }
}
