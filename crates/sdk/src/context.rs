//! Time, dice and HTTP, handed in so that a simulation can hand in its own.

use std::sync::Arc;

use jiff::Timestamp;

use crate::http::Http;

/// What every component is given instead of globals.
#[derive(Clone)]
pub struct Context {
    pub clock: Arc<dyn Clock>,
    pub dice: Arc<dyn Dice>,
    pub http: Arc<dyn Http>,
}

#[async_trait::async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
    /// Milliseconds on a clock that never goes back.
    fn monotonic_ms(&self) -> u64;
    async fn sleep_ms(&self, ms: u64);
}

pub trait Dice: Send + Sync {
    /// Between 0 (included) and 1 (excluded).
    fn roll(&self) -> f64;
    /// A fresh UUID of version 7; later ones are larger.
    fn uuid(&self) -> uuid::Uuid;
}
