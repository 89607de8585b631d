//! Counts of tasks by route and run. Gathered in memory while a group is applied and written once, in its transaction:
//! a thousand tasks of one route cost a few statements.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use weir_model::task::State;

use crate::column::state_number;
use crate::failure::Fault;

#[derive(Default)]
pub(crate) struct Deltas {
    routes: HashMap<(i64, State), i64>,
    runs: HashMap<([u8; 16], State), i64>,
}

impl Deltas {
    pub(crate) fn add(&mut self, route: i64, run: Option<[u8; 16]>, state: State, count: i64) {
        *self.routes.entry((route, state)).or_default() += count;
        if let Some(run) = run {
            *self.runs.entry((run, state)).or_default() += count;
        }
    }

    pub(crate) fn change(&mut self, route: i64, run: Option<[u8; 16]>, from: State, to: State) {
        self.add(route, run, from, -1);
        self.add(route, run, to, 1);
    }

    /// An expired dead task is no longer among those to be looked at, yet its run did end with it.
    pub(crate) fn forget_dead(&mut self, route: i64) {
        self.add(route, None, State::Dead, -1);
    }

    pub(crate) fn merge(&mut self, other: Deltas) {
        for (place, count) in other.routes {
            *self.routes.entry(place).or_default() += count;
        }
        for (place, count) in other.runs {
            *self.runs.entry(place).or_default() += count;
        }
    }

    pub(crate) fn write(&self, connection: &Connection) -> Result<(), Fault> {
        let mut statement = connection.prepare_cached(
            "INSERT INTO counters (route, state, count) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?;
        for ((route, state), count) in self.routes.iter().filter(|(_, count)| **count != 0) {
            statement.execute(params![route, state_number(*state), count])?;
        }
        let mut statement = connection.prepare_cached(
            "INSERT INTO run_counters (run, state, count) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?;
        for ((run, state), count) in self.runs.iter().filter(|(_, count)| **count != 0) {
            statement.execute(params![run, state_number(*state), count])?;
        }
        Ok(())
    }
}
