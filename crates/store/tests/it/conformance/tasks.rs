//! The life of a task.

use std::sync::Arc;

use serde_json::json;
use weir_model::dependency::Need;
use weir_model::task::State;
use weir_model::{Error, Kind};
use weir_sdk::connector::Warning;
use weir_sdk::store::{Change, End, Move, NewTask, Store};

use super::given::{at, days, ended, insert, lease, moved, new_task, run_id, scope, task_id};

pub(super) async fn a_task_lives_from_queue_to_history(store: Arc<dyn Store>) {
    let (id, other, run) = (task_id(), task_id(), run_id());
    let number = serde_json::from_str("12345678901234567890.10").unwrap();
    let new = NewTask {
        run: Some(run),
        replay_of: Some(other),
        ..new_task(id, "products", "tee")
    };
    let sequence = store.commit(vec![Change::InsertTask(new)]).await.unwrap()[0];
    store.commit(vec![lease(id)]).await.unwrap();
    let need = Need::Key {
        route: "categories".to_owned(),
        key: "shoes".to_owned(),
    };
    let error = Error::new(Kind::Timeout, "no answer").with("entity", "tee");
    store
        .commit(vec![Change::Move(Move {
            due: Some(at(9)),
            needs: vec![need.clone()],
            error: Some(error.clone()),
            reason: Some("tried again soon".to_owned()),
            ..match moved(id, State::Running, State::Retrying) {
                Change::Move(change) => change,
                _ => unreachable!(),
            }
        })])
        .await
        .unwrap();
    let loaded = store.load(&[other, id]).await.unwrap().remove(0);
    assert_eq!(
        (
            loaded.task.state,
            loaded.task.due,
            loaded.task.needs,
            loaded.task.attempts
        ),
        (State::Retrying, Some(at(9)), vec![need], 1)
    );
    assert_eq!(
        (
            loaded.input,
            loaded.release,
            loaded.first_attempt_at,
            loaded.replay_of
        ),
        (b"tee".to_vec(), Some(7), Some(at(1)), Some(other))
    );
    let row = store.task(&id).await.unwrap().unwrap().row;
    assert_eq!(
        (row.error, row.reason.as_deref()),
        (Some(error), Some("tried again soon"))
    );

    let later = Change::Lease {
        task: id,
        at: at(20),
        release: 8,
    };
    let input = Change::PutInput {
        task: id,
        input: b"corrected".to_vec(),
    };
    let effect = |result| Change::Journal {
        task: id,
        effect: "write".to_owned(),
        result: Some(result),
    };
    let warnings = vec![Warning {
        name: "image".to_owned(),
        message: "too small".to_owned(),
    }];
    let end = Change::End(End {
        task: id,
        from: State::Running,
        to: State::Done,
        at: at(21),
        reason: Some("delivered".to_owned()),
        warnings: warnings.clone(),
    });
    let attempt = Change::PutAttempt {
        task: id,
        attempt: 2,
        at: at(20),
        bytes: vec![1, 2, 3],
    };
    store
        .commit(vec![later, input, effect(number), attempt, end])
        .await
        .unwrap();
    assert!(store.live(&scope(), 0, 10).await.unwrap().is_empty());
    assert!(store.load(&[id]).await.unwrap().is_empty());

    for place in ["staging", "a day file"] {
        let task = store.task(&id).await.unwrap().unwrap();
        assert_eq!(task.row.sequence, sequence, "{place}");
        assert_eq!((task.row.state, task.row.attempts), (State::Done, 2), "{place}");
        assert_eq!((task.row.created_at, task.row.since), (at(0), at(21)), "{place}");
        assert_eq!(
            (task.row.run, task.row.replay_of),
            (Some(run), Some(other)),
            "{place}"
        );
        assert_eq!(
            (&task.row.warnings, &task.row.error),
            (&warnings, &None),
            "{place}"
        );
        assert_eq!(task.row.reason.as_deref(), Some("delivered"), "{place}");
        assert_eq!(
            (task.release, task.input),
            (Some(7), b"corrected".to_vec()),
            "{place}"
        );
        assert_eq!(
            task.effects["write"].as_ref().unwrap().to_string(),
            "12345678901234567890.10",
            "{place}"
        );
        assert_eq!(task.attempts, [(2, at(20), vec![1, 2, 3])], "{place}");
        store.tidy(days(1), &super::given::RETENTION).await.unwrap();
    }
}

