//! Runs that a person asks for beyond "go on": everything from the beginning, a range of time again, or what depended on a
//! row of a lookup.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use weir_model::cursor::Cursor;
use weir_model::{Error, Kind, RunId, did_you_mean};
use weir_sdk::connector::Row;
use weir_sdk::expressions::Want;
use weir_sdk::store::{Change, Run};

use crate::configuration::Route;
use crate::loops;
use crate::schedule::Starting;
use crate::settling::why;
use crate::shared::Shared;
use crate::source;

/// Back-fills that are not read to their end, one a route, with their range.
const BACKFILLS: &str = "backfills";
/// Routes whose next runs take every row for new, until one has read them all.
const FULL_READS: &str = "full_reads";
/// The reads of a back-fill keep their cursors apart from the route's own, from this number on.
const BACKFILL_READS: u32 = 1 << 20;
/// Keys that are sent again have no place in a source; their rows are counted under this number.
pub(crate) const RESEND_READ: u32 = 1 << 21;

/// What a run shall read.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Ask {
    /// What has changed since the last run.
    #[default]
    Onward,
    /// Everything from the beginning, also what has not changed.
    Full,
    /// What changed within a range of time; the route's cursor stays where it is.
    Range(Range),
    /// The entities whose last delivery asked a lookup for this row, found or not.
    WhereRead { table: String, key: String },
}

/// From a moment, that moment included, to another, that one not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    pub since: Timestamp,
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// How a run goes over its source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    /// From the cursor on. `full`: what was read before is news all the same.
    Onward {
        full: bool,
    },
    Range(Range),
}

impl Mode {
    /// The number under which the cursor of a read is kept.
    pub(crate) fn cursor(self, read: u32) -> u32 {
        match self {
            Mode::Onward { .. } => read,
            Mode::Range(_) => BACKFILL_READS + read,
        }
    }

    /// Rows of the range. Those that do not say when they changed may lie in it.
    pub(crate) fn within(self, mut rows: Vec<Row>) -> Vec<Row> {
        if let Mode::Range(range) = self {
            rows.retain(|row| {
                let is_in = |at: Timestamp| at >= range.since && range.until.is_none_or(|until| at < until);
                row.changed_at.is_none_or(is_in)
            });
        }
        rows
    }

    /// The time to ask the source for. Some mean "later than", so a second more is asked for than wanted.
    pub(crate) fn since(self, cursor: &Cursor, overlap_ms: i64) -> Option<Timestamp> {
        match self {
            Mode::Onward { .. } => cursor.since(overlap_ms),
            Mode::Range(range) => range.since.checked_sub(SignedDuration::from_secs(1)).ok(),
        }
    }

    /// The read of a range that a former run ended, before it was cut off at another one.
    pub(crate) fn is_over(self, cursor: &Cursor) -> bool {
        matches!(self, Mode::Range(_)) && cursor.page.is_none() && cursor.from.is_some()
    }

    /// The last page was read.
    pub(crate) fn end(self, cursor: &mut Cursor) {
        match self {
            Mode::Onward { .. } => cursor.end(),
            Mode::Range(range) => {
                cursor.page = None;
                cursor.from = Some(range.since);
            }
        }
    }
}

/// Starts a run that reads what was asked for. Errors: `invalid` where the source cannot read so, `not_found`, and
/// `conflict` while a run of the route is under way; nothing has changed then.
pub(crate) async fn start(
    shared: &Arc<Shared>,
    route: &str,
    ask: &Ask,
    trigger: &str,
) -> Result<RunId, Error> {
    let setup = shared.route(route)?;
    if let Ask::WhereRead { table, key } = ask {
        return where_read(shared, route, setup, table, key).await;
    }
    let (trigger, beside) = match ask {
        Ask::Range(range) => (why::BACKFILL, of_range(shared, route, setup, range).await?),
        Ask::Full => (trigger, of_full(shared, route, setup).await?),
        Ask::Onward | Ask::WhereRead { .. } => (trigger, Vec::new()),
    };
    if trigger != why::BACKFILL {
        loops::refresh_for_run(shared, route).await?;
    }
    let run = source::begin(shared, route, trigger, beside).await?;
    let id = run.id;
    source::spawn(shared, run);
    Ok(id)
}

/// How a run that has begun reads.
pub(crate) async fn mode(shared: &Shared, route: &Route, run: &Run) -> Result<Mode, Error> {
    let key = shared.stored_as(&run.route);
    if run.trigger == why::BACKFILL {
        let stored = shared.store.document(BACKFILLS, &key).await?;
        let range = stored.and_then(|document| serde_json::from_value(document).ok());
        return range.map(Mode::Range).ok_or_else(|| {
            Error::bug(format!(
                "the range of the back-fill of `{}` is not known any more",
                run.route
            ))
        });
    }
    // Only a comparison with what was read before has a memory beside the cursor.
    let full = route.changed_since.as_deref() == Some("snapshot")
        && shared.store.document(FULL_READS, &key).await?.is_some();
    Ok(Mode::Onward { full })
}

/// What a run that was read to its end has done with.
pub(crate) fn done(shared: &Shared, run: &Run) -> Option<Change> {
    let collection = match run.trigger.as_str() {
        why::BACKFILL => BACKFILLS,
        why::RESEND => return None,
        _ => FULL_READS,
    };
    Some(Change::PutDocument {
        collection: collection.to_owned(),
        key: shared.stored_as(&run.route),
        document: None,
    })
}

