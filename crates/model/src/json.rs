//! Questions about JSON values that several rooms ask in the same way.

use serde_json::{Map, Value};

/// A hash of the value that ignores the order of an object's keys and the spelling of numbers (`1`, `1.0` and `1e0` are
/// one number). Two values with one hash are the same delivery.
pub fn hash(value: &Value) -> [u8; 16] {
    // One long update: the hasher is fast on bytes and slow on calls.
    let mut bytes = Vec::with_capacity(4_096);
    feed(&mut bytes, value);
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..16]);
    short
}

fn feed(bytes: &mut Vec<u8>, value: &Value) {
    let count = |bytes: &mut Vec<u8>, count: usize| bytes.extend_from_slice(&(count as u64).to_le_bytes());
    let text = |bytes: &mut Vec<u8>, text: &str| {
        count(bytes, text.len());
        bytes.extend_from_slice(text.as_bytes());
    };
    match value {
        Value::Null => bytes.push(b'n'),
        Value::Bool(flag) => bytes.push(if *flag { b't' } else { b'f' }),
        Value::Number(number) => {
            bytes.push(b'#');
            text(bytes, &canonical_number(number.as_str()));
        }
        Value::String(string) => {
            bytes.push(b's');
            text(bytes, string);
        }
        Value::Array(items) => {
            bytes.push(b'[');
            count(bytes, items.len());
            items.iter().for_each(|item| feed(bytes, item));
        }
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            bytes.push(b'{');
            count(bytes, fields.len());
            for (name, value) in fields {
                text(bytes, name);
                feed(bytes, value);
            }
        }
    }
}

/// Equal as data: numbers by value, objects without regard to the order of keys.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            x == y || canonical_number(x.as_str()) == canonical_number(y.as_str())
        }
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(name, x)| y.get(name).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}

/// `-12.50e1` becomes `-125`, written as digits and a power of ten without trailing zeros.
fn canonical_number(text: &str) -> String {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().unwrap_or(0)),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let exponent = exponent - fraction.len() as i64;
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return "0".to_owned();
    }
    let exponent = exponent + (significant.len() - trimmed.len()) as i64;
    format!("{sign}{trimmed}e{exponent}")
}

/// The value at a dotted path of names, `totals.net`; `None` when a part is missing or not an object.
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

/// Sets the value at a dotted path of names and makes the objects on the way; whatever else stood on the way is
/// replaced.
pub fn set(value: &mut Value, path: &str, new: Value) {
    let mut place = value;
    for name in path.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(fields) = place else {
            unreachable!("made an object on the line above")
        };
        place = fields.entry(name).or_insert(Value::Null);
    }
    *place = new;
}

/// Takes the value at a dotted path out of its object.
pub fn remove(value: &mut Value, path: &str) -> Option<Value> {
    match path.rsplit_once('.') {
        Some((parent, name)) => {
            let parent = parent
                .split('.')
                .try_fold(value, |value, name| value.get_mut(name))?;
            parent.as_object_mut()?.shift_remove(name)
        }
        None => value.as_object_mut()?.shift_remove(path),
    }
}

/// A business key as text: strings as they are, numbers and booleans in their JSON spelling, lists and objects as
/// compact JSON. `None` for null and the empty string, which are no keys.
pub fn key_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn number(text: &str) -> Value {
        serde_json::from_str(text).expect("a number")
    }

    #[test]
    fn numbers_are_compared_by_value() {
        for (a, b, expected) in [
            ("1", "1.0", true),
            ("1", "1e0", true),
            ("100", "1e2", true),
            ("-0.50", "-5e-1", true),
            ("0", "-0.00", true),
            ("12345678901234567890123", "12345678901234567890124", false),
            ("19.9", "19.90", true),
            ("1", "10", false),
        ] {
            assert_eq!(same(&number(a), &number(b)), expected, "{a} against {b}");
            assert_eq!(
                hash(&number(a)) == hash(&number(b)),
                expected,
                "hash of {a} against {b}"
            );
        }
    }

    #[test]
    fn order_of_keys_does_not_matter_and_of_items_does() {
        assert_eq!(
            hash(&json!({"a": 1, "b": [1, 2]})),
            hash(&json!({"b": [1, 2], "a": 1}))
        );
        assert_ne!(hash(&json!({"a": [2, 1]})), hash(&json!({"a": [1, 2]})));
        assert_ne!(hash(&json!(["ab", "c"])), hash(&json!(["a", "bc"])));
        assert_ne!(hash(&json!({"a": null})), hash(&json!({})));
    }

    #[test]
    fn paths_are_made_read_and_removed() {
        let mut value = json!({"a": 1});
        set(&mut value, "totals.net", json!(5));
        assert_eq!(at(&value, "totals.net"), Some(&json!(5)));
        assert_eq!(remove(&mut value, "totals.net"), Some(json!(5)));
        assert_eq!(value, json!({"a": 1, "totals": {}}));
        assert_eq!(remove(&mut value, "x.y"), None);
    }
}
