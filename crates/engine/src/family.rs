//! Tasks that come of one another: the children of a split, and what is made of a group (`collect.rs`). Children are stored in the
//! transaction that ends their parent, go on behind the step that made them, and with the end of the last one it is remembered that the parent's entity was
//! delivered.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_model::dependency::Need;
use weir_model::order::Entry;
use weir_model::{Error, Kind, TaskId, json as values};
use weir_sdk::expressions::Want;
use weir_sdk::step::{Item, Part, Verdict};
use weir_sdk::store::{Change, Delivered, Loaded, NOTE, NewTask};

use crate::configuration::Route;
use crate::order;
use crate::payload;
use crate::services::Session;
use crate::shared::Shared;

/// The note of a task that starts behind a step instead of at the beginning.
const BEHIND: &str = "@behind";
/// The note of a task that others were made of.
const PARTS: &str = "@parts";

/// The effect of a task that was made of a group, whose members it may not lose to a newer version: it counts as one.
const COLLECTED: &str = "collected behind";
/// The note of a task that went on within another one.
const MERGED: &str = "@merged";
/// Stands before the step in the name of its note.
const STEP_NOTE: &str = "@step/";

type Effects = BTreeMap<String, Option<Value>>;

/// Which task made this one, and which ones it made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Relations {
    /// The task that was split into this one and others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// The tasks this one was split into.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<TaskId>,
    /// The tasks that were collected into this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<TaskId>,
    /// The task that this one was collected into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<TaskId>,
}

/// Relations as a task's journal tells them, and the effects without the engine's own notes.
pub fn relations(effects: Effects) -> (Relations, Effects) {
    let note = |name: &str, field: &str| effects.get(name)?.as_ref()?.get(field).cloned();
    let one = |name, field| serde_json::from_value(note(name, field)?).ok();
    let many = |name, field| serde_json::from_value(note(name, field)?).ok();
    let relations = Relations {
        parent: one(BEHIND, "parent"),
        children: many(PARTS, "children").unwrap_or_default(),
        members: many(COLLECTED, "members").unwrap_or_default(),
        merged_into: one(MERGED, "into"),
    };
    let effects = effects.into_iter().filter(|(name, _)| is_effect(name));
    (relations, effects.collect())
}

/// It is a request that was sent, and no note of the engine.
pub(crate) fn is_effect(name: &str) -> bool {
    !name.starts_with(NOTE) && name != COLLECTED
}

/// Under which name a step's note is journalled.
pub(crate) fn note(step: &str) -> String {
    format!("{STEP_NOTE}{step}")
}

/// Notes of the task's steps, by step.
pub(crate) fn notes(effects: &Effects) -> BTreeMap<String, Value> {
    let notes = effects.iter().filter_map(|(name, result)| {
        let step = name.strip_prefix(STEP_NOTE)?;
        Some((step.to_owned(), result.clone()?))
    });
    notes.collect()
}

/// The note that a task was made by a step.
fn made(effects: &Effects) -> Option<(&String, &Option<Value>)> {
    effects
        .get_key_value(BEHIND)
        .or_else(|| effects.get_key_value(COLLECTED))
}

/// The step behind which a task starts, when it was made by one.
pub(crate) fn behind(effects: &Effects) -> Option<&str> {
    let (_, made) = made(effects)?;
    made.as_ref()?.get("step")?.as_str()
}

pub(crate) fn is_collected(effects: &Effects) -> bool {
    effects.contains_key(COLLECTED)
}

/// The note of a task made of a group.
pub(crate) fn collected(task: TaskId, step: &str, members: &[TaskId]) -> Change {
    Change::Journal {
        task,
        effect: COLLECTED.to_owned(),
        result: Some(json!({ "step": step, "members": members })),
    }
}

/// The note of a member of that group.
pub(crate) fn merged(member: TaskId, into: TaskId) -> Change {
    Change::Journal {
        task: member,
        effect: MERGED.to_owned(),
        result: Some(json!({ "into": into })),
    }
}

