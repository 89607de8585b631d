//! Groups of collecting steps. A member is a waiting task with the need of its group: the rows are the buffer, and the
//! memory is rebuilt from them. A group that is closed becomes a task of its own, in the transaction that ends its members;
//! with the success of that task it is remembered that they were delivered.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_model::dependency::Need;
use weir_model::task::State as TaskState;
use weir_model::{Error, RunId, TaskId, json as values};
use weir_sdk::expressions::Want;
use weir_sdk::step::{Batch, Closing, Item, Kept, Verdict};
use weir_sdk::store::{Change, Delivered, End, Loaded, NewTask, RunOutcome};

use crate::family;
use crate::kept;
use crate::payload;
use crate::services::Session;
use crate::shared::Shared;
use crate::start;

/// A group is looked at again after this time at the earliest.
const LOOK_MS: u64 = 50;
/// Runs of a route that are looked at for the one of a member; older ones are over.
const RUNS_MAX: usize = 100;

/// Groups of a route, by step and the value of `by`, with their members in the order of their coming.
pub(crate) type Groups = BTreeMap<(String, String), Vec<Member>>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) task: TaskId,
    pub(crate) since: Timestamp,
    pub(crate) run: Option<RunId>,
}

/// What is known of a member while it is in the buffer.
#[derive(Serialize, Deserialize)]
struct Buffered {
    value: Value,
    reads: Vec<Want>,
    kept: Vec<Kept>,
}

/// What is remembered of a member with the success of the task made of its group.
#[derive(Serialize, Deserialize)]
struct Memory {
    key: String,
    version: i64,
    hash: [u8; 16],
    reads: Vec<Want>,
}

fn collection(shared: &Shared, route: &str) -> String {
    let scope = &shared.configuration.scope;
    format!("collected/{scope}/{route}")
}

/// Notes what the entity is at the step.
pub(crate) fn buffer(item: &mut Item, step: &str, changes: &mut Vec<Change>) {
    let buffered = Buffered {
        value: item.value.clone(),
        reads: std::mem::take(&mut item.reads),
        kept: std::mem::take(&mut item.carried.kept),
    };
    changes.push(Change::Journal {
        task: item.task,
        effect: family::note(step),
        result: Some(json!(buffered)),
    });
}

/// The collecting steps of all routes.
fn steps(shared: &Shared) -> Vec<(String, String, Closing)> {
    let routes = shared.configuration.routes.iter();
    let of_route = |(name, route): (&String, &crate::configuration::Route)| {
        let steps = route.steps.iter();
        let found =
            steps.filter_map(|placed| Some((name.clone(), placed.id.clone(), placed.step.closing()?)));
        found.collect::<Vec<_>>()
    };
    routes.flat_map(of_route).collect()
}

