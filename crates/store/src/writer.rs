//! The one thread that writes, with group commit: whatever waits goes into the next transaction. A savepoint around
//! each list keeps one list's failure from its neighbours; everybody is answered after the commit.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use weir_model::Error;
use weir_sdk::store::Change;

use crate::apply::{self, Housekeeping};
use crate::checkpoint::Bell;
use crate::counters::Deltas;
use crate::failure::{Fault, closing};
use crate::names::Names;

/// A group takes no further list from this many changes on, or after this time.
const GROUP_CHANGES_MAX: usize = 1_000;
const GROUP_TIME_MAX: Duration = Duration::from_millis(50);
/// Lists that may wait; whoever brings one more waits himself.
const LISTS_WAITING_MAX: usize = 512;

pub(crate) type Answer = Result<Vec<i64>, Error>;

pub(crate) enum Work {
    Changes(Vec<Change>),
    Housekeeping(Housekeeping),
    /// Largest size of `main.db`; 0 for as large as the disk allows.
    BytesMax(u64),
}

struct Job {
    work: Work,
    reply: oneshot::Sender<Answer>,
}

impl Job {
    fn weight(&self) -> usize {
        match &self.work {
            Work::Changes(changes) => changes.len(),
            Work::Housekeeping(step) => step.weight(),
            Work::BytesMax(_) => 1,
        }
    }
}

/// The way to the thread. Dropping it lets the thread finish what waits, and waits for that.
pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(connection: Connection, bell: Bell) -> Result<Writer, std::io::Error> {
        let (jobs, waiting) = mpsc::channel(LISTS_WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("weir-store-writer".to_owned())
            .spawn(move || run(&connection, waiting, &bell))?;
        Ok(Writer {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    pub(crate) async fn write(&self, work: Work) -> Answer {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(closing)?;
        jobs.send(Job { work, reply }).await.map_err(|_| closing())?;
        answer.await.map_err(|_| closing())?
    }

    /// For threads that may block.
    pub(crate) fn write_blocking(&self, work: Work) -> Answer {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(closing)?;
        jobs.blocking_send(Job { work, reply }).map_err(|_| closing())?;
        answer.blocking_recv().map_err(|_| closing())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was already reported where it happened.
            drop(thread.join());
        }
    }
}

fn run(connection: &Connection, mut waiting: mpsc::Receiver<Job>, bell: &Bell) {
    let mut names = Names::default();
    while let Some(first) = waiting.blocking_recv() {
        for (reply, answer) in group(connection, &mut names, first, &mut waiting) {
            // Who no longer waits does not need the answer; the list is written all the same.
            drop(reply.send(answer));
        }
        bell.ring();
    }
}

type Answered = Vec<(oneshot::Sender<Answer>, Answer)>;

/// One transaction over what waits.
fn group(
    connection: &Connection,
    names: &mut Names,
    first: Job,
    waiting: &mut mpsc::Receiver<Job>,
) -> Answered {
    let started = Instant::now();
    let mut answered: Answered = Vec::new();
    let mut deltas = Deltas::default();
    let mut weight = 0;
    let mut sunk = execute(connection, "BEGIN IMMEDIATE").err();
    let mut next = Some(first);
    while let Some(job) = next.take() {
        weight += job.weight();
        let answer = match &sunk {
            Some(_) => Ok(Vec::new()),
            None => match list(connection, names, &mut deltas, job.work) {
                Ok(sequences) => Ok(sequences),
                Err(fault) if fault.sinks_group() || connection.is_autocommit() => {
                    sunk = Some(fault);
                    Ok(Vec::new())
                }
                Err(fault) => Err(fault.into_error("store a list of changes")),
            },
        };
        answered.push((job.reply, answer));
        if sunk.is_none() && weight < GROUP_CHANGES_MAX && started.elapsed() < GROUP_TIME_MAX {
            next = waiting.try_recv().ok();
        }
    }
    if sunk.is_none() {
        sunk = deltas
            .write(connection)
            .and_then(|()| execute(connection, "COMMIT"))
            .err();
    }
    if let Some(fault) = sunk {
        sink(connection, names, fault, &mut answered);
    }
    answered
}

/// Nothing of the group is stored: everybody who was to hear of success hears why not.
fn sink(connection: &Connection, names: &mut Names, fault: Fault, answered: &mut Answered) {
    names.clear();
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(error = %error, "could not roll back a group of changes; the next one will say so again");
    }
    let error = fault.into_error("write a group of changes to the store");
    tracing::error!(error = %error, lists = answered.len(), "a group of changes was not stored: {error}");
    for (_, answer) in answered.iter_mut().filter(|(_, answer)| answer.is_ok()) {
        *answer = Err(error.clone());
    }
}

fn list(
    connection: &Connection,
    names: &mut Names,
    deltas: &mut Deltas,
    work: Work,
) -> Result<Vec<i64>, Fault> {
    execute(connection, "SAVEPOINT list")?;
    let mut own = Deltas::default();
    let outcome = match work {
        Work::Changes(changes) => apply::changes(connection, names, &mut own, changes),
        Work::Housekeeping(step) => apply::housekeeping(connection, &mut own, step).map(|count| vec![count]),
        Work::BytesMax(bytes) => limit(connection, bytes).map(|()| Vec::new()),
    };
    match outcome {
        Ok(sequences) => {
            execute(connection, "RELEASE list")?;
            deltas.merge(own);
            Ok(sequences)
        }
        Err(fault) => {
            if !fault.sinks_group() && !connection.is_autocommit() {
                names.clear();
                execute(connection, "ROLLBACK TO list")?;
                execute(connection, "RELEASE list")?;
            }
            Err(fault)
        }
    }
}

fn limit(connection: &Connection, bytes: u64) -> Result<(), Fault> {
    let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let pages = match bytes {
        0 => i64::from(u32::MAX - 1),
        bytes => crate::column::signed(bytes) / page,
    };
    // Answers the limit in force, which is never below what is in use.
    connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    Ok(())
}

fn execute(connection: &Connection, sql: &str) -> Result<(), Fault> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
