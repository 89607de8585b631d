//! Quantities as people write them: `5m`, `10MB`, `30/s`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! quantity {
    ($name:ident, $pattern:literal, $description:literal) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $description })
            }
        }
    };
}

/// A length of time: `250ms`, `2s`, `15m`, `24h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub ms: u64,
}

quantity!(
    Span,
    r"^[0-9]+(ms|s|m|h|d)$",
    "A length of time: `250ms`, `2s`, `15m`, `24h`, `7d`."
);

const SPAN_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = split(text);
        let factor = SPAN_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, factor)| *factor);
        match (number.parse::<u64>().ok(), factor) {
            (Some(number), Some(factor)) => number
                .checked_mul(factor)
                .map(|ms| Span { ms })
                .ok_or_else(|| format!("`{text}` is longer than Weir can count")),
            _ => Err(format!(
                "`{text}` is not a length of time: write a number and ms, s, m, h or d, for example `5m`"
            )),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = SPAN_UNITS
            .iter()
            .rev()
            .find(|(_, factor)| self.ms >= *factor && self.ms.is_multiple_of(*factor))
            .unwrap_or(&SPAN_UNITS[0]);
        write!(f, "{}{unit}", self.ms / factor)
    }
}

/// A size in bytes: `512kB`, `10MB`, `1GB` (powers of ten).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes {
    pub count: u64,
}

quantity!(
    Bytes,
    r"^[0-9]+(B|kB|MB|GB)$",
    "A size: `512kB`, `10MB`, `1GB` (powers of ten)."
);

const BYTE_UNITS: [(&str, u64); 4] = [("B", 1), ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000)];

impl FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = split(text);
        let factor = BYTE_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, factor)| *factor);
        match (number.parse::<u64>().ok(), factor) {
            (Some(number), Some(factor)) => number
                .checked_mul(factor)
                .map(|count| Bytes { count })
                .ok_or_else(|| format!("`{text}` is larger than Weir can count")),
            _ => Err(format!(
                "`{text}` is not a size: write a number and B, kB, MB or GB, for example `10MB`"
            )),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = BYTE_UNITS
            .iter()
            .rev()
            .find(|(_, factor)| self.count >= *factor && self.count.is_multiple_of(*factor))
            .unwrap_or(&BYTE_UNITS[0]);
        write!(f, "{}{unit}", self.count / factor)
    }
}

/// So many in a time: `30/s`, `1000/m`, `5/h`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub count: u64,
    pub per_ms: u64,
}

quantity!(
    Rate,
    r"^[0-9]+/(s|m|h|d)$",
    "So many in a time: `30/s`, `1000/m`."
);

impl FromStr for Rate {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('/').and_then(|(count, unit)| {
            let per_ms = SPAN_UNITS[1..].iter().find(|(name, _)| *name == unit.trim())?.1;
            Some(Rate {
                count: count.trim().parse().ok()?,
                per_ms,
            })
        });
        match parsed {
            Some(rate) if rate.count > 0 => Ok(rate),
            _ => Err(format!(
                "`{text}` is not a rate: write a number, a slash and s, m, h or d, for example `30/s`"
            )),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = SPAN_UNITS
            .iter()
            .find(|(_, factor)| *factor == self.per_ms)
            .map_or("s", |(name, _)| name);
        write!(f, "{}/{unit}", self.count)
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_written() {
        for (text, ms) in [
            ("250ms", 250),
            ("2s", 2_000),
            ("15m", 900_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(text.parse::<Span>().map(|s| s.ms), Ok(ms));
        }
        assert_eq!(Span { ms: 90_000 }.to_string(), "90s");
        assert_eq!("10MB".parse::<Bytes>().map(|b| b.count), Ok(10_000_000));
        assert_eq!(Bytes { count: 1_500 }.to_string(), "1500B");
        assert_eq!(
            "1000/m".parse::<Rate>(),
            Ok(Rate {
                count: 1_000,
                per_ms: 60_000
            })
        );
        for wrong in ["5", "5 weeks", "m", "", "-5m", "99999999999999999999d"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
        assert!("0/s".parse::<Rate>().is_err());
    }
}
