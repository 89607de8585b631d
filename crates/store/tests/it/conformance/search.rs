//! Search and the way of finished tasks into history.

use std::sync::Arc;

use weir_model::task::State;
use weir_model::{Error, Kind};
use weir_sdk::store::{Change, Move, NewTask, Retention, Store, TaskQuery};

use super::given::{
    RETENTION, at, days, ended, finished, insert, keys, lease, moved, new_task, query, run_id, scope, task_id,
};

/// Two days of history, a day in staging, and live ones: f a | g b c | live.
async fn filled(store: &dyn Store) {
    finished(store, "products", "a", days(0)).await;
    finished(store, "products", "f", days(0)).await;
    store.tidy(days(0), &RETENTION).await.unwrap();
    finished(store, "products", "b", days(1)).await;
    let skipped = task_id();
    let end = ended(skipped, State::Queued, State::Skipped, days(1));
    store
        .commit(vec![insert(skipped, "stock", "g"), end])
        .await
        .unwrap();
    store.tidy(days(1), &RETENTION).await.unwrap();
    finished(store, "products", "c", days(1)).await;
    for key in ["x", "y"] {
        store
            .commit(vec![insert(task_id(), "products", key)])
            .await
            .unwrap();
    }
}

pub(super) async fn pages_go_through_live_finished_and_filed_tasks(store: Arc<dyn Store>) {
    filled(store.as_ref()).await;
    for limit in 1..=8 {
        let mut query = query(limit);
        let mut all = String::new();
        loop {
            let (found, next) = keys(store.as_ref(), &query).await;
            assert!(!found.is_empty(), "no page is empty");
            all += &format!("{found} ");
            if next.is_none() {
                break;
            }
            query.page = next;
        }
        assert_eq!(all, "y x c g b f a ", "in pages of {limit}");
    }
}

pub(super) async fn a_page_stays_good_while_tasks_move_to_their_day_files(store: Arc<dyn Store>) {
    for key in ["a", "b", "c", "d"] {
        finished(store.as_ref(), "products", key, at(1)).await;
    }
    let mut query = query(2);
    let (found, next) = keys(store.as_ref(), &query).await;
    assert_eq!(found, "d c");
    store.tidy(at(2), &RETENTION).await.unwrap();
    finished(store.as_ref(), "products", "e", at(3)).await;
    query.page = next;
    assert_eq!(keys(store.as_ref(), &query).await, ("b a".to_owned(), None));
}

pub(super) async fn each_filter_narrows(store: Arc<dyn Store>) {
    filled(store.as_ref()).await;
    let run = run_id();
    let new = NewTask {
        run: Some(run),
        ..new_task(task_id(), "stock", "b")
    };
    let dead = task_id();
    store
        .commit(vec![
            Change::InsertTask(new),
            insert(dead, "stock", "dead"),
            lease(dead),
            Change::Move(Move {
                error: Some(Error::new(Kind::Rejected, "no")),
                ..Move::to(dead, State::Running, State::Dead, at(2))
            }),
        ])
        .await
        .unwrap();
    let all = query(20);
    let route = |route: &str| Some(route.to_owned());
    let key = Some("b".to_owned());
    for (name, query, expected) in [
        ("all", all.clone(), "dead b y x c g b f a"),
        (
            "every scope",
            TaskQuery {
                scope: None,
                ..all.clone()
            },
            "dead b y x c g b f a",
        ),
        (
            "route",
            TaskQuery {
                route: route("stock"),
                ..all.clone()
            },
            "dead b g",
        ),
        (
            "route of any scope",
            TaskQuery {
                scope: None,
                route: route("stock"),
                ..all.clone()
            },
            "dead b g",
        ),
        (
            "unknown route",
            TaskQuery {
                route: route("x"),
                ..all.clone()
            },
            "",
        ),
        (
            "key",
            TaskQuery {
                key: key.clone(),
                ..all.clone()
            },
            "b b",
        ),
        (
            "key of route",
            TaskQuery {
                key,
                route: route("products"),
                ..all.clone()
            },
            "b",
        ),
        (
            "run",
            TaskQuery {
                run: Some(run),
                ..all.clone()
            },
            "b",
        ),
        (
            "a part of the key",
            TaskQuery {
                text: Some("ea".to_owned()),
                ..all.clone()
            },
            "dead",
        ),
        (
            "no pattern",
            TaskQuery {
                text: Some("%".to_owned()),
                ..all.clone()
            },
            "",
        ),
        (
            "rejected",
            TaskQuery {
                error: Some(Kind::Rejected),
                ..all.clone()
            },
            "dead",
        ),
        (
            "invalid",
            TaskQuery {
                error: Some(Kind::Invalid),
                ..all.clone()
            },
            "",
        ),
        (
            "since a day",
            TaskQuery {
                since: Some(days(1)),
                ..all.clone()
            },
            "c g b",
        ),
        (
            "until a day",
            TaskQuery {
                until: Some(days(1)),
                ..all.clone()
            },
            "dead b y x f a",
        ),
        (
            "dead",
            TaskQuery {
                states: vec![State::Dead],
                ..all.clone()
            },
            "dead",
        ),
        (
            "done",
            TaskQuery {
                states: vec![State::Done],
                ..all.clone()
            },
            "c b f a",
        ),
        (
            "skipped, queued",
            TaskQuery {
                states: vec![State::Skipped, State::Queued],
                ..all.clone()
            },
            "b y x g",
        ),
    ] {
        assert_eq!(keys(store.as_ref(), &query).await.0, expected, "{name}");
    }
}