/// A task made of a group as it comes into the order.
pub(crate) fn entry_of_collected(task: TaskId, key: String, sequence: i64) -> Entry {
    Entry {
        has_effect: true,
        ..order::queued(task, key, sequence)
    }
}

/// What a copy of the task needs to start where the task did.
pub(crate) fn copied(effects: &Effects, task: TaskId) -> Option<Change> {
    let (effect, result) = made(effects)?;
    Some(Change::Journal {
        task,
        effect: effect.clone(),
        result: result.clone(),
    })
}

/// The effects that a copy of the task begins with.
pub(crate) fn effects_of_copy(effects: &Effects) -> Effects {
    let note = made(effects).map(|(name, result)| (name.clone(), result.clone()));
    note.into_iter().collect()
}

/// Families with live children.
#[derive(Default)]
pub(crate) struct Families {
    /// Live child to parent.
    parents: HashMap<TaskId, TaskId>,
    /// Parent to its route and the number of its live children.
    open: HashMap<TaskId, (String, usize)>,
}

impl Families {
    pub(crate) fn add(&mut self, route: &str, parent: TaskId, children: impl IntoIterator<Item = TaskId>) {
        let mut count = 0;
        for child in children {
            self.parents.insert(child, parent);
            count += 1;
        }
        if count > 0 {
            self.open.insert(parent, (route.to_owned(), count));
        }
    }

    fn end(&mut self, child: &TaskId) -> Option<(String, TaskId)> {
        let parent = self.parents.remove(child)?;
        let (_, count) = self.open.get_mut(&parent)?;
        *count -= 1;
        if *count > 0 {
            return None;
        }
        let (route, _) = self.open.remove(&parent)?;
        Some((route, parent))
    }
}

/// What is remembered of a parent when its family is complete.
#[derive(Serialize, Deserialize)]
struct Memory {
    key: String,
    version: i64,
    release: u64,
    /// The entity as it was split.
    entity: Value,
    reads: Vec<Want>,
    children: Vec<TaskId>,
}

fn collection(shared: &Shared, route: &str) -> String {
    let scope = &shared.configuration.scope;
    format!("families/{scope}/{route}")
}

/// Writes the children down, and what is to be remembered of the parent; answers them in their order.
pub(crate) fn split(
    session: &Session<'_>,
    loaded: &Loaded,
    item: &mut Item,
    (step, parts): (&str, Vec<Part>),
    at: Timestamp,
    changes: &mut Vec<Change>,
) -> Vec<(TaskId, String)> {
    let shared = session.shared;
    let mut born = Vec::with_capacity(parts.len());
    for part in parts {
        let id = TaskId(shared.context.dice.uuid());
        changes.push(Change::InsertTask(NewTask {
            id,
            scope: shared.configuration.scope.clone(),
            route: session.route.clone(),
            key: part.key.clone(),
            run: loaded.task.run,
            at,
            input: payload::pack(&part.value),
            replay_of: None,
        }));
        changes.push(Change::Journal {
            task: id,
            effect: BEHIND.to_owned(),
            result: Some(json!({ "step": step, "parent": item.task })),
        });
        born.push((id, part.key));
    }
    let children: Vec<TaskId> = born.iter().map(|(id, _)| *id).collect();
    changes.push(Change::Journal {
        task: item.task,
        effect: PARTS.to_owned(),
        result: Some(json!({ "children": children })),
    });
    let memory = Memory {
        key: item.key.clone(),
        version: loaded.task.sequence,
        release: shared.configuration.release,
        entity: item.value.clone(),
        reads: std::mem::take(&mut item.reads),
        children,
    };
    changes.push(Change::PutDocument {
        collection: collection(shared, &session.route),
        key: item.task.to_string(),
        document: Some(json!(memory)),
    });
    born
}

