//! How far a source has read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `{from, high_water, page}`: `page` moves with each page's tasks, in their transaction; `from` becomes `high_water`
/// only when the source ended by itself, because pages are often not sorted by change time. `high_water` comes from the
/// data, never from our clock, and never goes back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Reads ask for what changed since then (less the overlap). `None`: from the beginning.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// The newest change time seen in the data.
    #[serde(default)]
    pub high_water: Option<Timestamp>,
    /// When the reading under way began at its first page, by our clock: what changes behind it while it goes on, for
    /// hours or over a restart, is only seen by the next one.
    #[serde(default)]
    pub began: Option<Timestamp>,
    /// Where the run under way goes on; `None` when no run is under way.
    #[serde(default)]
    pub page: Option<Value>,
    /// Key and hash of what lies within the overlap before `high_water`, so that a repeat makes no task.
    #[serde(default)]
    pub overlap: BTreeMap<String, Seen>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    pub at: Timestamp,
    /// Hash of the entity as read, in hexadecimal.
    pub hash: String,
}

/// The default overlap of two reads.
pub const OVERLAP_MS: i64 = 60_000;

/// Most keys kept for the overlap: a bulk change stamps a whole catalogue with one second, and the cursor is written with
/// every page. Beyond it repeats make tasks again, which `unchanged` then drops.
pub const OVERLAP_KEYS_MAX: usize = 2_000;

impl Cursor {
    /// The time to ask for: `from` less the overlap.
    pub fn since(&self, overlap_ms: i64) -> Option<Timestamp> {
        let from = self.from?;
        Some(
            from.checked_sub(jiff::SignedDuration::from_millis(overlap_ms))
                .unwrap_or(from),
        )
    }

    /// Notes an entity of the page being read. True when it is news: not the repeat of an overlapping read.
    pub fn note(&mut self, key: &str, at: Timestamp, hash: &str) -> bool {
        let repeat = self
            .overlap
            .get(key)
            .is_some_and(|seen| seen.at == at && seen.hash == hash);
        self.high_water = self.high_water.max(Some(at));
        self.overlap.insert(
            key.to_owned(),
            Seen {
                at,
                hash: hash.to_owned(),
            },
        );
        self.forget(OVERLAP_MS);
        !repeat
    }

    /// A run begins, or goes on where the last one stopped.
    pub fn begin(&mut self, now: Timestamp) {
        if self.page.is_none() {
            self.began = Some(now);
        }
    }

    /// The page's tasks are stored together with this.
    pub fn turn_page(&mut self, next: Value) {
        self.page = Some(next);
    }

    /// The source ended by itself. What was seen changed later than the reading began does not vouch for the rows that
    /// were read before: the next one asks from its beginning. Our clock can only make it ask for more, never for less.
    pub fn end(&mut self) {
        let bound = match (self.high_water, self.began) {
            (Some(high_water), Some(began)) => Some(high_water.min(began)),
            (high_water, _) => high_water,
        };
        self.from = bound.max(self.from);
        self.began = None;
        self.page = None;
    }

    /// Drops what lies before the overlap: no later read can bring it again unchanged.
    fn forget(&mut self, overlap_ms: i64) {
        // Amortised: a walk over the map for each entity would be quadratic on a first read.
        if self.overlap.len() < 64 || !self.overlap.len().is_power_of_two() {
            return;
        }
        self.shrink(overlap_ms);
    }

    /// Called once before the cursor is stored.
    pub fn shrink(&mut self, overlap_ms: i64) {
        let Some(high_water) = self.high_water else { return };
        let Ok(edge) = high_water.checked_sub(jiff::SignedDuration::from_millis(2 * overlap_ms)) else {
            return;
        };
        // The next read asks from `from` less the overlap, so only what lies there can repeat. While a first read is
        // under way `high_water` still rises; what falls behind it is not asked for again either.
        self.overlap.retain(|_, seen| seen.at >= edge);
        if self.overlap.len() > OVERLAP_KEYS_MAX {
            self.overlap.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("in range")
    }

    #[test]
    fn from_moves_only_at_the_end_and_never_back() {
        let mut cursor = Cursor::default();
        assert!(cursor.note("b", at(50), "1"));
        assert!(cursor.note("a", at(10), "1"));
        cursor.turn_page(Value::from(2));
        assert_eq!((cursor.from, cursor.high_water), (None, Some(at(50))));
        cursor.end();
        assert_eq!((cursor.from, cursor.page.clone()), (Some(at(50)), None));
        cursor.end();
        assert_eq!(
            cursor.from,
            Some(at(50)),
            "a read that found nothing moves nothing"
        );
        assert_eq!(cursor.since(OVERLAP_MS), Some(at(-10)));
    }

    #[test]
    fn a_long_reading_is_asked_again_from_its_beginning() {
        let mut cursor = Cursor::default();
        cursor.begin(at(100));
        cursor.note("a", at(10), "1");
        cursor.turn_page(Value::from(2));
        // Hours later, maybe in another process: `a` has changed at 200 and its page is behind us.
        cursor.begin(at(5_000));
        cursor.note("b", at(4_000), "1");
        cursor.end();
        assert_eq!((cursor.from, cursor.high_water), (Some(at(100)), Some(at(4_000))));
        cursor.begin(at(6_000));
        cursor.end();
        assert_eq!((cursor.from, cursor.began), (Some(at(4_000)), None));
    }

    #[test]
    fn a_repeat_within_the_overlap_is_no_news_and_a_change_is() {
        let mut cursor = Cursor::default();
        cursor.note("a", at(50), "1");
        cursor.end();
        assert!(!cursor.note("a", at(50), "1"));
        assert!(cursor.note("a", at(50), "2"), "other content in the same second");
        assert!(cursor.note("a", at(51), "2"));
    }

    #[test]
    fn what_lies_before_the_overlap_is_forgotten() {
        let mut cursor = Cursor::default();
        for second in 0..1_000 {
            cursor.note(&format!("k{second}"), at(second), "h");
        }
        cursor.shrink(OVERLAP_MS);
        assert_eq!(cursor.overlap.len(), 121);
    }
}
