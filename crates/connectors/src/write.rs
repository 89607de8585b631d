//! Writes: resolve references, look at what is there, create what is missing, send what differs, follow up what cannot
//! be sent through its parent.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};
use weir_model::config::WriteMode as Mode;
use weir_model::json::key_text;
use weir_model::retry::Repeat;
use weir_model::{Error, Kind};
use weir_sdk::connector::{Action, Effects, Outcome, Warning, WriteRequest, WriteRow, Written};

use crate::follow_up;
use crate::lookup;
use crate::manifest::types::OnMissing;
use crate::manifest::{EntityPlan, WritePlan};
use crate::runtime::Runtime;
use crate::send::{Parcel, Sender};
use crate::shape::{self, Place, Resolved, Shape, place};

/// A conflict is looked at again this often; one that stays is about another row.
const ROUNDS: usize = 2;

/// One write request on its way.
pub(crate) struct Job<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) entity: &'a EntityPlan,
    pub(crate) plan: &'a WritePlan,
    pub(crate) rows: &'a [WriteRow],
    pub(crate) effects: &'a dyn Effects,
    pub(crate) resolved: Resolved,
    pub(crate) outcomes: Vec<Option<Outcome>>,
    pub(crate) warnings: Vec<Vec<Warning>>,
}

pub(crate) async fn write(runtime: &Runtime, request: &WriteRequest, effects: &dyn Effects) -> Vec<Outcome> {
    let everybody = |error: Error| {
        request
            .rows
            .iter()
            .map(|_| Outcome::Failed(error.clone()))
            .collect::<Vec<_>>()
    };
    let entity = match runtime.entity(&request.entity) {
        Ok(entity) => entity,
        Err(error) => return everybody(error),
    };
    let Some(plan) = &entity.write else {
        let message = format!(
            "entity `{}` cannot be written: its manifest has no `write`",
            entity.name
        );
        return everybody(Error::new(Kind::Configuration, message));
    };
    let count = request.rows.len();
    let mut job = Job {
        runtime,
        entity,
        plan,
        rows: &request.rows,
        effects,
        resolved: Resolved::new(),
        outcomes: (0..count).map(|_| None).collect(),
        warnings: vec![Vec::new(); count],
    };
    let outcome = async {
        job.settle().await;
        job.resolve().await?;
        match (request.mode, &plan.upsert) {
            (Mode::Upsert, Some(mode)) => job.send_whole(mode, "upsert").await,
            (Mode::Upsert | Mode::Update, None) if plan.looks_up || request.mode == Mode::Update => {
                job.look_and_send(request.mode).await
            }
            (Mode::Create, _) => match &plan.create {
                // What was perhaps created before is looked at first.
                Some(_) if plan.looks_up => job.look_and_send(Mode::Create).await,
                Some(mode) => {
                    job.find_created().await?;
                    job.send_whole(mode, "create").await
                }
                None => Err(job.cannot("create")),
            },
            (mode, _) => Err(job.cannot(&format!("{mode:?}").to_lowercase())),
        }
    };
    if let Err(error) = outcome.await {
        for place in job.outcomes.iter_mut().filter(|place| place.is_none()) {
            *place = Some(Outcome::Failed(error.clone()));
        }
    }
    let lost = || Outcome::Failed(Error::bug("a row of a write has no outcome"));
    job.outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(lost))
        .collect()
}

impl<'a> Job<'a> {
    fn cannot(&self, mode: &str) -> Error {
        Error::new(
            Kind::Configuration,
            format!("the manifest does not say how to {mode} `{}`", self.entity.name),
        )
    }

    /// A target that shows writes late is given the time before a look decides.
    async fn settle(&self) {
        if self.plan.settle_ms > 0 && self.rows.iter().any(|row| row.uncertain) {
            self.runtime
                .session
                .context
                .clock
                .sleep_ms(self.plan.settle_ms)
                .await;
        }
    }

