//! Runs by the clock.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::json;
use weir_engine::Engine;
use weir_engine::configuration::Trigger;
use weir_model::RunId;
use weir_model::config::{Span, Switch};
use weir_model::cron::Cron;
use weir_model::schedule::{CatchUp, Schedule};
use weir_sdk::store::{Change, Run, RunOutcome};

use crate::clock::HandClock;
use crate::world::{Setup, World, scope, until};

fn daily() -> Schedule {
    Schedule::Cron(Box::new(Cron::parse("0 6 * * *", TimeZone::UTC).unwrap()))
}

fn every(minutes: u64) -> Schedule {
    Schedule::Every(Span { ms: minutes * 60_000 })
}

/// An engine whose one route runs by a schedule; waits until it waits.
async fn start(world: &World, clock: &Arc<HandClock>, schedule: &Schedule, catch_up: CatchUp) -> Engine {
    let mut configuration = world.configuration(&Setup::default());
    configuration.routes.get_mut("things").unwrap().trigger = Trigger::Time {
        schedule: schedule.clone(),
        catch_up,
    };
    let engine = Engine::start(configuration, world.store.clone(), clock.context())
        .await
        .unwrap();
    clock.waits(1).await;
    engine
}

fn world() -> World {
    World::new(10, vec![json!({ "code": "a" })])
}

/// One page is one run.
fn runs(world: &World) -> usize {
    world.source.reads.lock().unwrap().len()
}

