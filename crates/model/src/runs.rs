//! Which runs of a route have settled: what `after` and `waits_for: [{ run: … }]` ask.
//!
//! A run has settled when its source was read to the end and none of its tasks is queued, running or retrying. A run that
//! was cut off (a limit, an error, the end of the process) settles with the run that goes on from its page.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::RunId;

/// Runs of all routes, as far as they still matter: the newest that has settled, and what came after it. Only runs of the
/// whole source count; a few keys sent again, or a range of time read again, say nothing about it.
#[derive(Debug, Default)]
pub struct Runs {
    routes: BTreeMap<String, Log>,
    newest: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Log {
    /// Start of the newest run that has settled.
    settled: Option<Timestamp>,
    /// Runs after that, oldest first.
    open: Vec<Open>,
    last: Option<Last>,
}

#[derive(Debug)]
struct Open {
    run: RunId,
    started_at: Timestamp,
    end: End,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is under way.
    Open,
    /// Its source ended by itself.
    Read,
    /// It was stopped or failed.
    CutOff,
}

/// The last run of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    pub run: RunId,
    pub started_at: Timestamp,
    pub end: End,
}

impl Runs {
    /// The time at which a run that begins now has started: in whole milliseconds, as the store keeps it, and after the
    /// start of every other, so that a clock that was set back does not turn their order around.
    pub fn start(&mut self, now: Timestamp) -> Timestamp {
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let next = |at: Timestamp| at.checked_add(SignedDuration::from_millis(1)).unwrap_or(at);
        let start = self.newest.map_or(now, |newest| now.max(next(newest)));
        self.newest = Some(start);
        start
    }

    /// A run of the whole source has begun. Runs are added in the order of their starts.
    pub fn begin(&mut self, route: &str, run: RunId, started_at: Timestamp) {
        self.newest = self.newest.max(Some(started_at));
        let log = self.routes.entry(route.to_owned()).or_default();
        let end = End::Open;
        log.open.push(Open { run, started_at, end });
        log.last = Some(Last { run, started_at, end });
    }

    /// It has ended.
    pub fn end(&mut self, route: &str, run: RunId, end: End) {
        let Some(log) = self.routes.get_mut(route) else {
            return;
        };
        for open in log.open.iter_mut().filter(|open| open.run == run) {
            open.end = end;
        }
        if let Some(last) = log.last.as_mut().filter(|last| last.run == run) {
            last.end = end;
        }
    }

    /// It never began: its start could not be stored.
    pub fn forget(&mut self, route: &str, run: RunId) {
        let Some(log) = self.routes.get_mut(route) else {
            return;
        };
        log.open.retain(|open| open.run != run);
        if log.last.is_some_and(|last| last.run == run) {
            log.last = log.open.last().map(|open| Last {
                run: open.run,
                started_at: open.started_at,
                end: open.end,
            });
        }
    }

    /// Runs that were read to the end and have not settled as far as is known, newest first, each with those cut off
    /// before it that it went on from. Whoever finds that none of a group has a task on its way says so with
    /// [`Runs::settle`].
    pub fn candidates(&self, route: &str) -> Vec<Vec<RunId>> {
        let Some(log) = self.routes.get(route) else {
            return Vec::new();
        };
        let mut groups = Vec::new();
        let mut group = Vec::new();
        for open in &log.open {
            group.push(open.run);
            match open.end {
                End::Read => groups.push(std::mem::take(&mut group)),
                End::CutOff => {}
                End::Open => group.clear(),
            }
        }
        groups.reverse();
        groups
    }

    /// The run has settled: it and older ones need not be looked at again. Answers when it started.
    pub fn settle(&mut self, route: &str, run: RunId) -> Option<Timestamp> {
        let log = self.routes.get_mut(route)?;
        let started_at = log.open.iter().find(|open| open.run == run)?.started_at;
        log.open.retain(|open| open.started_at > started_at);
        log.settled = log.settled.max(Some(started_at));
        Some(started_at)
    }

