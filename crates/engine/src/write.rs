//! Writes a batch through a connection: intend, write, note what came of each row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::dependency::Need;
use weir_model::retry::Repeat;
use weir_model::{Address, Error, Kind, TaskId};
use weir_sdk::connector::{Effects, Exchange, Observer, Outcome, WriteRequest, WriteRow, Written};
use weir_sdk::step::{Batch, Item, Verdict, Write, ids_value, remember};
use weir_sdk::store::Change;

use crate::services::Session;
use crate::shared::Shared;

pub(crate) async fn write(session: &Session<'_>, write: &Write, batch: &mut Batch) {
    let Some(connection) = session.shared.configuration.connections.get(&write.connection) else {
        let error = Error::new(
            Kind::Configuration,
            format!("there is no connection `{}`", write.connection),
        );
        fail_all(batch, &error);
        return;
    };
    let repeat = connection
        .description()
        .entities
        .get(&write.entity)
        .map_or(Repeat::Unsafe, |entity| entity.repeat);
    let mut indexes = Vec::new();
    let mut rows = Vec::new();
    let mut steps = Vec::new();
    for (index, item) in batch
        .items
        .iter_mut()
        .enumerate()
        .filter(|(_, item)| item.is_going())
    {
        let step = step_of(&write.step, item);
        let effects = session.loaded.get(&item.task).map(|loaded| &loaded.effects);
        if let Some(Some(done)) = effects.and_then(|effects| effects.get(&step)) {
            // A former attempt got behind this write; a later step failed.
            take(
                session,
                write,
                item,
                serde_json::from_value(done.clone()).unwrap_or_default(),
            );
            continue;
        }
        let prefix = format!("{step}/");
        let of_step = || {
            effects
                .into_iter()
                .flatten()
                .filter_map(|(name, result)| Some((name.strip_prefix(&prefix)?, result.as_ref())))
        };
        let uncertain = of_step().any(|(_, result)| result.is_none());
        if uncertain && repeat == Repeat::Unsafe {
            item.verdict = Verdict::Fail(
                Error::new(
                    Kind::OutcomeUnknown,
                    format!(
                        "`{}` was sent to {}/{} and no answer came; sending it again could create it twice. Look there \
                         for it, then retry or skip the task",
                        item.key, write.connection, write.entity
                    ),
                )
                .with("connection", &write.connection)
                .with("entity", &item.key),
            );
            session.notes().repeats.insert(item.task, repeat);
            continue;
        }
        let finished: BTreeMap<String, Value> = of_step()
            .filter_map(|(name, result)| Some((name.to_owned(), result?.clone())))
            .collect();
        indexes.push(index);
        steps.push(step);
        rows.push(WriteRow {
            task: item.task,
            key: item.key.clone(),
            value: item.value.clone(),
            uncertain,
            finished,
        });
    }
    if rows.is_empty() {
        return;
    }
    let tasks: Vec<TaskId> = rows.iter().map(|row| row.task).collect();
    let journal = Journal {
        session,
        steps: &steps,
        tasks: &tasks,
        repeat,
        touched: Mutex::default(),
    };
    let request = WriteRequest {
        entity: write.entity.clone(),
        mode: write.mode,
        rows,
    };
    let outcomes = connection.write(&request, &journal).await;
    let touched = journal
        .touched
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    session
        .notes()
        .has_effect
        .extend(touched.into_iter().map(|(task, _)| task));
    let mut failures = Vec::new();
    let total = indexes.len();
    for (index, outcome) in indexes.into_iter().zip(outcomes) {
        let item = &mut batch.items[index];
        match outcome {
            Outcome::Written(written) => take(session, write, item, written),
            Outcome::Failed(error) => {
                let error = error.with("connection", &write.connection);
                failures.push(error.clone());
                session.notes().repeats.insert(item.task, repeat);
                item.verdict = Verdict::Fail(error);
            }
            Outcome::Waits { entity, key, field } => {
                let reason = format!(
                    "field `{field}` refers to {}/{entity} `{key}`, which is not there yet",
                    write.connection
                );
                let need = Need::Link {
                    connection: write.connection.clone(),
                    entity,
                    key,
                };
                item.verdict = Verdict::Wait { need, reason };
            }
        }
    }
    if let Some(error) = all_away(&failures, total) {
        session.notes().failing = Some((write.connection.clone(), error.clone()));
    }
}

