//! Values that the cases share.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;
use weir_model::task::State;
use weir_model::{RunId, Scope, TaskId};
use weir_sdk::store::{Change, End, Move, NewTask, Retention, Run, Store, TaskQuery};

pub(crate) const RETENTION: Retention = Retention {
    done_days: 30,
    skipped_days: 3,
    dead_days: 60,
};

pub(crate) fn scope() -> Scope {
    Scope::new("shop", "test")
}

/// A fixed evening, and seconds after it.
pub(crate) fn at(second: i64) -> Timestamp {
    let evening: Timestamp = "2026-11-22T20:00:00Z".parse().unwrap();
    evening.checked_add(SignedDuration::from_secs(second)).unwrap()
}

pub(crate) fn days(days: i64) -> Timestamp {
    at(days * 86_400)
}

pub(crate) fn task_id() -> TaskId {
    TaskId(Uuid::now_v7())
}

pub(crate) fn run_id() -> RunId {
    RunId(Uuid::now_v7())
}

pub(crate) fn new_task(id: TaskId, route: &str, key: &str) -> NewTask {
    NewTask {
        id,
        scope: scope(),
        route: route.to_owned(),
        key: key.to_owned(),
        run: None,
        at: at(0),
        input: key.as_bytes().to_vec(),
        replay_of: None,
    }
}

pub(crate) fn insert(id: TaskId, route: &str, key: &str) -> Change {
    Change::InsertTask(new_task(id, route, key))
}

pub(crate) fn lease(task: TaskId) -> Change {
    Change::Lease {
        task,
        at: at(1),
        release: 7,
    }
}

pub(crate) fn moved(task: TaskId, from: State, to: State) -> Change {
    Change::Move(Move {
        task,
        from,
        to,
        at: at(2),
        due: None,
        needs: Vec::new(),
        error: None,
        reason: None,
        forgive_attempt: false,
    })
}

pub(crate) fn ended(task: TaskId, from: State, to: State, at: Timestamp) -> Change {
    Change::End(End {
        task,
        from,
        to,
        at,
        reason: None,
        warnings: Vec::new(),
    })
}

/// A task that went all the way.
pub(crate) async fn finished(store: &dyn Store, route: &str, key: &str, at: Timestamp) -> TaskId {
    let id = task_id();
    let changes = vec![
        insert(id, route, key),
        lease(id),
        ended(id, State::Running, State::Done, at),
    ];
    store.commit(changes).await.unwrap();
    id
}

pub(crate) fn run(id: RunId, route: &str, started: i64) -> Run {
    Run {
        id,
        scope: scope(),
        route: route.to_owned(),
        release: 3,
        trigger: "manual".to_owned(),
        started_at: at(started),
        ended_at: None,
        outcome: None,
        rows: 0,
        tasks: 0,
    }
}

pub(crate) fn query(limit: usize) -> TaskQuery {
    TaskQuery {
        scope: Some(scope()),
        limit,
        ..TaskQuery::default()
    }
}

/// Keys of the page, and where the next begins.
pub(crate) async fn keys(store: &dyn Store, query: &TaskQuery) -> (String, Option<String>) {
    let page = store.tasks(query).await.unwrap();
    let keys: Vec<String> = page.tasks.into_iter().map(|task| task.key).collect();
    (keys.join(" "), page.next)
}
