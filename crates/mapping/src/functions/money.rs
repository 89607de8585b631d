//! Exact decimal numbers and amounts of money.

use serde_json::{Number, Value};

use super::{Call, Fault, Function, example, kind_of, says};
use crate::decimal::{Decimal, Unreadable};

pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "decimal",
        signature: "$decimal(value[, places])",
        summary: "A number from a number or a text with one, exactly; with `places`, rounded to so many (halves to the even \
                  neighbour). Nothing from nothing. Text with anything else in it is an error.",
        arguments: (1, 2),
        examples: &[
            example(r#"$decimal("19.90")"#, "19.90"),
            example(r#"$decimal("2.345", 2)"#, "2.34"),
            example("$decimal(2.5, 0)", "2"),
            example("$decimal(7, 2)", "7.00"),
            example(
                r#"$decimal("12345678901234567890.12")"#,
                "12345678901234567890.12",
            ),
            example(r#"$decimal("19,90")"#, "error: is not a number"),
            example("$decimal(missing)", "nothing"),
        ],
        body: decimal,
    },
    Function {
        name: "money",
        signature: "$money(amount, currency)",
        summary: "An amount in minor units (cents) as a whole number, exactly; `currency` is a code of ISO 4217, which knows \
                  how many decimals a currency has. Nothing when the amount is missing, null or empty. An amount that is not a \
                  number, or has more decimals than its currency, is an error.",
        arguments: (2, 2),
        examples: &[
            example(r#"$money("19.99", "EUR")"#, "1999"),
            example(r#"$money(19.9, "EUR")"#, "1990"),
            example(r#"$money("1500", "JPY")"#, "1500"),
            example(r#"$money("1.234", "KWD")"#, "1234"),
            example(r#"$money("-0.50", "CHF")"#, "-50"),
            example(r#"$money(missing, "EUR")"#, "nothing"),
            example(r#"$money("abc", "EUR")"#, "error: \"abc\" is not a number"),
            example(r#"$money("19.999", "EUR")"#, "error: has more decimals than EUR"),
            example(r#"$money(1, "EURO")"#, "error: is not a currency"),
        ],
        body: money,
    },
];

fn decimal(call: &Call<'_>) -> Result<Option<Value>, Fault> {
    let Some((number, _)) = number(call)? else {
        return Ok(None);
    };
    let places = match call.present(1) {
        None => return Ok(Some(as_value(&number.to_string()))),
        Some(places) => places
            .as_u64()
            .or_else(|| {
                places
                    .as_f64()
                    .filter(|p| p.fract() == 0.0 && *p >= 0.0)
                    .map(|p| p as u64)
            })
            .filter(|places| *places <= 34)
            .ok_or_else(|| says("needs 0 to 34 as number of places", places))?,
    };
    let rounded = number.rounded(places as u32).map_err(|_| too_long(call))?;
    Ok(Some(as_value(&rounded.to_string())))
}

fn money(call: &Call<'_>) -> Result<Option<Value>, Fault> {
    let Some((amount, shown)) = number(call)? else {
        return Ok(None);
    };
    let currency = call.required_text(1, "currency")?;
    let places = places(currency).ok_or_else(|| {
        Fault::Says(
            format!("cannot convert an amount: `{currency}` is not a currency of ISO 4217 such as `EUR`"),
            call.get(1).cloned(),
        )
    })?;
    match amount.shifted(places).map_err(|_| too_long(call))? {
        Some(units) => Ok(Some(as_value(&units.to_string()))),
        None => Err(Fault::Says(
            format!(
                "cannot convert an amount: {shown} has more decimals than {currency} ({places}); round it with `$decimal(…, {places})`"
            ),
            call.get(0).cloned(),
        )),
    }
}

/// What to do about a value that is no number.
const REPAIR: &str = "; correct the record at the source, or let the map convert it to the form `1234.50`";

/// The first argument as a number, and how to show it.
fn number(call: &Call<'_>) -> Result<Option<(Decimal, String)>, Fault> {
    let Some(value) = call.present(0) else {
        return Ok(None);
    };
    let text = match value {
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => {
            return Err(says(
                format!("cannot read {}: it is not a number{REPAIR}", kind_of(other)),
                other,
            ));
        }
    };
    match Decimal::parse(&text) {
        Ok(number) => Ok(Some((number, text))),
        Err(Unreadable::NotANumber) => Err(says(
            format!(
                "cannot read an amount: {} is not a number{REPAIR}",
                kind_of(value)
            ),
            value,
        )),
        Err(Unreadable::TooLong) => Err(too_long(call)),
    }
}

fn too_long(call: &Call<'_>) -> Fault {
    Fault::Says(
        "cannot compute with more than 38 digits".to_owned(),
        call.get(0).cloned(),
    )
}

fn as_value(digits: &str) -> Value {
    let number: Number = serde_json::from_str(digits).expect("a decimal is written as JSON writes numbers");
    Value::Number(number)
}

/// Decimals of a currency: https://www.six-group.com/en/products-services/financial-information/data-standards.html (ISO
/// 4217, list one). All of its currencies that are not named here have two.
fn places(currency: &str) -> Option<u32> {
    const NONE: &[&str] = &[
        "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV",
        "XAF", "XOF", "XPF",
    ];
    const THREE: &[&str] = &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];
    const FOUR: &[&str] = &["CLF", "UYW"];
    const TWO: &[&str] = &[
        "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN",
        "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CNY", "COP",
        "CRC", "CUP", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP",
        "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IRR",
        "JMD", "KES", "KGS", "KHR", "KPW", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL",
        "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN",
        "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB",
        "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP",
        "SZL", "THB", "TJS", "TMT", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "USD", "UYU", "UZS", "VED",
        "VES", "WST", "XCD", "XCG", "YER", "ZAR", "ZMW", "ZWG",
    ];
    [(NONE, 0), (TWO, 2), (THREE, 3), (FOUR, 4)]
        .into_iter()
        .find(|(codes, _)| codes.contains(&currency))
        .map(|(_, places)| places)
}
