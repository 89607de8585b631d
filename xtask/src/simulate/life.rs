//! One process: an engine is started, things happen to it turn by turn, and it ends by a crash, by a stop, or after the
//! finale, in which every fault is over and what was promised must have come true.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinHandle;
use weir_engine::{Action, Correction, Deed, Engine, Set};
use weir_model::config::Switch;
use weir_model::{Kind, TaskId};
use weir_sdk::store::{RunOutcome, Store};

use super::disk::Disk;
use super::project;
use super::quiet;
use super::stage::Stage;
use super::world::Weather;

/// Everything must have come to rest so long after the last fault.
const SETTLE_MS: u64 = 14 * 86_400_000;
/// Runs of one route that the finale may need.
const RUNS_MAX: usize = 200;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Crashed,
    Stopped,
    /// The finale is over.
    Finished,
}

/// Runs a process to its end.
pub(super) fn live(stage: &Arc<Stage>, turns_left: &mut u64) -> anyhow::Result<End> {
    stage.world.revive();
    let idle = stage.world.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .on_thread_park(move || idle.advance())
        .build()?;
    let end = runtime.block_on(async {
        tokio::select! {
            biased;
            () = stage.world.death() => Ok(End::Crashed),
            end = play(stage, turns_left) => end,
        }
    });
    drop(runtime);
    end
}

async fn play(stage: &Arc<Stage>, turns_left: &mut u64) -> anyhow::Result<End> {
    let world = &stage.world;
    weather(stage);
    maybe_arm(stage, 8);
    let engine = start(stage).await?;
    world.tell(|| "process   up".to_owned());
    let mut deeds = Vec::new();
    while *turns_left > 0 {
        *turns_left -= 1;
        if turn(stage, &engine, &mut deeds).await {
            world.tell(|| "process   stops".to_owned());
            engine.stop().await;
            return Ok(End::Stopped);
        }
    }
    calm_down(stage);
    for deed in deeds {
        deed.await?;
    }
    finale(stage, &engine).await;
    Ok(End::Finished)
}

async fn start(stage: &Arc<Stage>) -> anyhow::Result<Arc<Engine>> {
    loop {
        let store: Arc<dyn Store> = Arc::new(Disk::new(stage));
        let (configuration, context) = (project::configuration(stage)?, stage.world.context());
        let started = match stage.plan.is_triggered {
            true => Engine::start(configuration, store, context).await,
            false => Engine::start_idle(configuration, store, context).await,
        };
        match started {
            Ok(engine) => return Ok(Arc::new(engine)),
            Err(error) if error.kind == Kind::Unavailable => stage.world.sleep(1_000).await,
            Err(error) => anyhow::bail!("the engine does not start: {error}"),
        }
    }
}

/// The usual weather of this seed.
fn weather(stage: &Stage) {
    stage.world.change_weather(|weather| {
        weather.store_ms = stage.plan.store_ms;
        weather.system_ms = stage.plan.system_ms;
        weather.trouble = stage.plan.trouble;
    });
}

fn maybe_arm(stage: &Stage, share: u64) {
    let mut chance = stage.world.chance();
    if chance.percent(stage.plan.crashes / share) {
        let calls = chance.between(1, 40);
        drop(chance);
        stage.world.arm(Some(calls));
    }
}