    /// Has a run settled that started after this moment (any at all, for none)?
    pub fn has_settled_after(&self, route: &str, after: Option<Timestamp>) -> bool {
        let settled = self.routes.get(route).and_then(|log| log.settled);
        settled.is_some() && settled > after
    }

    /// The last run of the route that began.
    pub fn last(&self, route: &str) -> Option<Last> {
        self.routes.get(route)?.last
    }

    /// When a run started, where it is still known.
    pub fn started_at(&self, route: &str, run: RunId) -> Option<Timestamp> {
        let log = self.routes.get(route)?;
        let open = log.open.iter().find(|open| open.run == run);
        let last = log.last.filter(|last| last.run == run);
        open.map(|open| open.started_at)
            .or(last.map(|last| last.started_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> RunId {
        RunId::from_bytes([n; 16])
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("in range")
    }

    /// `1r 2c 3o`: runs by their start, r(ead), c(ut off), o(pen).
    fn runs(text: &str) -> Runs {
        let mut runs = Runs::default();
        for word in text.split_whitespace() {
            let n = word[..1].parse().expect("a digit");
            runs.begin("a", id(n), at(i64::from(n)));
            let end = match &word[1..] {
                "r" => End::Read,
                "c" => End::CutOff,
                _ => End::Open,
            };
            runs.end("a", id(n), end);
        }
        runs
    }

    #[test]
    fn what_was_cut_off_settles_with_what_went_on_from_it() {
        for (text, expected) in [
            ("", &[][..]),
            ("1o", &[]),
            ("1c", &[]),
            ("1r", &[&[1_u8][..]]),
            ("1c 2r", &[&[1, 2]]),
            ("1r 2c 3c 4r", &[&[2, 3, 4], &[1]]),
            ("1r 2c 3o", &[&[1]]),
            ("1r 2r 3r", &[&[3], &[2], &[1]]),
        ] {
            let expected: Vec<Vec<RunId>> = expected
                .iter()
                .map(|group| group.iter().map(|n| id(*n)).collect())
                .collect();
            assert_eq!(runs(text).candidates("a"), expected, "{text}");
        }
        assert!(runs("1r").candidates("b").is_empty());
    }

    #[test]
    fn the_newest_settled_run_answers_for_all_before_it() {
        let mut runs = runs("1r 2r 3r 4o");
        assert!(!runs.has_settled_after("a", None), "nothing is known yet");
        assert_eq!(runs.settle("a", id(2)), Some(at(2)));
        assert_eq!(runs.candidates("a"), [[id(3)]]);
        for (after, expected) in [(None, true), (Some(at(1)), true), (Some(at(2)), false)] {
            assert_eq!(runs.has_settled_after("a", after), expected, "{after:?}");
        }
        assert_eq!(runs.settle("a", id(1)), None, "an older one is no news");
        assert!(!runs.has_settled_after("b", None));
    }

    #[test]
    fn starts_rise_also_when_the_clock_does_not() {
        let mut runs = Runs::default();
        let first = runs.start(at(100));
        let second = runs.start(at(40));
        assert!(second > first && second < at(101));
        assert_eq!(runs.start(at(200)), at(200));
        let fine = at(300) + SignedDuration::from_nanos(1_234_567);
        assert_eq!(
            runs.start(fine),
            at(300) + SignedDuration::from_millis(1),
            "as it is stored"
        );
    }

    #[test]
    fn a_run_that_could_not_be_stored_never_began() {
        let mut runs = runs("1r");
        runs.begin("a", id(2), at(2));
        runs.forget("a", id(2));
        assert_eq!(runs.last("a").map(|last| last.run), Some(id(1)));
        assert_eq!(runs.started_at("a", id(1)), Some(at(1)));
        assert_eq!(runs.started_at("a", id(2)), None);
    }
}