async fn triggers(world: &World) -> Vec<String> {
    let runs = world.store.runs(&scope(), Some("things"), 100).await.unwrap();
    runs.into_iter().rev().map(|run| run.trigger).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cron_runs_at_its_turns_and_not_at_the_start() {
    let (world, clock) = (world(), HandClock::at("2026-01-01T05:00:00Z"));
    let engine = start(&world, &clock, &daily(), CatchUp::Latest).await;
    assert_eq!(runs(&world), 0);
    for (minutes, expected) in [(59, 0), (1, 1), (23 * 60, 1), (60, 2)] {
        clock.advance(minutes);
        until("the run has read", || runs(&world) == expected).await;
        clock.waits(1).await;
    }
    assert_eq!(triggers(&world).await, ["schedule", "schedule"]);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_downtime_missed_turns_are_made_up_for_as_said() {
    for (catch_up, expected) in [(CatchUp::Latest, 1), (CatchUp::All, 3), (CatchUp::None, 0)] {
        for schedule in [daily(), every(24 * 60)] {
            let (world, clock) = (world(), HandClock::at("2026-01-01T06:00:00Z"));
            let engine = start(&world, &clock, &schedule, catch_up).await;
            let before = runs(&world);
            engine.stop().await;

            clock.advance(3 * 24 * 60 + 30);
            let engine = start(&world, &clock, &schedule, catch_up).await;
            assert_eq!(runs(&world) - before, expected, "{schedule} {catch_up:?}");
            engine.stop().await;
            // Made up for once: a further start has nothing left, and the turns stay where they were.
            let engine = start(&world, &clock, &schedule, catch_up).await;
            assert_eq!(runs(&world) - before, expected, "{schedule} {catch_up:?} again");
            clock.advance(24 * 60 - 30);
            until("the next turn", || runs(&world) - before == expected + 1).await;
            engine.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_begins_at_once_and_a_restart_does_not_shorten_it() {
    let (world, clock) = (world(), HandClock::at("2026-01-01T06:00:00Z"));
    let engine = start(&world, &clock, &every(60), CatchUp::Latest).await;
    assert_eq!(runs(&world), 1);
    engine.stop().await;
    clock.advance(20);
    let engine = start(&world, &clock, &every(60), CatchUp::Latest).await;
    assert_eq!(runs(&world), 1);
    clock.advance(39);
    clock.waits(1).await;
    assert_eq!(runs(&world), 1);
    clock.advance(1);
    until("its turn", || runs(&world) == 2).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_an_hour_makes_nothing_run_twice_and_nothing_hang() {
    let (world, clock) = (world(), HandClock::at("2026-01-01T05:59:00Z"));
    let engine = start(&world, &clock, &daily(), CatchUp::Latest).await;
    clock.advance(1);
    until("the first turn", || runs(&world) == 1).await;
    clock.waits(1).await;
    clock.set(-60);
    for _ in 0..46 {
        clock.advance(30); // 06:00 comes again at the second of these
        clock.waits(1).await;
        assert_eq!(runs(&world), 1);
    }
    clock.advance(2 * 60);
    until("the next day's turn", || runs(&world) == 2).await;
    clock.waits(1).await;
    // Also while the process was away.
    engine.stop().await;
    clock.set(-60);
    let engine = start(&world, &clock, &daily(), CatchUp::All).await;
    assert_eq!(runs(&world), 2);
    engine.stop().await;

    let (world, clock) = (self::world(), HandClock::at("2026-01-01T05:59:00Z"));
    let engine = start(&world, &clock, &every(10), CatchUp::Latest).await;
    clock.set(-60);
    clock.advance(9);
    clock.waits(1).await;
    assert_eq!(runs(&world), 1);
    clock.advance(1);
    until("an interval of real time has passed", || runs(&world) == 2).await;
    engine.stop().await;
    clock.set(-60);
    let engine = start(&world, &clock, &every(10), CatchUp::Latest).await;
    clock.advance(10);
    until("it goes on", || runs(&world) == 3).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_while_a_run_is_under_way_is_left_out() {
    for schedule in [daily(), every(24 * 60)] {
        let world = World::new(1, (0..300).map(|n| json!({ "code": format!("t{n}") })).collect());
        let clock = HandClock::at("2026-01-01T05:00:00Z");
        let mut configuration = world.configuration(&Setup {
            queue: Some(1),
            ..Setup::default()
        });
        configuration.routes.get_mut("things").unwrap().trigger = Trigger::Time {
            schedule: schedule.clone(),
            catch_up: CatchUp::All,
        };
        world.target.held.store(true, std::sync::atomic::Ordering::SeqCst);
        let engine = Engine::start(configuration, world.store.clone(), clock.context())
            .await
            .unwrap();
        if schedule == daily() {
            clock.waits(1).await;
            clock.advance(60);
        }
        world.target.arrived.notified().await;
        clock.advance(3 * 24 * 60);
        world.target.let_go();
        until("the run ends", || !engine.status().routes["things"].reading).await;
        clock.waits(1).await;
        assert_eq!(triggers(&world).await, ["schedule"], "{schedule}");
        clock.advance(24 * 60);
        until("the next turn has its run", || {
            engine.status().routes["things"].reading
        })
        .await;
        engine.stop().await;
        assert_eq!(triggers(&world).await, ["schedule", "schedule"], "{schedule}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_the_end_of_its_process_cut_off_goes_on_at_the_next_start() {
    let (world, clock) = (world(), HandClock::at("2026-01-01T05:00:00Z"));
    let engine = start(&world, &clock, &daily(), CatchUp::Latest).await;
    engine.stop().await;
    let killed = Run {
        id: RunId(uuid::Uuid::now_v7()),
        scope: scope(),
        route: "things".to_owned(),
        release: 1,
        trigger: "manual".to_owned(),
        started_at: "2026-01-01T05:01:00Z".parse().unwrap(),
        ended_at: None,
        outcome: None,
        rows: 0,
        tasks: 0,
    };
    world.store.commit(vec![Change::StartRun(killed)]).await.unwrap();
    clock.advance(5);
    let engine = start(&world, &clock, &daily(), CatchUp::Latest).await;
    assert_eq!(triggers(&world).await, ["manual", "start"]);
    let first = world.store.runs(&scope(), None, 2).await.unwrap().remove(1);
    assert!(matches!(first.outcome, Some(RunOutcome::Stopped(_))), "{first:?}");
    // Its turn comes all the same, and only then.
    clock.advance(55);
    until("the turn at six", || runs(&world) == 2).await;
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_is_off_takes_no_turns_and_makes_up_for_none() {
    let (world, clock) = (world(), HandClock::at("2026-01-01T05:00:00Z"));
    let engine = start(&world, &clock, &daily(), CatchUp::Latest).await;
    engine.switch("things", Switch::Off).await.unwrap();
    clock.advance(2 * 60);
    clock.waits(1).await;
    engine.switch("things", Switch::On).await.unwrap();
    engine.stop().await;
    let engine = start(&world, &clock, &daily(), CatchUp::All).await;
    assert_eq!(runs(&world), 0);
    engine.stop().await;
}
