//! When a source runs by itself, and what becomes of turns that were missed: decisions on times that the caller brings.

use std::collections::VecDeque;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Span;
use crate::cron::Cron;

/// Most missed turns that `catch_up: all` makes up for; older ones are left out.
pub const CATCH_UP_TURNS_MAX: usize = 100;

/// What happens to turns that came while nothing ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// One run for all of them, at once.
    #[default]
    Latest,
    /// One run for each (at most the newest hundred), one after the other.
    All,
    /// None: the next turn is the next run.
    None,
}

/// The turns of a source.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// Counted from start to start.
    Every(Span),
    /// At times of the wall clock.
    Cron(Box<Cron>),
}

impl Schedule {
    /// The first turn after a moment; `None` only where time ends.
    pub fn after(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Schedule::Every(span) => at.checked_add(milliseconds(span.ms.max(1))).ok(),
            Schedule::Cron(cron) => cron.after(at),
        }
    }

    /// When to run next, while this process has been counting. `last` is the last turn, `elapsed_ms` the real time since
    /// it was taken; an answer that is not after `now` is due.
    ///
    /// A clock that was set back makes nothing run twice and nothing hang: `every` goes by real time alone, and a turn of
    /// the wall clock that comes a second time is taken only when as much real time has passed as lies between it and
    /// its successor (each five minutes stays each five minutes, once a day stays once a day).
    pub fn next(&self, last: Timestamp, elapsed_ms: u64, now: Timestamp) -> Option<Timestamp> {
        match self {
            Schedule::Every(span) => now
                .checked_add(milliseconds(span.ms.saturating_sub(elapsed_ms)))
                .ok(),
            Schedule::Cron(cron) if last <= now => cron.after(last),
            Schedule::Cron(cron) => {
                let gap = cron.after(last)?.duration_since(last);
                let mut turn = cron.after(now)?;
                loop {
                    let elapsed = milliseconds(elapsed_ms) + turn.duration_since(now);
                    if turn > last || elapsed >= gap {
                        return Some(turn);
                    }
                    turn = cron.after(turn)?;
                }
            }
        }
    }

    /// The newest turn after `last` and not after `now`: what has come due.
    pub fn newest(&self, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
        if self.after(last)? > now {
            return None;
        }
        match self {
            Schedule::Every(span) => {
                let every_ms = i64::try_from(span.ms.max(1)).unwrap_or(i64::MAX);
                let turns = (now.as_millisecond() - last.as_millisecond()) / every_ms;
                last.checked_add(SignedDuration::from_millis(turns.saturating_mul(every_ms)))
                    .ok()
            }
            Schedule::Cron(cron) => {
                // From ever longer ago, so that a year of minutes is not walked through to find the last one.
                let mut back = SignedDuration::from_hours(1);
                loop {
                    let from = now.checked_sub(back).unwrap_or(last).max(last);
                    let mut newest = None;
                    let mut turn = cron.after(from)?;
                    while turn <= now {
                        newest = Some(turn);
                        turn = cron.after(turn)?;
                    }
                    if newest.is_some() || from == last {
                        return newest;
                    }
                    back = back.checked_mul(24).unwrap_or(SignedDuration::MAX);
                }
            }
        }
    }

    /// What to make up for when a process starts: the turns to run now, oldest first. `last` is the last turn that was
    /// taken or left out before; where it lies in the future the clock was set back, and nothing was missed.
    pub fn missed(&self, catch_up: CatchUp, last: Timestamp, now: Timestamp) -> Vec<Timestamp> {
        let Some(newest) = self.newest(last, now) else {
            return Vec::new();
        };
        match catch_up {
            CatchUp::None => Vec::new(),
            CatchUp::Latest => vec![newest],
            CatchUp::All => {
                let mut turns = VecDeque::new();
                let mut turn = self.after(last);
                while let Some(at) = turn.filter(|at| *at <= now) {
                    turns.push_back(at);
                    if turns.len() > CATCH_UP_TURNS_MAX {
                        turns.pop_front();
                    }
                    turn = self.after(at);
                }
                turns.into()
            }
        }
    }
}

/// `every 5m`, `cron 0 6 * * 1-5 Europe/Berlin`
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Every(span) => write!(f, "every {span}"),
            Schedule::Cron(cron) => write!(f, "cron {cron}"),
        }
    }
}

/// A moment as people write it: RFC 3339, or a date, which begins at midnight UTC.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let of_date = || {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(date.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    text.parse::<Timestamp>().ok().or_else(of_date).ok_or_else(|| {
        format!(
            "`{text}` is not a time: write a date (`2026-01-31`, from midnight UTC) or a time with its zone \
             (`2026-01-31T06:00:00Z`)"
        )
    })
}

