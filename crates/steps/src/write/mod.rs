use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use weir_model::{Error, Finding, config, did_you_mean};
use weir_sdk::step::{Batch, Build, Services, Step, StepKind, Write};

use crate::parameters;

pub(crate) struct Kind;

struct Send {
    write: Write,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "write"
    }
    fn summary(&self) -> &'static str {
        "Writes the entity to an entity of a connection; ids of the target are `$steps.NAME` and become a link."
    }
    fn schema(&self) -> Value {
        parameters::schema::<config::Write>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let write: config::Write = parameters::read(parameters, build)?;
        let connections = build.connections();
        if !connections.contains(&write.connection) {
            let hint = did_you_mean(&write.connection, connections.iter().map(String::as_str));
            let message = format!("there is no connection `{}`", write.connection);
            return Err(build
                .finding(&["connection"], "unknown-connection", message)
                .suggest(hint));
        }
        let entities = build.entities(&write.connection);
        if !entities.contains(&write.entity) {
            let hint = did_you_mean(&write.entity, entities.iter().map(String::as_str)).or_else(|| {
                Some(format!(
                    "entities that can be written there: {}",
                    entities.join(", ")
                ))
            });
            let message = format!(
                "`{}` has no entity `{}` that can be written",
                write.connection, write.entity
            );
            return Err(build
                .finding(&["entity"], "unknown-entity", message)
                .suggest(hint));
        }
        let step = build.step_id();
        Ok(Arc::new(Send {
            write: Write {
                connection: write.connection,
                entity: write.entity,
                mode: write.mode,
                step,
                name: build.result_name(),
            },
        }))
    }
}

#[async_trait]
impl Step for Send {
    fn rewrites(&self) -> bool {
        false
    }

    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        services.write(&self.write, batch).await;
        Ok(())
    }
    fn connections(&self) -> Vec<String> {
        vec![self.write.connection.clone()]
    }
    fn has_effect(&self) -> bool {
        true
    }
}
