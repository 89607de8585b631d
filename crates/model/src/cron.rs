//! `cron: "0 6 * * 1-5"`: when the next turn comes, in a time zone with its daylight saving.

use std::cmp::Ordering;
use std::fmt;

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

/// A cron expression in a time zone. It has five fields: minute, hour, day of month, month, day of week.
///
/// Daylight saving: a turn at a fixed time (`30 2 * * *`) that does not exist on a day comes at the first moment that
/// does, and one that exists twice comes once, the first time. A repeating turn (`*/15 * * * *`) follows real time: it
/// leaves out what does not exist and comes in both halves of what exists twice.
#[derive(Clone)]
pub struct Cron {
    text: String,
    cron: croner::Cron,
    zone: TimeZone,
    zone_name: String,
}

impl Cron {
    /// Reads an expression. The error is a sentence without the place; an expression that never comes due is one.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Cron, String> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(text).map_err(|error| {
            format!(
                "`{text}` is not a cron expression: {}; write minute, hour, day of month, month and day of week, for \
                 example `0 6 * * 1-5`",
                why(text, &error)
            )
        })?;
        let zone_name = zone.iana_name().unwrap_or("UTC").to_owned();
        let cron = Cron {
            text: text.trim().to_owned(),
            cron,
            zone,
            zone_name,
        };
        // Whatever fires at all does so within forty years of any day: 29 February on a weekday is the rarest.
        match cron.after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(cron),
            None => Err(format!(
                "`{text}` never comes due: no month has such a day; correct day of month and month"
            )),
        }
    }

    /// The first turn after a moment. `None` only where time ends.
    pub fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let start = Local(at.to_zoned_datetime(self.zone.clone()));
        let next = self.cron.find_next_occurrence(&start, false).ok()?;
        Some(next.0.timestamp())
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Cron) -> bool {
        self.text == other.text && self.zone_name == other.zone_name
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({self})")
    }
}

/// `0 6 * * 1-5 Europe/Berlin`
impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.text, self.zone_name)
    }
}

/// What is wrong, in words of the expression.
fn why(text: &str, error: &CronError) -> String {
    let fields = text.split_whitespace().count();
    if fields != 5 && !text.contains('@') {
        return format!("it has {fields} fields and not 5");
    }
    match error {
        CronError::InvalidPattern(why)
        | CronError::IllegalCharacters(why)
        | CronError::ComponentError(why) => why.trim_end_matches('.').to_owned(),
        other => other.to_string(),
    }
}