pub(super) async fn tasks_are_shown_whole_wherever_they_lie(store: Arc<dyn Store>) {
    let filed = finished(store.as_ref(), "products", "a", days(0)).await;
    store.tidy(days(0), &RETENTION).await.unwrap();
    let staged = finished(store.as_ref(), "products", "b", days(1)).await;
    let live = task_id();
    store.commit(vec![insert(live, "stock", "c")]).await.unwrap();
    let unknown = task_id();
    let found = store.details(&[unknown, filed, live, staged]).await.unwrap();
    let words: Vec<Option<(String, String)>> = found
        .into_iter()
        .map(|found| found.map(|found| (found.row.key, found.scope.to_string())))
        .collect();
    let is = |key: &str| Some((key.to_owned(), scope().to_string()));
    assert_eq!(words, [None, is("a"), is("c"), is("b")]);
}

pub(super) async fn a_wrong_page_is_refused(store: Arc<dyn Store>) {
    let query = TaskQuery {
        page: Some("page 2".to_owned()),
        ..query(5)
    };
    assert_eq!(store.tasks(&query).await.unwrap_err().kind, Kind::Invalid);
}

pub(super) async fn expired_dead_tasks_leave_the_live_ones(store: Arc<dyn Store>) {
    let id = task_id();
    store
        .commit(vec![
            insert(id, "products", "a"),
            lease(id),
            moved(id, State::Running, State::Dead),
        ])
        .await
        .unwrap();
    assert_eq!(store.tidy(days(60), &RETENTION).await.unwrap(), 0, "not yet");
    assert_eq!(store.tidy(days(61), &RETENTION).await.unwrap(), 1);
    assert!(store.live(&scope(), 0, 10).await.unwrap().is_empty());
    assert!(
        store.counts(&scope()).await.unwrap().is_empty(),
        "nobody is to look at it"
    );
    let query = TaskQuery {
        states: vec![State::Dead],
        ..query(5)
    };
    assert_eq!(keys(store.as_ref(), &query).await.0, "a");
    let refused = store.commit(vec![moved(id, State::Dead, State::Queued)]).await;
    assert_eq!(refused.unwrap_err().kind, Kind::Conflict);
    // Dated by expiry, kept as long as done.
    store.tidy(days(91), &RETENTION).await.unwrap();
    assert!(store.task(&id).await.unwrap().is_some());
    store.tidy(days(92), &RETENTION).await.unwrap();
    assert!(store.task(&id).await.unwrap().is_none());
}

pub(super) async fn tidying_goes_on_where_it_stopped(store: Arc<dyn Store>) {
    let old = finished(store.as_ref(), "products", "a", days(0)).await;
    assert_eq!(store.tidy(days(0), &RETENTION).await.unwrap(), 1);
    assert_eq!(store.tidy(days(0), &RETENTION).await.unwrap(), 0);
    let new = finished(store.as_ref(), "products", "b", days(0)).await;
    assert_eq!(store.tidy(days(1), &RETENTION).await.unwrap(), 1);
    for id in [old, new] {
        assert!(store.task(&id).await.unwrap().is_some());
    }
    let short = Retention {
        done_days: 0,
        ..RETENTION
    };
    store.tidy(days(1), &short).await.unwrap();
    for id in [old, new] {
        assert!(store.task(&id).await.unwrap().is_none());
    }
}
