//! The `search` parameter: understood once, then asked of each entry. What an index can answer is
//! never looked for by walking.

use std::ops::Bound;

use serde_json::Value;

use super::render::category_codes;
use super::state::{Entry, Shelf, State, time_text, uuid_number};

/// Up to here the entries changed since a time are collected and sorted; beyond, all are walked in
/// the order of keys.
const COLLECTED_MAX: usize = 2_000;

#[derive(Debug)]
enum Test {
    Time {
        created: bool,
        from: Bound<i64>,
        to: Bound<i64>,
        negated: bool,
    },
    Keys(Vec<String>, bool),
    Uuids(Vec<u128>, bool),
    HasParent(bool),
    Parents(Vec<u32>),
    Enabled(bool),
    Families(Vec<String>, bool),
    HasFamily(bool),
    Categories(Vec<String>, bool),
    Unclassified {
        or: Vec<String>,
    },
}

/// All of it must hold.
#[derive(Debug, Default)]
pub(super) struct Search(Vec<Test>);

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// The parameter as pairs of property and condition.
fn conditions(text: &str) -> Result<Vec<(String, Value)>, String> {
    let parsed: Value =
        serde_json::from_str(text).map_err(|_| "Search query parameter should be valid JSON.".to_owned())?;
    let object = match parsed {
        Value::Object(object) => object,
        // An empty search is sometimes written as a list.
        Value::Array(list) if list.is_empty() => return Ok(Vec::new()),
        _ => return Err("Search query parameter has to be an object.".to_owned()),
    };
    let mut all = Vec::new();
    for (property, list) in object {
        let Value::Array(list) = list else {
            return Err(format!(
                "Structure of filter \"{property}\" should respect this structure: {{\"{property}\":[{{\"operator\": \"my_operator\", \"value\": \"my_value\"}}]}}."
            ));
        };
        for condition in list {
            if !condition["operator"].is_string() {
                return Err(format!("Operator is missing for the property \"{property}\"."));
            }
            all.push((property.clone(), condition));
        }
    }
    Ok(all)
}

/// `Y-m-d H:i:s` in UTC.
fn moment(value: &Value, property: &str) -> Result<i64, String> {
    let text = value.as_str().unwrap_or_default();
    jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text)
        .ok()
        .and_then(|time| jiff::tz::TimeZone::UTC.to_timestamp(time).ok())
        .map(|time| time.as_second())
        .ok_or_else(|| {
            format!("Property \"{property}\" expects a string with the format \"yyyy-mm-dd H:i:s\" as data, \"{text}\" given.")
        })
}

fn time(condition: &Value, property: &str) -> Result<Test, String> {
    let operator = condition["operator"].as_str().unwrap_or_default();
    let value = &condition["value"];
    let one = || moment(value, property);
    let (from, to, negated) = match operator {
        "=" => (Bound::Included(one()?), Bound::Included(one()?), false),
        "!=" => (Bound::Included(one()?), Bound::Included(one()?), true),
        ">" => (Bound::Excluded(one()?), Bound::Unbounded, false),
        "<" => (Bound::Unbounded, Bound::Excluded(one()?), false),
        "BETWEEN" | "NOT BETWEEN" => (
            Bound::Included(moment(&value[0], property)?),
            Bound::Included(moment(&value[1], property)?),
            operator.starts_with("NOT"),
        ),
        "SINCE LAST N DAYS" => {
            let days = value.as_i64().unwrap_or(0);
            let start = jiff::Timestamp::now().as_second() - days * 86_400;
            (Bound::Included(start), Bound::Unbounded, false)
        }
        _ => return Err(unsupported(property, operator)),
    };
    Ok(Test::Time {
        created: property == "created",
        from,
        to,
        negated,
    })
}

fn unsupported(property: &str, operator: &str) -> String {
    format!("Filter on property \"{property}\" is not supported or does not support operator \"{operator}\".")
}

fn within(value: i64, from: Bound<i64>, to: Bound<i64>) -> bool {
    use std::ops::RangeBounds as _;
    (from, to).contains(&value)
}

