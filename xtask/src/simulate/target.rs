//! A scripted target: it remembers every row it took, and fails, hangs and forgets to answer as chance has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_model::config::WriteMode;
use weir_model::retry::Repeat;
use weir_model::{Error, Kind, TaskId};
use weir_sdk::connector::{
    Action, CheckResult, Connection, Description, Effects, EntityDescription, LookupRequest, Observer,
    Outcome, Page, ReadRequest, WriteRequest, WriteRow, Written,
};

use super::source::check;
use super::stage::Stage;

/// The one effect of a write.
const EFFECT: &str = "upsert";
/// A miss is remembered this long, as the runtime of manifests does.
const MISS_MS: u64 = 20_000;

/// What the target holds of one key.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) value: Value,
    /// Sequence of the task that wrote it last.
    pub(super) writer: i64,
    id: u64,
}

#[derive(Default)]
pub(super) struct TargetTables {
    pub(super) rows: BTreeMap<(String, String), Held>,
    ids_made: u64,
    /// Tasks whose write of this entity and key was taken, where it must not be sent again: how often.
    taken: BTreeMap<(TaskId, String, String), u64>,
    /// Whose result was journalled.
    journalled: BTreeSet<(TaskId, String, String)>,
}

/// By entity and key: the id that a look found, or that there is none, and until when that is believed.
type Known = BTreeMap<(String, String), (Option<u64>, u64)>;

