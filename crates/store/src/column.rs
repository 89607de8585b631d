//! How values of the model are written into columns: states as small numbers, times as milliseconds, ids as 16 bytes,
//! JSON as text (so that numbers keep their digits).

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;
use weir_model::task::State;
use weir_model::{Error, RunId, TaskId};

use crate::failure::Fault;

const DAY_MS: i64 = 86_400_000;

/// These numbers are on disk (also in the index `tasks_parked`): they never change.
pub(crate) fn state_number(state: State) -> i64 {
    match state {
        State::Queued => 0,
        State::Running => 1,
        State::Waiting => 2,
        State::Retrying => 3,
        State::Done => 4,
        State::Skipped => 5,
        State::Dead => 6,
        State::Cancelled => 7,
    }
}

pub(crate) fn state(row: &Row<'_>, column: usize) -> Result<State, Fault> {
    let number: i64 = row.get(column)?;
    State::ALL
        .into_iter()
        .find(|state| state_number(*state) == number)
        .ok_or_else(|| unreadable("state", number))
}

pub(crate) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, Fault> {
    let ms: i64 = row.get(column)?;
    Timestamp::from_millisecond(ms).map_err(|_| unreadable("time", ms))
}

pub(crate) fn time_option(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Fault> {
    let ms: Option<i64> = row.get(column)?;
    ms.map(|ms| Timestamp::from_millisecond(ms).map_err(|_| unreadable("time", ms)))
        .transpose()
}

pub(crate) fn task_id(row: &Row<'_>, column: usize) -> Result<TaskId, Fault> {
    Ok(TaskId::from_bytes(row.get(column)?))
}

pub(crate) fn task_id_option(row: &Row<'_>, column: usize) -> Result<Option<TaskId>, Fault> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(TaskId::from_bytes))
}

pub(crate) fn run_id_option(row: &Row<'_>, column: usize) -> Result<Option<RunId>, Fault> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(RunId::from_bytes))
}

pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, Fault> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    parse(text)
}

pub(crate) fn json_option<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<Option<T>, Fault> {
    let text = row
        .get_ref(column)?
        .as_str_or_null()
        .map_err(rusqlite::Error::from)?;
    text.map(parse).transpose()
}

/// Lists are NULL where they are empty, which most are.
pub(crate) fn list_text<T: Serialize>(list: &[T]) -> Result<Option<String>, Fault> {
    if list.is_empty() {
        return Ok(None);
    }
    text(list).map(Some)
}

pub(crate) fn text<T: Serialize + ?Sized>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value)
        .map_err(|error| Fault::Refused(Error::bug("a value to be stored has no JSON form").source(error)))
}

pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| {
        Fault::Refused(
            Error::bug(
                "a stored document could not be read back; it was written by another version or is damaged",
            )
            .source(error),
        )
    })
}

fn unreadable(what: &str, value: i64) -> Fault {
    Fault::Refused(Error::bug(format!(
        "a stored {what} has the unknown value {value}; it was written by another version or is damaged"
    )))
}

/// Numbers of this store (releases, counts) stay far below 2^63; what does not is a fault of the caller, and is held at
/// the end of the range rather than wrapped.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Releases and counts, which SQLite keeps signed; below zero only in a damaged file.
pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, Fault> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| unreadable("number", number))
}

pub(crate) fn unsigned_option(row: &Row<'_>, column: usize) -> Result<Option<u64>, Fault> {
    let number: Option<i64> = row.get(column)?;
    number
        .map(|number| u64::try_from(number).map_err(|_| unreadable("number", number)))
        .transpose()
}

/// Days since 1970-01-01 (UTC).
pub(crate) fn day(at: Timestamp) -> i64 {
    at.as_millisecond().div_euclid(DAY_MS)
}

pub(crate) fn day_text(day: i64) -> String {
    match Timestamp::from_millisecond(day.saturating_mul(DAY_MS)) {
        Ok(at) => at.to_zoned_datetime(TimeZone::UTC).date().to_string(),
        Err(_) => "0000-01-01".to_owned(),
    }
}

pub(crate) fn day_of_text(text: &str) -> Option<i64> {
    let date: Date = text.parse().ok()?;
    Some(day(date.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_dates_and_read_back() {
        for text in ["1970-01-01", "1969-12-31", "2026-11-22", "2028-02-29"] {
            assert_eq!(day_text(day_of_text(text).expect("a date")), text);
        }
        assert_eq!(day_of_text("2026-13-01"), None);
        let late: Timestamp = "2026-11-22T23:59:59.999Z".parse().expect("a time");
        assert_eq!(day_text(day(late)), "2026-11-22");
    }
}
