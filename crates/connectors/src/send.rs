//! One kind of write request, in batches: intend, send, sort out which row fared how, halve what is unclear.

use std::collections::HashSet;

use futures::StreamExt;
use serde_json::{Map, Value, json};
use weir_model::json::same;
use weir_model::{Error, Kind};
use weir_sdk::connector::Effects;

use crate::errors::Fault;
use crate::manifest::{EntityPlan, WriteMode, WritePlan};
use crate::request::Made;
use crate::runtime::Runtime;
use crate::session::{Purpose, Sent, records};

/// A row on its way: whose it is, and what is sent.
pub(crate) struct Parcel {
    /// Index of the row of the write request.
    pub(crate) owner: usize,
    /// The route's key, for sentences.
    pub(crate) key: String,
    pub(crate) wire: Map<String, Value>,
}

/// The saved row where the answer has it, or why not.
pub(crate) type Fate = Result<Value, Error>;

pub(crate) struct Sender<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) entity: &'a EntityPlan,
    pub(crate) plan: &'a WritePlan,
    pub(crate) effects: &'a dyn Effects,
}

impl Sender<'_> {
    /// Sends all parcels; one fate each, in their order. Batches of different rows go side by side, as many as the
    /// connection may have under way; what is sent twice for one row goes in its order.
    pub(crate) async fn send(&self, mode: &WriteMode, effect: &str, parcels: &[Parcel]) -> Vec<Fate> {
        let mut fates: Vec<Option<Fate>> = parcels.iter().map(|_| None).collect();
        for (index, parcel) in parcels.iter().enumerate() {
            let size = size_of(parcel);
            if size > self.plan.row_bytes_max {
                let message = format!(
                    "`{}` is {size} bytes on the wire, and `{}` takes at most {} a row",
                    parcel.key, self.runtime.session.connection, self.plan.row_bytes_max
                );
                fates[index] = Some(Err(Error::new(Kind::Limit, message).with("entity", &parcel.key)));
            }
        }
        let mut batches: Vec<Vec<usize>> = self.batches(parcels);
        batches
            .iter_mut()
            .for_each(|batch| batch.retain(|index| fates[*index].is_none()));
        batches.retain(|batch| !batch.is_empty());
        let mut owners = HashSet::new();
        let at_once = if parcels.iter().all(|parcel| owners.insert(parcel.owner)) {
            self.runtime.session.limiter.slots()
        } else {
            1
        };
        let sent = batches
            .into_iter()
            .map(|batch| self.send_halving(mode, effect, parcels, batch));
        let sent: Vec<Vec<(usize, Fate)>> = futures::stream::iter(sent)
            .buffer_unordered(at_once)
            .collect()
            .await;
        for (index, fate) in sent.into_iter().flatten() {
            fates[index] = Some(fate);
        }
        let lost = || Err(Error::bug("a row of a batch has no fate"));
        fates.into_iter().map(|fate| fate.unwrap_or_else(lost)).collect()
    }

    /// One batch, and what is unclear of it again in halves.
    async fn send_halving(
        &self,
        mode: &WriteMode,
        effect: &str,
        parcels: &[Parcel],
        batch: Vec<usize>,
    ) -> Vec<(usize, Fate)> {
        let mut fates = Vec::with_capacity(batch.len());
        // A stack; the first on top.
        let mut batches = vec![batch];
        while let Some(batch) = batches.pop() {
            let sent = self.send_batch(mode, effect, parcels, &batch).await;
            let mut unclear = Vec::new();
            for (index, fate) in batch.iter().zip(sent) {
                match fate {
                    Some(fate) => fates.push((*index, fate)),
                    None => unclear.push(*index),
                }
            }
            if unclear.len() > 1 {
                let right = unclear.split_off(unclear.len() / 2);
                batches.push(right);
                batches.push(unclear);
            } else {
                batches.extend((!unclear.is_empty()).then_some(unclear));
            }
        }
        fates
    }

    fn batches(&self, parcels: &[Parcel]) -> Vec<Vec<usize>> {
        let mut batches: Vec<Vec<usize>> = Vec::new();
        let mut bytes = 0;
        for (index, parcel) in parcels.iter().enumerate() {
            let size = size_of(parcel);
            match batches.last_mut() {
                Some(batch) if batch.len() < self.plan.rows_max && bytes + size <= self.plan.bytes_max => {
                    batch.push(index);
                    bytes += size;
                }
                _ => {
                    batches.push(vec![index]);
                    bytes = size;
                }
            }
        }
        batches
    }

    /// `None` for rows about which the answer says nothing clear; they are sent again in halves. A batch of one is always
    /// clear.
    async fn send_batch(
        &self,
        mode: &WriteMode,
        effect: &str,
        parcels: &[Parcel],
        batch: &[usize],
    ) -> Vec<Option<Fate>> {
        let owners: Vec<usize> = batch.iter().map(|index| parcels[*index].owner).collect();
        let all = |error: &Error| batch.iter().map(|_| Some(Err(error.clone()))).collect::<Vec<_>>();
        let made = match self.made(mode, batch.iter().map(|index| &parcels[*index])) {
            Ok(made) => made,
            Err(error) => return all(&error),
        };
        if let Err(error) = self.effects.intend(effect, &owners).await {
            return all(&error);
        }
        let purpose = Purpose {
            words: effect.to_owned(),
            rows: &owners,
            observer: self.effects,
            has_effect: true,
            rules: self.plan.rules.as_ref(),
            lines: self.plan.answer_lines,
        };
        let fates = match self.runtime.session.send(made, &purpose).await {
            // Nobody can tell what happened: the intention stays open.
            Err(error) if error.kind == Kind::OutcomeUnknown => return all(&error),
            // The answer was too long to read; the request was sent all the same.
            Err(error) if error.kind == Kind::Limit => {
                return all(&Error {
                    kind: Kind::OutcomeUnknown,
                    ..error
                });
            }
            Err(error) => all(&error),
            Ok(Sent::Good(answer)) => match unexpected(mode, effect, &answer) {
                Some(error) => all(&error),
                None => self.fates(parcels, batch, &[], &answer),
            },
            Ok(Sent::Refused(faults, answer)) => self.fates(parcels, batch, &faults, &answer),
        };
        let results = owners
            .iter()
            .zip(&fates)
            .map(|(owner, fate)| match fate {
                Some(Ok(_)) => (*owner, Ok(Value::Bool(true))),
                Some(Err(error)) => (*owner, Err(error.clone())),
                None => (*owner, Err(Error::bug("told apart by the next request"))),
            })
            .collect();
        match self.effects.finish(effect, results).await {
            Ok(()) => fates,
            Err(error) => all(&error),
        }
    }

    fn fates(
        &self,
        parcels: &[Parcel],
        batch: &[usize],
        faults: &[Fault],
        answer: &Map<String, Value>,
    ) -> Vec<Option<Fate>> {
        let answer = Value::Object(answer.clone());
        let saved = match &self.plan.saved {
            Some(formula) => records(formula, &answer, "find the saved rows").unwrap_or_default(),
            None => Vec::new(),
        };
        let nowhere = faults.iter().find(|fault| fault.row.is_none());
        batch
            .iter()
            .enumerate()
            .map(|(place, index)| {
                let parcel = &parcels[*index];
                if let Some(fault) = faults.iter().find(|fault| fault.row == Some(place)) {
                    return Some(Err(self.refusal(fault, parcel)));
                }
                if let Some(row) = saved.iter().find(|row| self.is_of(row, parcel)) {
                    return Some(Ok(row.clone()));
                }
                match nowhere {
                    None if faults.is_empty() => Some(Ok(Value::Null)),
                    // Saved rows are named in the answer; this one is neither saved nor refused.
                    None if self.plan.saved.is_none() => Some(Ok(Value::Null)),
                    Some(fault) if batch.len() == 1 || !self.plan.bisects || is_everybodys(fault.kind) => {
                        Some(Err(self.refusal(fault, parcel)))
                    }
                    None if batch.len() == 1 => faults.first().map(|fault| Err(self.refusal(fault, parcel))),
                    _ => None,
                }
            })
            .collect()
    }

    fn is_of(&self, saved: &Value, parcel: &Parcel) -> bool {
        if let Some(id) = &self.entity.id
            && let (Some(a), Some(b)) = (parcel.wire.get(id), saved.get(id))
        {
            return same(a, b);
        }
        !self.entity.key.is_empty()
            && self.entity.key.iter().all(|key| {
                let body = &self.entity.body;
                let name = match body.references.get(key) {
                    Some(reference) => &reference.reference.field,
                    None => body.rename.get(key).unwrap_or(key),
                };
                matches!((parcel.wire.get(name), saved.get(name)), (Some(a), Some(b)) if same(a, b))
            })
    }

    fn made<'p>(&self, mode: &WriteMode, parcels: impl Iterator<Item = &'p Parcel>) -> Result<Made, Error> {
        let rows: Vec<Value> = parcels.map(|parcel| Value::Object(parcel.wire.clone())).collect();
        let first = rows.first().cloned().unwrap_or(Value::Null);
        let body = if self.plan.lines {
            rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
        } else {
            let parts = vec![("rows", Value::Array(rows)), ("row", first.clone())];
            match &self.plan.body {
                Some(body) => body
                    .evaluate(&self.runtime.session.input(&self.entity.parameters, parts))?
                    .to_string(),
                None => first.to_string(),
            }
        };
        let input = self
            .runtime
            .session
            .input(&self.entity.parameters, vec![("row", first)]);
        let path = mode.path.text(&input)?.unwrap_or_default();
        let mut headers = Vec::new();
        for (name, value) in &self.plan.headers {
            headers.extend(value.text(&input)?.map(|value| (name.clone(), value)));
        }
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            && !self
                .runtime
                .session
                .headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        Ok(Made {
            method: mode.method.clone(),
            path,
            query: Vec::new(),
            headers,
            body: Some(body.into_bytes().into()),
        })
    }

    /// "spryker refused `tee-1`: field `url`: … (code 1316). Correct …"
    fn refusal(&self, fault: &Fault, parcel: &Parcel) -> Error {
        let connection = &self.runtime.session.connection;
        let error = self
            .runtime
            .session
            .error(fault, &format!("write {}", self.entity.name));
        if is_everybodys(fault.kind) {
            return error;
        }
        let field = fault
            .field
            .as_ref()
            .map(|field| format!("field `{field}`: "))
            .unwrap_or_default();
        let code = fault
            .code
            .as_ref()
            .map(|code| format!("code {code}"))
            .unwrap_or(format!("status {}", fault.status));
        let message = format!(
            "`{connection}` refused {} `{}`: {field}{} ({code}). Correct it in the map or at the source",
            self.entity.name, parcel.key, fault.message
        );
        let message = self.runtime.session.mask(&message);
        Error { message, ..error }
            .with("entity", &parcel.key)
            .with("rule", json!(fault.code).as_str().unwrap_or("status"))
    }
}

fn size_of(parcel: &Parcel) -> usize {
    serde_json::to_string(&parcel.wire).map_or(0, |text| text.len())
}

/// A good answer of another kind than the manifest promises: what it means nobody has said.
fn unexpected(mode: &WriteMode, effect: &str, answer: &Map<String, Value>) -> Option<Error> {
    let status = answer.get("status").and_then(Value::as_u64)?;
    let expected = u64::from(mode.status?);
    (status != expected).then(|| {
        let message = format!(
            "`{effect}` was answered with {status} where the manifest expects {expected}; correct the manifest if that is a \
             success"
        );
        Error::new(Kind::Configuration, message).with("status", status)
    })
}

/// Says nothing about a single row.
fn is_everybodys(kind: Kind) -> bool {
    kind.concerns_connection() || kind == Kind::RateLimited
}