/// The connection of one process to the target.
pub(super) struct Target {
    stage: Arc<Stage>,
    description: Description,
    known: Mutex<Known>,
    busy: Mutex<BTreeSet<(String, String)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Target {
    pub(super) fn new(stage: &Arc<Stage>) -> Self {
        let mut entities = BTreeMap::new();
        for route in &stage.plan.routes {
            let entity = EntityDescription {
                key: vec!["code".to_owned()],
                modes: vec![WriteMode::Upsert],
                repeat: route.repeat,
                batch_rows: 100,
                ..EntityDescription::default()
            };
            for name in [
                Some(route.entity.clone()),
                route.second.clone(),
                route.line_entity(),
            ] {
                entities.extend(name.map(|name| (name, entity.clone())));
            }
        }
        Target {
            stage: stage.clone(),
            description: Description {
                entities,
                ..Description::default()
            },
            known: Mutex::default(),
            busy: Mutex::default(),
        }
    }

    fn is_away(&self) -> bool {
        let world = &self.stage.world;
        world.weather().target_away_until_ms > world.now_ms()
    }

    /// What becomes of a request, before it is applied.
    fn fate(&self) -> Fate {
        if self.is_away() {
            return Fate::Refused(Error::new(Kind::Unavailable, "the target is away"));
        }
        let trouble = self.stage.world.weather().trouble;
        let mut chance = self.stage.world.chance();
        if !chance.percent(trouble) {
            return Fate::Taken;
        }
        let refused = |kind| Fate::Refused(Error::new(kind, "refused"));
        match chance.between(0, 9) {
            0 => {
                let wait_ms = chance.between(10, 30_000);
                Fate::Refused(Error::new(Kind::RateLimited, "slowly").retry_after_ms(wait_ms))
            }
            1 | 2 => Fate::TakenInSilence,
            3 => Fate::LostInSilence,
            4 | 5 => Fate::Partial,
            6 => refused(Kind::Rejected),
            7 => refused(Kind::Unauthenticated),
            _ => refused(Kind::Unavailable),
        }
    }

    fn row_fate(&self) -> Option<Error> {
        let mut chance = self.stage.world.chance();
        let kind = match chance.between(0, 9) {
            0 => Kind::Rejected,
            1 => Kind::Invalid,
            2 => Kind::Conflict,
            3 => Kind::NotFound,
            4 => Kind::Limit,
            _ => return None,
        };
        Some(Error::new(kind, "this row is refused"))
    }

    /// Takes a row. What must never be is judged here, at the far side.
    fn take(&self, entity: &str, row: &WriteRow, is_create: bool, repeat: Repeat) -> u64 {
        let world = &self.stage.world;
        let (sequence, has_intention) = {
            let tables = self.stage.store.tables();
            let task = tables.task(&row.task);
            let ending = format!("/{EFFECT}");
            let is_intended =
                |(name, result): (&String, &Option<Value>)| name.ends_with(&ending) && result.is_none();
            (
                task.map_or(0, |task| task.sequence),
                task.is_some_and(|task| task.effects.iter().any(is_intended)),
            )
        };
        let place = (entity.to_owned(), row.key.clone());
        let effect = (row.task, place.0.clone(), place.1.clone());
        let mut target = self.stage.target();
        if !has_intention {
            world.wrong(format!(
                "a request for {entity} `{}` of task #{sequence} was sent, and no intention of it is stored",
                row.key
            ));
        }
        if target.journalled.contains(&effect) {
            world.wrong(format!(
                "the write of {entity} `{}` of task #{sequence} was journalled as done and was sent again",
                row.key
            ));
        }
        let old = target.rows.get(&place).cloned();
        if let Some(old) = &old {
            if old.writer > sequence {
                world.wrong(format!(
                    "{entity} `{}` went back: task #{sequence} wrote over what the newer task #{} had written",
                    row.key, old.writer
                ));
            }
            if is_create && repeat == Repeat::Lookup {
                world.wrong(format!(
                    "{entity} `{}` was created twice, the second time by task #{sequence}",
                    row.key
                ));
            }
        }
        let taken = target.taken.entry(effect).or_default();
        *taken += 1;
        if *taken > 1 && repeat == Repeat::Unsafe {
            world.wrong(format!(
                "{entity} `{}` of task #{sequence} was sent twice, and the target cannot bear that",
                row.key
            ));
        }
        let id = match old {
            Some(old) => old.id,
            None => {
                target.ids_made += 1;
                target.ids_made
            }
        };
        let held = Held {
            value: row.value.clone(),
            writer: sequence,
            id,
        };
        target.rows.insert(place, held);
        id
    }

    /// Who has an id, for rows that need to know it. Fails all that had to be asked for.
    async fn look(&self, entity: &str, rows: &[WriteRow], outcomes: &mut [Option<Outcome>]) {
        let world = &self.stage.world;
        let now_ms = world.now_ms();
        let asked: Vec<usize> = {
            let known = lock(&self.known);
            let is_known = |row: &WriteRow| {
                known
                    .get(&(entity.to_owned(), row.key.clone()))
                    .is_some_and(|(_, until_ms)| *until_ms > now_ms)
            };
            (0..rows.len())
                .filter(|i| outcomes[*i].is_none() && (rows[*i].uncertain || !is_known(&rows[*i])))
                .collect()
        };
        if asked.is_empty() {
            return;
        }
        world.call("before a look-up").await;
        let wait_ms = world.weather().system_ms;
        world.linger(wait_ms).await;
        let away = self.is_away();
        let trouble = world.weather().trouble / 3;
        if away || world.chance().percent(trouble) {
            for i in asked {
                let error = Error::new(Kind::Unavailable, "no answer to a look-up");
                outcomes[i] = Some(Outcome::Failed(error));
            }
            return;
        }
        for i in asked {
            let place = (entity.to_owned(), rows[i].key.clone());
            let id = self.stage.target().rows.get(&place).map(|held| held.id);
            let keep_ms = if id.is_some() { 600_000 } else { MISS_MS };
            lock(&self.known).insert(place, (id, world.now_ms() + keep_ms));
        }
    }

    /// One request with a few rows.
    async fn send(
        &self,
        entity: &str,
        rows: &[WriteRow],
        of: &[usize],
        repeat: Repeat,
        effects: &dyn Effects,
        outcomes: &mut [Option<Outcome>],
    ) {
        let world = &self.stage.world;
        if let Err(error) = effects.intend(EFFECT, of).await {
            of.iter()
                .for_each(|i| outcomes[*i] = Some(Outcome::Failed(error.clone())));
            return;
        }
        world.call("before a request").await;
        let wait_ms = world.weather().system_ms;
        world.linger(wait_ms).await;
        let fate = self.fate();
        let mut results = Vec::new();
        for i in of {
            let row = &rows[*i];
            let place = (entity.to_owned(), row.key.clone());
            let refused = match &fate {
                Fate::Refused(error) => Some(error.clone()),
                Fate::Partial => self.row_fate(),
                _ => None,
            };
            let known = lock(&self.known).get(&place).and_then(|(id, _)| *id);
            let outcome = match (refused, &fate) {
                (Some(error), _) => {
                    results.push((*i, Err(error.clone())));
                    Outcome::Failed(error)
                }
                (None, Fate::LostInSilence) => silence(),
                (None, fate) => {
                    let id = self.take(entity, row, known.is_none(), repeat);
                    match fate {
                        Fate::TakenInSilence => silence(),
                        _ => {
                            lock(&self.known).insert(place, (Some(id), world.now_ms() + 600_000));
                            results.push((*i, Ok(json!({ "id": id }))));
                            written(id, known.is_none())
                        }
                    }
                }
            };
            outcomes[*i] = Some(outcome);
        }
        world.tell(|| {
            let keys: Vec<&str> = of.iter().map(|i| rows[*i].key.as_str()).collect();
            format!("request   {entity} {}: {fate:?}", keys.join(" "))
        });
        world.linger(wait_ms / 4).await;
        world.call("after a request").await;
        let done: Vec<usize> = results
            .iter()
            .filter(|(_, r)| r.is_ok())
            .map(|(i, _)| *i)
            .collect();
        match effects.finish(EFFECT, results).await {
            // Elsewhere the result is stored with the engine's next commit, and a look makes up for it.
            Ok(()) if repeat == Repeat::Unsafe => self.note_journalled(entity, rows, &done),
            Ok(()) => {}
            Err(error) => of
                .iter()
                .for_each(|i| outcomes[*i] = Some(Outcome::Failed(error.clone()))),
        }
    }

    /// These results are stored, as far as they are.
    fn note_journalled(&self, entity: &str, rows: &[WriteRow], done: &[usize]) {
        for row in done.iter().map(|i| &rows[*i]) {
            let is_stored = self.stage.store.tables().task(&row.task).is_some_and(|task| {
                task.effects
                    .iter()
                    .any(|(name, result)| name.ends_with(&format!("/{EFFECT}")) && result.is_some())
            });
            // What can be looked for is stored with the engine's next commit.
            if !is_stored {
                continue;
            }
            let effect = (row.task, entity.to_owned(), row.key.clone());
            self.stage.target().journalled.insert(effect);
        }
    }
}

#[derive(Debug)]
enum Fate {
    Taken,
    /// Each row for itself.
    Partial,
    Refused(Error),
    /// It took effect and no answer came.
    TakenInSilence,
    LostInSilence,
}

fn silence() -> Outcome {
    Outcome::Failed(Error::new(Kind::OutcomeUnknown, "no answer came"))
}

fn written(id: u64, is_new: bool) -> Outcome {
    Outcome::Written(Written {
        action: if is_new { Action::Created } else { Action::Updated },
        ids: BTreeMap::from([("id".to_owned(), json!(id))]),
        warnings: Vec::new(),
    })
}

#[async_trait]
impl Connection for Target {
    fn description(&self) -> &Description {
        &self.description
    }

