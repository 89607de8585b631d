//! Routes that run after others, and tasks that wait for runs.

use std::sync::Arc;

use serde_json::json;
use weir_engine::Engine;
use weir_engine::configuration::{Configuration, On, Trigger, WaitsFor};
use weir_model::config::Switch;
use weir_model::dependency::Settled;
use weir_model::task::State;

use crate::systems::Source;
use crate::world::{Setup, World, context, scope, until};

/// The route `things`, and a route `others` with a source of its own.
struct Pair {
    world: World,
    others: Arc<Source>,
}

impl Pair {
    fn new() -> Pair {
        Pair {
            world: World::new(10, vec![json!({ "code": "a" })]),
            others: Arc::new(Source::new(10, vec![json!({ "code": "o" })])),
        }
    }

    fn configuration(&self) -> Configuration {
        let mut configuration = self.world.configuration(&Setup::default());
        let mut route = self
            .world
            .configuration(&Setup::default())
            .routes
            .remove("things")
            .unwrap();
        route.reads[0].connection = "others".to_owned();
        configuration.routes.insert("others".to_owned(), route);
        configuration
            .connections
            .insert("others".to_owned(), self.others.clone());
        configuration
    }

    /// `others` runs after `things`.
    async fn following(&self) -> Engine {
        let mut configuration = self.configuration();
        configuration.routes.get_mut("others").unwrap().trigger = Trigger::After(vec!["things".to_owned()]);
        Engine::start(configuration, self.world.store.clone(), context())
            .await
            .unwrap()
    }

    /// Tasks of `others` wait for a run of `things`.
    async fn waiting(&self, trigger: Trigger) -> Engine {
        let mut configuration = self.configuration();
        configuration.routes.get_mut("things").unwrap().trigger = trigger;
        configuration.routes.get_mut("others").unwrap().waits_for = vec![WaitsFor {
            on: On::Run("things".to_owned()),
            keys: None,
            settled: Settled::Delivered,
            when_delivered: None,
            timeout_ms: 1_000_000,
        }];
        Engine::start_idle(configuration, self.world.store.clone(), context())
            .await
            .unwrap()
    }