fn milliseconds(ms: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    const MINUTE: u64 = 60_000;

    fn cron(text: &str) -> Schedule {
        Schedule::Cron(Box::new(Cron::parse(text, TimeZone::UTC).expect("valid")))
    }

    fn every(minutes: u64) -> Schedule {
        Schedule::Every(Span { ms: minutes * MINUTE })
    }

    /// `12:30`, `+1 03:00` (the day after), `-1 …`.
    fn at(text: &str) -> Timestamp {
        let (day, time) = text.split_once(' ').unwrap_or(("0", text));
        let day: i64 = day.parse().expect("a day");
        let midnight = Timestamp::from_second(1_767_225_600 + day * 86_400).expect("in range");
        let (hour, minute) = time.split_once(':').expect("a time");
        let minutes: i64 =
            hour.parse::<i64>().expect("an hour") * 60 + minute.parse::<i64>().expect("a minute");
        midnight + SignedDuration::from_mins(minutes)
    }

    fn check_missed(schedule: &Schedule, last: &str, now: &str, expected: [&[&str]; 3]) {
        for (catch_up, expected) in [CatchUp::Latest, CatchUp::All, CatchUp::None]
            .into_iter()
            .zip(expected)
        {
            let expected: Vec<Timestamp> = expected.iter().map(|text| at(text)).collect();
            assert_eq!(
                schedule.missed(catch_up, at(last), at(now)),
                expected,
                "{schedule}, {catch_up:?}, last {last}, now {now}"
            );
        }
    }

    #[test]
    fn what_was_missed_is_made_up_for_as_the_policy_says() {
        let daily = cron("0 6 * * *");
        check_missed(&daily, "06:00", "12:00", [&[], &[], &[]]);
        check_missed(&daily, "06:00", "+1 05:59", [&[], &[], &[]]);
        check_missed(&daily, "06:00", "+1 06:00", [&["+1 06:00"], &["+1 06:00"], &[]]);
        check_missed(
            &daily,
            "06:00",
            "+3 12:00",
            [&["+3 06:00"], &["+1 06:00", "+2 06:00", "+3 06:00"], &[]],
        );
        check_missed(&daily, "12:00", "11:00", [&[], &[], &[]]);
        check_missed(&every(60), "06:00", "06:59", [&[], &[], &[]]);
        check_missed(
            &every(60),
            "06:00",
            "08:30",
            [&["08:00"], &["07:00", "08:00"], &[]],
        );
        check_missed(&every(60), "12:00", "11:00", [&[], &[], &[]]);
    }

    #[test]
    fn a_long_downtime_makes_at_most_so_many_runs_and_takes_no_time() {
        for schedule in [cron("* * * * *"), every(1)] {
            let turns = schedule.missed(CatchUp::All, at("00:00"), at("+30 00:00"));
            assert_eq!(turns.len(), CATCH_UP_TURNS_MAX);
            assert_eq!(turns.last(), Some(&at("+30 00:00")));
            assert_eq!(schedule.newest(at("-9000 00:00"), at("00:00")), Some(at("00:00")));
        }
        let yearly = cron("0 0 1 1 *");
        assert_eq!(
            yearly.newest(at("-9000 00:00"), at("+100 00:00")),
            Some(at("00:00"))
        );
    }

    /// Schedule, last turn, minutes of real time since, now, the next turn.
    #[test]
    fn the_next_turn_comes_once_also_when_the_clock_was_set() {
        let (five, daily, hourly) = (cron("*/5 * * * *"), cron("0 3 * * *"), cron("0 * * * *"));
        for (schedule, last, elapsed, now, expected) in [
            (&five, "12:00", 2, "12:02", "12:05"),
            (&five, "12:00", 5, "12:05", "12:05"),
            // Set forward, or asleep: due at once.
            (&daily, "03:00", 30, "+1 04:00", "+1 03:00"),
            // Set back an hour: what comes again is taken when its distance has really passed.
            (&five, "12:00", 2, "11:02", "11:05"),
            (&five, "12:00", 2, "11:03", "11:10"),
            (&hourly, "12:00", 10, "11:10", "12:00"),
            (&hourly, "12:00", 5, "11:10", "13:00"),
            (&daily, "03:00", 10, "02:10", "+1 03:00"),
            // Set back by years: a day of real time later it goes on.
            (&daily, "+900 03:00", 0, "02:00", "+1 03:00"),
            (&every(60), "12:00", 20, "12:20", "13:00"),
            (&every(60), "12:00", 20, "11:20", "12:00"),
            (&every(60), "12:00", 20, "+5 00:00", "+5 00:40"),
            (&every(60), "12:00", 70, "13:10", "13:10"),
        ] {
            let next = schedule.next(at(last), elapsed * MINUTE, at(now));
            assert_eq!(
                next,
                Some(at(expected)),
                "{schedule}, last {last}, {elapsed} min ago, now {now}"
            );
        }
        assert_eq!(every(60).after(at("12:00")), Some(at("13:00")));
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        for (text, expected) in [
            ("2026-01-31", Some("2026-01-31T00:00:00Z")),
            ("2026-01-31T06:00:00Z", Some("2026-01-31T06:00:00Z")),
            ("2026-01-31T06:00:00+01:00", Some("2026-01-31T05:00:00Z")),
            ("yesterday", None),
            ("2026-02-30", None),
        ] {
            assert_eq!(
                moment(text).ok().map(|at| at.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
