//! Calls operations through a connection: what has an effect is intended before and journalled after, and sent again only
//! where the operation allows it.

use std::collections::HashMap;

use futures::StreamExt;
use serde_json::Value;
use weir_model::retry::Repeat;
use weir_model::{Error, Kind, TaskId};
use weir_sdk::connector::{CallRequest, Connection, Exchange, Observer, OperationDescription};
use weir_sdk::step::{Batch, Call, Verdict};
use weir_sdk::store::Change;

use crate::services::Session;
use crate::write::{all_away, fail_all, step_of};

/// Calls of one batch under way at once; the connection's own limits hold below.
const CALLS_MAX: usize = 16;

/// One request and the items that get its result.
struct Job {
    items: Vec<usize>,
    tasks: Vec<TaskId>,
    /// Name in the journal.
    effect: String,
    request: CallRequest,
}

pub(crate) async fn call(
    session: &Session<'_>,
    call: &Call,
    with: Vec<Value>,
    batch: &mut Batch,
) -> Vec<Option<Value>> {
    let mut results: Vec<Option<Value>> = batch.items.iter().map(|_| None).collect();
    let Some(connection) = session.shared.configuration.connections.get(&call.connection) else {
        let message = format!("there is no connection `{}`", call.connection);
        fail_all(batch, &Error::new(Kind::Configuration, message));
        return results;
    };
    let operations = &connection.description().operations;
    let operation = operations.get(&call.operation).copied().unwrap_or_default();
    let jobs = jobs(session, call, operation, with, batch, &mut results);
    let total: usize = jobs.iter().map(|job| job.items.len()).sum();
    let made = jobs.into_iter().map(|job| async move {
        let outcome = one(session, connection.as_ref(), operation, &job).await;
        (job, outcome)
    });
    let outcomes: Vec<(Job, Result<Value, Error>)> = futures::stream::iter(made)
        .buffer_unordered(CALLS_MAX)
        .collect()
        .await;
    let mut failures = Vec::new();
    for (job, outcome) in outcomes {
        for index in job.items {
            let item = &mut batch.items[index];
            match &outcome {
                Ok(result) => {
                    item.log.push(format!("{}: answered", call.operation));
                    results[index] = Some(result.clone());
                }
                Err(error) => {
                    let error = error.clone().with("connection", &call.connection);
                    failures.push(error.clone());
                    session.notes().repeats.insert(item.task, operation.repeat);
                    item.verdict = Verdict::Fail(error);
                }
            }
        }
    }
    if let Some(error) = all_away(&failures, total) {
        session.notes().failing = Some((call.connection.clone(), error.clone()));
    }
    results
}

/// What is to be asked. Results that are journalled, and what a try-out may not send, are settled here; what changes
/// nothing is asked once for all that ask the same.
fn jobs(
    session: &Session<'_>,
    call: &Call,
    operation: OperationDescription,
    with: Vec<Value>,
    batch: &mut Batch,
    results: &mut [Option<Value>],
) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut same: HashMap<String, usize> = HashMap::new();
    for (index, (item, with)) in batch.items.iter_mut().zip(with).enumerate() {
        if !item.is_going() {
            continue;
        }
        let effect = step_of(&call.step, item);
        if operation.has_effect {
            let effects = session.loaded.get(&item.task).map(|loaded| &loaded.effects);
            match effects.and_then(|effects| effects.get(&effect)) {
                // A former attempt got behind this call; a later step failed.
                Some(Some(done)) => {
                    item.log.push(format!("{}: answered before", call.operation));
                    results[index] = Some(done.clone());
                    continue;
                }
                Some(None) if operation.repeat == Repeat::Unsafe => {
                    let message = format!(
                        "`{}` was called for `{}` at {} and no answer came; calling it again could do it twice. Look there \
                         what happened, then retry or skip the task",
                        call.operation, item.key, call.connection
                    );
                    let error =
                        Error::new(Kind::OutcomeUnknown, message).with("connection", &call.connection);
                    item.verdict = Verdict::Fail(error.with("entity", &item.key));
                    session.notes().repeats.insert(item.task, operation.repeat);
                    continue;
                }
                _ => {}
            }
            if session.captures {
                session.notes().called.push((item.task, call.clone(), with));
                results[index] = Some(Value::Null);
                continue;
            }
        } else if let Some(job) = same.get(&with.to_string()) {
            let job: &mut Job = &mut jobs[*job];
            job.items.push(index);
            job.tasks.push(item.task);
            continue;
        } else {
            same.insert(with.to_string(), jobs.len());
        }
        jobs.push(Job {
            items: vec![index],
            tasks: vec![item.task],
            effect,
            request: CallRequest {
                operation: call.operation.clone(),
                with,
            },
        });
    }
    jobs
}

/// One call. Of one with an effect the intention is durable before, and its result after; an unknown outcome leaves the
/// intention open.
async fn one(
    session: &Session<'_>,
    connection: &dyn Connection,
    operation: OperationDescription,
    job: &Job,
) -> Result<Value, Error> {
    let heard = Heard {
        session,
        tasks: &job.tasks,
    };
    if !operation.has_effect {
        return connection.call(&job.request, &heard).await;
    }
    let shared = session.shared;
    let (task, effect) = (job.tasks[0], job.effect.clone());
    let at = shared.context.clock.now();
    // With it what earlier effects of the batch left to be journalled.
    session.commit(vec![Change::Intend { task, effect, at }]).await?;
    let outcome = connection.call(&job.request, &heard).await;
    if matches!(&outcome, Err(error) if error.kind == Kind::OutcomeUnknown) {
        return outcome;
    }
    let journal = Change::Journal {
        task,
        effect: job.effect.clone(),
        result: outcome.as_ref().ok().cloned(),
    };
    shared.commit_surely(vec![journal]).await?;
    if outcome.is_ok() {
        session.notes().has_effect.push(task);
    }
    outcome
}

struct Heard<'a> {
    session: &'a Session<'a>,
    tasks: &'a [TaskId],
}

impl Observer for Heard<'_> {
    fn exchange(&self, _: &[usize], exchange: Exchange) {
        self.session
            .notes()
            .exchanges
            .push((self.tasks.to_vec(), exchange));
    }
}
