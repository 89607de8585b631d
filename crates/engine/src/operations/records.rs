//! What stands in the store of previews and operations: documents, by project and environment.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_model::{Error, OperationId, Scope, TaskId};
use weir_sdk::store::{Change, Store};

use super::{Operation, Selection};
use crate::actions::Deed;
use crate::shared::Shared;

/// Ids of tasks in one document.
pub(super) const PART_TASKS: usize = 500;

/// A preview that can be executed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) id: OperationId,
    pub(super) deed: Deed,
    pub(super) selection: Selection,
    pub(super) routes: Vec<String>,
    pub(super) total: u64,
    pub(super) made_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

fn tokens(scope: &Scope) -> String {
    format!("previews/{scope}")
}

fn operations(scope: &Scope) -> String {
    format!("operations/{scope}")
}

fn parts(scope: &Scope, id: &OperationId) -> String {
    format!("operation-tasks/{scope}/{id}")
}

fn part_key(part: usize) -> String {
    format!("{part:06}")
}

fn written(value: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(value)
        .map_err(|error| Error::bug("an operation could not be written down").source(error))
}

fn read<T: DeserializeOwned>(document: Value) -> Result<T, Error> {
    serde_json::from_value(document).map_err(|error| {
        Error::bug(
            "a stored operation could not be read back; it was written by another version or is damaged",
        )
        .source(error)
    })
}

fn put(collection: String, key: String, document: Option<Value>) -> Change {
    Change::PutDocument {
        collection,
        key,
        document,
    }
}

pub(super) fn put_token(scope: &Scope, token: &Token) -> Result<Change, Error> {
    Ok(put(tokens(scope), token.id.to_string(), Some(written(token)?)))
}

pub(super) fn drop_token(scope: &Scope, id: &OperationId) -> Change {
    put(tokens(scope), id.to_string(), None)
}

pub(super) fn put_operation(scope: &Scope, operation: &Operation) -> Result<Change, Error> {
    let document = written(operation)?;
    Ok(put(operations(scope), operation.id.to_string(), Some(document)))
}

pub(super) fn drop_operation(scope: &Scope, id: &OperationId) -> Change {
    put(operations(scope), id.to_string(), None)
}

/// The frozen list, in parts.
pub(super) fn put_tasks(scope: &Scope, id: &OperationId, tasks: &[TaskId]) -> Result<Vec<Change>, Error> {
    let part =
        |(part, tasks): (usize, &[TaskId])| Ok(put(parts(scope, id), part_key(part), Some(written(&tasks)?)));
    tasks.chunks(PART_TASKS).enumerate().map(part).collect()
}

pub(super) fn drop_tasks(scope: &Scope, id: &OperationId, total: u64) -> Vec<Change> {
    let count = usize::try_from(total).unwrap_or(usize::MAX).div_ceil(PART_TASKS);
    (0..count)
        .map(|part| put(parts(scope, id), part_key(part), None))
        .collect()
}

pub(super) async fn token(shared: &Shared, id: &OperationId) -> Result<Option<Token>, Error> {
    let collection = tokens(&shared.configuration.scope);
    let found = shared.store.document(&collection, &id.to_string()).await?;
    found.map(read).transpose()
}

pub(super) async fn all_tokens(shared: &Shared) -> Result<Vec<Token>, Error> {
    let found = shared
        .store
        .documents(&tokens(&shared.configuration.scope))
        .await?;
    found.into_iter().map(|(_, document)| read(document)).collect()
}

pub(super) async fn operation(
    store: &dyn Store,
    scope: &Scope,
    id: &OperationId,
) -> Result<Option<Operation>, Error> {
    let found = store.document(&operations(scope), &id.to_string()).await?;
    found.map(read).transpose()
}

/// Newest first.
pub(super) async fn all_operations(store: &dyn Store, scope: &Scope) -> Result<Vec<Operation>, Error> {
    let found = store.documents(&operations(scope)).await?;
    let mut all = found
        .into_iter()
        .map(|(_, document)| read(document))
        .collect::<Result<Vec<Operation>, _>>()?;
    all.sort_by_key(|operation| std::cmp::Reverse((operation.started_at, operation.id)));
    Ok(all)
}

/// Up to `limit` tasks of the frozen list, from this place on; none behind its end.
pub(super) async fn tasks(
    shared: &Shared,
    id: &OperationId,
    from: u64,
    limit: usize,
) -> Result<Vec<TaskId>, Error> {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let (part, within) = (from / PART_TASKS, from % PART_TASKS);
    let collection = parts(&shared.configuration.scope, id);
    let Some(document) = shared.store.document(&collection, &part_key(part)).await? else {
        return Ok(Vec::new());
    };
    let tasks: Vec<TaskId> = read(document)?;
    Ok(tasks.into_iter().skip(within).take(limit).collect())
}
