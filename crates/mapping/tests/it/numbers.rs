//! Digits of numbers that are only passed through.

use crate::project::{evaluate, json};

fn check(text: &str, input: &str, expected: &str) {
    let value = evaluate(text, &json(input)).expect(text).expect(text);
    assert_eq!(value.to_string(), expected, "{text}");
}

#[test]
fn what_is_not_computed_keeps_its_digits() {
    check(
        "$",
        r#"{"a":19.90,"b":[1.0,{"c":9007199254740993}]}"#,
        r#"{"a":19.90,"b":[1.0,{"c":9007199254740993}]}"#,
    );
    check(
        "{'x': b.c, 'y': a}",
        r#"{"a":-0.10,"b":{"c":123456789012345678901234567890}}"#,
        r#"{"x":123456789012345678901234567890,"y":-0.10}"#,
    );
    check("a[0]", r#"{"a":[1e2,5]}"#, "1e+2");
    check(
        "$money(a, 'EUR')",
        r#"{"a":12345678901234567.89}"#,
        "1234567890123456789",
    );
    check("$decimal(a, 2)", r#"{"a":5}"#, "5.00");
}

#[test]
fn two_spellings_of_one_number_stay_that_number() {
    check("{'x': a}", r#"{"a":19.90,"b":19.900}"#, r#"{"x":19.9}"#);
    // A path of names never goes through the engine.
    check("a", r#"{"a":19.90,"b":19.900}"#, "19.90");
    check("a", r#"{"a":1e400}"#, "1e+400");
}

#[test]
fn numbers_that_cannot_be_told_apart_are_an_error() {
    let error = evaluate("(a)", &json(r#"{"a":9007199254740993,"b":9007199254740992}"#)).unwrap_err();
    assert!(
        error
            .message
            .contains("9007199254740993 and 9007199254740992 have more digits"),
        "{error}"
    );
    let error = evaluate("(b)", &json(r#"{"a":1e400}"#)).unwrap_err();
    assert!(error.message.contains("1e+400 is too large"), "{error}");
    // They do no harm where they do not come out.
    check("(c)", r#"{"a":9007199254740993,"b":9007199254740992,"c":1}"#, "1");
}
