//! Circuit breaker per connection: while it is open its routes pause, and tasks given back do not lose an attempt.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::sync::Notify;
use weir_model::{Error, Kind};

/// Waits between probes: quick at first, then every ten seconds; where a person must act, every half minute.
const PROBE_FIRST_MS: u64 = 500;
const PROBE_MAX_MS: u64 = 10_000;
const PROBE_PERSON_MS: u64 = 30_000;

#[derive(Default)]
pub(crate) struct Breakers {
    open: Mutex<BTreeMap<String, Open>>,
    pub(crate) opened: Notify,
    pub(crate) closed: Notify,
}

#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) error: Error,
    pub(crate) probes: u32,
    /// On the monotonic clock.
    pub(crate) next_probe_ms: u64,
}

impl Breakers {
    pub(crate) fn open(&self, connection: &str, error: &Error, now_ms: u64) {
        let mut open = self.lock();
        if !open.contains_key(connection) {
            tracing::warn!(connection.id = connection, error = %error, "connection `{connection}` is paused: {error}");
            let next_probe_ms = now_ms + probe_wait_ms(error.kind, 0);
            open.insert(
                connection.to_owned(),
                Open {
                    error: error.clone(),
                    probes: 0,
                    next_probe_ms,
                },
            );
            drop(open);
            self.opened.notify_one();
        }
    }

    pub(crate) fn close(&self, connection: &str) {
        if self.lock().remove(connection).is_some() {
            tracing::info!(
                connection.id = connection,
                "connection `{connection}` works again; its routes resume"
            );
            self.closed.notify_waiters();
        }
    }

    /// The probe failed: the next one comes later.
    pub(crate) fn still_open(&self, connection: &str, now_ms: u64) {
        if let Some(open) = self.lock().get_mut(connection) {
            open.probes += 1;
            open.next_probe_ms = now_ms + probe_wait_ms(open.error.kind, open.probes);
        }
    }

    pub(crate) fn reason(&self, connection: &str) -> Option<Error> {
        self.lock().get(connection).map(|open| open.error.clone())
    }

    /// Connections whose probe is due, and the time of the next one.
    pub(crate) fn due(&self, now_ms: u64) -> (Vec<String>, Option<u64>) {
        let open = self.lock();
        let due = open
            .iter()
            .filter(|(_, o)| o.next_probe_ms <= now_ms)
            .map(|(name, _)| name.clone())
            .collect();
        let next = open
            .values()
            .map(|o| o.next_probe_ms)
            .filter(|at| *at > now_ms)
            .min();
        (due, next)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Open>> {
        self.open
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn probe_wait_ms(kind: Kind, probes: u32) -> u64 {
    match kind {
        Kind::Unauthenticated | Kind::Forbidden | Kind::Configuration => PROBE_PERSON_MS,
        _ => (PROBE_FIRST_MS << probes.min(10)).min(PROBE_MAX_MS),
    }
}
