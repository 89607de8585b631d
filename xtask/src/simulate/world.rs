//! What every part of a simulation shares: virtual time, chance, the log of events, and the switch that kills the
//! process. Time stands still while anything can run; when nothing can, it jumps to the next sleeper.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll, Waker};

use async_trait::async_trait;
use jiff::Timestamp;
use weir_model::Error;
use weir_model::cursor::OVERLAP_MS;
use weir_sdk::Context;
use weir_sdk::context::{Clock, Dice};
use weir_sdk::http::{Answer, Http, Request};

use super::chance::Chance;

/// Events kept for the report of a failing seed.
const EVENTS_KEPT: usize = 60;
/// The wall clock at the beginning: a Sunday evening in November 2026.
const BEGIN_MS: i64 = 1_795_377_600_000;

/// How the world treats the process at present.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    /// Longest time a call to the store takes, in milliseconds.
    pub(super) store_ms: u64,
    /// Longest time a request to a system takes, in milliseconds.
    pub(super) system_ms: u64,
    /// Of a hundred requests so many go wrong.
    pub(super) trouble: u64,
    /// Until then the store can not write (on the clock that never goes back).
    pub(super) store_down_until_ms: u64,
    /// Until then the target is away.
    pub(super) target_away_until_ms: u64,
    /// Until then the sources are away.
    pub(super) sources_away_until_ms: u64,
}

#[derive(Default)]
struct Inner {
    now_ms: u64,
    wall_offset_ms: i64,
    was_ahead: bool,
    sleepers: BTreeMap<Turn, Arc<Mutex<Sleeper>>>,
    sleepers_made: u64,
    ids_made: u64,
    /// Calls until the process dies.
    calls_left: Option<u64>,
    is_dead: bool,
    at_death: Option<Waker>,
    events: VecDeque<String>,
    events_told: u64,
    hash: u64,
    wrong: Option<String>,
}

#[derive(Default)]
struct Sleeper {
    is_due: bool,
    waker: Option<Waker>,
}

pub(super) struct World {
    inner: Mutex<Inner>,
    chance: Mutex<Chance>,
    weather: Mutex<Weather>,
    is_verbose: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(super) fn new(seed: u64, is_verbose: bool) -> Arc<World> {
        Arc::new(World {
            inner: Mutex::new(Inner {
                hash: 0xCBF2_9CE4_8422_2325,
                ..Inner::default()
            }),
            chance: Mutex::new(Chance::new(seed)),
            weather: Mutex::default(),
            is_verbose,
        })
    }

