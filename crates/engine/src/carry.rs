//! Carries out what was planned: out of the workers' reach first, then into the store, then the memory after it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use weir_model::dependency::Need;
use weir_model::order::Entry;
use weir_model::task::State as TaskState;
use weir_model::{Error, Kind, TaskId};
use weir_sdk::store::{Change, End, Move, NewTask};

use crate::actions::Action;
use crate::collect;
use crate::family;
use crate::order;
use crate::plan::{Begin, Plan, To};
use crate::shared::Shared;
use crate::start;
use crate::stripes;

/// A planned task that no worker takes until it is settled or put back.
pub(crate) struct Held {
    pub(crate) plan: Plan,
    /// As the memory had it; a finished one is not there.
    entry: Option<Entry>,
    /// Its last attempt did not begin at the first step.
    has_start: bool,
    /// The task that a replay makes.
    new: TaskId,
}

/// What became of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Carried {
    /// The task, or the new one that a replay made.
    pub(crate) task: TaskId,
    pub(crate) state: TaskState,
}

/// Takes the tasks out of the workers' reach. It stays in the order as a running one, so that no later task of its key
/// overtakes it meanwhile. Answers also those that are no longer in the state they were planned in.
pub(crate) fn hold(shared: &Shared, plans: Vec<Plan>) -> (Vec<Held>, Vec<TaskId>) {
    let mut state = shared.lock();
    let (mut held, mut changed) = (Vec::with_capacity(plans.len()), Vec::new());
    for plan in plans {
        let task = plan.detail.row.id;
        let mut entry = None;
        let has_start = state.route(&plan.detail.row.route).starts.contains_key(&task);
        if !matches!(plan.to, To::New { .. }) {
            let place = state.route(&plan.detail.row.route);
            let is_as_planned = place
                .keys
                .get(&task)
                .is_some_and(|entry| entry.state == plan.from);
            entry = is_as_planned.then(|| place.hold(&task)).flatten();
            if entry.is_none() {
                changed.push(task);
                continue;
            }
        }
        held.push(Held {
            plan,
            entry,
            has_start,
            new: TaskId(shared.context.dice.uuid()),
        });
    }
    (held, changed)
}

/// Keeps others from storing tasks of the same keys while replays are stored: memory learns of tasks of one key in the
/// order of their sequences. To be kept until they are settled.
pub(crate) async fn arriving<'a>(shared: &'a Shared, held: &[Held]) -> stripes::Held<'a> {
    let keys = held
        .iter()
        .filter(|held| matches!(held.plan.to, To::New { .. }))
        .map(|held| &held.plan.detail.row)
        .map(|row| (row.route.as_str(), row.key.as_str()));
    shared.arrivals.hold(keys).await
}

/// What is to be stored; `by` completes "retried by …".
pub(crate) fn changes(shared: &Shared, action: Action, by: &str, held: &[Held]) -> Vec<Change> {
    let at = shared.context.clock.now();
    held.iter()
        .flat_map(|held| changes_of(shared, held, at, format!("{} by {by}", action.word())))
        .collect()
}

fn changes_of(shared: &Shared, held: &Held, at: Timestamp, reason: String) -> Vec<Change> {
    let Plan { detail, from, to } = &held.plan;
    let (task, from) = (detail.row.id, *from);
    let queue = || {
        Change::Move(Move {
            reason: Some(reason.clone()),
            ..Move::to(task, from, TaskState::Queued, at)
        })
    };
    match to {
        To::Queue { input, begin } => {
            let mut changes = Vec::with_capacity(2);
            match begin {
                Begin::At(start) => changes.push(start::put(&detail.scope, &task, Some(start))),
                Begin::First if held.has_start => changes.push(start::put(&detail.scope, &task, None)),
                Begin::First | Begin::AsBefore => {}
            }
            changes.extend(input.clone().map(|input| Change::PutInput { task, input }));
            if from != TaskState::Queued {
                changes.push(queue());
            }
            changes
        }
        To::Release => vec![queue()],
        To::End(ended) => {
            let mut changes = vec![Change::End(End {
                task,
                from,
                to: *ended,
                at,
                reason: Some(reason),
                warnings: Vec::new(),
            })];
            if held.has_start {
                changes.push(start::put(&detail.scope, &task, None));
            }
            if family::is_collected(&detail.effects) {
                changes.push(collect::forget(shared, &detail.row.route, &task));
            }
            if *ended == TaskState::Cancelled {
                changes.extend(family::cancelled(shared, &detail.row.route, &task));
            }
            changes
        }
        To::New { run, .. } => {
            let mut changes = vec![Change::InsertTask(NewTask {
                id: held.new,
                scope: detail.scope.clone(),
                route: detail.row.route.clone(),
                key: detail.row.key.clone(),
                run: *run,
                at,
                input: detail.input.clone(),
                replay_of: Some(task),
            })];
            changes.extend(family::copied(&detail.effects, held.new));
            let start = to.start();
            changes.extend(start.map(|start| start::put(&detail.scope, &held.new, Some(start))));
            changes
        }
    }
}

