//! Lists of changes: whole or not at all, durable, many at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_model::Kind;
use weir_model::task::State;
use weir_sdk::store::Store;

use super::given::{at, ended, finished, insert, lease, moved, query, scope, task_id};

pub(super) async fn a_list_is_stored_whole_or_not_at_all(store: Arc<dyn Store>) {
    let (first, second, unknown) = (task_id(), task_id(), task_id());
    let refused = store
        .commit(vec![
            insert(first, "products", "a"),
            lease(first),
            insert(second, "never-seen", "b"),
            lease(unknown),
        ])
        .await
        .unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict, "{refused}");
    assert!(store.live(&scope(), 0, 10).await.unwrap().is_empty());
    assert!(store.counts(&scope()).await.unwrap().is_empty());
    // Names that went with the list are made again.
    store
        .commit(vec![insert(second, "never-seen", "b")])
        .await
        .unwrap();
    assert_eq!(store.live(&scope(), 0, 10).await.unwrap()[0].route, "never-seen");
    let twice = store.commit(vec![insert(second, "never-seen", "b")]).await;
    assert_eq!(twice.unwrap_err().kind, Kind::Conflict, "one id, two tasks");
}

pub(super) async fn a_failing_list_leaves_its_neighbours_alone(store: Arc<dyn Store>) {
    let mut callers = Vec::new();
    for number in 0..60 {
        let store = Arc::clone(&store);
        callers.push(tokio::spawn(async move {
            let id = task_id();
            let mut changes = vec![insert(id, &format!("route-{}", number % 7), &number.to_string())];
            if number % 3 == 0 {
                changes.push(moved(id, State::Waiting, State::Queued));
            }
            store.commit(changes).await.is_ok()
        }));
    }
    for (number, caller) in callers.into_iter().enumerate() {
        assert_eq!(caller.await.unwrap(), number % 3 != 0, "list {number}");
    }
    let stored: BTreeSet<usize> = store
        .live(&scope(), 0, 100)
        .await
        .unwrap()
        .into_iter()
        .map(|task| {
            let number = task.key.parse().unwrap();
            assert_eq!(task.route, format!("route-{}", number % 7));
            number
        })
        .collect();
    assert_eq!(stored, (0..60).filter(|number| number % 3 != 0).collect());
    let counted: u64 = store
        .counts(&scope())
        .await
        .unwrap()
        .values()
        .flat_map(|states| states.values())
        .sum();
    assert_eq!(counted, 40);
}

pub(super) async fn many_callers_at_once_each_get_their_own_answer(store: Arc<dyn Store>) {
    let mut callers = Vec::new();
    for caller in 0..20 {
        let store = Arc::clone(&store);
        callers.push(tokio::spawn(async move {
            let mut answers = Vec::new();
            for round in 0..10 {
                let ids = [task_id(), task_id()];
                let changes = ids.map(|id| insert(id, "products", &format!("{caller}-{round}")));
                let sequences = store.commit(changes.to_vec()).await.unwrap();
                let loaded = store.load(&ids).await.unwrap();
                let stored: Vec<i64> = loaded.iter().map(|loaded| loaded.task.sequence).collect();
                assert_eq!(
                    sequences, stored,
                    "the answer is of these tasks, and they can be read"
                );
                answers.extend(sequences);
            }
            answers
        }));
    }
    let mut all = BTreeSet::new();
    for caller in callers {
        let answers = caller.await.unwrap();
        assert!(answers.is_sorted());
        all.extend(answers);
    }
    assert_eq!(all.len(), 400);
}

pub(super) async fn sequences_rise_and_are_never_given_twice(store: Arc<dyn Store>) {
    let id = finished(store.as_ref(), "products", "a", at(5)).await;
    let before = store.tasks(&query(1)).await.unwrap().tasks[0].sequence;
    store.tidy(at(10), &super::given::RETENTION).await.unwrap();
    let after = store
        .commit(vec![insert(task_id(), "products", "a")])
        .await
        .unwrap()[0];
    assert!(after > before, "{after} after {before}");
    let again = store
        .commit(vec![ended(id, State::Done, State::Skipped, at(6))])
        .await;
    assert_eq!(
        again.unwrap_err().kind,
        Kind::Conflict,
        "finished tasks do not change"
    );
}
