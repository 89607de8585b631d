//! Missing values, and ids made from values.

use serde_json::Value;
use weir_model::json;

use super::{Fault, Function, example};

pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "default",
        signature: "$default(value, fallback)",
        summary: "The value, or the fallback where the value is missing, null or the empty text. Unlike `?:` it keeps `0` and \
                  `false`.",
        arguments: (2, 2),
        examples: &[
            example("$default(missing, 5)", "5"),
            example(r#"$default("", "none")"#, r#""none""#),
            example("$default(null, 1)", "1"),
            example("$default(0, 5)", "0"),
            example("$default(false, true)", "false"),
        ],
        body: |call| {
            let empty = |value: &&Value| value.is_null() || value.as_str() == Some("");
            Ok(call.get(0).filter(|value| !empty(value)).or(call.get(1)).cloned())
        },
    },
    Function {
        name: "required",
        signature: "$required(value[, message])",
        summary: "The value; an error where it is missing or null. The message tells a person what to do.",
        arguments: (1, 2),
        examples: &[
            example(r#"$required("tee-1")"#, r#""tee-1""#),
            example("$required(missing)", "error: a required value is missing"),
            example(
                r#"$required(missing, "give the product a family")"#,
                "error: give the product a family",
            ),
            example("$required(null)", "error: a required value is missing"),
        ],
        body: |call| match (call.present(0), call.text(1, "message")?) {
            (Some(value), _) => Ok(Some(value.clone())),
            (None, Some(message)) => Err(Fault::Own(message.to_owned())),
            (None, None) => Err(Fault::Own("a required value is missing".to_owned())),
        },
    },
    Function {
        name: "hash",
        signature: "$hash(value)",
        summary: "A short hash of any value, the same for equal values: the order of an object's fields and the spelling of \
                  numbers do not matter.",
        arguments: (1, 1),
        examples: &[
            example(
                r#"$hash({"a": 1, "b": [2]})"#,
                r#""59f4a5ff25c33555b09a1dd8386e89a6""#,
            ),
            example(
                r#"$hash({"b": [2.0], "a": 1}) = $hash({"a": 1, "b": [2]})"#,
                "true",
            ),
            example("$hash(missing)", "nothing"),
        ],
        body: |call| Ok(call.get(0).map(|value| Value::String(hex(&json::hash(value))))),
    },
    Function {
        name: "uuid_of",
        signature: "$uuid_of(value)",
        summary: "A UUID (version 8) made from a value, always the same for equal values: for targets that want a UUID where \
                  the source has a key.",
        arguments: (1, 1),
        examples: &[
            example(
                r#"$uuid_of("tee-1")"#,
                r#""0c2677a4-49a0-8e20-adfd-fd3836b788c0""#,
            ),
            example(
                r#"$uuid_of(["shop", "tee-1"]) = $uuid_of(["shop", "tee-2"])"#,
                "false",
            ),
            example("$uuid_of(missing)", "nothing"),
        ],
        body: |call| {
            Ok(call.get(0).map(|value| {
                let mut bytes = json::hash(value);
                bytes[6] = 0x80 | (bytes[6] & 0x0f);
                bytes[8] = 0x80 | (bytes[8] & 0x3f);
                let hex = hex(&bytes);
                let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
                Value::String(parts.join("-"))
            }))
        },
    },
];

fn hex(bytes: &[u8; 16]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