/// The changes are stored: the memory follows, and whoever waits is woken. `sequences` are the store's answer.
pub(crate) async fn settle(shared: &Shared, held: Vec<Held>, sequences: &[i64]) -> Vec<Carried> {
    let mut sequences = sequences.iter();
    let (mut met, mut ended_tasks) = (Vec::new(), Vec::new());
    let mut carried = Vec::with_capacity(held.len());
    {
        let mut state = shared.lock();
        for held in &held {
            let row = &held.plan.detail.row;
            if let Some(entry) = &held.entry {
                state.unpark(&row.route, &entry.task);
            }
            let place = state.route(&row.route);
            let queued = |entry: &Entry| Entry {
                state: TaskState::Queued,
                due: None,
                is_aside: false,
                ..entry.clone()
            };
            let (task, to) = match &held.plan.to {
                to @ (To::Queue { .. } | To::Release) => {
                    match to {
                        To::Queue {
                            begin: Begin::At(start),
                            ..
                        } => {
                            place.starts.insert(row.id, start.clone());
                        }
                        To::Queue {
                            begin: Begin::First, ..
                        } => drop(place.starts.remove(&row.id)),
                        _ => {}
                    }
                    if matches!(held.plan.to, To::Release) {
                        place.released.insert(row.id);
                    }
                    if let Some(entry) = &held.entry {
                        place.keys.put(queued(entry));
                    }
                    (row.id, TaskState::Queued)
                }
                To::End(ended) => {
                    place.keys.remove(&row.id);
                    place.released.remove(&row.id);
                    place.starts.remove(&row.id);
                    place.skipped += 1;
                    ended_tasks.push(row.id);
                    met.push(Need::Key {
                        route: row.route.clone(),
                        key: row.key.clone(),
                    });
                    (row.id, *ended)
                }
                to @ To::New { .. } => {
                    if let Some(start) = to.start() {
                        place.starts.insert(held.new, start.clone());
                    }
                    let sequence = sequences.next().copied().unwrap_or_default();
                    let entry = match family::is_collected(&held.plan.detail.effects) {
                        true => family::entry_of_collected(held.new, row.key.clone(), sequence),
                        false => order::queued(held.new, row.key.clone(), sequence),
                    };
                    place.keys.put(entry);
                    (held.new, TaskState::Queued)
                }
            };
            carried.push(Carried { task, state: to });
        }
    }
    signal(shared, &held);
    family::ended(shared, ended_tasks).await;
    shared.wake(&met).await;
    carried
}

/// Nothing was stored: each is again what the store says it is.
pub(crate) async fn put_back(shared: &Shared, held: Vec<Held>) {
    let mut by_route: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for held in held {
        if let Some(entry) = held.entry {
            by_route
                .entry(held.plan.detail.row.route)
                .or_default()
                .push(entry);
        }
    }
    for (route, entries) in by_route {
        shared.let_go(&route, &entries).await;
    }
}

fn signal(shared: &Shared, held: &[Held]) {
    let mut routes: Vec<&String> = held.iter().map(|held| &held.plan.detail.row.route).collect();
    routes.sort();
    routes.dedup();
    routes.into_iter().for_each(|route| shared.signal(route));
    shared.progress.notify_waiters();
}

/// A task that changed again each time it was looked at.
pub(crate) fn restless(task: &TaskId) -> Error {
    let message =
        format!("task {task} is being worked on in this very moment; look at it again and repeat the action");
    Error::new(Kind::Conflict, message)
}