    /// Of rows that were perhaps created before, where the manifest says to look before sending again: those that are
    /// there are done.
    async fn find_created(&mut self) -> Result<(), Error> {
        let mut uncertain = self.open();
        uncertain.retain(|index| self.plan.repeat == Repeat::Lookup && self.rows[*index].uncertain);
        if uncertain.is_empty() {
            return Ok(());
        }
        for (index, row) in self.current(&uncertain).await? {
            self.outcomes[index] = Some(Outcome::Written(Written {
                action: Action::Created,
                ids: self.ids(&row),
                warnings: std::mem::take(&mut self.warnings[index]),
            }));
        }
        Ok(())
    }

    /// Rows that have no outcome yet.
    pub(crate) fn open(&self) -> Vec<usize> {
        (0..self.rows.len())
            .filter(|index| self.outcomes[*index].is_none())
            .collect()
    }

    pub(crate) fn shape(&self, index: usize) -> Shape<'_> {
        Shape {
            omit: &self.entity.omit,
            resolved: &self.resolved,
            entity: &self.rows[index].value,
        }
    }

    pub(crate) fn fail(&mut self, index: usize, error: Error) {
        self.outcomes[index] = Some(Outcome::Failed(error));
    }

    /// All references of all rows, a look-up for each entity they lead to.
    async fn resolve(&mut self) -> Result<(), Error> {
        let mut wanted: BTreeMap<(String, String), (Vec<String>, bool)> = BTreeMap::new();
        let mut asked = Vec::new();
        for index in self.open() {
            match shape::references(&self.entity.body, &self.rows[index].value) {
                Ok(references) => {
                    for reference in &references {
                        let target = &reference.plan.reference;
                        let place = wanted
                            .entry((target.entity.clone(), target.by.clone()))
                            .or_default();
                        place.0.push(reference.key.clone());
                    }
                    asked.push((index, references));
                }
                Err(error) => {
                    let error = error.with("entity", &self.rows[index].key);
                    self.outcomes[index] = Some(Outcome::Failed(error));
                }
            }
        }
        for ((entity, by), (keys, fresh)) in wanted {
            let found = lookup::ids(self.runtime, &entity, &by, &keys, fresh, self.effects).await?;
            for (key, id) in found {
                if let Some(id) = id {
                    self.resolved.insert((entity.clone(), by.clone(), key), id);
                }
            }
        }
        let unmade = self.create_missing(&asked).await?;
        let mut outcomes = Vec::new();
        for (index, references) in &asked {
            let missing = references.iter().find(|reference| {
                let target = &reference.plan.reference;
                target.on_missing != OnMissing::Null
                    && !self.resolved.contains_key(&place(target, &reference.key))
            });
            if let Some(missing) = missing {
                let outcome = match unmade.get(&place(&missing.plan.reference, &missing.key)) {
                    // Why it could not be made decides what becomes of every row that needs it.
                    Some(error) => Outcome::Failed(error.clone().with("entity", &self.rows[*index].key)),
                    None => self.missing(*index, missing),
                };
                outcomes.push((*index, outcome));
            }
        }
        for (index, outcome) in outcomes {
            self.outcomes[index] = Some(outcome);
        }
        Ok(())
    }

    fn missing(&self, index: usize, asked: &shape::Asked<'_>) -> Outcome {
        let target = &asked.plan.reference;
        if target.on_missing == OnMissing::Wait {
            let (entity, key, field) = (target.entity.clone(), asked.key.clone(), asked.path.clone());
            return Outcome::Waits { entity, key, field };
        }
        let message = format!(
            "`{}`: field `{}` names `{}`, and `{}` has no such row in {} (looked up by {}). Create it there, or correct the \
             value",
            self.rows[index].key,
            asked.path,
            asked.key,
            self.runtime.session.connection,
            target.entity,
            target.by
        );
        Outcome::Failed(
            Error::new(Kind::Rejected, message)
                .with("entity", &self.rows[index].key)
                .with("field", &asked.path)
                .with("rule", "reference"),
        )
    }

    /// `on_missing: create`: one maker at a time, with a fresh look before each. Answers what could not be made, and why.
    async fn create_missing(
        &mut self,
        asked: &[(usize, Vec<shape::Asked<'_>>)],
    ) -> Result<HashMap<Place, Error>, Error> {
        let mut missing: Vec<(usize, &shape::Asked<'_>)> = Vec::new();
        let mut seen = HashSet::new();
        for (index, references) in asked {
            for reference in references {
                let target = &reference.plan.reference;
                let place = place(target, &reference.key);
                if target.on_missing == OnMissing::Create
                    && !self.resolved.contains_key(&place)
                    && seen.insert(place)
                {
                    missing.push((*index, reference));
                }
            }
        }
        let Some((_, first)) = missing.first() else {
            return Ok(HashMap::new());
        };
        let target = first.plan.reference.clone();
        let entity = self.runtime.entity(&target.entity)?;
        let Some((plan, mode)) = entity
            .write
            .as_ref()
            .and_then(|plan| Some((plan, plan.create.as_ref()?)))
        else {
            return Err(Error::new(
                Kind::Configuration,
                format!("`{}` is to be created and its manifest says not how", entity.name),
            ));
        };
        let _one_at_a_time = self.runtime.creating.lock().await;
        let keys: Vec<String> = missing
            .iter()
            .map(|(_, reference)| reference.key.clone())
            .collect();
        let found = lookup::ids(
            self.runtime,
            &target.entity,
            &target.by,
            &keys,
            true,
            self.effects,
        )
        .await?;
        let mut parcels = Vec::new();
        for (owner, reference) in missing {
            if let Some(Some(id)) = found.get(&reference.key) {
                self.resolved.insert(place(&target, &reference.key), id.clone());
                continue;
            }
            let parts = vec![("key", json!(reference.key))];
            let row = match &reference.plan.create {
                Some(row) => row.evaluate(&self.runtime.session.input(&entity.parameters, parts))?,
                None => json!({ target.by.as_str(): reference.key }),
            };
            let wire = row.as_object().cloned().unwrap_or_default();
            parcels.push(Parcel {
                owner,
                key: reference.key.clone(),
                wire,
            });
        }
        let sender = Sender {
            runtime: self.runtime,
            entity,
            plan,
            effects: self.effects,
        };
        let fates = sender
            .send(mode, &format!("create {}", entity.name), &parcels)
            .await;
        let cache_ms = entity.lookup.as_ref().map_or(0, |lookup| lookup.cache_ms);
        let until_ms = self.runtime.session.context.clock.monotonic_ms() + cache_ms;
        let mut unmade = HashMap::new();
        for (parcel, fate) in parcels.iter().zip(fates) {
            match fate {
                Ok(saved) => {
                    let id = entity.id.as_ref().and_then(|id| saved.get(id)).cloned();
                    if let Some(id) = id {
                        self.runtime.ids.put(
                            &target.entity,
                            &target.by,
                            &parcel.key,
                            Some(id.clone()),
                            until_ms,
                        );
                        self.resolved.insert(place(&target, &parcel.key), id);
                    }
                }
                Err(error) => drop(unmade.insert(place(&target, &parcel.key), error)),
            }
        }
        Ok(unmade)
    }

    /// No look before: the request itself creates or updates.
    async fn send_whole(&mut self, mode: &crate::manifest::WriteMode, word: &str) -> Result<(), Error> {
        let mut parcels = Vec::new();
        for index in self.open() {
            let row = &self.rows[index];
            match self.shape(index).wire(&self.entity.body, &row.value) {
                Ok(wire) => parcels.push(Parcel {
                    owner: index,
                    key: row.key.clone(),
                    wire,
                }),
                Err(error) => self.fail(index, error),
            }
        }
        let sender = self.sender();
        let fates = sender
            .send(mode, &format!("{word} {}", self.entity.name), &parcels)
            .await;
        for (parcel, fate) in parcels.iter().zip(fates) {
            let outcome = match fate {
                Ok(saved) => Outcome::Written(Written {
                    action: if word == "create" {
                        Action::Created
                    } else {
                        Action::Updated
                    },
                    ids: self.ids(&saved),
                    warnings: Vec::new(),
                }),
                Err(error) => Outcome::Failed(error),
            };
            self.outcomes[parcel.owner] = Some(outcome);
        }
        Ok(())
    }

    fn sender(&self) -> Sender<'a> {
        Sender {
            runtime: self.runtime,
            entity: self.entity,
            plan: self.plan,
            effects: self.effects,
        }
    }

    async fn look_and_send(&mut self, mode: Mode) -> Result<(), Error> {
        // By row: what was done, and the row as it stands in the target.
        let mut done: HashMap<usize, (Action, Value)> = HashMap::new();
        let mut rows = self.open();
        for round in 1..=ROUNDS {
            let current = self.current(&rows).await?;
            let conflicts = self.send_differences(mode, &rows, &current, &mut done).await;
            if conflicts.is_empty() {
                break;
            }
            if round == ROUNDS {
                for (index, error) in conflicts {
                    let message = format!("{}. Another row holds this value", error.message);
                    self.fail(
                        index,
                        Error {
                            kind: Kind::Rejected,
                            message,
                            ..error
                        },
                    );
                }
                break;
            }
            rows = conflicts.into_iter().map(|(index, _)| index).collect();
        }
        self.remember(&done);
        follow_up::follow_up(self, &mut done).await?;
        for (index, (action, row)) in done {
            if self.outcomes[index].is_none() {
                let written = Written {
                    action,
                    ids: self.ids(&row),
                    warnings: std::mem::take(&mut self.warnings[index]),
                };
                self.outcomes[index] = Some(Outcome::Written(written));
            }
        }
        Ok(())
    }

    /// The rows of the target by natural key, children inside.
    pub(crate) async fn current(&self, rows: &[usize]) -> Result<HashMap<usize, Value>, Error> {
        let Some(field) = self.entity.key.first() else {
            return Err(Error::new(
                Kind::Configuration,
                format!("`{}` has no natural key to look up", self.entity.name),
            ));
        };
        let key = |index: usize| self.rows[index].value.get(field).filter(|key| !key.is_null());
        let keys: Vec<Value> = rows.iter().filter_map(|index| key(*index).cloned()).collect();
        let found = lookup::rows(self.runtime, self.entity, field, &keys, true, self.effects).await?;
        let others: Vec<&String> = self.entity.key.iter().skip(1).collect();
        Ok(rows
            .iter()
            .filter_map(|index| {
                let candidates = found.get(&key(*index).and_then(key_text)?)?;
                let wire = self
                    .shape(*index)
                    .wire(&self.entity.body, &self.rows[*index].value)
                    .ok()?;
                let matches = |row: &&Value| {
                    others.iter().all(|field| {
                        let body = &self.entity.body;
                        let name = match body.references.get(*field) {
                            Some(reference) => &reference.reference.field,
                            None => body.rename.get(*field).unwrap_or(field),
                        };
                        weir_model::json::same(
                            wire.get(name).unwrap_or(&Value::Null),
                            row.get(name).unwrap_or(&Value::Null),
                        )
                    })
                };
                Some((*index, candidates.iter().find(matches)?.clone()))
            })
            .collect())
    }

    /// Creates and updates; answers the rows that met a conflict.
    async fn send_differences(
        &mut self,
        mode: Mode,
        rows: &[usize],
        current: &HashMap<usize, Value>,
        done: &mut HashMap<usize, (Action, Value)>,
    ) -> Vec<(usize, Error)> {
        let (mut creates, mut updates) = (Vec::new(), Vec::new());
        for index in rows.iter().copied() {
            let row = &self.rows[index];
            if row
                .value
                .get(self.entity.key.first().map_or("", String::as_str))
                .is_none_or(Value::is_null)
            {
                let message = format!(
                    "`{}` carries no `{}`, its natural key",
                    row.key,
                    self.entity.key.join("`, `")
                );
                self.fail(index, Error::new(Kind::Invalid, message).with("entity", &row.key));
                continue;
            }
            let mut warnings = Vec::new();
            let parcel = |wire: Map<String, Value>| Parcel {
                owner: index,
                key: row.key.clone(),
                wire,
            };
            match current.get(&index) {
                None if mode == Mode::Update => {
                    let message = format!("`{}` is not there to be updated", row.key);
                    self.fail(
                        index,
                        Error::new(Kind::NotFound, message).with("entity", &row.key),
                    );
                }
                None => match self.shape(index).wire(&self.entity.body, &row.value) {
                    Ok(wire) => creates.push(parcel(wire)),
                    Err(error) => self.fail(index, error),
                },
                Some(there) => {
                    match self
                        .shape(index)
                        .difference(&self.entity.body, &row.value, there, &mut warnings)
                    {
                        Ok(None) => drop(done.insert(index, (Action::Unchanged, there.clone()))),
                        Ok(Some(patch)) => updates.push(parcel(patch)),
                        Err(error) => self.fail(index, error),
                    }
                }
            }
            self.warnings[index] = warnings;
        }
        let mut conflicts = Vec::new();
        let sender = self.sender();
        for (parcels, mode, word, action) in [
            (creates, &self.plan.create, "create", Action::Created),
            (updates, &self.plan.update, "update", Action::Updated),
        ] {
            if parcels.is_empty() {
                continue;
            }
            let Some(mode) = mode else {
                let error = self.cannot(word);
                parcels
                    .iter()
                    .for_each(|parcel| self.fail(parcel.owner, error.clone()));
                continue;
            };
            let fates = sender
                .send(mode, &format!("{word} {}", self.entity.name), &parcels)
                .await;
            for (parcel, fate) in parcels.iter().zip(fates) {
                match fate {
                    Ok(saved) => {
                        let there = current.get(&parcel.owner).cloned().unwrap_or(saved);
                        done.insert(parcel.owner, (action, there));
                    }
                    Err(error) if error.kind == Kind::Conflict && self.plan.unique => {
                        conflicts.push((parcel.owner, error))
                    }
                    Err(error) => self.fail(parcel.owner, error),
                }
            }
        }
        conflicts
    }

    /// Later references find what was written, and misses may be none any more.
    fn remember(&self, done: &HashMap<usize, (Action, Value)>) {
        let Some(id) = &self.entity.id else { return };
        let cache_ms = self.entity.lookup.as_ref().map_or(0, |lookup| lookup.cache_ms);
        let until_ms = self.runtime.session.context.clock.monotonic_ms() + cache_ms;
        for (index, (_, row)) in done {
            for by in &self.entity.key {
                if let (Some(key), Some(id)) =
                    (self.rows[*index].value.get(by).and_then(key_text), row.get(id))
                {
                    self.runtime
                        .ids
                        .put(&self.entity.name, by, &key, Some(id.clone()), until_ms);
                }
            }
        }
        for entity in self.runtime.entities.keys() {
            self.runtime.ids.forget_misses(entity);
        }
    }

    /// The row's own id, and those of children that have exactly one row.
    fn ids(&self, row: &Value) -> BTreeMap<String, Value> {
        let mut ids = BTreeMap::new();
        if let Some((name, id)) = self
            .entity
            .id
            .as_ref()
            .and_then(|name| Some((name, row.get(name)?)))
        {
            ids.insert(name.clone(), id.clone());
        }
        for child in self
            .entity
            .body
            .children
            .iter()
            .filter(|child| child.rows.is_some())
        {
            if let Some([only]) = row
                .get(&child.relation)
                .and_then(Value::as_array)
                .map(Vec::as_slice)
                && let Some((name, id)) = shape::id_of(only)
            {
                ids.insert(name.clone(), id.clone());
            }
        }
        ids
    }
}