pub(super) async fn a_change_that_comes_too_late_is_a_conflict(store: Arc<dyn Store>) {
    let intend = |task| Change::Intend {
        task,
        effect: "write".to_owned(),
        at: at(1),
    };
    let journal = |task| Change::Journal {
        task,
        effect: "write".to_owned(),
        result: Some(json!(1)),
    };
    let input = |task| Change::PutInput { task, input: vec![1] };
    let attempt = |task| Change::PutAttempt {
        task,
        attempt: 1,
        at: at(1),
        bytes: vec![1],
    };
    // Each way into a state, and what is then refused.
    type Make = Box<dyn Fn(weir_model::TaskId) -> Change>;
    let to = |from, to| -> Make { Box::new(move |task| moved(task, from, to)) };
    let end = |from, to| -> Make { Box::new(move |task| ended(task, from, to, at(3))) };
    let cases: Vec<(&str, Vec<Make>, Vec<Make>)> = vec![
        (
            "queued",
            vec![],
            vec![
                Box::new(intend),
                to(State::Running, State::Retrying),
                end(State::Running, State::Done),
            ],
        ),
        (
            "running",
            vec![Box::new(lease)],
            vec![
                Box::new(lease),
                to(State::Queued, State::Waiting),
                end(State::Queued, State::Skipped),
            ],
        ),
        (
            "dead",
            vec![Box::new(lease), to(State::Running, State::Dead)],
            vec![
                Box::new(lease),
                Box::new(intend),
                end(State::Running, State::Done),
            ],
        ),
        (
            "finished",
            vec![Box::new(lease), end(State::Running, State::Done)],
            vec![
                Box::new(lease),
                Box::new(intend),
                Box::new(journal),
                Box::new(input),
                to(State::Done, State::Queued),
            ],
        ),
    ];
    for (name, way, refused) in cases {
        let id = task_id();
        let mut changes = vec![insert(id, "products", name)];
        changes.extend(way.iter().map(|make| make(id)));
        store.commit(changes).await.unwrap();
        for (number, make) in refused.iter().enumerate() {
            let error = store.commit(vec![make(id)]).await.unwrap_err();
            assert_eq!(error.kind, Kind::Conflict, "{name} {number}: {error}");
        }
    }
    for change in [lease(task_id()), journal(task_id()), attempt(task_id())] {
        assert_eq!(store.commit(vec![change]).await.unwrap_err().kind, Kind::Conflict);
    }
    let id = task_id();
    store.commit(vec![insert(id, "products", "x")]).await.unwrap();
    for change in [
        moved(id, State::Queued, State::Done),
        ended(id, State::Queued, State::Waiting, at(1)),
    ] {
        assert_eq!(
            store.commit(vec![change]).await.unwrap_err().kind,
            Kind::Bug,
            "Move is for live states, End for finished ones"
        );
    }
}

pub(super) async fn a_forgiven_attempt_unbinds_what_never_tried(store: Arc<dyn Store>) {
    let forgiven = |task| match moved(task, State::Running, State::Queued) {
        Change::Move(change) => Change::Move(Move {
            forgive_attempt: true,
            ..change
        }),
        _ => unreachable!(),
    };
    let id = task_id();
    store
        .commit(vec![insert(id, "products", "a"), lease(id), forgiven(id)])
        .await
        .unwrap();
    let loaded = store.load(&[id]).await.unwrap().remove(0);
    assert_eq!(
        (loaded.task.attempts, loaded.release, loaded.first_attempt_at),
        (0, None, None)
    );
    // One that has tried before keeps its release.
    store
        .commit(vec![
            lease(id),
            moved(id, State::Running, State::Queued),
            lease(id),
            forgiven(id),
        ])
        .await
        .unwrap();
    let loaded = store.load(&[id]).await.unwrap().remove(0);
    assert_eq!(
        (loaded.task.attempts, loaded.release, loaded.first_attempt_at),
        (1, Some(7), Some(at(1)))
    );
}

