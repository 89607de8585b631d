//! What must hold when nothing moves any more: all faults are over, every source was read to its end twice.

use std::collections::BTreeMap;

use serde_json::Value;
use weir_engine::{Status, payload};
use weir_model::dependency::{Need, Settled};
use weir_model::json;
use weir_model::task::State;

use super::judge::name;
use super::memory::{Row, Tables};
use super::plan::{RoutePlan, Since};
use super::project::mapped;
use super::stage::{Stage, scope};

/// Nothing will move by itself: what is queued stands behind a waiting task of its key.
pub(super) fn is_quiet(tables: &Tables) -> bool {
    let is_still = |row: &Row| match row.state {
        State::Running | State::Retrying => false,
        State::Queued => tables.tasks.values().any(|older| {
            older.state == State::Waiting
                && older.route == row.route
                && older.key == row.key
                && older.sequence < row.sequence
        }),
        _ => true,
    };
    tables.tasks.values().all(is_still)
}

/// The first broken sentence, if any.
pub(super) fn judge(stage: &Stage, status: &Status) -> Option<String> {
    let tables = stage.store.tables();
    counted(&tables, status)
        .or_else(|| runs_ended(&tables))
        .or_else(|| woken(stage, &tables))
        .or_else(|| superseded_by_newer(&tables))
        .or_else(|| marks_once(stage, &tables))
        .or_else(|| {
            let routes = stage.plan.routes.iter().enumerate();
            routes.fold(None, |wrong, (index, plan)| {
                wrong.or_else(|| keys(stage, &tables, index, plan))
            })
        })
}

/// What the engine counts in memory is what lies in the store.
fn counted(tables: &Tables, status: &Status) -> Option<String> {
    for (route, counts) in &status.routes {
        let of = |state| {
            let rows = tables
                .tasks
                .values()
                .filter(|row| row.is_live() && row.route == *route);
            rows.filter(|row| row.state == state).count() as u64
        };
        for (state, counted) in [
            (State::Queued, counts.queued),
            (State::Running, counts.running),
            (State::Waiting, counts.waiting),
            (State::Retrying, counts.retrying),
            (State::Dead, counts.dead),
        ] {
            if of(state) != counted {
                let (state, stored) = (state.name(), of(state));
                return Some(format!(
                    "the engine counts {counted} {state} tasks of {route}, and {stored} are stored"
                ));
            }
        }
    }
    None
}

fn runs_ended(tables: &Tables) -> Option<String> {
    let run = tables.runs.values().find(|run| run.ended_at.is_none())?;
    Some(format!(
        "a run of {} that began at {} is under way for ever",
        run.route, run.started_at
    ))
}

/// No task waits for what is there.
fn woken(stage: &Stage, tables: &Tables) -> Option<String> {
    for row in tables.tasks.values().filter(|row| row.state == State::Waiting) {
        let plan = stage.plan.routes.iter().find(|plan| plan.name == row.route)?;
        if !row.needs.is_empty() && row.needs.iter().all(|need| is_met(tables, plan, row, need)) {
            let needs: Vec<String> = row.needs.iter().map(Need::words).collect();
            return Some(format!(
                "{} waits for {}, which is there",
                name(row),
                needs.join(", ")
            ));
        }
    }
    None
}

fn is_met(tables: &Tables, plan: &RoutePlan, waiting: &Row, need: &Need) -> bool {
    match need {
        Need::Link { entity, key, .. } => tables
            .links
            .values()
            .any(|link| link.address.entity == *entity && link.key == *key),
        Need::Row { .. } | Need::Run { .. } | Need::Group { .. } | Need::Answer { .. } => false,
        // A mark that another task has under way.
        Need::Key { route, key } if waiting.attempts > 0 => !tables.tasks.values().any(|row| {
            row.is_live()
                && row.state != State::Dead
                && row.route == *route
                && row.key == *key
                && row.sequence != waiting.sequence
        }),
        Need::Key { route, key } => {
            let is_on_its_way = tables.tasks.values().any(|row| {
                row.state.unsettles_run()
                    && row.route == *route
                    && row.key == *key
                    && row.sequence < waiting.sequence
            });
            if is_on_its_way {
                return false;
            }
            let delivered = tables.delivered.get(&((scope(), route.clone()), key.clone()));
            delivered.is_some_and(|delivered| {
                delivered.hash.is_some() || (plan.settled == Settled::Processed && delivered.filtered)
            })
        }
    }
}

fn superseded_by_newer(tables: &Tables) -> Option<String> {
    for row in tables.tasks.values().filter(|row| row.state == State::Skipped) {
        let Some(by) = row
            .reason
            .as_deref()
            .and_then(|reason| reason.strip_prefix("superseded by "))
        else {
            continue;
        };
        let newer = by.parse().ok().and_then(|id| tables.task(&id));
        if !newer.is_some_and(|newer| newer.key == row.key && newer.sequence > row.sequence) {
            return Some(format!(
                "{} was superseded by {by}, which is no newer task",
                name(row)
            ));
        }
    }
    None
}

