//! Lists of changes, whole or not at all: what a change does is noted with the way back.

use std::collections::BTreeMap;

use weir_model::task::State;
use weir_model::{Error, Kind, RunId};
use weir_sdk::store::Change;

use super::{Place, Tables, place, remembered, task};

type Back = Box<dyn FnOnce(&mut Tables)>;

/// The tables while a list is applied.
pub(super) struct Desk<'a> {
    pub(super) tables: &'a mut Tables,
    back: Vec<Back>,
}

pub(super) fn commit(tables: &mut Tables, changes: Vec<Change>) -> Result<Vec<i64>, Error> {
    let mut desk = Desk {
        tables,
        back: Vec::new(),
    };
    let mut sequences = Vec::new();
    for change in changes {
        match apply(&mut desk, change) {
            Ok(sequence) => sequences.extend(sequence),
            Err(error) => {
                desk.undo();
                return Err(error);
            }
        }
    }
    Ok(sequences)
}

impl Desk<'_> {
    /// Puts a value, or takes it away.
    pub(super) fn set<K, V>(&mut self, map: fn(&mut Tables) -> &mut BTreeMap<K, V>, key: K, value: Option<V>)
    where
        K: Ord + Clone + 'static,
        V: 'static,
    {
        let old = exchange(map(self.tables), key.clone(), value);
        self.back
            .push(Box::new(move |tables| drop(exchange(map(tables), key, old))));
    }

    fn undo(self) {
        for back in self.back.into_iter().rev() {
            back(self.tables);
        }
    }

    pub(super) fn count(&mut self, of: &Place, run: Option<RunId>, state: State, by: i64) {
        let key = (of.clone(), state);
        let count = self.tables.route_counts.get(&key).copied().unwrap_or(0) + by;
        self.set(|tables| &mut tables.route_counts, key, Some(count));
        if let Some(run) = run {
            let count = self.tables.run_counts.get(&(run, state)).copied().unwrap_or(0) + by;
            self.set(|tables| &mut tables.run_counts, (run, state), Some(count));
        }
    }

    /// The next number of a sort; numbers of lists that failed are given again.
    pub(super) fn number(&mut self, of: &'static str) -> i64 {
        let number = self.tables.numbers.get(of).copied().unwrap_or(0) + 1;
        self.set(|tables| &mut tables.numbers, of, Some(number));
        number
    }
}

fn exchange<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    }
}

fn apply(desk: &mut Desk<'_>, change: Change) -> Result<Option<i64>, Error> {
    match change {
        Change::InsertTask(new) => return task::insert(desk, new).map(Some),
        Change::Lease { task, at, release } => task::lease(desk, &task, at, release)?,
        Change::Intend { task, effect, .. } => task::intend(desk, &task, effect)?,
        Change::Journal { task, effect, result } => task::journal(desk, &task, effect, result)?,
        Change::Move(change) => task::move_on(desk, change)?,
        Change::End(end) => task::end(desk, end)?,
        Change::PutAttempt {
            task,
            attempt,
            at,
            bytes,
        } => task::put_attempt(desk, &task, attempt, at, bytes)?,
        Change::PutInput { task, input } => task::put_input(desk, &task, input)?,
        Change::PutRelease(release) => {
            let key = (release.scope.clone(), release.number);
            match desk.tables.releases.get(&key) {
                Some(stored) if stored.hash == release.hash => {}
                Some(_) => return Err(conflict("the release is there with other files".to_owned())),
                None => desk.set(|tables| &mut tables.releases, key, Some(release)),
            }
        }
        Change::StartRun(run) => desk.set(|tables| &mut tables.runs, run.id, Some(run)),
        Change::Page {
            run,
            scope,
            route,
            read,
            cursor,
            rows,
            tasks,
        } => {
            let mut stored = under_way(desk, &run)?;
            stored.rows += rows;
            stored.tasks += tasks;
            desk.set(|tables| &mut tables.runs, run, Some(stored));
            let key = (place(&scope, &route), read);
            desk.set(|tables| &mut tables.cursors, key, Some(cursor));
        }
        Change::EndRun { run, at, outcome } => {
            let mut stored = under_way(desk, &run)?;
            (stored.ended_at, stored.outcome) = (Some(at), Some(outcome));
            desk.set(|tables| &mut tables.runs, run, Some(stored));
        }
        Change::PutCursor {
            scope,
            route,
            read,
            cursor,
        } => {
            let key = (place(&scope, &route), read);
            desk.set(|tables| &mut tables.cursors, key, Some(cursor));
        }
        Change::PutSnapshot {
            scope,
            route,
            read,
            rows,
        } => {
            for (key, hash) in rows {
                let key = (place(&scope, &route), read, key);
                desk.set(|tables| &mut tables.snapshots, key, Some(hash));
            }
        }
        Change::PutDelivered {
            scope,
            route,
            key,
            delivered,
            reads,
        } => remembered::put_delivered(desk, (place(&scope, &route), key), delivered, reads),
        Change::PutLink(link) => remembered::put_link(desk, link),
        Change::PutLookupRow {
            scope,
            table,
            key,
            row,
        } => desk.set(|tables| &mut tables.lookup_rows, (scope, table, key), row),
        Change::PutDocument {
            collection,
            key,
            document,
        } => desk.set(|tables| &mut tables.documents, (collection, key), document),
    }
    Ok(None)
}

fn under_way(desk: &Desk<'_>, run: &RunId) -> Result<weir_sdk::store::Run, Error> {
    let stored = desk.tables.runs.get(run).filter(|run| run.ended_at.is_none());
    stored
        .cloned()
        .ok_or_else(|| conflict(format!("run {run} has ended or was never started")))
}

pub(super) fn conflict(message: String) -> Error {
    Error::new(Kind::Conflict, message)
}