/// Back-fills that the end of a process cut off go on.
pub(crate) async fn resume(shared: Arc<Shared>, route: String, starting: Starting) {
    let begun = loops::begin_patiently(&shared, &route, why::BACKFILL).await;
    drop(starting);
    match begun {
        Ok(run) => source::read(&shared, &run).await,
        Err(error) => {
            tracing::error!(route.id = route, error = %error, "the back-fill of `{route}` does not go on: {error}");
        }
    }
}

/// Routes with a back-fill that is not read to its end.
pub(crate) async fn unfinished(shared: &Shared) -> Result<Vec<String>, Error> {
    let prefix = shared.stored_as("");
    let documents = shared.store.documents(BACKFILLS).await?;
    let routes = documents.iter().filter_map(|(key, _)| key.strip_prefix(&prefix));
    Ok(routes
        .filter(|route| shared.configuration.routes.contains_key(*route))
        .map(str::to_owned)
        .collect())
}

/// A back-fill of the same range goes on where it was cut off; one of another range begins anew.
async fn of_range(shared: &Shared, route: &str, setup: &Route, range: &Range) -> Result<Vec<Change>, Error> {
    let refused = |why: &str| {
        let message = format!("`{route}` cannot be read by time: {why}");
        Err(Error::new(Kind::Invalid, message).with("route", route))
    };
    match setup.changed_since.as_deref() {
        Some("snapshot") => {
            return refused(
                "its source compares with what was read before (`changed_since: snapshot`); a full read sends all of it \
                 again",
            );
        }
        None => return refused("it names no field for it (`changed_since`), and each run reads everything"),
        Some(_) => {}
    }
    if range.until.is_some_and(|until| until <= range.since) {
        return refused("the range ends before it begins");
    }
    let stored = shared.store.document(BACKFILLS, &shared.stored_as(route)).await?;
    let stored = stored.and_then(|document| serde_json::from_value::<Range>(document).ok());
    if stored == Some(*range) {
        return Ok(Vec::new());
    }
    let mut changes = vec![Change::PutDocument {
        collection: BACKFILLS.to_owned(),
        key: shared.stored_as(route),
        document: Some(serde_json::json!(range)),
    }];
    changes.extend((0..setup.reads.len() as u32).map(|read| Change::PutCursor {
        scope: shared.configuration.scope.clone(),
        route: route.to_owned(),
        read: BACKFILL_READS + read,
        cursor: Cursor::default(),
    }));
    Ok(changes)
}

/// The cursor goes back to the beginning, durably: cut off, the next run goes on with the full read.
async fn of_full(shared: &Shared, route: &str, setup: &Route) -> Result<Vec<Change>, Error> {
    let scope = &shared.configuration.scope;
    let mut changes = vec![Change::PutDocument {
        collection: FULL_READS.to_owned(),
        key: shared.stored_as(route),
        document: Some(serde_json::json!({ "since": shared.context.clock.now() })),
    }];
    for read in 0..setup.reads.len() as u32 {
        let cursor = shared.store.cursor(scope, route, read).await?.unwrap_or_default();
        changes.push(Change::PutCursor {
            scope: scope.clone(),
            route: route.to_owned(),
            read,
            cursor: Cursor {
                high_water: cursor.high_water,
                ..Cursor::default()
            },
        });
    }
    Ok(changes)
}

async fn where_read(
    shared: &Arc<Shared>,
    route: &str,
    setup: &Route,
    table: &str,
    key: &str,
) -> Result<RunId, Error> {
    let known = || shared.configuration.lookups.keys().map(String::as_str);
    if !known().any(|name| name == table) {
        let hint = did_you_mean(table, known())
            .unwrap_or_else(|| format!("there are: {}", known().collect::<Vec<_>>().join(", ")));
        let message = format!("there is no lookup `{table}`; {hint}");
        return Err(Error::new(Kind::NotFound, message));
    }
    for read in &setup.reads {
        let connection = shared.configuration.connections.get(&read.connection);
        let entity = connection.and_then(|connection| connection.description().entities.get(&read.entity));
        if entity.is_some_and(|entity| !entity.can_lookup) {
            let message = format!(
                "`{}/{}` cannot be read by key, so what `{route}` delivered cannot be sent again one by one; a full \
                 read sends all of it",
                read.connection, read.entity
            );
            return Err(Error::new(Kind::Invalid, message).with("route", route));
        }
    }
    let want = Want::Row {
        table: table.to_owned(),
        key: key.to_owned(),
    };
    let scope = &shared.configuration.scope;
    let keys = shared.store.readers(scope, route, &[want]).await?;
    if keys.is_empty() {
        let message =
            format!("no delivery of `{route}` asked `{table}` for `{key}`: there is nothing to send again");
        return Err(Error::new(Kind::NotFound, message));
    }
    let run = source::begin(shared, route, why::RESEND, Vec::new()).await?;
    let id = run.id;
    let shared_run = shared.clone();
    shared
        .tracker
        .spawn(async move { source::resend(&shared_run, &run, &keys).await });
    Ok(id)
}
