use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_access::{Access, Secrets};
use weir_engine::Engine;
use weir_model::{Error, Kind, Scope};
use weir_sdk::connector::Connection;
use weir_sdk::store::Store;

use crate::signature::Verify;

/// What one process serves. Handed to every request.
pub struct Api {
    pub store: Arc<dyn Store>,
    pub access: Arc<Access>,
    pub secrets: Secrets,
    /// One a project and environment.
    pub served: Vec<Served>,
}

/// One project and environment.
pub struct Served {
    pub scope: Scope,
    pub release: u64,
    /// Missing where only the store is looked at.
    pub engine: Option<Arc<Engine>>,
    pub connections: BTreeMap<String, Arc<dyn Connection>>,
    /// By route: how the senders of its webhook show that they may send.
    pub hooks: BTreeMap<String, Verify>,
    /// By connection: the entities that routes and lookups read or write there.
    pub used: BTreeMap<String, BTreeSet<String>>,
}

impl Api {
    /// The project and environment of a path; `not_found` where this process does not serve it.
    pub(crate) fn served(&self, project: &str, environment: &str) -> Result<&Served, Error> {
        self.served
            .iter()
            .find(|served| served.scope.project == project && served.scope.environment == environment)
            .ok_or_else(|| {
                let known: Vec<String> = self
                    .served
                    .iter()
                    .map(|served| served.scope.to_string())
                    .collect();
                let message = format!(
                    "`{project}/{environment}` is not served here; there is: {}",
                    known.join(", ")
                );
                Error::new(Kind::NotFound, message)
            })
    }
}

impl Served {
    pub(crate) fn engine(&self) -> Result<&Engine, Error> {
        self.engine.as_deref().ok_or_else(|| {
            let message = format!(
                "no engine runs for `{}` here: start one with `weir serve`",
                self.scope
            );
            Error::new(Kind::Unavailable, message)
        })
    }
}
