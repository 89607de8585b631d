//! `waits_for`: may a task start, and if not, what is it waiting for?

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far the awaited key must have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// Delivered at some time.
    #[default]
    Delivered,
    /// Delivered, or its last task ended skipped by a filter.
    Processed,
}

/// One thing a parked task waits for.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Need {
    /// A key of a route of the same project and environment.
    Key { route: String, key: String },
    /// A remembered pair.
    Link {
        connection: String,
        entity: String,
        key: String,
    },
    /// A row of a lookup that is read again (`refresh`) or kept by routes.
    Row { table: String, key: String },
    /// The closing of a group that a collecting step of its route gathers.
    Group { step: String, by: String },
    /// What somebody answers to a step of the task itself.
    Answer { step: String },
    /// A run of a route that started after this moment has settled.
    Run {
        route: String,
        #[schemars(with = "String")]
        after: Timestamp,
    },
}

impl Need {
    /// `categories "shoes"`.
    pub fn words(&self) -> String {
        match self {
            Need::Key { route, key } => format!("{route} `{key}`"),
            Need::Link {
                connection,
                entity,
                key,
            } => format!("a link of {connection}/{entity} `{key}`"),
            Need::Row { table, key } => format!("a row of the lookup {table} `{key}`"),
            Need::Group { step, by } => format!("the group `{by}` of the step `{step}`"),
            Need::Answer { step } => format!("an answer to the step `{step}`"),
            Need::Run { route, after } => format!("a run of {route} begun after {after:.0}"),
        }
    }
}

/// What is known of an awaited key at the moment of the question.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fact {
    /// It was delivered at some time.
    pub delivered: bool,
    /// Its last task ended skipped by a filter.
    pub filtered: bool,
    /// A task of the key, older than the one that asks, is queued, running or retrying.
    pub active: bool,
    /// `when_delivered` about the last delivered entity; `None` where nothing is asked.
    pub condition: Option<bool>,
}

pub fn is_satisfied(settled: Settled, fact: Fact) -> bool {
    let there = match settled {
        Settled::Delivered => fact.delivered,
        Settled::Processed => fact.delivered || fact.filtered,
    };
    there && !fact.active && fact.condition != Some(false)
}

/// Follows what waits for what from `start`: the chain to the thing that is really missing, and whether it bites its own
/// tail. `waits` gives the needs of a waiting key, empty for one that does not wait.
pub fn chain<'a>(start: &Need, waits: &impl Fn(&Need) -> &'a [Need]) -> Chain {
    let mut chain = vec![start.clone()];
    let mut seen: HashSet<Need> = HashSet::from([start.clone()]);
    let mut place = start.clone();
    loop {
        let Some(next) = waits(&place).first() else {
            return Chain {
                links: chain,
                cycle: false,
            };
        };
        chain.push(next.clone());
        if !seen.insert(next.clone()) {
            return Chain {
                links: chain,
                cycle: true,
            };
        }
        place = next.clone();
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub links: Vec<Need>,
    pub cycle: bool,
}

impl Chain {
    /// `abstracts "tee" → categories "shoes" → categories "clothes"`.
    pub fn words(&self) -> String {
        let words: Vec<String> = self.links.iter().map(Need::words).collect();
        words.join(" → ")
    }
}

/// Who waits for whom, by need; kept in memory and rebuilt from the live rows at start.
#[derive(Debug)]
pub struct Waiters<T> {
    by_need: HashMap<Need, Vec<T>>,
}

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Waiters {
            by_need: HashMap::new(),
        }
    }
}

impl<T: Clone + PartialEq> Waiters<T> {
    pub fn add(&mut self, need: Need, waiter: T) {
        let waiters = self.by_need.entry(need).or_default();
        if !waiters.contains(&waiter) {
            waiters.push(waiter);
        }
    }

    pub fn remove(&mut self, need: &Need, waiter: &T) {
        if let Some(waiters) = self.by_need.get_mut(need) {
            waiters.retain(|w| w != waiter);
            if waiters.is_empty() {
                self.by_need.remove(need);
            }
        }
    }

    /// Those to look at again; they stay registered until they are satisfied.
    pub fn of(&self, need: &Need) -> Vec<T> {
        self.by_need.get(need).cloned().unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.by_need.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivered_and_not_on_its_way() {
        let fact = |delivered, filtered, active, condition| Fact {
            delivered,
            filtered,
            active,
            condition,
        };
        for (settled, fact, expected) in [
            (Settled::Delivered, fact(true, false, false, None), true),
            (Settled::Delivered, fact(true, false, true, None), false),
            (Settled::Delivered, fact(false, true, false, None), false),
            (Settled::Processed, fact(false, true, false, None), true),
            (Settled::Processed, fact(false, false, false, None), false),
            (Settled::Delivered, fact(true, false, false, Some(false)), false),
            (Settled::Delivered, fact(true, false, false, Some(true)), true),
        ] {
            assert_eq!(is_satisfied(settled, fact), expected, "{settled:?} {fact:?}");
        }
    }

    #[test]
    fn a_chain_ends_at_what_is_missing_and_a_cycle_is_seen() {
        let need = |key: &str| Need::Key {
            route: "categories".into(),
            key: key.into(),
        };
        let waits: HashMap<Need, Vec<Need>> = HashMap::from([
            (need("c"), vec![need("b")]),
            (need("b"), vec![need("a")]),
            (need("x"), vec![need("x")]),
        ]);
        let of = |n: &Need| waits.get(n).map_or(&[][..], |v| v.as_slice());
        assert_eq!(
            chain(&need("c"), &of).words(),
            "categories `c` → categories `b` → categories `a`"
        );
        assert!(!chain(&need("c"), &of).cycle);
        assert!(chain(&need("x"), &of).cycle);
    }
}