    async fn check(&self) -> Vec<CheckResult> {
        let world = &self.stage.world;
        world.linger(world.weather().system_ms.min(1_000)).await;
        vec![check(!self.is_away())]
    }

    async fn read(&self, _: &ReadRequest, _: &dyn Observer) -> Result<Page, Error> {
        Err(Error::bug("nobody reads from the target"))
    }

    async fn lookup(&self, request: &LookupRequest, _: &dyn Observer) -> Result<Vec<Vec<Value>>, Error> {
        Ok(request.keys.iter().map(|_| Vec::new()).collect())
    }

    async fn write(&self, request: &WriteRequest, effects: &dyn Effects) -> Vec<Outcome> {
        let entity = request.entity.as_str();
        let rows = &request.rows;
        let world = &self.stage.world;
        let Some(plan) = self.stage.plan.of_entity(entity) else {
            let unknown = || Outcome::Failed(Error::new(Kind::Configuration, "no such entity"));
            return rows.iter().map(|_| unknown()).collect();
        };
        for row in rows {
            if !lock(&self.busy).insert((entity.to_owned(), row.key.clone())) {
                world.wrong(format!("two writes of {entity} `{}` at once", row.key));
            }
        }
        let mut outcomes: Vec<Option<Outcome>> = rows.iter().map(|_| None).collect();
        for (row, outcome) in rows.iter().zip(&mut outcomes) {
            if let Some(id) = row.finished.get(EFFECT).and_then(|result| result["id"].as_u64()) {
                *outcome = Some(written(id, false));
            } else if plan.entity == entity
                && let Some(parent) = plan.refers
                && let Some(key) = row.value["parent"].as_str()
            {
                let of = &self.stage.plan.routes[parent].entity;
                if !self
                    .stage
                    .target()
                    .rows
                    .contains_key(&(of.clone(), key.to_owned()))
                {
                    *outcome = Some(Outcome::Waits {
                        entity: of.clone(),
                        key: key.to_owned(),
                        field: "parent".to_owned(),
                    });
                }
            }
        }
        if plan.repeat == Repeat::Lookup {
            self.look(entity, rows, &mut outcomes).await;
        }
        let open: Vec<usize> = (0..rows.len()).filter(|i| outcomes[*i].is_none()).collect();
        for of in open.chunks(plan.request_rows) {
            self.send(entity, rows, of, plan.repeat, effects, &mut outcomes)
                .await;
        }
        for row in rows {
            lock(&self.busy).remove(&(entity.to_owned(), row.key.clone()));
        }
        let lost = || Outcome::Failed(Error::bug("a row without an outcome"));
        outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(lost))
            .collect()
    }
}