    pub(super) fn chance(&self) -> MutexGuard<'_, Chance> {
        lock(&self.chance)
    }

    pub(super) fn weather(&self) -> Weather {
        *lock(&self.weather)
    }

    pub(super) fn change_weather(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut lock(&self.weather));
    }

    /// Milliseconds since the beginning, on the clock that never goes back.
    pub(super) fn now_ms(&self) -> u64 {
        lock(&self.inner).now_ms
    }

    pub(super) fn wall(&self) -> Timestamp {
        let inner = lock(&self.inner);
        let ms = BEGIN_MS + inner.now_ms as i64 + inner.wall_offset_ms;
        Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
    }

    /// The clock of the systems: nobody sets it.
    pub(super) fn system_second(&self) -> i64 {
        (BEGIN_MS + lock(&self.inner).now_ms as i64) / 1_000
    }

    pub(super) fn jump_wall(&self, by_ms: i64) {
        let mut inner = lock(&self.inner);
        inner.wall_offset_ms += by_ms;
        inner.was_ahead |= inner.wall_offset_ms > OVERLAP_MS;
    }

    /// At some time our clock was further ahead of the systems' than two reads overlap.
    pub(super) fn was_ahead(&self) -> bool {
        lock(&self.inner).was_ahead
    }

    /// Writes an event down.
    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        let mut inner = lock(&self.inner);
        let line = format!("{:>9.3} s  {}", inner.now_ms as f64 / 1_000.0, what());
        for byte in line.bytes() {
            inner.hash = (inner.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        inner.events_told += 1;
        if self.is_verbose {
            println!("{line}");
        }
        if inner.events.len() == EVENTS_KEPT {
            inner.events.pop_front();
        }
        inner.events.push_back(line);
    }

    /// An invariant is broken. The first one is kept; the process is stopped there.
    pub(super) fn wrong(&self, sentence: String) {
        self.tell(|| format!("BROKEN    {sentence}"));
        let mut inner = lock(&self.inner);
        if inner.wrong.is_none() {
            inner.wrong = Some(sentence);
        }
        die(&mut inner);
    }

    pub(super) fn is_wrong(&self) -> Option<String> {
        lock(&self.inner).wrong.clone()
    }

    /// Number and hash of all events, and the last of them.
    pub(super) fn events(&self) -> (u64, u64, Vec<String>) {
        let inner = lock(&self.inner);
        (
            inner.events_told,
            inner.hash,
            inner.events.iter().cloned().collect(),
        )
    }

    /// The process dies at the `calls`-th call from now; `None`: not at all.
    pub(super) fn arm(&self, calls: Option<u64>) {
        lock(&self.inner).calls_left = calls;
    }

    /// A new process begins.
    pub(super) fn revive(&self) {
        let mut inner = lock(&self.inner);
        inner.is_dead = false;
        inner.calls_left = None;
        let gone = std::mem::take(&mut inner.sleepers);
        drop(inner);
        drop(gone);
    }

    /// A place where the process may die. Does not return when it has.
    pub(super) async fn call(&self, what: &str) {
        let died = {
            let mut inner = lock(&self.inner);
            if let Some(left) = &mut inner.calls_left {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    die(&mut inner);
                    drop(inner);
                    self.tell(|| format!("CRASH     {what}"));
                    inner = lock(&self.inner);
                }
            }
            inner.is_dead
        };
        if died {
            std::future::pending::<()>().await;
        }
    }

    /// Ready when the process has died.
    pub(super) async fn death(&self) {
        std::future::poll_fn(|context| {
            let mut inner = lock(&self.inner);
            if inner.is_dead {
                return Poll::Ready(());
            }
            inner.at_death = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub(super) fn sleep(self: &Arc<Self>, ms: u64) -> Sleep {
        Sleep {
            world: self.clone(),
            ms,
            place: None,
        }
    }

    /// Some time up to so many milliseconds; often none at all.
    pub(super) async fn linger(self: &Arc<Self>, ms_max: u64) {
        let ms = {
            let mut chance = self.chance();
            match chance.between(0, 3) {
                0 => 0,
                1 => chance.between(0, ms_max.min(3)),
                _ => chance.between(0, ms_max),
            }
        };
        self.sleep(ms).await;
    }

    /// Nothing can run: time goes on to the next sleeper. Called before the thread would be parked.
    pub(super) fn advance(&self) {
        let sleeper = {
            let mut inner = lock(&self.inner);
            let Some(((at, _), sleeper)) = inner.sleepers.pop_first() else {
                // Nothing will ever happen again.
                die(&mut inner);
                return;
            };
            inner.now_ms = inner.now_ms.max(at);
            sleeper
        };
        let waker = {
            let mut sleeper = lock(&sleeper);
            sleeper.is_due = true;
            sleeper.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn context(self: &Arc<Self>) -> Context {
        Context {
            clock: Arc::new(WorldClock(self.clone())),
            dice: Arc::new(WorldDice(self.clone())),
            http: Arc::new(NoHttp),
        }
    }
}

fn die(inner: &mut Inner) {
    inner.is_dead = true;
    inner.calls_left = None;
    if let Some(waker) = inner.at_death.take() {
        waker.wake();
    }
}

/// The millisecond of waking, and the order in which those of one millisecond fell asleep.
type Turn = (u64, u64);

/// Ends after so many virtual milliseconds, behind everything that can run now.
pub(super) struct Sleep {
    world: Arc<World>,
    ms: u64,
    place: Option<(Turn, Arc<Mutex<Sleeper>>)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        if let Some((_, sleeper)) = &this.place {
            let mut sleeper = lock(sleeper);
            if sleeper.is_due {
                return Poll::Ready(());
            }
            sleeper.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let sleeper = Arc::new(Mutex::new(Sleeper {
            is_due: false,
            waker: Some(context.waker().clone()),
        }));
        let mut inner = lock(&this.world.inner);
        inner.sleepers_made += 1;
        let place = (inner.now_ms.saturating_add(this.ms), inner.sleepers_made);
        inner.sleepers.insert(place, sleeper.clone());
        drop(inner);
        this.place = Some((place, sleeper));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some((place, _)) = &self.place {
            lock(&self.world.inner).sleepers.remove(place);
        }
    }
}

struct WorldClock(Arc<World>);

#[async_trait]
impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        self.0.wall()
    }
    fn monotonic_ms(&self) -> u64 {
        self.0.now_ms()
    }
    async fn sleep_ms(&self, ms: u64) {
        self.0.sleep(ms).await;
    }
}

struct WorldDice(Arc<World>);

impl Dice for WorldDice {
    fn roll(&self) -> f64 {
        self.0.chance().roll()
    }
    /// As version 7: time first, then a number that rises.
    fn uuid(&self) -> uuid::Uuid {
        let mut inner = lock(&self.0.inner);
        inner.ids_made += 1;
        let ms = (BEGIN_MS as u64).saturating_add(inner.now_ms);
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
        bytes[6] = 0x70;
        bytes[8..].copy_from_slice(&(0x8000_0000_0000_0000 | inner.ids_made).to_be_bytes());
        uuid::Uuid::from_bytes(bytes)
    }
}

struct NoHttp;

#[async_trait]
impl Http for NoHttp {
    async fn send(&self, _: Request) -> Result<Answer, Error> {
        Err(Error::bug("the simulated systems need no HTTP"))
    }
}