/// Closes groups as they become ready, for as long as the engine runs.
pub(crate) async fn run(shared: Arc<Shared>) {
    let steps = steps(&shared);
    if steps.is_empty() {
        return;
    }
    loop {
        let progress = shared.progress.notified();
        let next_ms = look(&shared, &steps).await;
        let sleep = async {
            match next_ms {
                Some(ms) => shared.context.clock.sleep_ms(ms.max(LOOK_MS)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = progress => {}
            () = sleep => {}
            () = shared.stopping.cancelled() => return,
        }
    }
}

/// Closes what is ready; answers in how many milliseconds the next one is.
async fn look(shared: &Shared, steps: &[(String, String, Closing)]) -> Option<u64> {
    let now = shared.context.clock.now();
    let mut next: Option<u64> = None;
    for (route, step, closing) in steps {
        let groups: Vec<(String, Vec<Member>)> = {
            let mut state = shared.lock();
            let groups = state.route(route).groups.iter();
            let of_step = groups.filter(|((of, _), _)| of == step);
            of_step
                .map(|((_, by), members)| (by.clone(), members.clone()))
                .collect()
        };
        if groups.is_empty() {
            continue;
        }
        let limit = shared
            .route(route)
            .map_or(1, |route| route.limits.collect_members.max(1));
        let full = closing.count.unwrap_or(limit).min(limit);
        let mut over: HashMap<Option<RunId>, bool> = HashMap::new();
        for (by, members) in groups {
            let first = members.iter().map(|member| member.since).min().unwrap_or(now);
            let age_ms = (now.as_millisecond() - first.as_millisecond()).max(0) as u64;
            let left_ms = closing.after_ms.map(|after| after.saturating_sub(age_ms));
            let mut is_ready = members.len() as u64 >= full || left_ms == Some(0);
            if !is_ready && closing.end_of_run {
                is_ready = true;
                for run in members.iter().map(|member| member.run) {
                    let known = match over.get(&run) {
                        Some(known) => *known,
                        None => {
                            let found = is_over(shared, route, run, closing.after_ms.is_some()).await;
                            over.insert(run, found);
                            found
                        }
                    };
                    is_ready &= known;
                }
            }
            if is_ready {
                if let Err(error) = close(shared, route, step, &by, full as usize).await {
                    tracing::warn!(route.id = route, error = %error, "the group `{by}` of `{step}` is closed later: {error}");
                    next = Some(next.unwrap_or(1_000).min(1_000));
                }
            } else if let Some(left) = left_ms {
                next = Some(next.unwrap_or(left).min(left));
            }
        }
    }
    next
}

/// No more members come of this run: it is read to the end, and each of its tasks has ended or waits. Waiting ones are
/// waited for only where the group has another end.
async fn is_over(shared: &Shared, route: &str, run: Option<RunId>, awaits_waiting: bool) -> bool {
    // What came by itself belongs to no run; it is not left for ever.
    let Some(run) = run else { return !awaits_waiting };
    let scope = &shared.configuration.scope;
    let Ok(runs) = shared.store.runs(scope, Some(route), RUNS_MAX).await else {
        return false;
    };
    // A run that stopped is read with the one that went on from its page. Newest first.
    let is_read = match runs.iter().position(|other| other.id == run) {
        Some(place) => runs[..=place]
            .iter()
            .any(|run| matches!(run.outcome, Some(RunOutcome::Read))),
        None => true,
    };
    if !is_read {
        return false;
    }
    let Ok(counts) = shared.store.run_counts(&run).await else {
        return false;
    };
    let count = |state| counts.get(&state).copied().unwrap_or(0);
    if count(TaskState::Queued) + count(TaskState::Running) + count(TaskState::Retrying) > 0 {
        return false;
    }
    let mut state = shared.lock();
    let place = state.route(route);
    let members = place
        .groups
        .values()
        .flatten()
        .filter(|member| member.run == Some(run));
    let are_all_here = members.count() as u64 == count(TaskState::Waiting);
    // One that has just been stored as waiting may be a member that is not here yet.
    are_all_here || (!awaits_waiting && place.keys.count(TaskState::Running) == 0)
}

/// Ends the members and makes the task of their group, in one transaction.
async fn close(shared: &Shared, route: &str, step: &str, by: &str, most: usize) -> Result<(), Error> {
    let group = (step.to_owned(), by.to_owned());
    let mut ids: Vec<TaskId> = {
        let mut state = shared.lock();
        let members = state.route(route).groups.get(&group);
        members.into_iter().flatten().map(|member| member.task).collect()
    };
    ids.truncate(most);
    let need = Need::Group {
        step: step.to_owned(),
        by: by.to_owned(),
    };
    let mut members: Vec<Loaded> = shared.store.load(&ids).await?;
    members.retain(|loaded| loaded.task.state == TaskState::Waiting && loaded.task.needs.contains(&need));
    let are_here: Vec<TaskId> = members.iter().map(|loaded| loaded.task.id).collect();
    let gone = |id: &&TaskId| !are_here.contains(id);
    for id in ids.iter().filter(gone) {
        shared.lock().route(route).leave(id);
    }
    if members.is_empty() {
        return Ok(());
    }
    members.sort_by_key(|loaded| loaded.task.sequence);
    let id = TaskId(shared.context.dice.uuid());
    let at = shared.context.clock.now();
    let (mut ends, mut entities, mut memories) = (Vec::new(), Vec::new(), Vec::new());
    for loaded in &members {
        let noted = family::notes(&loaded.effects).remove(step).unwrap_or_default();
        let buffered: Buffered = serde_json::from_value(noted)
            .map_err(|error| Error::bug("what is noted of a collected task cannot be read").source(error))?;
        let member = loaded.task.id;
        memories.push(Memory {
            key: loaded.task.key.clone(),
            version: loaded.task.sequence,
            hash: values::hash(&buffered.value),
            reads: buffered.reads,
        });
        entities.push(buffered.value);
        let key = &loaded.task.key;
        ends.extend(kept::written(shared, route, &member, key, buffered.kept, at));
        ends.push(family::merged(member, id));
        if shared.lock().route(route).starts.contains_key(&member) {
            ends.push(start::put(&shared.configuration.scope, &member, None));
        }
        ends.push(Change::End(End {
            task: member,
            from: TaskState::Waiting,
            to: TaskState::Done,
            at,
            reason: Some(format!("merged into {id}")),
            warnings: Vec::new(),
        }));
    }
    let mut changes = vec![
        Change::InsertTask(NewTask {
            id,
            scope: shared.configuration.scope.clone(),
            route: route.to_owned(),
            key: by.to_owned(),
            run: members.last().and_then(|loaded| loaded.task.run),
            at,
            input: payload::pack(&json!({ "key": by, "members": entities })),
            replay_of: None,
        }),
        family::collected(id, step, &are_here),
        Change::PutDocument {
            collection: collection(shared, route),
            key: id.to_string(),
            document: Some(json!(memories)),
        },
    ];
    changes.extend(ends);
    let rows = kept::rows(changes.iter());
    let held = shared.arrivals.hold([(route, by)]).await;
    let sequence = shared.commit_surely(changes).await?.first().copied();
    {
        let mut state = shared.lock();
        for member in &are_here {
            state.unpark(route, member);
            let place = state.route(route);
            place.keys.remove(member);
            place.released.remove(member);
            place.starts.remove(member);
            place.delivered += 1;
        }
        let entry = family::entry_of_collected(id, by.to_owned(), sequence.unwrap_or_default());
        state.route(route).keys.put(entry);
    }
    drop(held);
    family::ended(shared, are_here).await;
    let mut met = kept::in_force(shared, &rows).await;
    met.extend(members.iter().map(|loaded| Need::Key {
        route: route.to_owned(),
        key: loaded.task.key.clone(),
    }));
    shared.wake(&met).await;
    shared.signal(route);
    shared.progress.notify_waiters();
    Ok(())
}

/// What the success of a task made of a group writes, and what any end of it forgets.
pub(crate) struct Remembered {
    pub(crate) deliveries: Vec<Change>,
    pub(crate) forget: Change,
    /// Keys of the members.
    pub(crate) keys: Vec<String>,
}

/// `None` for a task that was made of no group.
async fn remembered(
    session: &Session<'_>,
    loaded: &Loaded,
    at: Timestamp,
) -> Result<Option<Remembered>, Error> {
    if !family::is_collected(&loaded.effects) {
        return Ok(None);
    }
    let shared = session.shared;
    let (route, task) = (&session.route, &loaded.task);
    let document = shared
        .store
        .document(&collection(shared, route), &task.id.to_string())
        .await?;
    let memories: Vec<Memory> = match document {
        Some(document) => serde_json::from_value(document)
            .map_err(|error| Error::bug("what is remembered of a group cannot be read").source(error))?,
        // It was sent again: what its members delivered is known.
        None => Vec::new(),
    };
    let mut entities: Vec<Option<Value>> = match payload::unpack(&loaded.input)?["members"].take() {
        Value::Array(members) => members.into_iter().map(Some).collect(),
        _ => Vec::new(),
    };
    entities.resize(memories.len(), None);
    let (mut deliveries, mut keys) = (Vec::new(), Vec::new());
    for (memory, entity) in memories.into_iter().zip(entities) {
        // A person may have corrected the members.
        let entity = entity.filter(|entity| values::hash(entity) == memory.hash);
        keys.push(memory.key.clone());
        // What was delivered under that key last is the group itself.
        if memory.key == task.key {
            continue;
        }
        deliveries.push(Change::PutDelivered {
            scope: shared.configuration.scope.clone(),
            route: route.clone(),
            key: memory.key,
            delivered: Delivered {
                version: memory.version,
                hash: Some(memory.hash),
                release: shared.configuration.release,
                at,
                entity: entity.map(|entity| payload::pack(&entity)),
                filtered: false,
            },
            reads: Some(memory.reads),
        });
    }
    Ok(Some(Remembered {
        deliveries,
        forget: forget(shared, route, &task.id),
        keys,
    }))
}

/// Of tasks that were made of groups and end now: what is remembered of the members.
pub(crate) async fn all_remembered(
    session: &Session<'_>,
    batch: &Batch,
    at: Timestamp,
) -> Result<HashMap<TaskId, Remembered>, Error> {
    let mut all = HashMap::new();
    for item in &batch.items {
        let ends = matches!(
            item.verdict,
            Verdict::Go | Verdict::Skip { .. } | Verdict::Split { .. }
        );
        if let Some(loaded) = session.loaded.get(&item.task).filter(|_| ends)
            && let Some(group) = remembered(session, loaded, at).await?
        {
            all.insert(item.task, group);
        }
    }
    Ok(all)
}

/// The task ends without a success.
pub(crate) fn forget(shared: &Shared, route: &str, task: &TaskId) -> Change {
    Change::PutDocument {
        collection: collection(shared, route),
        key: task.to_string(),
        document: None,
    }
}
