//! Many failures as few reasons: what says the same of different records is one group.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Different reasons that are told apart; what comes behind is counted together.
pub const GROUPS_MAX: usize = 20;
/// Keys named as examples of a group.
pub const EXAMPLES_MAX: usize = 5;
/// Behind [`GROUPS_MAX`].
const OTHERS: &str = "other reasons";

/// The groups, in the order in which their first one came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Reasons {
    pub groups: Vec<Group>,
}

/// Records that have one reason in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReasonGroup")]
pub struct Group {
    /// The sentence, as it was said of the first.
    pub reason: String,
    /// What makes one group: kind, code and field of the error, and the sentence without names and numbers.
    pub rule: String,
    pub count: u64,
    /// Keys of the first few.
    pub examples: Vec<String>,
}

impl Reasons {
    /// Counts one more record.
    pub fn add(&mut self, error: &Error, key: &str) {
        let rule = rule(error);
        let known = self.groups.iter().position(|group| group.rule == rule);
        let index = known.unwrap_or_else(|| {
            let is_full = self.groups.len() >= GROUPS_MAX;
            let (reason, rule) = match is_full {
                true => (OTHERS.to_owned(), OTHERS.to_owned()),
                false => (error.to_string(), rule),
            };
            match self.groups.iter().position(|group| group.rule == rule) {
                Some(index) => index,
                None => {
                    self.groups.push(Group {
                        reason,
                        rule,
                        count: 0,
                        examples: Vec::new(),
                    });
                    self.groups.len() - 1
                }
            }
        });
        let group = &mut self.groups[index];
        group.count += 1;
        if group.examples.len() < EXAMPLES_MAX && !group.examples.iter().any(|known| known == key) {
            group.examples.push(key.to_owned());
        }
    }

    /// How many records there are in all groups.
    pub fn count(&self) -> u64 {
        self.groups.iter().map(|group| group.count).sum()
    }
}

fn rule(error: &Error) -> String {
    let mut rule = error.kind.name().to_owned();
    for part in [error.code.as_deref(), error.get("field")].into_iter().flatten() {
        rule.push(' ');
        rule.push_str(&without_numbers(part));
    }
    rule.push_str(": ");
    rule.push_str(&pattern(&error.message));
    rule
}

/// The sentence with `…` for what stands in quotes and `#` for words with digits.
fn pattern(message: &str) -> String {
    let mut pattern = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find(['`', '"']) {
        let quote = &rest[start..=start];
        let Some(length) = rest[start + 1..].find(quote) else {
            break;
        };
        pattern.push_str(&without_numbers(&rest[..start]));
        pattern.push('…');
        rest = &rest[start + length + 2..];
    }
    pattern.push_str(&without_numbers(rest));
    pattern
}

fn without_numbers(text: &str) -> String {
    let in_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut result = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        if in_word(c) {
            word.push(c);
            continue;
        }
        match word.contains(|c: char| c.is_ascii_digit()) {
            true => result.push('#'),
            false => result.push_str(&word),
        }
        word.clear();
        result.push(c);
    }
    result.pop();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn names_and_numbers_do_not_make_another_reason() {
        for (message, expected) in [
            ("`tee-1` was refused", "… was refused"),
            ("price \"19,90\" is no number", "price … is no number"),
            (
                "task 0198-abc1 is done and cannot be retried",
                "task # is done and cannot be retried",
            ),
            ("an open ` quote", "an open ` quote"),
            ("lines[12].sku is missing", "lines[#].sku is missing"),
            ("", ""),
        ] {
            assert_eq!(pattern(message), expected);
        }
    }

    #[test]
    fn reasons_are_counted_with_a_few_examples() {
        let mut reasons = Reasons::default();
        let error = |field: &str, key: &str| {
            Error::new(Kind::Invalid, format!("`{key}` is wrong")).with("field", field)
        };
        for key in ["a", "b", "a", "c", "d", "e", "f", "g"] {
            reasons.add(&error("price", key), key);
        }
        reasons.add(&error("size", "a"), "a");
        let counts: Vec<u64> = reasons.groups.iter().map(|group| group.count).collect();
        assert_eq!((counts, reasons.count()), (vec![8, 1], 9));
        assert_eq!(reasons.groups[0].reason, "`a` is wrong");
        assert_eq!(reasons.groups[0].examples, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn what_is_behind_the_limit_is_counted_together() {
        let mut reasons = Reasons::default();
        for n in 0..GROUPS_MAX + 7 {
            let word = "x".repeat(n + 1);
            reasons.add(&Error::new(Kind::Invalid, word), "k");
        }
        assert_eq!(reasons.groups.len(), GROUPS_MAX + 1);
        let last = &reasons.groups[GROUPS_MAX];
        assert_eq!((last.reason.as_str(), last.count), (OTHERS, 7));
    }
}
