//! The real clock, dice and network. Tests and simulations hand in others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use weir_sdk::Context;
use weir_sdk::context::{Clock, Dice};
use weir_sdk::http::Http;

/// What every component of this process is given.
pub(crate) fn system(http: Arc<dyn Http>) -> Context {
    Context {
        clock: Arc::new(SystemClock {
            start: Instant::now(),
        }),
        dice: Arc::new(SystemDice),
        http,
    }
}

struct SystemClock {
    start: Instant,
}

#[async_trait::async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    async fn sleep_ms(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

struct SystemDice;

impl Dice for SystemDice {
    fn roll(&self) -> f64 {
        rand::random()
    }

    fn uuid(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}
