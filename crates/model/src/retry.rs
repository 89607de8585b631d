//! The one place that turns the kind of an error into a reaction.

use serde::{Deserialize, Serialize};

use crate::Kind;

/// May a write whose outcome is unknown be sent again?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// Sending it twice has the effect of sending it once.
    Safe,
    /// Look the natural key up first.
    Lookup,
    /// Nobody can tell: a person decides.
    #[default]
    Unsafe,
}

/// How often and how long to try. Waiting times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    pub attempts_max: u32,
    pub first_ms: u64,
    pub factor: f64,
    pub wait_max_ms: u64,
    pub give_up_after_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            attempts_max: 8,
            first_ms: 2_000,
            factor: 3.0,
            wait_max_ms: 15 * 60_000,
            give_up_after_ms: 24 * 3_600_000,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this time.
    Retry { after_ms: u64 },
    /// Try again after this time, and look the natural key up before the write is sent again.
    LookFirst { after_ms: u64 },
    /// The connection cannot serve anybody: give the task back without counting the attempt and pause the connection.
    PauseConnection,
    /// For a person.
    Bury,
}

/// What is known about the failure.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    pub kind: Kind,
    /// What the target asked for, where it did.
    pub retry_after_ms: Option<u64>,
    /// Attempts made, this one included.
    pub attempts: u32,
    /// Since the first attempt.
    pub age_ms: u64,
    pub repeat: Repeat,
    /// A die between 0 and 1: spreads repeats so that a thousand tasks do not come back in one second.
    pub dice: f64,
}

pub fn decide(failure: Failure, policy: Policy) -> Decision {
    let exhausted = failure.attempts >= policy.attempts_max || failure.age_ms >= policy.give_up_after_ms;
    let after_ms = wait_ms(failure, policy);
    match failure.kind {
        Kind::RateLimited | Kind::Unavailable | Kind::Timeout if exhausted => Decision::Bury,
        Kind::RateLimited | Kind::Unavailable | Kind::Timeout => Decision::Retry { after_ms },
        Kind::OutcomeUnknown if failure.repeat == Repeat::Unsafe || exhausted => Decision::Bury,
        Kind::OutcomeUnknown if failure.repeat == Repeat::Safe => Decision::Retry { after_ms },
        Kind::OutcomeUnknown => Decision::LookFirst { after_ms },
        // A conflict that is still there after two looks is another row's, and waiting does not change it.
        Kind::Conflict if failure.attempts >= 3 || exhausted => Decision::Bury,
        Kind::Conflict => Decision::LookFirst { after_ms },
        Kind::Unauthenticated | Kind::Forbidden | Kind::Configuration => Decision::PauseConnection,
        Kind::NotFound | Kind::Invalid | Kind::Rejected | Kind::Limit | Kind::Bug => Decision::Bury,
    }
}

/// Exponential with full jitter over the upper half: between 50 % and 100 % of the step. The target's own word wins.
fn wait_ms(failure: Failure, policy: Policy) -> u64 {
    if let Some(asked) = failure.retry_after_ms {
        // Spread by a tenth above what was asked, never below it.
        return asked + (asked as f64 * 0.1 * failure.dice) as u64;
    }
    let exponent = failure.attempts.saturating_sub(1).min(32);
    let step = policy.first_ms as f64 * policy.factor.powi(exponent as i32);
    let step = step.min(policy.wait_max_ms as f64);
    (step * (0.5 + 0.5 * failure.dice)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, attempts: u32, repeat: Repeat, expected: Decision) {
        let failure = Failure {
            kind,
            retry_after_ms: None,
            attempts,
            age_ms: 0,
            repeat,
            dice: 1.0,
        };
        assert_eq!(
            decide(failure, Policy::default()),
            expected,
            "{kind} after {attempts} with {repeat:?}"
        );
    }

    #[test]
    fn the_kind_alone_decides() {
        use Decision::*;
        check(Kind::RateLimited, 1, Repeat::Unsafe, Retry { after_ms: 2_000 });
        check(Kind::Unavailable, 2, Repeat::Unsafe, Retry { after_ms: 6_000 });
        check(Kind::Timeout, 7, Repeat::Unsafe, Retry { after_ms: 900_000 });
        check(Kind::Timeout, 8, Repeat::Unsafe, Bury);
        check(Kind::OutcomeUnknown, 1, Repeat::Unsafe, Bury);
        check(
            Kind::OutcomeUnknown,
            1,
            Repeat::Lookup,
            LookFirst { after_ms: 2_000 },
        );
        check(Kind::OutcomeUnknown, 1, Repeat::Safe, Retry { after_ms: 2_000 });
        check(Kind::Conflict, 1, Repeat::Lookup, LookFirst { after_ms: 2_000 });
        check(Kind::Conflict, 3, Repeat::Lookup, Bury);
        for kind in [Kind::Unauthenticated, Kind::Forbidden, Kind::Configuration] {
            check(kind, 1, Repeat::Lookup, PauseConnection);
        }
        for kind in [
            Kind::NotFound,
            Kind::Invalid,
            Kind::Rejected,
            Kind::Limit,
            Kind::Bug,
        ] {
            check(kind, 1, Repeat::Safe, Bury);
        }
    }

    #[test]
    fn the_targets_own_word_wins_and_age_ends_it() {
        let failure = Failure {
            kind: Kind::RateLimited,
            retry_after_ms: Some(30_000),
            attempts: 1,
            age_ms: 0,
            repeat: Repeat::Safe,
            dice: 0.0,
        };
        assert_eq!(
            decide(failure, Policy::default()),
            Decision::Retry { after_ms: 30_000 }
        );
        let old = Failure {
            age_ms: 24 * 3_600_000,
            ..failure
        };
        assert_eq!(decide(old, Policy::default()), Decision::Bury);
    }
}