/// When nobody of `total` got through, it is not about the rows.
pub(crate) fn all_away(failures: &[Error], total: usize) -> Option<&Error> {
    let away = |error: &Error| {
        matches!(
            error.kind,
            Kind::Unavailable | Kind::Timeout | Kind::OutcomeUnknown
        )
    };
    let is_all = failures.len() == total && failures.iter().all(away);
    failures.first().filter(|_| is_all)
}

pub(crate) fn fail_all(batch: &mut Batch, error: &Error) {
    for item in batch.items.iter_mut().filter(|item| item.is_going()) {
        item.verdict = Verdict::Fail(error.clone());
    }
}

/// A confirmed write: its ids for later steps and links, its warnings for people.
fn take(session: &Session<'_>, write: &Write, item: &mut Item, written: Written) {
    let mut result = ids_value(&written.ids);
    if let Value::Object(result) = &mut result {
        result.insert("action".to_owned(), json!(written.action));
    }
    remember(&mut item.steps, &write.name, result);
    item.log.push(format!(
        "{} `{}`: {}",
        write.entity,
        item.key,
        action_word(&written)
    ));
    item.warnings.extend(written.warnings.iter().cloned());
    let address = Address {
        connection: write.connection.clone(),
        entity: write.entity.clone(),
    };
    session.notes().written.entry(item.task).or_default().push((
        step_of(&write.step, item),
        address,
        item.key.clone(),
        written,
    ));
}

/// Identity of a step's effect in the task's journal: elements of one entity share its task and are told apart.
pub(crate) fn step_of(step: &str, item: &Item) -> String {
    match &item.carried.element {
        None => step.to_owned(),
        Some(element) => format!("{step}#{element}"),
    }
}

fn action_word(written: &Written) -> &'static str {
    use weir_sdk::connector::Action;
    match written.action {
        Action::Created => "created",
        Action::Updated => "updated",
        Action::Unchanged => "already as it should be",
        Action::Deleted => "deleted",
    }
}

/// The journal of one write of one batch.
struct Journal<'a> {
    session: &'a Session<'a>,
    /// Of each row, as [`step_of`] it.
    steps: &'a [String],
    tasks: &'a [TaskId],
    repeat: Repeat,
    /// Effects that were done, or of which nobody knows whether they were.
    touched: Mutex<BTreeSet<(TaskId, String)>>,
}

impl Journal<'_> {
    fn shared(&self) -> &Shared {
        self.session.shared
    }

    fn touched(&self) -> MutexGuard<'_, BTreeSet<(TaskId, String)>> {
        self.touched
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The task of a row, and the name under which an effect of the row is journalled.
    fn place(&self, row: usize, effect: &str) -> Result<(TaskId, String), Error> {
        match (self.tasks.get(row), self.steps.get(row)) {
            (Some(task), Some(step)) => Ok((*task, format!("{step}/{effect}"))),
            _ => Err(Error::bug(format!(
                "the connector spoke of row {row}, which it was not given"
            ))),
        }
    }
}

#[async_trait]
impl Effects for Journal<'_> {
    async fn intend(&self, effect: &str, rows: &[usize]) -> Result<(), Error> {
        let at = self.shared().context.clock.now();
        let mut changes = Vec::with_capacity(rows.len());
        let mut intended = Vec::with_capacity(rows.len());
        for row in rows {
            let (task, effect) = self.place(*row, effect)?;
            intended.push((task, effect.clone()));
            changes.push(Change::Intend { task, effect, at });
        }
        self.session.commit(changes).await?;
        self.touched().extend(intended);
        Ok(())
    }

    async fn finish(&self, effect: &str, results: Vec<(usize, Result<Value, Error>)>) -> Result<(), Error> {
        let mut changes = Vec::with_capacity(results.len());
        let mut undone = Vec::new();
        for (row, result) in results {
            let (task, effect) = self.place(row, effect)?;
            if result.is_err() {
                undone.push((task, effect.clone()));
            }
            changes.push(Change::Journal {
                task,
                effect,
                result: result.ok(),
            });
        }
        if self.repeat == Repeat::Unsafe {
            // A person has to look when nobody knows the outcome: the time in which nobody would is kept short.
            self.shared().commit_surely(changes).await?;
        } else {
            self.session.notes().due.extend(changes);
        }
        let mut touched = self.touched();
        for effect in &undone {
            touched.remove(effect);
        }
        Ok(())
    }
}

impl Observer for Journal<'_> {
    fn exchange(&self, rows: &[usize], exchange: Exchange) {
        let tasks = rows
            .iter()
            .filter_map(|row| self.tasks.get(*row).copied())
            .collect();
        self.session.notes().exchanges.push((tasks, exchange));
    }
}