pub(super) async fn effects_are_intended_answered_and_taken_back(store: Arc<dyn Store>) {
    let id = task_id();
    let intend = |effect: &str| Change::Intend {
        task: id,
        effect: effect.to_owned(),
        at: at(1),
    };
    let journal = |effect: &str, result| Change::Journal {
        task: id,
        effect: effect.to_owned(),
        result,
    };
    store
        .commit(vec![insert(id, "products", "a"), lease(id)])
        .await
        .unwrap();
    assert!(!store.live(&scope(), 0, 1).await.unwrap()[0].has_effect);
    store
        .commit(vec![intend("create"), intend("prices"), intend("stock")])
        .await
        .unwrap();
    store
        .commit(vec![
            journal("create", Some(serde_json::Value::Null)),
            journal("prices", None),
        ])
        .await
        .unwrap();
    let loaded = store.load(&[id]).await.unwrap().remove(0);
    assert!(loaded.task.has_effect);
    let expected = [
        ("create".to_owned(), Some(serde_json::Value::Null)),
        ("stock".to_owned(), None),
    ];
    assert_eq!(loaded.effects.into_iter().collect::<Vec<_>>(), expected);
    store
        .commit(vec![ended(id, State::Running, State::Done, at(2))])
        .await
        .unwrap();
    let kept = store.task(&id).await.unwrap().unwrap().effects;
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), expected);
}

pub(super) async fn live_tasks_come_in_chunks_by_sequence(store: Arc<dyn Store>) {
    for key in ["a", "b", "c", "d", "e"] {
        store
            .commit(vec![insert(task_id(), "products", key)])
            .await
            .unwrap();
    }
    let (mut after, mut chunks) = (0, Vec::new());
    loop {
        let chunk = store.live(&scope(), after, 2).await.unwrap();
        let Some(last) = chunk.last() else { break };
        after = last.sequence;
        chunks.push(chunk.iter().map(|task| task.key.as_str()).collect::<String>());
    }
    assert_eq!(chunks, ["ab", "cd", "e"]);
}

pub(super) async fn an_attempt_may_be_recorded_behind_the_end(store: Arc<dyn Store>) {
    let id = task_id();
    store
        .commit(vec![
            insert(id, "products", "a"),
            lease(id),
            ended(id, State::Running, State::Done, at(2)),
            Change::PutAttempt {
                task: id,
                attempt: 1,
                at: at(2),
                bytes: vec![9],
            },
        ])
        .await
        .unwrap();
    store.tidy(at(3), &super::given::RETENTION).await.unwrap();
    assert_eq!(
        store.task(&id).await.unwrap().unwrap().attempts,
        [(1, at(2), vec![9])]
    );
}

pub(super) async fn counts_follow_the_tasks(store: Arc<dyn Store>) {
    let run = run_id();
    let ids = [task_id(), task_id(), task_id(), task_id()];
    let changes = ids.map(|id| {
        Change::InsertTask(NewTask {
            run: Some(run),
            ..new_task(id, "products", "a")
        })
    });
    store.commit(changes.to_vec()).await.unwrap();
    store.commit(vec![insert(task_id(), "stock", "a")]).await.unwrap();
    store
        .commit(vec![
            lease(ids[0]),
            ended(ids[0], State::Running, State::Done, at(1)),
            lease(ids[1]),
            moved(ids[1], State::Running, State::Dead),
            ended(ids[2], State::Queued, State::Skipped, at(1)),
        ])
        .await
        .unwrap();
    let refused = store
        .commit(vec![lease(ids[3]), lease(ids[3])])
        .await
        .unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict);
    let words = |counts: &std::collections::BTreeMap<State, u64>| {
        let words: Vec<String> = counts
            .iter()
            .map(|(state, count)| format!("{} {count}", state.name()))
            .collect();
        words.join(", ")
    };
    let expected = "queued 1, done 1, skipped 1, dead 1";
    assert_eq!(words(&store.run_counts(&run).await.unwrap()), expected);
    let counts = store.counts(&scope()).await.unwrap();
    assert_eq!(words(&counts["products"]), expected);
    assert_eq!(words(&counts["stock"]), "queued 1");
    store.tidy(at(3), &super::given::RETENTION).await.unwrap();
    let counts = store.counts(&scope()).await.unwrap();
    assert_eq!(words(&counts["products"]), expected, "since the beginning");
}
