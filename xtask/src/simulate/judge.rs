//! What must always hold, looked at after every commit.

use weir_model::TaskId;
use weir_model::json;
use weir_model::task::{Event, State, next};
use weir_sdk::store::{Change, Delivered};

use super::memory::{Row, Tables};
use super::stage::Stage;

/// `r1/k2 #7`: route, key and sequence.
pub(super) fn name(row: &Row) -> String {
    format!("{}/{} #{}", row.route, row.key, row.sequence)
}

fn name_of(stage: &Stage, task: &TaskId) -> String {
    stage
        .store
        .tables()
        .task(task)
        .map_or_else(|| format!("task {task}"), name)
}

/// A change in words, where it is worth a line.
pub(super) fn words(stage: &Stage, change: &Change) -> Option<String> {
    Some(match change {
        Change::StartRun(run) => format!("run of {} begins ({})", run.route, run.trigger),
        Change::EndRun { outcome, .. } => format!("run ends: {outcome:?}"),
        Change::Page { route, cursor, .. } => format!(
            "page of {route}: from {:?} high {:?} page {:?}",
            cursor.from.map(|at| at.as_second()),
            cursor.high_water.map(|at| at.as_second()),
            cursor.page
        ),
        Change::InsertTask(new) => format!("new {}", name_of(stage, &new.id)),
        Change::Lease { task, .. } => format!("lease {}", name_of(stage, task)),
        Change::Intend { task, effect, .. } => format!("intend {effect} of {}", name_of(stage, task)),
        Change::Journal { task, effect, result } => {
            let what = if result.is_some() { "done" } else { "not done" };
            format!("journal {effect} of {}: {what}", name_of(stage, task))
        }
        Change::Move(change) => {
            let why = change.error.as_ref().map(|error| error.kind.name());
            let needs: Vec<String> = change
                .needs
                .iter()
                .map(weir_model::dependency::Need::words)
                .collect();
            format!(
                "{} {} → {} {}{}",
                name_of(stage, &change.task),
                change.from.name(),
                change.to.name(),
                why.unwrap_or_default(),
                needs.join(", ")
            )
        }
        Change::End(end) => format!(
            "{} {} → {} {}",
            name_of(stage, &end.task),
            end.from.name(),
            end.to.name(),
            end.reason.as_deref().unwrap_or_default()
        ),
        Change::PutInput { task, .. } => format!("correct {}", name_of(stage, task)),
        Change::PutDelivered {
            route,
            key,
            delivered,
            ..
        } => format!(
            "delivered {route}/{key} version {}{}",
            delivered.version,
            if delivered.filtered { " (filtered)" } else { "" }
        ),
        Change::PutLink(link) => format!("link {} {}", link.address, link.key),
        Change::PutDocument { collection, key, .. } => format!("put {collection} {key}"),
        _ => return None,
    })
}

/// Judges a list that was just stored.
pub(super) fn committed(stage: &Stage, changes: &[Change]) {
    let wrong = {
        let tables = stage.store.tables();
        changes
            .iter()
            .find_map(|change| broken_by(stage, &tables, change))
    };
    if let Some(sentence) = wrong {
        stage.world.wrong(sentence);
    }
}

fn broken_by(stage: &Stage, tables: &Tables, change: &Change) -> Option<String> {
    match change {
        Change::Lease { task, .. } => out_of_order(tables, tables.task(task)?),
        Change::Move(change) => impossible(tables, &change.task, change.from, change.to),
        Change::End(end) => impossible(tables, &end.task, end.from, end.to),
        Change::PutDelivered {
            route,
            key,
            delivered,
            ..
        } if !delivered.filtered => unconfirmed(stage, tables, route, key, delivered),
        _ => None,
    }
}

/// Tasks of a key run one after the other, oldest first.
fn out_of_order(tables: &Tables, leased: &Row) -> Option<String> {
    let of_key = tables.tasks.values().filter(|row| {
        row.is_live() && row.route == leased.route && row.key == leased.key && row.sequence != leased.sequence
    });
    for row in of_key {
        if row.state == State::Running {
            return Some(format!("{} and {} run at once", name(leased), name(row)));
        }
        if row.sequence < leased.sequence && row.state.blocks_key() {
            let state = row.state.name();
            return Some(format!(
                "{} overtakes {}, which is {state}",
                name(leased),
                name(row)
            ));
        }
    }
    None
}

fn impossible(tables: &Tables, task: &TaskId, from: State, to: State) -> Option<String> {
    let is_possible = Event::ALL.iter().any(|event| next(from, *event) == Some(to));
    let row = tables.task(task)?;
    (!is_possible).then(|| format!("{} went from {} to {}", name(row), from.name(), to.name()))
}

/// Memory of success stands for something that the target has confirmed.
fn unconfirmed(
    stage: &Stage,
    tables: &Tables,
    route: &str,
    key: &str,
    delivered: &Delivered,
) -> Option<String> {
    let task = tables.tasks.get(&delivered.version)?;
    if task.state != State::Done {
        return Some(format!(
            "{} is remembered as delivered and is {}",
            name(task),
            task.state.name()
        ));
    }
    let plan = stage.plan.routes.iter().find(|plan| plan.name == route)?;
    let target = stage.target();
    for entity in [Some(&plan.entity), plan.second.as_ref()].into_iter().flatten() {
        let held = target.rows.get(&(entity.clone(), key.to_owned()));
        let Some(held) = held.filter(|held| held.writer == delivered.version) else {
            return Some(format!(
                "{} is remembered as delivered, and {entity} of the target has nothing of it",
                name(task)
            ));
        };
        if delivered.hash != Some(json::hash(&held.value)) {
            return Some(format!(
                "{} is remembered as delivered with other content than {entity} of the target holds",
                name(task)
            ));
        }
    }
    None
}
