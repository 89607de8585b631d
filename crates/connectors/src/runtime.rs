//! A connection made from a manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::Mutex;
use weir_model::{Error, Kind, did_you_mean};
use weir_sdk::connector::{
    CallRequest, CheckResult, Connection, Description, Effects, LookupRequest, NoObserver, Observer, Outcome,
    Page, ReadRequest, WriteRequest,
};

use crate::ids::Ids;
use crate::manifest::{ChildPlan, EntityPlan};
use crate::operation::OperationPlan;
use crate::session::Session;
use crate::{lookup, operation, read, write};

pub(crate) struct Runtime {
    pub(crate) description: Description,
    pub(crate) entities: Arc<BTreeMap<String, EntityPlan>>,
    pub(crate) operations: Arc<BTreeMap<String, OperationPlan>>,
    pub(crate) session: Session,
    pub(crate) ids: Ids,
    /// Rows made on the way for `on_missing: create` are made by one at a time, so that none is made twice.
    pub(crate) creating: Mutex<()>,
    pub(crate) check_read: Option<String>,
    pub(crate) explain: BTreeMap<String, String>,
}

impl Runtime {
    pub(crate) fn entity(&self, name: &str) -> Result<&EntityPlan, Error> {
        self.entities.get(name).ok_or_else(|| {
            let hint = did_you_mean(name, self.entities.keys().map(String::as_str)).unwrap_or_default();
            Error::new(
                Kind::Configuration,
                format!(
                    "connection `{}` has no entity `{name}`; {hint}",
                    self.session.connection
                ),
            )
        })
    }
}

#[async_trait]
impl Connection for Runtime {
    fn description(&self) -> &Description {
        &self.description
    }

    async fn check(&self) -> Vec<CheckResult> {
        let Some(entity) = &self.check_read else {
            return Vec::new();
        };
        let look = async {
            let page = self.read_first(entity).await?;
            Ok(format!(
                "signed in and read {} rows of `{entity}`",
                page.rows.len()
            ))
        };
        vec![self.tried(format!("read {entity}"), "", look).await]
    }

    async fn check_entities(&self, entities: &[String]) -> Vec<CheckResult> {
        let mut results = Vec::new();
        for name in self.needed(entities) {
            if let Ok(entity) = self.entity(name)
                && self.check_read.as_deref() != Some(name)
                && let Some(result) = self.check_entity(entity).await
            {
                results.push(result);
            }
        }
        results
    }

    async fn read(&self, request: &ReadRequest, observer: &dyn Observer) -> Result<Page, Error> {
        read::read(self, request, observer).await
    }

    async fn lookup(
        &self,
        request: &LookupRequest,
        observer: &dyn Observer,
    ) -> Result<Vec<Vec<Value>>, Error> {
        let entity = self.entity(&request.entity)?;
        let mut found = lookup::rows(self, entity, &request.field, &request.keys, false, observer).await?;
        let mut answer = Vec::with_capacity(request.keys.len());
        for key in &request.keys {
            let key = weir_model::json::key_text(key).unwrap_or_default();
            let rows = found.remove(&key).unwrap_or_default();
            answer.push(read::nest(self, &request.with, rows, observer).await?);
        }
        Ok(answer)
    }

    async fn write(&self, request: &WriteRequest, effects: &dyn Effects) -> Vec<Outcome> {
        write::write(self, request, effects).await
    }

    async fn call(&self, request: &CallRequest, observer: &dyn Observer) -> Result<Value, Error> {
        operation::call(self, request, observer).await
    }
}

impl Runtime {
    /// The entities and all that their references, and those of their lists, stand on.
    fn needed<'a>(&'a self, entities: &'a [String]) -> BTreeSet<&'a str> {
        fn references<'a>(plan: &'a ChildPlan, found: &mut Vec<&'a str>) {
            found.extend(
                plan.references
                    .values()
                    .map(|plan| plan.reference.entity.as_str()),
            );
            plan.children.iter().for_each(|child| references(child, found));
        }
        let mut needed = BTreeSet::new();
        let mut open: Vec<&str> = entities.iter().map(String::as_str).collect();
        while let Some(name) = open.pop() {
            if needed.insert(name)
                && let Some(entity) = self.entities.get(name)
            {
                references(&entity.body, &mut open);
            }
        }
        needed
    }

    /// Looks a key up that nothing has; where an entity cannot be looked up, its first page is read. `None` where the
    /// entity can do neither by itself.
    async fn check_entity(&self, entity: &EntityPlan) -> Option<CheckResult> {
        let is_plain = |field: &&String| !entity.body.references.contains_key(*field);
        let field = entity
            .key
            .iter()
            .find(is_plain)
            .filter(|_| entity.lookup.is_some());
        let can_read = entity.read.as_ref().is_some_and(|plan| plan.parents.is_empty());
        if field.is_none() && !can_read {
            return None;
        }
        let name = &entity.name;
        let look = async {
            match field {
                Some(field) => {
                    let nothing = [Value::from("weir-doctor-asks-for-nothing")];
                    lookup::rows(self, entity, field, &nothing, false, &NoObserver)
                        .await
                        .map(drop)
                }
                None => self.read_first(name).await.map(drop),
            }
            .map(|()| format!("`{name}` answers"))
        };
        Some(
            self.tried(format!("reach {name}"), &format!("`{name}`: "), look)
                .await,
        )
    }

    async fn read_first(&self, entity: &str) -> Result<Page, Error> {
        let request = ReadRequest {
            entity: entity.to_owned(),
            ..ReadRequest::default()
        };
        read::read(self, &request, &NoObserver).await
    }

    /// What came of a look, with the time it took; `before` stands before the explanation of a failure.
    async fn tried(
        &self,
        what: String,
        before: &str,
        look: impl Future<Output = Result<String, Error>>,
    ) -> CheckResult {
        let clock = &self.session.context.clock;
        let started_ms = clock.monotonic_ms();
        let outcome = look.await;
        let duration_ms = clock.monotonic_ms().saturating_sub(started_ms);
        let (ok, message) = match outcome {
            Ok(message) => (true, message),
            Err(error) => (false, format!("{before}{}", self.explained(&error))),
        };
        CheckResult {
            what,
            ok,
            message,
            duration_ms,
        }
    }

    /// The manifest's plain sentence for an error, before the error itself.
    fn explained(&self, error: &Error) -> String {
        let status = error.get("status").unwrap_or_default();
        let with_code = error
            .code
            .as_ref()
            .map(|code| format!("{status}/{code}"))
            .unwrap_or_default();
        match self.explain.get(&with_code).or_else(|| self.explain.get(status)) {
            Some(sentence) => format!("{sentence} ({error})"),
            None if error.kind == Kind::Unavailable && status.is_empty() => {
                format!(
                    "{error}. Check the address {} and whether the system is up",
                    self.session.base_url
                )
            }
            None => error.to_string(),
        }
    }
}