impl Search {
    /// For products and product models.
    pub(super) fn of(state: &State, text: Option<&str>) -> Result<Self, String> {
        let mut tests = Vec::new();
        for (property, condition) in conditions(text.unwrap_or("{}"))? {
            let operator = condition["operator"].as_str().unwrap_or_default();
            let value = &condition["value"];
            tests.push(match (property.as_str(), operator) {
                ("updated" | "created", _) => time(&condition, &property)?,
                ("identifier" | "code", "=" | "IN") => Test::Keys(strings(value), false),
                ("identifier" | "code", "!=" | "NOT IN") => Test::Keys(strings(value), true),
                ("uuid", "IN" | "NOT IN") => Test::Uuids(
                    strings(value)
                        .iter()
                        .filter_map(|text| uuid_number(text))
                        .collect(),
                    operator != "IN",
                ),
                ("parent", "EMPTY") => Test::HasParent(false),
                ("parent", "NOT EMPTY") => Test::HasParent(true),
                ("parent", "=" | "IN") => {
                    let codes = strings(value);
                    Test::Parents(codes.iter().filter_map(|code| state.models.get(code)).collect())
                }
                ("enabled", "=" | "!=") => {
                    Test::Enabled(value.as_bool().unwrap_or(true) == (operator == "="))
                }
                ("family", "IN") => Test::Families(strings(value), false),
                ("family", "NOT IN") => Test::Families(strings(value), true),
                ("family", "EMPTY") => Test::HasFamily(false),
                ("family", "NOT EMPTY") => Test::HasFamily(true),
                ("categories", "IN") => Test::Categories(strings(value), false),
                ("categories", "NOT IN") => Test::Categories(strings(value), true),
                ("categories", "IN CHILDREN") => {
                    Test::Categories(with_children(state, strings(value)), false)
                }
                ("categories", "NOT IN CHILDREN") => {
                    Test::Categories(with_children(state, strings(value)), true)
                }
                ("categories", "UNCLASSIFIED") => Test::Unclassified { or: Vec::new() },
                ("categories", "IN OR UNCLASSIFIED") => Test::Unclassified { or: strings(value) },
                _ => return Err(unsupported(&property, operator)),
            });
        }
        Ok(Self(tests))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn accepts(&self, state: &State, entry: &Entry) -> bool {
        self.0.iter().all(|test| match test {
            Test::Time {
                created,
                from,
                to,
                negated,
            } => {
                let value = if *created { entry.created } else { entry.counted };
                within(value, *from, *to) != *negated
            }
            Test::Keys(keys, negated) => keys.iter().any(|key| **key == *entry.key) != *negated,
            Test::Uuids(uuids, negated) => uuids.contains(&entry.uuid) != *negated,
            Test::HasParent(wanted) => entry.parent.is_some() == *wanted,
            Test::Parents(parents) => entry.parent.is_some_and(|parent| parents.contains(&parent)),
            Test::Enabled(wanted) => entry.enabled == *wanted,
            Test::Families(families, negated) => {
                let found = entry
                    .family
                    .as_ref()
                    .is_some_and(|family| families.iter().any(|have| **have == **family));
                found != *negated
            }
            Test::HasFamily(wanted) => entry.family.is_some() == *wanted,
            Test::Categories(codes, negated) => {
                let chain = state.parents(entry.parent);
                let have = category_codes(state, &chain, entry);
                have.iter().any(|have| codes.iter().any(|code| code == have)) != *negated
            }
            Test::Unclassified { or } => {
                let chain = state.parents(entry.parent);
                let have = category_codes(state, &chain, entry);
                have.is_empty() || have.iter().any(|have| or.iter().any(|code| code == have))
            }
        })
    }

    /// The entries that an index names, `None` when all must be walked.
    pub(super) fn candidates(&self, state: &State, shelf: &Shelf, products: bool) -> Option<Vec<u32>> {
        self.0.iter().find_map(|test| match test {
            Test::Keys(keys, false) => Some(keys.iter().filter_map(|key| shelf.get(key)).collect()),
            Test::Uuids(uuids, false) => Some(
                uuids
                    .iter()
                    .filter_map(|uuid| shelf.by_uuid.get(uuid).copied())
                    .collect(),
            ),
            Test::Parents(parents) => Some(
                parents
                    .iter()
                    .flat_map(|parent| {
                        let model = &state.models.entries[*parent as usize];
                        if products { &model.products } else { &model.models }
                    })
                    .copied()
                    .collect(),
            ),
            Test::Time {
                created: false,
                from,
                negated: false,
                ..
            } => {
                let start = match from {
                    Bound::Included(time) => Bound::Included((*time, 0)),
                    Bound::Excluded(time) => Bound::Excluded((*time, u32::MAX)),
                    Bound::Unbounded => return None,
                };
                let found: Vec<u32> = shelf
                    .by_time
                    .range((start, Bound::Unbounded))
                    .take(COLLECTED_MAX + 1)
                    .map(|(_, place)| *place)
                    .collect();
                (found.len() <= COLLECTED_MAX).then_some(found)
            }
            _ => None,
        })
    }
}

/// The codes and all codes below them.
fn with_children(state: &State, mut codes: Vec<String>) -> Vec<String> {
    let Some(categories) = state.collection("categories") else {
        return codes;
    };
    let mut next = 0;
    while next < codes.len() {
        let parent = codes[next].clone();
        next += 1;
        for (code, category) in categories {
            if category["parent"].as_str() == Some(&parent) {
                codes.push(code.clone());
            }
        }
    }
    codes
}

/// Whether an item of a small collection passes: code, parent, updated, enabled, type, is_root.
pub(super) fn accepts_item(text: Option<&str>, item: &Value) -> Result<bool, String> {
    for (property, condition) in conditions(text.unwrap_or("{}"))? {
        let operator = condition["operator"].as_str().unwrap_or_default();
        let value = &condition["value"];
        let have = &item[property.as_str()];
        let passes = match (property.as_str(), operator) {
            ("updated", _) => {
                let Test::Time {
                    from, to, negated, ..
                } = time(&condition, &property)?
                else {
                    return Err(unsupported(&property, operator));
                };
                let updated = have.as_str().and_then(seconds).unwrap_or_default();
                within(updated, from, to) != negated
            }
            ("is_root", "=") => item["parent"].is_null() == value.as_bool().unwrap_or(true),
            (_, "EMPTY") => have.is_null(),
            (_, "NOT EMPTY") => !have.is_null(),
            ("code" | "parent" | "type" | "identifier", "=" | "IN") => {
                let wanted = strings(value);
                have.as_str()
                    .is_some_and(|have| wanted.iter().any(|one| one == have))
            }
            ("enabled", "=") => have == value,
            _ => return Err(unsupported(&property, operator)),
        };
        if !passes {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The reverse of [`time_text`].
fn seconds(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    debug_assert_eq!(time_text(time.as_second()), text);
    Some(time.as_second())
}