/// One thing happens. True when the process is to be stopped in good order.
async fn turn(stage: &Arc<Stage>, engine: &Arc<Engine>, deeds: &mut Vec<JoinHandle<()>>) -> bool {
    let world = &stage.world;
    let (is_crash, is_person, what, ms) = {
        let mut chance = world.chance();
        let is_crash = chance.percent(stage.plan.crashes);
        let is_person = chance.percent(stage.plan.people);
        (
            is_crash,
            is_person,
            chance.between(0, 99),
            chance.between(0, 60_000),
        )
    };
    if is_crash {
        let calls = world.chance().between(1, 150);
        world.arm(Some(calls));
    }
    if is_person {
        person(stage, engine, deeds);
    }
    match what {
        0..=34 => change(stage),
        35..=64 => {
            change(stage);
            run(stage, engine, deeds);
        }
        65..=69 => {
            world.tell(|| format!("weather   the store cannot write for {ms} ms"));
            let until_ms = world.now_ms() + ms;
            world.change_weather(|weather| weather.store_down_until_ms = until_ms);
        }
        70..=74 => {
            world.tell(|| format!("weather   the target is away for {ms} ms"));
            let until_ms = world.now_ms() + ms;
            world.change_weather(|weather| weather.target_away_until_ms = until_ms);
        }
        75..=77 => {
            world.tell(|| format!("weather   the sources are away for {ms} ms"));
            let until_ms = world.now_ms() + ms;
            world.change_weather(|weather| weather.sources_away_until_ms = until_ms);
        }
        78..=81 => {
            let by_ms = *world
                .chance()
                .pick(&[-3_600_000, 86_400_000, -5_000, 1_000])
                .unwrap_or(&0);
            world.tell(|| format!("clock     jumps by {by_ms} ms"));
            world.jump_wall(by_ms);
        }
        82..=84 => return true,
        85..=87 => switch(stage, engine, deeds),
        _ => run(stage, engine, deeds),
    }
    let wait_ms = {
        let mut chance = world.chance();
        match chance.between(0, 3) {
            0 => 0,
            1 => chance.between(0, 100),
            2 => chance.between(0, 5_000),
            _ => chance.between(0, 60_000),
        }
    };
    world.sleep(wait_ms).await;
    false
}

fn change(stage: &Stage) {
    let count = stage.world.chance().between(1, 6);
    for _ in 0..count {
        let index = {
            let mut chance = stage.world.chance();
            chance.between(0, stage.plan.routes.len() as u64 - 1) as usize
        };
        let place = {
            let mut chance = stage.world.chance();
            chance.between(0, stage.plan.routes[index].keys as u64 - 1) as usize
        };
        let mut table = stage.source(index);
        let place = place.min(table.rows.len());
        table.change(stage, index, place);
    }
}

fn some_route(stage: &Stage) -> String {
    let names: Vec<String> = stage.plan.routes.iter().map(|route| route.name.clone()).collect();
    stage.world.chance().pick(&names).cloned().unwrap_or_default()
}

fn run(stage: &Arc<Stage>, engine: &Arc<Engine>, deeds: &mut Vec<JoinHandle<()>>) {
    let (stage, engine, route) = (stage.clone(), engine.clone(), some_route(stage));
    let deed = tokio::spawn(async move {
        if let Err(error) = engine.run(&route, "manual").await {
            stage
                .world
                .tell(|| format!("person    no run of {route}: {}", error.kind));
        }
    });
    deeds.push(deed);
}

fn switch(stage: &Arc<Stage>, engine: &Arc<Engine>, deeds: &mut Vec<JoinHandle<()>>) {
    let (stage, engine, route) = (stage.clone(), engine.clone(), some_route(stage));
    let to = *stage
        .world
        .chance()
        .pick(&[Switch::On, Switch::Pause, Switch::On])
        .unwrap_or(&Switch::On);
    let deed = tokio::spawn(async move {
        let answer = engine.switch(&route, to).await;
        stage
            .world
            .tell(|| format!("person    switches {route} {to:?}: {}", answer.is_ok()));
    });
    deeds.push(deed);
}

