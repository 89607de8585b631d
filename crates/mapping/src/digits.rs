//! Keeps the digits of numbers that are only passed through.
//!
//! The engine computes with 64-bit floating point, which turns `19.90` into `19.9` and rounds integers beyond 2^53. So
//! the numbers that would change are remembered before, by their floating-point value, and put back into the result.
//! Two different numbers that become one value cannot be told apart; a result with such a number is an error and never
//! a silent neighbour.

use std::collections::HashMap;

use serde_json::{Number, Value};
use weir_model::json::same;

/// Integers and decimals of so many digits survive floating point.
pub(crate) const DIGITS_SAFE: usize = 15;

#[derive(Default)]
pub(crate) struct Digits {
    known: HashMap<u64, Original>,
    /// A number beyond floating point, which the engine would make null.
    too_large: Option<Number>,
}

enum Original {
    One(Number),
    /// Several spellings of one value: the shortest, which the engine makes by itself, is good.
    Same(Number),
    Different(Number, Number),
}

/// Two numbers that became one.
#[derive(Debug)]
pub(crate) struct Confused(pub(crate) Number, pub(crate) Number);

impl Digits {
    /// Remembers all numbers of the value that floating point would change.
    pub(crate) fn remember(&mut self, value: &Value) {
        match value {
            Value::Number(number) if !is_safe(number.as_str()) => self.remember_number(number),
            Value::Array(items) => items.iter().for_each(|item| self.remember(item)),
            Value::Object(fields) => fields.values().for_each(|item| self.remember(item)),
            _ => {}
        }
    }

    pub(crate) fn too_large(&self) -> Option<&Number> {
        self.too_large.as_ref()
    }

    fn remember_number(&mut self, number: &Number) {
        let Some(float) = number.as_f64().filter(|float| float.is_finite()) else {
            self.too_large = Some(number.clone());
            return;
        };
        let equal = |a: &Number, b: &Number| same(&Value::Number(a.clone()), &Value::Number(b.clone()));
        match self.known.get_mut(&float.to_bits()) {
            None => {
                self.known.insert(float.to_bits(), Original::One(number.clone()));
            }
            Some(original) => match original {
                Original::One(known) | Original::Same(known) if !equal(known, number) => {
                    *original = Original::Different(known.clone(), number.clone());
                }
                Original::One(known) if known != number => *original = Original::Same(known.clone()),
                _ => {}
            },
        }
    }

    /// Puts the digits back into a value that comes from the engine.
    pub(crate) fn restore(&self, value: &mut Value) -> Result<(), Confused> {
        if self.known.is_empty() {
            return Ok(());
        }
        match value {
            Value::Number(number) => {
                let original = number.as_f64().and_then(|float| self.known.get(&float.to_bits()));
                match original {
                    Some(Original::One(known)) => *number = known.clone(),
                    Some(Original::Same(known)) if known.as_str().len() > DIGITS_SAFE => {
                        *number = known.clone()
                    }
                    Some(Original::Different(a, b)) => return Err(Confused(a.clone(), b.clone())),
                    _ => {}
                }
                Ok(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.restore(item)),
            Value::Object(fields) => fields.values_mut().try_for_each(|item| self.restore(item)),
            _ => Ok(()),
        }
    }
}

/// True where floating point gives the same text back: few digits, no exponent, no zeros at the end of a fraction.
fn is_safe(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    text.len() <= DIGITS_SAFE
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && !(text.contains('.') && text.ends_with('0'))
}
