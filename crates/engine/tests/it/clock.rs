//! A clock that a test moves by hand.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use weir_sdk::Context;
use weir_sdk::context::Clock;

use crate::world::{NoHttp, SystemDice, until};

pub(crate) struct HandClock {
    time: Mutex<Time>,
    moved: Notify,
}

struct Time {
    wall: Timestamp,
    monotonic_ms: u64,
    /// Sleeps under way: how long, and until when.
    sleeps: Vec<(u64, u64)>,
}

impl HandClock {
    pub(crate) fn at(wall: &str) -> Arc<HandClock> {
        let time = Time {
            wall: wall.parse().unwrap(),
            monotonic_ms: 0,
            sleeps: Vec::new(),
        };
        Arc::new(HandClock {
            time: Mutex::new(time),
            moved: Notify::new(),
        })
    }

    pub(crate) fn context(self: &Arc<Self>) -> Context {
        Context {
            clock: self.clone(),
            dice: Arc::new(SystemDice),
            http: Arc::new(NoHttp),
        }
    }

    /// Time passes.
    pub(crate) fn advance(&self, minutes: i64) {
        {
            let mut time = self.time.lock().unwrap();
            time.wall += SignedDuration::from_mins(minutes);
            time.monotonic_ms += minutes as u64 * 60_000;
        }
        self.moved.notify_waiters();
    }

    /// The wall clock is set; no time passes.
    pub(crate) fn set(&self, minutes: i64) {
        self.time.lock().unwrap().wall += SignedDuration::from_mins(minutes);
    }

    /// Until so many triggers wait for their turn, half a minute at a time; one whose sleep is over does not yet.
    pub(crate) async fn waits(&self, triggers: usize) {
        until("triggers wait", || {
            let time = self.time.lock().unwrap();
            let goes_on = |(ms, until): &&(u64, u64)| *ms == 30_000 && *until > time.monotonic_ms;
            time.sleeps.iter().filter(goes_on).count() == triggers
        })
        .await;
    }
}

/// A sleep that was given up is none.
struct Asleep<'a>(&'a HandClock, (u64, u64));

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        let mut time = self.0.time.lock().unwrap();
        let place = time.sleeps.iter().position(|sleep| *sleep == self.1).unwrap();
        time.sleeps.remove(place);
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.time.lock().unwrap().wall
    }
    fn monotonic_ms(&self) -> u64 {
        self.time.lock().unwrap().monotonic_ms
    }
    async fn sleep_ms(&self, ms: u64) {
        let until = {
            let mut time = self.time.lock().unwrap();
            let until = time.monotonic_ms + ms;
            time.sleeps.push((ms, until));
            until
        };
        let _asleep = Asleep(self, (ms, until));
        loop {
            let moved = self.moved.notified();
            if self.monotonic_ms() >= until {
                return;
            }
            moved.await;
        }
    }
}
