//! How fast a store takes the changes of whole task lives: `cargo run --profile ship -p weir-store --example throughput
//! [SECONDS] [CALLERS] [FOLDER]`. Each caller takes a hundred tasks through insert, lease, intend, journal and end with
//! attempt, delivery and link, a list a step, as the engine does.
#![expect(clippy::unwrap_used, reason = "a measurement; whatever fails is to be seen")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;
use weir_model::task::State;
use weir_model::{RunId, Scope, TaskId};
use weir_sdk::store::{Change, Delivered, End, Link, NewTask, Retention, Store};
use weir_store::SqliteStore;

const LIST: usize = 100;
const CHANGES_A_TASK: u64 = 8;

#[tokio::main]
async fn main() {
    let mut words = std::env::args().skip(1);
    let seconds: u64 = words.next().map_or(10, |word| word.parse().unwrap());
    let callers: u64 = words.next().map_or(8, |word| word.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let folder = words.next().map_or(temporary.path().to_owned(), PathBuf::from);
    let store = Arc::new(SqliteStore::open(&folder).unwrap());
    let (tasks, slowest) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let end = Instant::now() + Duration::from_secs(seconds);
    let started = Instant::now();
    let work: Vec<_> = (0..callers)
        .map(|caller| {
            let (store, tasks, slowest) = (Arc::clone(&store), Arc::clone(&tasks), Arc::clone(&slowest));
            tokio::spawn(async move {
                let run = RunId(Uuid::now_v7());
                let mut times = Vec::new();
                let mut round = 0;
                while Instant::now() < end {
                    for list in lives(caller, round, run) {
                        let sent = Instant::now();
                        store.commit(list).await.unwrap();
                        times.push(sent.elapsed());
                    }
                    tasks.fetch_add(LIST as u64, Ordering::Relaxed);
                    round += 1;
                }
                times.sort();
                let p99 = times[times.len() * 99 / 100];
                slowest.fetch_max(p99.as_millis() as u64, Ordering::Relaxed);
            })
        })
        .collect();
    let mover = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let retention = Retention {
                done_days: 30,
                skipped_days: 30,
                dead_days: 30,
            };
            let mut moved = 0;
            while Instant::now() < end {
                moved += store.tidy(Timestamp::now(), &retention).await.unwrap();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            moved
        })
    };
    for caller in work {
        caller.await.unwrap();
    }
    let took = started.elapsed().as_secs_f64();
    let moved = mover.await.unwrap();
    let tasks = tasks.load(Ordering::Relaxed);
    println!(
        "{:.0} tasks/s, {:.0} changes/s, commit p99 {} ms, {} moved to history while at it",
        tasks as f64 / took,
        (tasks * CHANGES_A_TASK) as f64 / took,
        slowest.load(Ordering::Relaxed),
        moved
    );
    println!(
        "{}",
        serde_json::to_string(&store.health().await.unwrap()).unwrap()
    );
}

/// The lists of a hundred tasks, in order.
fn lives(caller: u64, round: u64, run: RunId) -> [Vec<Change>; 5] {
    let scope = Scope::new("shop", "test");
    let at = Timestamp::now();
    let mut lists: [Vec<Change>; 5] = std::array::from_fn(|_| Vec::with_capacity(4 * LIST));
    for number in 0..LIST {
        let task = TaskId(Uuid::now_v7());
        let key = format!(
            "{:x}-{number}",
            (caller * 1_000_003) ^ round.wrapping_mul(0x9e37_79b9)
        );
        let (route, effect) = ("products".to_owned(), "write".to_owned());
        // As good as random, like compressed bytes.
        let bytes: Vec<u8> = (0_u32..800)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        lists[0].push(Change::InsertTask(NewTask {
            id: task,
            scope: scope.clone(),
            route: route.clone(),
            key: key.clone(),
            run: Some(run),
            at,
            input: bytes.clone(),
            replay_of: None,
        }));
        lists[1].push(Change::Lease { task, at, release: 1 });
        lists[2].push(Change::Intend {
            task,
            effect: effect.clone(),
            at,
        });
        lists[3].push(Change::Journal {
            task,
            effect,
            result: Some(json!({"id": number})),
        });
        lists[4].extend([
            Change::PutAttempt {
                task,
                attempt: 1,
                at,
                bytes: bytes.clone(),
            },
            Change::PutDelivered {
                scope: scope.clone(),
                route,
                key: key.clone(),
                delivered: Delivered {
                    version: round as i64,
                    hash: Some([7; 16]),
                    release: 1,
                    at,
                    entity: None,
                    filtered: false,
                },
                reads: None,
            },
            Change::PutLink(Link {
                scope: scope.clone(),
                address: "spryker/products".parse().unwrap(),
                key,
                ids: BTreeMap::from([("id".to_owned(), json!(number))]),
                at,
            }),
            Change::End(End {
                task,
                from: State::Running,
                to: State::Done,
                at,
                reason: None,
                warnings: Vec::new(),
            }),
        ]);
    }
    lists
}
