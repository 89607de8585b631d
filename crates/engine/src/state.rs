//! What the engine keeps in memory: the order of live tasks, who waits for whom, and which sources are reading. All of it
//! is rebuilt from the live rows at start; nothing here is the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use weir_model::config::Switch;
use weir_model::dependency::{Need, Waiters};
use weir_model::order::{Entry, Keys};
use weir_model::runs::Runs;
use weir_model::task::State as TaskState;
use weir_model::{RunId, TaskId};
use weir_sdk::store::LiveTask;

use crate::collect::{Groups, Member};
use crate::family::Families;
use crate::start::Start;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) routes: BTreeMap<String, RouteState>,
    pub(crate) waiters: Waiters<(String, TaskId)>,
    /// Wakings under way: between the moment a need is met and the moment the woken task is queued nothing may look
    /// settled.
    pub(crate) wakings: usize,
    pub(crate) families: Families,
    pub(crate) runs: Runs,
    /// Of each route: the moments after which a waiting task wants a run of it.
    pub(crate) awaited_runs: BTreeMap<String, BTreeSet<Timestamp>>,
    /// Triggers whose first decision is still to be made.
    pub(crate) starting: usize,
    /// Routes are started after others.
    pub(crate) follows: bool,
}

#[derive(Default)]
pub(crate) struct RouteState {
    pub(crate) keys: Keys,
    /// What each waiting task still misses.
    pub(crate) missing: BTreeMap<TaskId, BTreeSet<Need>>,
    /// Waiting tasks whose `keys` could not be evaluated; looked at again when lookups change.
    pub(crate) stuck: BTreeSet<TaskId>,
    /// Let go by a person: needs are not looked at again.
    pub(crate) released: BTreeSet<TaskId>,
    /// The buffers of collecting steps.
    pub(crate) groups: Groups,
    /// Tasks whose next attempt does not begin at the first step.
    pub(crate) starts: BTreeMap<TaskId, Arc<Start>>,
    pub(crate) reading: Option<Reading>,
    pub(crate) switch: Switch,
    pub(crate) delivered: u64,
    pub(crate) skipped: u64,
    /// The last run's failure, until a run succeeds.
    pub(crate) failure: Option<weir_model::Error>,
    pub(crate) rows_read: u64,
    pub(crate) tasks_made: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) run: RunId,
}

impl State {
    pub(crate) fn route(&mut self, route: &str) -> &mut RouteState {
        if !self.routes.contains_key(route) {
            self.routes.insert(route.to_owned(), RouteState::default());
        }
        self.routes.get_mut(route).expect("inserted above")
    }

    /// A live row into memory, at start.
    pub(crate) fn adopt(&mut self, task: &LiveTask) {
        let route = self.route(&task.route);
        route.keys.put(entry(task));
        if task.state == TaskState::Waiting {
            if task.needs.is_empty() {
                route.stuck.insert(task.id);
            }
            let member = Member {
                task: task.id,
                since: task.since,
                run: task.run,
            };
            self.route(&task.route).join(&task.needs, member);
            self.park(&task.route, task.id, &task.needs);
        }
    }

    /// Registers what a waiting task misses.
    pub(crate) fn park(&mut self, route: &str, task: TaskId, needs: &[Need]) {
        for need in needs {
            if let Need::Run { route, after } = need {
                self.awaited_runs.entry(route.clone()).or_default().insert(*after);
            }
            self.waiters.add(need.clone(), (route.to_owned(), task));
        }
        self.route(route)
            .missing
            .insert(task, needs.iter().cloned().collect());
    }

    /// Forgets what a task missed: it was woken, let go, skipped or buried.
    /// Takes off what a second look found to be there: its wake-up may have come before the task was registered. True
    /// when that was all; the caller then wakes the task, which is registered no more.
    pub(crate) fn keep_needs(&mut self, route: &str, task: &TaskId, still: &[Need]) -> bool {
        let Some(missing) = self
            .route(route)
            .missing
            .get_mut(task)
            .filter(|missing| !missing.is_empty())
        else {
            return false; // whoever emptied it wakes
        };
        let met: Vec<Need> = missing
            .iter()
            .filter(|need| !still.contains(need))
            .cloned()
            .collect();
        missing.retain(|need| still.contains(need));
        let is_free = missing.is_empty();
        for need in met {
            self.waiters.remove(&need, &(route.to_owned(), *task));
        }
        if is_free {
            self.unpark(route, task);
        }
        is_free
    }