/// The library searches over any time type that tells it how wall clocks map to moments; its own binding is to an older
/// `jiff` than ours.
#[derive(Clone)]
struct Local(ZonedDateTime);

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        let at = self.0.datetime();
        let date = CivilDate::from_parts_unchecked(i32::from(at.year()), at.month() as u32, at.day() as u32);
        let time = CivilTime::from_parts_unchecked(at.hour() as u32, at.minute() as u32, at.second() as u32);
        CivilDateTime::new(date, time)
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(self.0.weekday().to_sunday_zero_offset() as u32)
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let at = jiff::civil::DateTime::new(
            year,
            civil.month() as i8,
            civil.day() as i8,
            civil.hour() as i8,
            civil.minute() as i8,
            civil.second() as i8,
            0,
        )
        .map_err(|_| CronError::InvalidDate)?;
        let ambiguous = self.0.time_zone().to_ambiguous_zoned_datetime(at);
        let of =
            |zoned: Result<ZonedDateTime, jiff::Error>| zoned.map(Local).map_err(|_| CronError::InvalidTime);
        Ok(match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(of(ambiguous.unambiguous())?),
            AmbiguousOffset::Fold { .. } => {
                Resolution::Ambiguous(of(ambiguous.clone().earlier())?, of(ambiguous.later())?)
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0
            .checked_add(SignedDuration::from_secs(seconds))
            .ok()
            .map(Local)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(text: &str, zone: &str) -> Result<Cron, String> {
        Cron::parse(text, TimeZone::get(zone).expect("a known zone"))
    }

    /// Expression, zone, start, and the turns that follow, all as moments.
    const TURNS: &[(&str, &str, &str, &[&str])] = &[
        // Friday evening: the next working day is Monday.
        (
            "0 6 * * 1-5",
            "Europe/Berlin",
            "2026-11-20T12:00:00Z",
            &["2026-11-23T05:00:00Z", "2026-11-24T05:00:00Z"],
        ),
        (
            "0 6 * * 1-5",
            "UTC",
            "2026-11-20T12:00:00Z",
            &["2026-11-23T06:00:00Z"],
        ),
        (
            "0 6 * * MON",
            "America/New_York",
            "2026-11-20T12:00:00Z",
            &["2026-11-23T11:00:00Z"],
        ),
        // A turn is after the start, never at it.
        (
            "0 6 * * *",
            "UTC",
            "2026-11-20T06:00:00Z",
            &["2026-11-21T06:00:00Z"],
        ),
        (
            "0 6 * * *",
            "UTC",
            "2026-11-20T05:59:59.999Z",
            &["2026-11-20T06:00:00Z"],
        ),
        // Summer time begins: 02:00 becomes 03:00. A fixed time that does not exist comes at once after, and once.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        // What repeats leaves it out.
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:15:00Z",
            &["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"],
        ),
        (
            "0 */2 * * *",
            "Europe/Berlin",
            "2026-03-28T23:30:00Z",
            &["2026-03-29T02:00:00Z", "2026-03-29T04:00:00Z"],
        ),
        // Summer time ends: 03:00 becomes 02:00, so 02:30 exists twice. A fixed time comes once, the first time.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-25T01:00:00Z",
            &["2026-10-26T01:30:00Z"],
        ),
        // What repeats comes in both halves: every half hour of real time.
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-25T00:15:00Z",
            &[
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
            ],
        ),
        (
            "30 2 * * *",
            "America/New_York",
            "2026-03-07T12:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
        ),
        // Half an hour of summer time.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T00:00:00Z",
            &["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
        ),
        // 29 February: every four years, and not in 2100.
        (
            "0 0 29 2 *",
            "UTC",
            "2026-01-01T00:00:00Z",
            &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"],
        ),
        (
            "0 0 29 2 *",
            "UTC",
            "2097-01-01T00:00:00Z",
            &["2104-02-29T00:00:00Z"],
        ),
        (
            "0 0 31 * *",
            "UTC",
            "2026-01-31T12:00:00Z",
            &["2026-03-31T00:00:00Z"],
        ),
        (
            "0 0 L * *",
            "UTC",
            "2026-02-01T00:00:00Z",
            &["2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"],
        ),
        // Day of month or day of week, as cron has always read it.
        (
            "0 0 13 * 5",
            "UTC",
            "2026-11-10T00:00:00Z",
            &["2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"],
        ),
        (
            "@daily",
            "Asia/Tokyo",
            "2026-11-20T12:00:00Z",
            &["2026-11-20T15:00:00Z"],
        ),
    ];

    #[test]
    fn turns_come_as_the_table_says() {
        for (text, zone, start, expected) in TURNS {
            let cron = cron(text, zone).expect("valid");
            let mut at: Timestamp = start.parse().expect("a time");
            for expected in *expected {
                let next = cron.after(at).expect("there is a next turn");
                assert_eq!(next.to_string(), *expected, "`{text}` in {zone} after {at}");
                at = next;
            }
        }
    }

    #[test]
    fn what_never_comes_or_is_no_cron_is_refused_in_words() {
        for (text, words) in [
            ("0 0 30 2 *", "`0 0 30 2 *` never comes due"),
            ("0 0 31 4,6,9,11 *", "never comes due"),
            ("0 6 * *", "it has 4 fields and not 5"),
            ("0 0 6 * * 1-5", "it has 6 fields and not 5"),
            ("61 * * * *", "is not a cron expression"),
            ("* * * * funday", "is not a cron expression"),
            ("", "it has 0 fields and not 5"),
            ("@sometimes", "is not a cron expression"),
        ] {
            let error = cron(text, "UTC").expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