/// Somebody acts on a task, whatever the engine is doing with it.
fn person(stage: &Arc<Stage>, engine: &Arc<Engine>, deeds: &mut Vec<JoinHandle<()>>) {
    let tasks: Vec<(TaskId, String, bool)> = {
        let tables = stage.store.tables();
        let rows = tables.tasks.values();
        let (live, ended): (Vec<_>, Vec<_>) = rows.partition(|row| row.is_live());
        let of = if live.is_empty() { ended } else { live };
        of.into_iter()
            .map(|row| (row.id, super::judge::name(row), !row.effects.is_empty()))
            .collect()
    };
    let (task, what, size) = {
        let mut chance = stage.world.chance();
        let Some(task) = chance.pick(&tasks).cloned() else {
            return;
        };
        (task, chance.between(0, 6), chance.between(4, 6))
    };
    let (stage, engine) = (stage.clone(), engine.clone());
    let deed = tokio::spawn(async move {
        let (task, name, has_effect) = task;
        let act = async |action| {
            engine
                .act(&task, action)
                .await
                .map(|state| state.name().to_owned())
        };
        let (word, answer) = match what {
            0 | 1 => ("retries", act(Action::Retry).await),
            2 => ("skips", act(Action::Skip).await),
            3 => ("cancels", act(Action::Cancel).await),
            4 => ("releases", act(Action::Release).await),
            5 => (
                "replays",
                engine
                    .replay(&task, Deed::new(Action::Replay))
                    .await
                    .map(|id| id.to_string()),
            ),
            // What a write behind which the task already is would have to say anew is not decided yet: seed 204 of the
            // first version of this simulation.
            _ if has_effect => return,
            _ => {
                let correction = Correction {
                    set: Some(Set {
                        path: "size".to_owned(),
                        value: json!(size),
                    }),
                    ..Correction::default()
                };
                let answer = engine.correct(&task, &correction).await;
                ("corrects", answer.map(|value| value["size"].to_string()))
            }
        };
        stage.world.tell(|| match answer {
            Ok(answer) => format!("person    {word} {name}: {answer}"),
            Err(error) => format!("person    {word} {name}: no, {error}"),
        });
    });
    deeds.push(deed);
}

/// All faults are over.
fn calm_down(stage: &Stage) {
    let world = &stage.world;
    world.arm(None);
    let calm = Weather {
        store_ms: stage.plan.store_ms.min(20),
        system_ms: stage.plan.system_ms.min(200),
        ..Weather::default()
    };
    world.change_weather(|weather| *weather = calm);
    world.tell(|| "finale    all faults are over".to_owned());
}

/// Every source is read to its end, and then again for what changed meanwhile.
async fn finale(stage: &Arc<Stage>, engine: &Arc<Engine>) {
    let world = &stage.world;
    for plan in &stage.plan.routes {
        if let Err(error) = engine.switch(&plan.name, Switch::On).await {
            world.wrong(format!("{} cannot be switched on: {error}", plan.name));
        }
    }
    let deadline_ms = world.now_ms() + SETTLE_MS;
    for pass in 0..2 {
        for plan in &stage.plan.routes {
            read_to_end(stage, engine, &plan.name, deadline_ms).await;
        }
        rest(stage, engine, deadline_ms).await;
        world.tell(|| format!("finale    pass {pass} is over"));
    }
    if let Some(sentence) = quiet::judge(stage, &engine.status()) {
        world.wrong(sentence);
    }
}

async fn read_to_end(stage: &Arc<Stage>, engine: &Engine, route: &str, deadline_ms: u64) {
    let world = &stage.world;
    for _ in 0..RUNS_MAX {
        let id = loop {
            match engine.run(route, "finale").await {
                Ok(id) => break id,
                Err(_) if world.now_ms() < deadline_ms => world.sleep(1_000).await,
                Err(error) => return world.wrong(format!("no run of {route} begins: {error}")),
            }
        };
        loop {
            let outcome = stage
                .store
                .tables()
                .runs
                .get(&id)
                .and_then(|run| run.outcome.clone());
            match outcome {
                None if world.now_ms() < deadline_ms => world.sleep(500).await,
                None => return world.wrong(format!("a run of {route} comes to no end")),
                Some(RunOutcome::Read) => return,
                Some(RunOutcome::Stopped(_)) => break,
                Some(RunOutcome::Failed(error)) => {
                    world.tell(|| format!("finale    a run of {route} failed: {error}"));
                    break;
                }
            }
        }
    }
    world.wrong(format!("{RUNS_MAX} runs do not read {route} to its end"));
}

/// Returns when nothing has moved for a while.
async fn rest(stage: &Arc<Stage>, engine: &Engine, deadline_ms: u64) {
    let world = &stage.world;
    let mut still = 0;
    while still < 3 {
        world.sleep(25_000).await;
        // What a loop of the engine holds while it is stored is at rest in the store only.
        let is_busy = engine
            .status()
            .routes
            .values()
            .any(|route| route.reading || route.running > 0);
        still = match !is_busy && quiet::is_quiet(&stage.store.tables()) {
            true => still + 1,
            false => 0,
        };
        if world.now_ms() > deadline_ms {
            let status = engine.status();
            return world.wrong(format!("the world does not come to rest: {status:?}"));
        }
    }
}
