//! What a seed makes of a project: routes, how they depend on each other, and how their systems behave.

use weir_model::dependency::Settled;
use weir_model::retry::{Policy, Repeat};

use super::chance::Chance;

/// How a source tells what has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    Field,
    Snapshot,
    Always,
}

#[derive(Clone, Debug)]
pub(super) struct RoutePlan {
    pub(super) name: String,
    /// Of the target.
    pub(super) entity: String,
    /// Written to behind the first.
    pub(super) second: Option<String>,
    pub(super) lines: bool,
    pub(super) since: Since,
    pub(super) latest_only: bool,
    pub(super) unchanged: bool,
    pub(super) dedupe: bool,
    pub(super) filter: bool,
    /// Index of the route whose key `parent` must be delivered before.
    pub(super) waits_for: Option<usize>,
    pub(super) settled: Settled,
    pub(super) timeout_ms: u64,
    /// The target refuses a row whose `parent` it does not have; index of the parent's route.
    pub(super) refers: Option<usize>,
    pub(super) repeat: Repeat,
    pub(super) policy: Policy,
    pub(super) queue: u64,
    pub(super) tasks_per_run: u64,
    pub(super) every_ms: Option<u64>,
    pub(super) keys: usize,
    pub(super) page: usize,
    /// Rows of one request to the target.
    pub(super) request_rows: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) routes: Vec<RoutePlan>,
    /// Triggers run by themselves.
    pub(super) is_triggered: bool,
    pub(super) store_ms: u64,
    pub(super) system_ms: u64,
    pub(super) trouble: u64,
    pub(super) turns: u64,
    /// Of a hundred turns so many arm a crash.
    pub(super) crashes: u64,
    /// Of a hundred turns so many are a person's.
    pub(super) people: u64,
}

impl Plan {
    pub(super) fn new(chance: &mut Chance) -> Plan {
        let count = chance.between(1, 4) as usize;
        let is_triggered = chance.percent(20);
        let routes = (0..count)
            .map(|index| route(chance, index, count, is_triggered))
            .collect();
        Plan {
            routes,
            is_triggered,
            store_ms: *chance.pick(&[2, 10, 10, 200, 2_000]).unwrap_or(&2),
            system_ms: *chance.pick(&[5, 50, 500, 5_000, 40_000]).unwrap_or(&5),
            trouble: *chance.pick(&[0, 5, 15, 40]).unwrap_or(&0),
            turns: chance.between(6, 24),
            crashes: *chance.pick(&[0, 10, 30]).unwrap_or(&0),
            people: *chance.pick(&[0, 15, 40]).unwrap_or(&0),
        }
    }

    /// The entity belongs to this route, and this is what may be done to it twice.
    pub(super) fn of_entity(&self, entity: &str) -> Option<&RoutePlan> {
        self.routes.iter().find(|route| {
            route.entity == entity
                || route.second.as_deref() == Some(entity)
                || route.line_entity().as_deref() == Some(entity)
        })
    }
}

impl RoutePlan {
    /// Written to by each line.
    pub(super) fn line_entity(&self) -> Option<String> {
        self.lines.then(|| format!("{}-line", self.entity))
    }
}

fn route(chance: &mut Chance, index: usize, count: usize, is_triggered: bool) -> RoutePlan {
    let other = |chance: &mut Chance| chance.between(0, count as u64 - 1) as usize;
    let waits_for = chance.percent(50).then(|| other(chance));
    let refers = match waits_for {
        Some(parent) => chance.percent(20).then_some(parent),
        None => chance.percent(30).then(|| other(chance)),
    };
    let repeat = match chance.between(0, 5) {
        0 => Repeat::Unsafe,
        1 => Repeat::Safe,
        _ => Repeat::Lookup,
    };
    RoutePlan {
        name: format!("r{index}"),
        entity: format!("e{index}"),
        second: chance.percent(25).then(|| format!("e{index}-second")),
        lines: chance.percent(15),
        since: match chance.between(0, 5) {
            0 => Since::Snapshot,
            1 => Since::Always,
            _ => Since::Field,
        },
        latest_only: chance.percent(70),
        unchanged: chance.percent(70),
        dedupe: chance.percent(15),
        filter: chance.percent(20),
        waits_for,
        settled: match chance.percent(30) {
            true => Settled::Processed,
            false => Settled::Delivered,
        },
        timeout_ms: *chance
            .pick(&[120_000, 3_600_000, 604_800_000])
            .unwrap_or(&120_000),
        refers,
        repeat,
        policy: Policy {
            attempts_max: chance.between(2, 8) as u32,
            first_ms: chance.between(50, 2_000),
            factor: 2.0,
            wait_max_ms: 60_000,
            give_up_after_ms: *chance.pick(&[600_000, 86_400_000]).unwrap_or(&600_000),
        },
        queue: *chance.pick(&[2, 5, 2_000]).unwrap_or(&5),
        tasks_per_run: *chance.pick(&[3, 1_000, 1_000]).unwrap_or(&1_000),
        every_ms: (is_triggered && chance.percent(60)).then(|| chance.between(5_000, 120_000)),
        keys: chance.between(1, 7) as usize,
        page: chance.between(1, 5) as usize,
        request_rows: chance.between(1, 6) as usize,
    }
}
