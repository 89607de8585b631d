//! A connection made from a manifest.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::Mutex;
use weir_model::{Error, Kind, did_you_mean};
use weir_sdk::connector::{
    CheckResult, Connection, Description, Effects, LookupRequest, NoObserver, Observer, Outcome, Page,
    ReadRequest, WriteRequest,
};

use crate::ids::Ids;
use crate::manifest::EntityPlan;
use crate::session::Session;
use crate::{lookup, read, write};

pub(crate) struct Runtime {
    pub(crate) description: Description,
    pub(crate) entities: Arc<BTreeMap<String, EntityPlan>>,
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
        let started_ms = self.session.context.clock.monotonic_ms();
        let request = ReadRequest {
            entity: entity.clone(),
            ..ReadRequest::default()
        };
        let outcome = read::read(self, &request, &NoObserver).await;
        let duration_ms = self
            .session
            .context
            .clock
            .monotonic_ms()
            .saturating_sub(started_ms);
        let (ok, message) = match outcome {
            Ok(page) => (
                true,
                format!("signed in and read {} rows of `{entity}`", page.rows.len()),
            ),
            Err(error) => (false, self.explained(&error)),
        };
        vec![CheckResult {
            what: format!("read {entity}"),
            ok,
            message,
            duration_ms,
        }]
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
}

impl Runtime {
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
