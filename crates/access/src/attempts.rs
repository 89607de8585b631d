//! A brake on guessing passwords and set-up tokens: so many failures in a time, for everybody together.

use std::collections::VecDeque;
use std::sync::Mutex;

use weir_model::{Error, Kind};

const FAILURES_MAX: usize = 10;
const WINDOW_MS: u64 = 60_000;

#[derive(Default)]
pub(crate) struct Attempts {
    failures: Mutex<VecDeque<u64>>,
}

impl Attempts {
    /// Refuses while there were too many failures; times are of the monotonic clock.
    pub(crate) fn allow(&self, now_ms: u64) -> Result<(), Error> {
        let mut failures = self.lock();
        while failures.front().is_some_and(|at| at + WINDOW_MS <= now_ms) {
            failures.pop_front();
        }
        if failures.len() < FAILURES_MAX {
            return Ok(());
        }
        let wait = failures.front().map_or(WINDOW_MS, |at| at + WINDOW_MS - now_ms);
        let message = format!("too many failed attempts: try again in {} s", wait.div_ceil(1000));
        Err(Error::new(Kind::RateLimited, message).retry_after_ms(wait))
    }

    pub(crate) fn failed(&self, now_ms: u64) {
        self.lock().push_back(now_ms);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<u64>> {
        self.failures
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_is_slowed_down_and_forgiven() {
        let attempts = Attempts::default();
        for at in 0..10 {
            assert!(attempts.allow(at).is_ok());
            attempts.failed(at);
        }
        let error = attempts.allow(10).expect_err("ten have failed");
        assert_eq!(
            (error.kind, error.retry_after_ms),
            (Kind::RateLimited, Some(59_990))
        );
        assert!(attempts.allow(60_000).is_ok(), "the first is a minute old");
    }
}