    async fn triggers(&self, route: &str) -> Vec<String> {
        let runs = self.world.store.runs(&scope(), Some(route), 100).await.unwrap();
        runs.into_iter().rev().map(|run| run.trigger).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_runs_after_the_tasks_of_another_have_settled() {
    let pair = Pair::new();
    let engine = pair.following().await;
    pair.world.settle(&engine).await;
    assert_eq!(pair.triggers("others").await, Vec::<String>::new());

    engine.switch("things", Switch::Pause).await.unwrap();
    engine.run("things", "manual").await.unwrap();
    until("the source was read", || {
        let status = &engine.status().routes["things"];
        !status.reading && status.queued == 1
    })
    .await;
    // Read and not settled; a restart does not forget it.
    engine.stop().await;
    let engine = pair.following().await;
    assert_eq!(engine.status().routes["things"].queued, 1);
    assert_eq!(pair.triggers("others").await, Vec::<String>::new());
    engine.switch("things", Switch::On).await.unwrap();
    pair.world.settle(&engine).await;
    assert_eq!(pair.triggers("others").await, ["after"]);
    assert_eq!(pair.world.target.log(), ["a", "o"]);

    // Once for each run; not again after a restart.
    engine.stop().await;
    let engine = pair.following().await;
    pair.world.settle(&engine).await;
    assert_eq!(pair.triggers("others").await, ["after"]);
    engine.run("things", "manual").await.unwrap();
    pair.world.settle(&engine).await;
    assert_eq!(pair.triggers("others").await, ["after", "after"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_settled_while_nobody_looked_is_followed_at_the_start() {
    let pair = Pair::new();
    let engine = Engine::start_idle(pair.configuration(), pair.world.store.clone(), context())
        .await
        .unwrap();
    engine.run("things", "manual").await.unwrap();
    pair.world.settle(&engine).await;
    engine.stop().await;
    let engine = pair.following().await;
    pair.world.settle(&engine).await;
    assert_eq!(pair.triggers("others").await, ["after"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_task_settles_a_run_and_one_that_retries_does_not() {
    let pair = Pair::new();
    let engine = pair.following().await;
    let failures = [
        weir_model::Error::new(weir_model::Kind::RateLimited, "slow down").retry_after_ms(3_600_000),
        weir_model::Error::new(weir_model::Kind::Rejected, "no"),
    ];
    pair.world.target.fail("a", failures);
    engine.run("things", "manual").await.unwrap();
    until("the task retries", || {
        engine.status().routes["things"].retrying == 1
    })
    .await;
    assert_eq!(pair.triggers("others").await, Vec::<String>::new());
    let task = pair.world.tasks(State::Retrying).await.remove(0).id;
    engine.act(&task, weir_engine::Action::Retry).await.unwrap();
    pair.world.settle(&engine).await;
    assert_eq!(pair.world.keys(State::Dead).await, ["a"]);
    assert_eq!(pair.triggers("others").await, ["after"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_waits_for_a_run_that_began_after_its_own() {
    let pair = Pair::new();
    let engine = pair.waiting(Trigger::Asked).await;
    // An earlier run is none.
    engine.run("things", "manual").await.unwrap();
    pair.world.settle(&engine).await;
    engine.run("others", "manual").await.unwrap();
    pair.world.settle(&engine).await;
    assert_eq!(pair.world.keys(State::Waiting).await, ["o"]);
    let task = pair.world.tasks(State::Waiting).await.remove(0);
    let reason = task.reason.unwrap();
    assert!(
        reason.starts_with("waits for a run of things begun after 20"),
        "{reason}"
    );
    let reasons = engine.waiting_reasons(&task.id).await;
    assert!(
        reasons.len() == 1 && reasons[0].ends_with("none has begun yet; `weir run things` begins one"),
        "{reasons:?}"
    );

    // Over a restart.
    engine.stop().await;
    let engine = pair.waiting(Trigger::After(vec!["others".to_owned()])).await;
    pair.world.settle(&engine).await;
    assert_eq!(pair.world.keys(State::Waiting).await, ["o"]);
    let reasons = engine.waiting_reasons(&task.id).await;
    assert!(
        reasons[0].starts_with("a run of things begun after"),
        "{reasons:?}"
    );

    // The run's tasks must have settled, too: woken by the end of the last of them.
    engine.switch("things", Switch::Pause).await.unwrap();
    pair.world.source.put(json!({ "code": "b" }));
    engine.run("things", "manual").await.unwrap();
    until("the source was read", || {
        let status = &engine.status().routes["things"];
        !status.reading && status.queued > 0
    })
    .await;
    assert_eq!(pair.world.keys(State::Waiting).await, ["o"]);
    let reasons = engine.waiting_reasons(&task.id).await;
    assert!(reasons[0].ends_with("are on their way"), "{reasons:?}");
    engine.switch("things", Switch::On).await.unwrap();
    pair.world.settle(&engine).await;
    assert_eq!(pair.world.target.log(), ["a", "b", "o"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_of_an_awaited_run_leads_to_the_route_before_it() {
    let pair = Pair::new();
    let mut configuration = pair.configuration();
    let mut third = pair.configuration().routes.remove("things").unwrap();
    third.trigger = Trigger::Asked;
    configuration.routes.insert("first".to_owned(), third);
    configuration.routes.get_mut("things").unwrap().trigger = Trigger::After(vec!["first".to_owned()]);
    configuration.routes.get_mut("others").unwrap().waits_for = vec![WaitsFor {
        on: On::Run("things".to_owned()),
        keys: None,
        settled: Settled::Delivered,
        when_delivered: None,
        timeout_ms: 1_000_000,
    }];
    let engine = Engine::start(configuration, pair.world.store.clone(), context())
        .await
        .unwrap();
    engine.run("others", "manual").await.unwrap();
    pair.world.settle(&engine).await;
    let task = pair.world.tasks(State::Waiting).await.remove(0);
    let reasons = engine.waiting_reasons(&task.id).await;
    assert!(
        reasons[0].contains(" → a run of first begun after ")
            && reasons[0].ends_with("none has begun yet; `weir run first` begins one"),
        "{reasons:?}"
    );
    // And what it says helps: one run sets all of it going.
    engine.run("first", "manual").await.unwrap();
    pair.world.settle(&engine).await;
    assert_eq!(pair.triggers("things").await, ["after"]);
    assert_eq!(pair.world.keys(State::Waiting).await, Vec::<String>::new());
    engine.stop().await;
}
