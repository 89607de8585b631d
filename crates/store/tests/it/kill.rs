//! Nothing acknowledged is lost: a child that commits and says so is killed in the middle of it, again and again.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use weir_model::task::State;
use weir_sdk::store::{Store, TaskQuery};
use weir_store::SqliteStore;

use crate::conformance::given::{RETENTION, at, ended, insert, lease, query, task_id};

/// Names the folder; set only for the child.
const FOLDER: &str = "WEIR_STORE_KILL_FOLDER";
const KILLS: usize = 4;
const ACKNOWLEDGED_BEFORE_KILL: usize = 150;

/// Not a test of its own: what the child runs. Each worker inserts tasks, ends every second one, and prints an id once
/// its commit has returned; beside them the mover carries finished ones away.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = Arc::new(SqliteStore::open(Path::new(&folder)).unwrap());
    for worker in 0..8 {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0.. {
                let id = task_id();
                let mut changes = vec![insert(id, &format!("route-{worker}"), &number.to_string())];
                if number % 2 == 0 {
                    changes.extend([lease(id), ended(id, State::Running, State::Done, at(1))]);
                }
                if let Err(error) = store.commit(changes).await {
                    // A panic would end this worker only, and the parent wait for ever.
                    eprintln!("{error}");
                    std::process::exit(1);
                }
                // One write a line, past the capture of the test harness.
                std::io::stdout()
                    .write_all(format!("\nid {id}\n").as_bytes())
                    .unwrap();
            }
        });
    }
    loop {
        store.tidy(at(1), &RETENTION).await.unwrap();
    }
}

#[tokio::test]
async fn every_acknowledged_task_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for _ in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut count = 0;
        for line in lines {
            let line = line.unwrap();
            if let Some(id) = line.strip_prefix("id ")
                && let Ok(id) = id.parse()
            {
                acknowledged.push(id);
                count += 1;
                if count == ACKNOWLEDGED_BEFORE_KILL {
                    // SIGKILL; what the pipe still holds was acknowledged too and is read on.
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(
            count >= ACKNOWLEDGED_BEFORE_KILL,
            "the child fell over after {count}"
        );

        let store = SqliteStore::open(folder.path()).expect("the lock ended with the child");
        assert_eq!(store.health().await.unwrap()["integrity"], "ok");
        for id in &acknowledged {
            assert!(
                store.task(id).await.unwrap().is_some(),
                "{id} was acknowledged and is lost"
            );
        }
        counts_agree(&store).await;
    }
}

/// Counters move in the transaction of what they count.
async fn counts_agree(store: &dyn Store) {
    let mut query = TaskQuery {
        states: vec![State::Queued, State::Done],
        ..query(1_000)
    };
    let mut found = 0;
    loop {
        let page = store.tasks(&query).await.unwrap();
        found += page.tasks.len() as u64;
        query.page = page.next;
        if query.page.is_none() {
            break;
        }
    }
    let counts = store.counts(&crate::conformance::given::scope()).await.unwrap();
    let counted: u64 = counts.values().flat_map(|states| states.values()).sum();
    assert_eq!(found, counted);
}