fn marks_once(stage: &Stage, tables: &Tables) -> Option<String> {
    for plan in stage.plan.routes.iter().filter(|plan| plan.dedupe) {
        let mut done: BTreeMap<String, &Row> = BTreeMap::new();
        let rows = tables.tasks.values();
        for row in rows.filter(|row| row.route == plan.name && row.state == State::Done) {
            let mark = input(row)["mark"].to_string();
            if let Some(other) = done.insert(mark.clone(), row) {
                return Some(format!(
                    "{} and {} were both done with mark {mark}",
                    name(other),
                    name(row)
                ));
            }
        }
    }
    None
}

fn input(row: &Row) -> Value {
    payload::unpack(&row.input).unwrap_or_default()
}

fn keys(stage: &Stage, tables: &Tables, index: usize, plan: &RoutePlan) -> Option<String> {
    let latest = stage.source(index).rows.clone();
    for row in latest {
        let key = row["code"].as_str().unwrap_or_default().to_owned();
        let tasks: Vec<&Row> = tables
            .tasks
            .values()
            .filter(|task| task.route == plan.name && task.key == key)
            .collect();
        let is_told = tasks.iter().any(|task| input(task)["version"] == row["version"]);
        // A correction keeps the version; a person's doing is not the source's.
        // With a clock that ran ahead nobody can say when a reading began.
        let may_miss = plan.since == Since::Field && stage.world.was_ahead();
        if !is_told && !may_miss {
            return Some(format!(
                "version {} of {}/{key} was never told: the cursor went past it",
                row["version"], plan.name
            ));
        }
        let wrong = last(stage, plan, &tasks)
            .or_else(|| dead_are_newer(&tasks))
            .or_else(|| memory(stage, tables, plan, &key, &tasks));
        if wrong.is_some() {
            return wrong;
        }
    }
    None
}

/// What the last task of a key says of its end is so.
fn last(stage: &Stage, plan: &RoutePlan, tasks: &[&Row]) -> Option<String> {
    let last = tasks.last()?;
    let reason = last.reason.as_deref().unwrap_or_default();
    let says_delivered = match last.state {
        State::Done => true,
        State::Skipped => reason.starts_with("unchanged"),
        _ => false,
    };
    if says_delivered {
        let target = stage.target();
        let held = target.rows.get(&(plan.entity.clone(), last.key.clone()));
        let expected = mapped(&input(last));
        if !held.is_some_and(|held| json::same(&held.value, &expected)) {
            let held = held.map_or("nothing".to_owned(), |held| held.value.to_string());
            return Some(format!(
                "{} is {} {reason}, and the target holds {held} instead of {expected}",
                name(last),
                last.state.name()
            ));
        }
    }
    let known = [
        "unchanged",
        "skipped by a person",
        "a duplicate",
        "filtered",
        "filter",
    ];
    if last.state == State::Skipped && !known.iter().any(|start| reason.starts_with(start)) {
        return Some(format!(
            "{} is the last of its key and was skipped: {reason}",
            name(last)
        ));
    }
    None
}

/// A later success closes the older failures of its key.
fn dead_are_newer(tasks: &[&Row]) -> Option<String> {
    let done = tasks.iter().rev().find(|task| task.state == State::Done)?;
    let dead = tasks
        .iter()
        .find(|task| task.is_live() && task.state == State::Dead && task.sequence < done.sequence)?;
    Some(format!(
        "{} is still dead after {} was done",
        name(dead),
        name(done)
    ))
}

/// Delivered memory says what the target holds.
fn memory(stage: &Stage, tables: &Tables, plan: &RoutePlan, key: &str, tasks: &[&Row]) -> Option<String> {
    let delivered = tables
        .delivered
        .get(&((scope(), plan.name.clone()), key.to_owned()));
    let target = stage.target();
    let held = target.rows.get(&(plan.entity.clone(), key.to_owned()));
    let is_done = |sequence: i64| {
        tasks
            .iter()
            .any(|task| task.sequence == sequence && task.state == State::Done)
    };
    match (delivered, held) {
        (Some(delivered), held) if delivered.hash.is_some() => {
            let Some(held) = held else {
                return Some(format!(
                    "{}/{key} is remembered and the target has none",
                    plan.name
                ));
            };
            let newest_done = tasks.iter().rev().find(|task| task.state == State::Done);
            if newest_done.is_some_and(|done| done.sequence > delivered.version) {
                return Some(format!(
                    "{}/{key} is remembered as of #{}, and #{} was done",
                    plan.name,
                    delivered.version,
                    newest_done.map_or(0, |done| done.sequence)
                ));
            }
            if is_done(held.writer) && delivered.hash != Some(json::hash(&held.value)) {
                return Some(format!(
                    "{}/{key} is remembered with other content than the target holds",
                    plan.name
                ));
            }
            None
        }
        (_, Some(held)) if is_done(held.writer) => {
            Some(format!("{}/{key} was delivered and is not remembered", plan.name))
        }
        _ => None,
    }
}
