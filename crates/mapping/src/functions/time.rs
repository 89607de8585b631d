//! Dates and times.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Call, Fault, Function, example, kind_of, says};

pub(crate) const FUNCTIONS: &[Function] = &[Function {
    name: "date",
    signature: "$date(value[, format[, zone]])",
    summary: "Writes a moment as text. `value` is a date or time of ISO 8601 (`2026-03-01`, `2026-03-01T12:00:00+01:00`, also \
              with a blank for the T) or a number of milliseconds since 1970; `format` uses the signs of strftime (`%Y-%m-%d`) \
              and is RFC 3339 when left out; `zone` is a name such as `Europe/Berlin`, UTC when left out, in which the moment \
              is written and in which a value without an offset is read. Nothing when the value is missing, null or empty. To \
              read other forms use `$toMillis` with its picture.",
    arguments: (1, 3),
    examples: &[
        example(
            r#"$date("2026-03-01T12:00:00+01:00")"#,
            r#""2026-03-01T11:00:00Z""#,
        ),
        example(
            r#"$date("2026-03-01T12:00:00Z", "%d.%m.%Y %H:%M", "Europe/Berlin")"#,
            r#""01.03.2026 13:00""#,
        ),
        example(
            r#"$date("2026-07-01 12:00:00", "%Y-%m-%dT%H:%M:%S%:z", "Europe/Berlin")"#,
            r#""2026-07-01T12:00:00+02:00""#,
        ),
        example(r#"$date("2026-03-01", "%Y%m%d")"#, r#""20260301""#),
        example("$date(0)", r#""1970-01-01T00:00:00Z""#),
        example("$date(missing)", "nothing"),
        example(r#"$date("1.3.2026")"#, "error: is not a date"),
        example(
            r#"$date("2026-03-01", "%Y", "Europe/Bärlin")"#,
            "error: is not a time zone",
        ),
    ],
    body: date,
}];

fn date(call: &Call<'_>) -> Result<Option<Value>, Fault> {
    let Some(value) = call.present(0).filter(|value| value.as_str() != Some("")) else {
        return Ok(None);
    };
    let zone = match call.text(2, "time zone")? {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(name).map_err(|_| {
            Fault::Says(
                format!("cannot write a date: `{name}` is not a time zone such as `Europe/Berlin`"),
                None,
            )
        })?,
    };
    let moment = match value {
        Value::String(text) => read(text.trim(), &zone),
        Value::Number(number) => number
            .as_f64()
            .and_then(|millis| Timestamp::from_millisecond(millis as i64).ok()),
        _ => None,
    }
    .ok_or_else(|| {
        says(
            format!(
                "cannot write a date: {} is not a date of ISO 8601 or a number of milliseconds",
                kind_of(value)
            ),
            value,
        )
    })?;
    let Some(format) = call.text(1, "format")? else {
        let text = if zone == TimeZone::UTC {
            moment.to_string()
        } else {
            moment
                .to_zoned_datetime(zone)
                .strftime("%Y-%m-%dT%H:%M:%S%:z")
                .to_string()
        };
        return Ok(Some(Value::String(text)));
    };
    match jiff::fmt::strtime::format(format, &moment.to_zoned_datetime(zone)) {
        Ok(text) => Ok(Some(Value::String(text))),
        Err(error) => Err(Fault::Says(
            format!("cannot write a date: the format \"{format}\" is not good: {error}"),
            None,
        )),
    }
}

fn read(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let local: DateTime = text.parse().ok()?;
    local
        .to_zoned_datetime(zone.clone())
        .ok()
        .map(|zoned| zoned.timestamp())
}
