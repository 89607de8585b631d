mod sandbox;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use weir_model::config::{Bytes, Span};
use weir_model::{Error, Finding, did_you_mean};
use weir_sdk::step::{Batch, Build, Services, Step, StepKind, Verdict};

use crate::parameters;
use sandbox::Script;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// A JavaScript file of the project: `scripts/checksum.js`.
    file: String,
    /// A function at the top level of the file: it is given the entity and
    /// `{ source, steps, vars, run, task }`, and returns the entity as it shall go on. Numbers are JavaScript's: beyond 15
    /// digits they are rounded.
    function: String,
    /// A call may take this long; default `1s`. Then the task fails with kind `limit`.
    #[serde(default = "time")]
    time: Span,
    /// A call may use this much memory; default `32MB`.
    #[serde(default = "memory")]
    memory: Bytes,
}

fn time() -> Span {
    Span { ms: 1_000 }
}

fn memory() -> Bytes {
    Bytes { count: 32_000_000 }
}

pub(crate) struct Kind;

struct Run {
    script: Arc<Script>,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "script"
    }
    fn summary(&self) -> &'static str {
        "Replaces the entity by what a JavaScript function makes of it, without network, files and clock."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Parameters>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let read: Parameters = parameters::read(parameters, build)?;
        let mut scripts = build.scripts();
        let Some(text) = scripts.remove(&read.file) else {
            let hint = did_you_mean(&read.file, scripts.keys().map(String::as_str));
            let message = format!("there is no script `{}`", read.file);
            return Err(build.finding(&["file"], "missing-file", message).suggest(hint));
        };
        let script = Script {
            file: read.file,
            text,
            function: read.function,
            time: read.time,
            memory: read.memory,
        };
        script.check().map_err(|fault| match fault.line {
            Some(line) => Finding::error("script", &script.file, line, 1, fault.error.message),
            None => build.finding(&["function"], "script", fault.error.message),
        })?;
        Ok(Arc::new(Run {
            script: Arc::new(script),
        }))
    }
}

#[async_trait]
impl Step for Run {
    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let now_ms = services.now().as_millisecond();
        let mut work = Vec::new();
        for (place, item) in batch.items.iter().enumerate().filter(|(_, item)| item.is_going()) {
            let around = json!({
                "source": item.source.as_ref(),
                "steps": item.steps,
                "vars": services.vars(),
                "run": services.run(),
                "task": { "id": item.task.to_string(), "key": item.key, "attempt": item.attempt },
            });
            let seed = seed_of(&item.key);
            work.push((place, item.value.clone(), around, seed));
        }
        if work.is_empty() {
            return Ok(());
        }
        // Foreign code may take its time: not on a thread that serves others.
        let script = self.script.clone();
        let calls = move || {
            let call = |(place, value, around, seed)| (place, script.call(&value, &around, now_ms, seed));
            work.into_iter().map(call).collect::<Vec<_>>()
        };
        let results = tokio::task::spawn_blocking(calls)
            .await
            .map_err(|error| Error::bug(format!("the interpreter of {} broke: {error}", self.script.file)))?;
        for (place, result) in results {
            let item = &mut batch.items[place];
            match result {
                Ok(value) => item.value = value,
                Err(fault) => item.verdict = Verdict::Fail((*fault.error).with("entity", &item.key)),
            }
        }
        Ok(())
    }
}

/// A seed that is the same for one key, always.
fn seed_of(key: &str) -> i32 {
    let hash = weir_model::json::hash(&Value::String(key.to_owned()));
    i32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])
}
