use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use weir_model::{Address, Error, Finding, did_you_mean};
use weir_sdk::expressions::{Expression, Want};
use weir_sdk::step::{Batch, Build, Services, Step, StepKind};

use crate::missing::{self, OnMissing, Search};
use crate::parameters;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Name of a connection.
    connection: String,
    /// An entity of it that is written to.
    entity: String,
    /// JSONata that gives the key under which the entity was written: the key of the route that did it.
    key: String,
    /// The field (dotted path) that gets the ids.
    into: String,
    /// One of the ids by name, `id_category`. Default: all, as an object.
    #[serde(default)]
    id: Option<String>,
    /// Where nothing was written under that key yet.
    #[serde(default)]
    on_missing: OnMissing,
}

pub(crate) struct Kind;

struct Link {
    address: Address,
    key: Arc<dyn Expression>,
    into: String,
    id: Option<String>,
    on_missing: OnMissing,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "link"
    }
    fn summary(&self) -> &'static str {
        "Puts the ids that a target gave to an entity into a field."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Parameters>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let read: Parameters = parameters::read(parameters, build)?;
        let unknown = |field: &str, message: String, word: &str, known: Vec<String>| {
            let hint = did_you_mean(word, known.iter().map(String::as_str))
                .or_else(|| Some(format!("there are: {}", known.join(", "))));
            build
                .finding(&[field], &format!("unknown-{field}"), message)
                .suggest(hint)
        };
        let connections = build.connections();
        if !connections.contains(&read.connection) {
            let message = format!("there is no connection `{}`", read.connection);
            return Err(unknown("connection", message, &read.connection, connections));
        }
        let entities = build.entities(&read.connection);
        if !entities.contains(&read.entity) {
            let message = format!(
                "`{}` has no entity `{}` that can be written, so there are no links of it",
                read.connection, read.entity
            );
            return Err(unknown("entity", message, &read.entity, entities));
        }
        read.on_missing.check(build)?;
        Ok(Arc::new(Link {
            address: Address {
                connection: read.connection,
                entity: read.entity,
            },
            key: parameters::expression(build, &["key"], &read.key)?,
            into: read.into,
            id: read.id,
            on_missing: read.on_missing,
        }))
    }
}

#[async_trait]
impl Step for Link {
    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let Address { connection, entity } = &self.address;
        let id = self
            .id
            .as_ref()
            .map_or(String::new(), |id| format!(" with `{id}`"));
        let search = Search {
            key: self.key.as_ref(),
            want: &|key| Want::Link {
                address: self.address.clone(),
                key,
            },
            what: format!("link of {connection}/{entity}{id}"),
            on_missing: self.on_missing,
        };
        let pick = |ids: &Value| match &self.id {
            Some(id) => ids.get(id).filter(|id| !id.is_null()).cloned(),
            None => Some(ids.clone()),
        };
        missing::find(&search, &self.into, pick, batch, services).await
    }
}
