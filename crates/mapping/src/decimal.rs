//! Exact decimal numbers, as far as the functions for money need them.

/// `units * 10^-scale`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    units: i128,
    scale: u32,
}

/// A number of more digits than fit, 38.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    NotANumber,
    TooLong,
}

impl Decimal {
    /// Reads `-12.50` or `1.25e3`; blanks around it are allowed, other marks are not.
    pub(crate) fn parse(text: &str) -> Result<Decimal, Unreadable> {
        let text = text.trim();
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (
                mantissa,
                exponent.parse::<i32>().map_err(|_| Unreadable::NotANumber)?,
            ),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || whole.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Unreadable::NotANumber);
        }
        let mut units: i128 = digits.parse().map_err(|_| Unreadable::TooLong)?;
        let mut scale = fraction.len() as i32 - exponent;
        if scale < 0 {
            let factor = 10_i128
                .checked_pow(scale.unsigned_abs())
                .ok_or(Unreadable::TooLong)?;
            units = units.checked_mul(factor).ok_or(Unreadable::TooLong)?;
            scale = 0;
        }
        Ok(Decimal {
            units: if negative { -units } else { units },
            scale: scale as u32,
        })
    }

    /// The number times `10^places` when that is whole.
    pub(crate) fn shifted(self, places: u32) -> Result<Option<i128>, Unreadable> {
        if places >= self.scale {
            let factor = 10_i128
                .checked_pow(places - self.scale)
                .ok_or(Unreadable::TooLong)?;
            return self
                .units
                .checked_mul(factor)
                .map(Some)
                .ok_or(Unreadable::TooLong);
        }
        let Some(factor) = 10_i128.checked_pow(self.scale - places) else {
            return Ok((self.units == 0).then_some(0));
        };
        Ok((self.units % factor == 0).then(|| self.units / factor))
    }

    /// With exactly so many places; halves go to the even neighbour.
    pub(crate) fn rounded(self, places: u32) -> Result<Decimal, Unreadable> {
        if let Some(units) = self.shifted(places)? {
            return Ok(Decimal { units, scale: places });
        }
        let Some(factor) = 10_i128.checked_pow(self.scale - places) else {
            return Ok(Decimal {
                units: 0,
                scale: places,
            });
        };
        let (quotient, rest) = (self.units / factor, (self.units % factor).abs());
        let up = match rest.cmp(&(factor / 2)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => quotient % 2 != 0,
        };
        let step = if self.units < 0 { -1 } else { 1 };
        Ok(Decimal {
            units: if up { quotient + step } else { quotient },
            scale: places,
        })
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = self.units.unsigned_abs().to_string();
        let sign = if self.units < 0 { "-" } else { "" };
        let scale = self.scale as usize;
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_shifted_and_rounded_exactly() {
        for (text, shifted, rounded) in [
            ("19.99", Some(1999), "19.99"),
            ("19.9", Some(1990), "19.90"),
            ("1.005", None, "1.00"),
            ("1.015", None, "1.02"),
            ("-1.015", None, "-1.02"),
            ("0.051", None, "0.05"),
            ("-0.004", None, "0.00"),
            ("1.25e1", Some(1250), "12.50"),
            ("2e3", Some(200_000), "2000.00"),
        ] {
            let number = Decimal::parse(text).expect(text);
            assert_eq!(number.shifted(2), Ok(shifted), "{text}");
            assert_eq!(number.rounded(2).expect(text).to_string(), rounded, "{text}");
        }
        for text in ["", "-", "1,5", "abc", ".5", "1.2.3", "--1", "1e", "NaN"] {
            assert_eq!(Decimal::parse(text), Err(Unreadable::NotANumber), "{text}");
        }
        assert_eq!(Decimal::parse(&"9".repeat(40)), Err(Unreadable::TooLong));
    }
}