/// Stored children come into the order.
pub(crate) fn bear(
    shared: &Shared,
    name: &str,
    born: Vec<(TaskId, Vec<(TaskId, String)>)>,
    sequences: Vec<i64>,
) {
    let mut state = shared.lock();
    let mut sequences = sequences.into_iter();
    for (parent, children) in born {
        let stored: Vec<((TaskId, String), i64)> = children.into_iter().zip(sequences.by_ref()).collect();
        state
            .families
            .add(name, parent, stored.iter().map(|((task, _), _)| *task));
        for ((task, key), sequence) in stored {
            state.route(name).keys.put(order::queued(task, key, sequence));
        }
    }
}

pub(crate) fn refuse_large_split(route: &Route, item: &mut Item) {
    let limit = route.limits.split_children;
    if let Verdict::Split { step, parts } = &item.verdict
        && parts.len() as u64 > limit
    {
        let message = format!(
            "the step `{step}` makes {} tasks of `{}`, which is beyond the limit split_children of {limit}; raise it in the \
             `limits` of the route, or split at the source",
            parts.len(),
            item.key
        );
        item.verdict = Verdict::Fail(Error::new(Kind::Limit, message));
    }
}

/// Tasks have ended as done or skipped; families that are complete with them are remembered as delivered.
pub(crate) async fn ended(shared: &Shared, tasks: impl IntoIterator<Item = TaskId>) {
    let complete: Vec<(String, TaskId)> = {
        let families = &mut shared.lock().families;
        tasks.into_iter().filter_map(|task| families.end(&task)).collect()
    };
    for (route, parent) in complete {
        if let Err(error) = remember(shared, &route, &parent).await {
            tracing::error!(task.id = %parent, error = %error, "what task {parent} delivered is remembered at the next \
                start only: {error}");
        }
    }
}

async fn remember(shared: &Shared, route: &str, parent: &TaskId) -> Result<(), Error> {
    let collection = collection(shared, route);
    // None: one of its children was cancelled, so the whole was not delivered.
    let Some(document) = shared.store.document(&collection, &parent.to_string()).await? else {
        return Ok(());
    };
    let memory: Memory = read(document)?;
    let delivered = Change::PutDelivered {
        scope: shared.configuration.scope.clone(),
        route: route.to_owned(),
        key: memory.key.clone(),
        delivered: Delivered {
            version: memory.version,
            hash: Some(values::hash(&memory.entity)),
            release: memory.release,
            at: shared.context.clock.now(),
            entity: Some(payload::pack(&memory.entity)),
            filtered: false,
        },
        reads: Some(memory.reads),
    };
    let forget = Change::PutDocument {
        collection,
        key: parent.to_string(),
        document: None,
    };
    shared.commit_surely(vec![delivered, forget]).await?;
    let need = Need::Key {
        route: route.to_owned(),
        key: memory.key,
    };
    shared.wake(&[need]).await;
    Ok(())
}

fn read(document: Value) -> Result<Memory, Error> {
    serde_json::from_value(document)
        .map_err(|error| Error::bug("what is remembered of a split task cannot be read").source(error))
}

/// A person cancels a task: of a child, its parent will not have been delivered.
pub(crate) fn cancelled(shared: &Shared, route: &str, task: &TaskId) -> Option<Change> {
    let parent = *shared.lock().families.parents.get(task)?;
    Some(Change::PutDocument {
        collection: collection(shared, route),
        key: parent.to_string(),
        document: None,
    })
}

/// Families into memory, at start, after the live tasks; one whose last child ended just before the process did is
/// remembered now.
pub(crate) async fn adopt(shared: &Shared) -> Result<(), Error> {
    for route in shared.configuration.routes.keys() {
        let mut complete = Vec::new();
        for (parent, document) in shared.store.documents(&collection(shared, route)).await? {
            let Ok(parent) = parent.parse::<TaskId>() else {
                continue;
            };
            let children = read(document)?.children;
            let mut state = shared.lock();
            let keys = &state.route(route).keys;
            let live: Vec<TaskId> = children
                .into_iter()
                .filter(|child| keys.get(child).is_some())
                .collect();
            match live.is_empty() {
                true => complete.push(parent),
                false => state.families.add(route, parent, live),
            }
        }
        for parent in complete {
            remember(shared, route, &parent).await?;
        }
    }
    Ok(())
}
