//! Rate and concurrency of one connection, shared by everything that uses it.

use std::sync::Mutex;

use tokio::sync::{Semaphore, SemaphorePermit};
use weir_model::Error;
use weir_sdk::Context;

pub(crate) struct Limiter {
    slots: Semaphore,
    slots_max: usize,
    bucket: Option<Mutex<Bucket>>,
}

/// A token bucket: `count` requests within `per_ms`, and no more than a tenth of them (at least one) at once.
struct Bucket {
    ms_per_request: f64,
    burst: f64,
    tokens: f64,
    filled_at_ms: u64,
}

impl Limiter {
    pub(crate) fn new(concurrency: u32, rate: Option<(u64, u64)>) -> Self {
        let bucket = rate.map(|(count, per_ms)| {
            let burst = (count as f64 / 10.0).max(1.0);
            Mutex::new(Bucket {
                ms_per_request: per_ms as f64 / count as f64,
                burst,
                tokens: burst,
                filled_at_ms: 0,
            })
        });
        Limiter {
            slots: Semaphore::new(concurrency.max(1) as usize),
            slots_max: concurrency.max(1) as usize,
            bucket,
        }
    }

    /// Requests that may be under way at once.
    pub(crate) fn slots(&self) -> usize {
        self.slots_max
    }

    /// Waits for a turn; the turn lasts as long as the permit is held.
    pub(crate) async fn turn(&self, context: &Context) -> Result<SemaphorePermit<'_>, Error> {
        let permit = self
            .slots
            .acquire()
            .await
            .map_err(|_| Error::bug("the connection's slots were closed"))?;
        if let Some(bucket) = &self.bucket {
            let wait_ms = {
                let mut bucket = bucket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                bucket.take(context.clock.monotonic_ms())
            };
            if wait_ms > 0 {
                context.clock.sleep_ms(wait_ms).await;
            }
        }
        Ok(permit)
    }
}

impl Bucket {
    /// Takes one token, on credit if need be; answers how long to wait for it.
    fn take(&mut self, now_ms: u64) -> u64 {
        let gained = now_ms.saturating_sub(self.filled_at_ms) as f64 / self.ms_per_request;
        self.filled_at_ms = now_ms.max(self.filled_at_ms);
        self.tokens = (self.tokens + gained).min(self.burst) - 1.0;
        if self.tokens >= 0.0 {
            0
        } else {
            (-self.tokens * self.ms_per_request).ceil() as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_through_and_then_the_rate_holds() {
        let mut bucket = Bucket {
            ms_per_request: 50.0,
            burst: 2.0,
            tokens: 2.0,
            filled_at_ms: 0,
        };
        assert_eq!(
            [bucket.take(0), bucket.take(0), bucket.take(0), bucket.take(0)],
            [0, 0, 50, 100]
        );
        assert_eq!(bucket.take(10_000), 0, "an idle time fills the bucket");
        assert_eq!(bucket.take(10_000), 0);
        assert_eq!(bucket.take(10_000), 50, "and never above the burst");
    }
}