    pub(crate) fn unpark(&mut self, route: &str, task: &TaskId) {
        let state = self.route(route);
        state.stuck.remove(task);
        state.leave(task);
        let needs = state.missing.remove(task).unwrap_or_default();
        for need in needs {
            self.waiters.remove(&need, &(route.to_owned(), *task));
        }
    }

    /// A need may be met: tasks that miss nothing any more, by route. Each is answered once.
    pub(crate) fn meet(&mut self, need: &Need) -> Vec<(String, TaskId)> {
        let mut free = Vec::new();
        for (route, task) in self.waiters.of(need) {
            self.waiters.remove(need, &(route.clone(), task));
            if let Some(missing) = self.route(&route).missing.get_mut(&task) {
                missing.remove(need);
                if missing.is_empty() {
                    free.push((route, task));
                }
            }
        }
        free
    }

    /// A run of the route that started at this time has settled: the needs that are met by it.
    pub(crate) fn met_by_run(&mut self, route: &str, started_at: Timestamp) -> Vec<Need> {
        let Some(moments) = self.awaited_runs.get_mut(route) else {
            return Vec::new();
        };
        let later = moments.split_off(&started_at);
        let met = std::mem::replace(moments, later);
        let need = |after| Need::Run {
            route: route.to_owned(),
            after,
        };
        met.into_iter().map(need).collect()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.wakings == 0
            && self.starting == 0
            && self
                .routes
                .values()
                .all(|route| route.reading.is_none() && route.groups.is_empty() && route.active() == 0)
    }
}

impl RouteState {
    /// Queued, running and retrying tasks: what back-pressure counts. Without those queued behind a waiting task of
    /// their key: else a route whose first pages wait for later ones would never read these.
    pub(crate) fn active(&self) -> u64 {
        let count = |state| self.keys.count(state) as u64;
        let all = count(TaskState::Queued) + count(TaskState::Running) + count(TaskState::Retrying);
        all - self.keys.count_behind_waiting() as u64
    }

    /// Waiting tasks, and those queued behind one of them.
    pub(crate) fn waiting(&self) -> u64 {
        (self.keys.count(TaskState::Waiting) + self.keys.count_behind_waiting()) as u64
    }

    /// Holds a task in its place while something about it is stored: its key goes on behind it, and nobody else takes or
    /// changes it. Answers what it was; `None` where it is running, held or not there.
    pub(crate) fn hold(&mut self, task: &TaskId) -> Option<Entry> {
        let entry = self.keys.get(task)?.clone();
        if entry.state == TaskState::Running {
            return None;
        }
        self.set(task, TaskState::Running, None);
        Some(entry)
    }

    /// Into the group it needs, where it needs one.
    pub(crate) fn join(&mut self, needs: &[Need], member: Member) {
        for need in needs {
            if let Need::Group { step, by } = need {
                let group = (step.clone(), by.clone());
                self.groups.entry(group).or_default().push(member.clone());
            }
        }
    }

    /// Out of its group; one without members is no more.
    pub(crate) fn leave(&mut self, task: &TaskId) {
        let of_task = |need: &Need| match need {
            Need::Group { step, by } => Some((step.clone(), by.clone())),
            _ => None,
        };
        let Some(group) = self
            .missing
            .get(task)
            .and_then(|needs| needs.iter().find_map(of_task))
        else {
            return;
        };
        if let Some(members) = self.groups.get_mut(&group) {
            members.retain(|member| member.task != *task);
            if members.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    pub(crate) fn set(&mut self, task: &TaskId, state: TaskState, due: Option<jiff::Timestamp>) {
        if let Some(entry) = self.keys.get(task) {
            let entry = Entry {
                state,
                due,
                is_aside: false,
                ..entry.clone()
            };
            self.keys.put(entry);
        }
    }
}

/// It waits in the buffer of a collecting step.
pub(crate) fn is_member(needs: &[Need]) -> bool {
    needs.iter().any(|need| matches!(need, Need::Group { .. }))
}

pub(crate) fn entry(task: &LiveTask) -> Entry {
    Entry {
        task: task.id,
        key: task.key.clone(),
        sequence: task.sequence,
        state: task.state,
        due: task.due,
        has_effect: task.has_effect,
        is_aside: is_member(&task.needs),
    }
}
