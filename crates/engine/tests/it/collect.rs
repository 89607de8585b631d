use serde_json::{Value, json};
use weir_engine::{Action, relations};
use weir_model::task::State;
use weir_model::{Error, Kind};

use crate::world::{Setup, World, scope, until};

fn collect(ends: Value) -> Setup {
    Setup {
        extra: vec![(None, "collect", json!({ "by": "group", "until": ends }))],
        ..Setup::default()
    }
}

fn thing(code: &str, group: &str, v: i32) -> Value {
    json!({ "code": code, "group": group, "v": v })
}

async fn delivered(world: &World, keys: &[&str]) -> Vec<bool> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let found = world.store.delivered(&scope(), "things", &keys).await.unwrap();
    found.iter().map(Option::is_some).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_run_closes_its_groups_and_their_success_is_that_of_the_members() {
    let rows = vec![
        thing("a", "g", 1),
        thing("b", "h", 1),
        thing("c", "g", 1),
        json!({ "code": "d" }),
    ];
    let world = World::new(2, rows);
    world.target.fail("g", [Error::new(Kind::Rejected, "no")]);
    let engine = world.engine(&collect(json!({ "end_of_run": true }))).await;
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["h"]);
    let table = world.target.table.lock().unwrap().clone();
    assert_eq!(table["h"], json!({ "key": "h", "members": [thing("b", "h", 1)] }));
    assert_eq!(world.keys(State::Done).await, ["a", "b", "c", "h"]);
    assert_eq!(
        world.keys(State::Dead).await,
        ["d", "g"],
        "`d` has no group and is not waited for"
    );
    assert_eq!(
        delivered(&world, &["a", "b", "c", "h"]).await,
        [false, true, false, true]
    );

    let group = world
        .tasks(State::Dead)
        .await
        .into_iter()
        .find(|task| task.key == "g")
        .unwrap();
    let done = world.tasks(State::Done).await;
    let member = done.iter().find(|task| task.key == "a").unwrap();
    assert_eq!(member.reason, Some(format!("merged into {}", group.id)));
    let shown = world.store.task(&member.id).await.unwrap().unwrap();
    assert_eq!(relations(shown.effects).0.merged_into, Some(group.id));
    let shown = world.store.task(&group.id).await.unwrap().unwrap();
    let (of_group, effects) = relations(shown.effects);
    assert_eq!((of_group.members.len(), effects.len()), (2, 0));
    assert_eq!(shown.row.run, member.run);

    engine.act(&group.id, Action::Retry).await.unwrap();
    world.settle(&engine).await;
    assert_eq!(delivered(&world, &["a", "c"]).await, [true, true]);
    assert_eq!(
        world.store.documents("collected/test/dev/things").await.unwrap(),
        []
    );
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["h", "g"], "all is as it was delivered");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_closed_when_it_is_full_and_the_rest_with_the_run() {
    let rows = (0..5).map(|n| thing(&format!("t{n}"), "g", n)).collect();
    let world = World::new(1, rows);
    let engine = world
        .engine(&collect(json!({ "count": 2, "end_of_run": true, "after": "1h" })))
        .await;
    world.run(&engine).await;
    assert_eq!(world.target.log().len(), 3);
    let groups = world
        .tasks(State::Done)
        .await
        .into_iter()
        .filter(|task| task.key == "g");
    let mut sizes = Vec::new();
    for group in groups {
        let shown = world.store.task(&group.id).await.unwrap().unwrap();
        sizes.push(relations(shown.effects).0.members.len());
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2, 2]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buffer_survives_a_restart_and_its_time_closes_it() {
    let world = World::new(10, vec![thing("a", "g", 1), thing("b", "g", 1)]);
    let engine = world.engine(&collect(json!({ "after": "1h" }))).await;
    engine.run("things", "manual").await.unwrap();
    until("both are in the buffer", || {
        engine.status().routes["things"].waiting == 2
    })
    .await;
    assert!(!engine.is_settled());
    engine.sweep().await;
    let since: Vec<_> = world
        .tasks(State::Waiting)
        .await
        .iter()
        .map(|task| task.since)
        .collect();
    engine.stop().await;

    let engine = world.engine(&collect(json!({ "after": "1h" }))).await;
    let again: Vec<_> = world
        .tasks(State::Waiting)
        .await
        .iter()
        .map(|task| task.since)
        .collect();
    assert_eq!(since, again, "the time goes on over a restart");
    engine.stop().await;
    let engine = world.engine(&collect(json!({ "after": "1ms" }))).await;
    world.settle(&engine).await;
    assert_eq!(world.target.log(), ["g"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_holds_back_nobody_and_a_newer_version_takes_its_place() {
    let world = World::new(10, vec![thing("a", "g", 1)]);
    let engine = world.engine(&collect(json!({ "after": "1h", "count": 2 }))).await;
    engine.run("things", "manual").await.unwrap();
    until("it is in the buffer", || {
        engine.status().routes["things"].waiting == 1
    })
    .await;
    world.source.put(thing("a", "g", 2));
    world.source.put(thing("b", "g", 1));
    world.run(&engine).await;
    assert_eq!(world.target.log(), ["g"]);
    let table = world.target.table.lock().unwrap().clone();
    assert_eq!(
        table["g"]["members"],
        json!([thing("a", "g", 2), thing("b", "g", 1)])
    );
    assert_eq!(world.keys(State::Skipped).await, ["a"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_a_person_takes_out_is_not_merged() {
    let world = World::new(10, vec![thing("a", "g", 1), thing("b", "g", 1)]);
    let engine = world.engine(&collect(json!({ "after": "1h", "count": 3 }))).await;
    engine.run("things", "manual").await.unwrap();
    until("both are in the buffer", || {
        engine.status().routes["things"].waiting == 2
    })
    .await;
    let tasks = world.tasks(State::Waiting).await;
    let a = tasks.iter().find(|task| task.key == "a").unwrap().id;
    engine.act(&a, Action::Skip).await.unwrap();
    world.source.put(thing("c", "g", 1));
    world.source.put(thing("d", "g", 1));
    world
        .source
        .rows
        .lock()
        .unwrap()
        .retain(|row| row["code"] != "a" && row["code"] != "b");
    world.run(&engine).await;
    let table = world.target.table.lock().unwrap().clone();
    let codes: Vec<&str> = table["g"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["b", "c", "d"]);
    engine.stop().await;
}
