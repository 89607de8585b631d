//! One entity through a route's steps; nothing is sent, what would be sent is shown.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weir_model::config::WriteMode;
use weir_model::{Error, Kind, TaskId};
use weir_sdk::Context;
use weir_sdk::expressions::{Job, evaluate_all};
use weir_sdk::step::{Batch, Item, Part, Verdict};
use weir_sdk::store::Store;

use crate::breaker::Breakers;
use crate::configuration::{Configuration, On, Route};
use crate::dispatch;
use crate::pipeline;
use crate::references::{References, keys_of};
use crate::services::Session;
use crate::shared::Shared;
use crate::source;
use crate::state::State;

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Trial {
    pub key: Option<String>,
    /// In words: `categories "shoes"`.
    pub waits_for: Vec<String>,
    /// What each step made of the entity: `{step, kind, after?, log?, error?}`.
    pub steps: Vec<Value>,
    pub writes: Vec<TrialWrite>,
    /// Operations that would change something.
    pub calls: Vec<TrialCall>,
    /// `would be written`, `skipped: …`, `dead: …`.
    pub verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TrialWrite {
    pub connection: String,
    pub entity: String,
    pub mode: WriteMode,
    pub row: Value,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TrialCall {
    pub connection: String,
    pub operation: String,
    pub with: Value,
}

/// Lookups and links are read (from `store` and the connections), nothing is written anywhere.
pub async fn run(
    configuration: Configuration,
    store: Arc<dyn Store>,
    context: Context,
    route: &str,
    input: Value,
) -> Result<Trial, Error> {
    let configuration = Arc::new(configuration);
    let references = Arc::new(References::new(
        configuration.clone(),
        store.clone(),
        context.clone(),
    ));
    let shared = Shared {
        configuration: configuration.clone(),
        store,
        context,
        references,
        breakers: Breakers::default(),
        state: Mutex::new(State::default()),
        claims: Default::default(),
        arrivals: Default::default(),
        callers: Default::default(),
        operations: Default::default(),
        signals: Default::default(),
        progress: Notify::new(),
        stopping: CancellationToken::new(),
        tracker: TaskTracker::new(),
    };
    let setup = shared.route(route)?;
    let now = shared.context.clock.now();
    let job = || {
        vec![Job {
            input: &input,
            bindings: vec![("vars", &configuration.vars)],
        }]
    };
    let evaluate = async |expression: &dyn weir_sdk::expressions::Expression| {
        evaluate_all(expression, &job(), shared.references.as_ref(), now)
            .await
            .pop()
            .unwrap_or(Ok((None, Vec::new())))
    };
    let keys = source::keys(&shared, setup, [&input]).await;
    let key = keys.into_iter().next().transpose()?.flatten();
    let mut waits_for = Vec::new();
    for wait in &setup.waits_for {
        if let On::Run(route) = &wait.on {
            waits_for.push(format!("a run of {route} that begins after the entity was read"));
        }
        let Some(keys) = &wait.keys else { continue };
        match evaluate(keys.as_ref()).await {
            Ok((keys, _)) => {
                let needs = keys_of(keys)
                    .into_iter()
                    .filter_map(|key| dispatch::need(&wait.on, key));
                waits_for.extend(needs.map(|need| need.words()));
            }
            Err(error) => waits_for.push(format!("cannot be told: {error}")),
        }
    }
    let mut session = Session::new(&shared, route, "try".to_owned(), now);
    session.captures = true;
    session.traces = true;
    let id = TaskId(shared.context.dice.uuid());
    let source = Arc::new(input.clone());
    let mut item = Item::new(id, key.clone().unwrap_or_default(), 1, input.clone(), source);
    if key.is_none() {
        let message = "the entity has no key: `entity.key` gives nothing for it";
        item.verdict = Verdict::Fail(Error::new(Kind::Invalid, message));
    }
    let mut batch = Batch { items: vec![item] };
    pipeline::run(&setup.steps, &mut batch, &session).await;
    follow_parts(setup, &mut batch, &session).await;
    let notes = std::mem::take(&mut *session.notes());
    let writes = notes
        .captured
        .into_iter()
        .map(|(_, write, row)| TrialWrite {
            connection: write.connection,
            entity: write.entity,
            mode: write.mode,
            row,
        })
        .collect();
    let calls = notes
        .called
        .into_iter()
        .map(|(_, call, with)| TrialCall {
            connection: call.connection,
            operation: call.operation,
            with,
        })
        .collect();
    let Some(item) = batch.items.pop() else {
        return Err(Error::bug("the pipeline lost an entity"));
    };
    let (verdict, error) = words(&item.verdict);
    Ok(Trial {
        key,
        waits_for,
        steps: item.carried.traces,
        writes,
        calls,
        verdict,
        error,
    })
}

/// Takes the parts of a split on behind it, as their tasks would go; what was made of each stands in the record of the
/// whole.
async fn follow_parts(route: &Route, batch: &mut Batch, session: &Session<'_>) {
    let Some(whole) = batch.items.first_mut() else {
        return;
    };
    let Verdict::Split { step, parts } = &whole.verdict else {
        return;
    };
    let mut open = vec![(step.clone(), parts.clone())];
    while let Some((step, parts)) = open.pop() {
        let start = route.steps.iter().position(|placed| placed.id == step);
        let item = |part: Part| {
            let source = Arc::new(part.value.clone());
            Item::new(whole.task, part.key, 1, part.value, source)
        };
        let mut parts = Batch {
            items: parts.into_iter().map(item).collect(),
        };
        pipeline::run(
            &route.steps[start.map_or(0, |place| place + 1)..],
            &mut parts,
            session,
        )
        .await;
        for mut part in parts.items {
            let steps = std::mem::take(&mut part.carried.traces);
            let (verdict, _) = words(&part.verdict);
            let trace = serde_json::json!({ "part": part.key, "steps": steps, "verdict": verdict });
            whole.carried.traces.push(trace);
            if let Verdict::Split { step, parts } = part.verdict {
                open.push((step, parts));
            }
        }
    }
}

/// What would become of the task.
fn words(verdict: &Verdict) -> (String, Option<Error>) {
    match verdict {
        Verdict::Go => ("would be written".to_owned(), None),
        Verdict::Skip { reason, .. } => (format!("would be skipped: {reason}"), None),
        Verdict::Fail(error) => (format!("would fail: {error}"), Some(error.clone())),
        Verdict::Wait { reason, .. } => (format!("would wait: {reason}"), None),
        Verdict::Pause { until, .. } => (format!("would pause until {until}"), None),
        Verdict::Ask { question, .. } => (format!("would wait for an answer: {question}"), None),
        Verdict::Collect { by, .. } => (format!("would be collected for `{by}`"), None),
        Verdict::Split { parts, .. } if parts.is_empty() => {
            ("would be done: split into no tasks".to_owned(), None)
        }
        Verdict::Split { parts, .. } => {
            let keys: Vec<&str> = parts.iter().map(|part| part.key.as_str()).collect();
            (
                format!("would be split into {} tasks: {}", keys.len(), keys.join(", ")),
                None,
            )
        }
    }
}

/// A store that knows nothing, for offline try-outs.
pub struct EmptyStore;

mod empty {
    use std::collections::BTreeMap;

    use weir_model::cursor::Cursor;
    use weir_model::task::State;
    use weir_model::{Address, RunId, Scope};
    use weir_sdk::expressions::Want;
    use weir_sdk::store::{
        Change, Delivered, Link, LiveTask, Loaded, Release, Retention, Run, TaskDetail, TaskPage, TaskQuery,
    };

    use super::*;

    type Answer<T> = Result<T, Error>;

    #[async_trait]
    impl Store for EmptyStore {
        async fn commit(&self, _: Vec<Change>) -> Answer<Vec<i64>> {
            Err(Error::new(Kind::Unavailable, "a try-out stores nothing"))
        }
        async fn release(&self, _: &Scope, _: Option<u64>) -> Answer<Option<Release>> {
            Ok(None)
        }
        async fn runs(&self, _: &Scope, _: Option<&str>, _: usize) -> Answer<Vec<Run>> {
            Ok(Vec::new())
        }
        async fn cursor(&self, _: &Scope, _: &str, _: u32) -> Answer<Option<Cursor>> {
            Ok(None)
        }
        async fn snapshot(
            &self,
            _: &Scope,
            _: &str,
            _: u32,
            keys: &[String],
        ) -> Answer<Vec<Option<[u8; 16]>>> {
            Ok(vec![None; keys.len()])
        }
        async fn live(&self, _: &Scope, _: i64, _: usize) -> Answer<Vec<LiveTask>> {
            Ok(Vec::new())
        }
        async fn load(&self, _: &[TaskId]) -> Answer<Vec<Loaded>> {
            Ok(Vec::new())
        }
        async fn tasks(&self, _: &TaskQuery) -> Answer<TaskPage> {
            Ok(TaskPage::default())
        }
        async fn details(&self, ids: &[TaskId]) -> Answer<Vec<Option<TaskDetail>>> {
            Ok(vec![None; ids.len()])
        }
        async fn counts(&self, _: &Scope) -> Answer<BTreeMap<String, BTreeMap<State, u64>>> {
            Ok(BTreeMap::new())
        }
        async fn run_counts(&self, _: &RunId) -> Answer<BTreeMap<State, u64>> {
            Ok(BTreeMap::new())
        }
        async fn delivered(&self, _: &Scope, _: &str, keys: &[String]) -> Answer<Vec<Option<Delivered>>> {
            Ok(vec![None; keys.len()])
        }
        async fn links(&self, _: &Scope, _: &Address, keys: &[String]) -> Answer<Vec<Option<Link>>> {
            Ok(vec![None; keys.len()])
        }
        async fn links_search(&self, _: &Scope, _: Option<&Address>, _: &str, _: usize) -> Answer<Vec<Link>> {
            Ok(Vec::new())
        }
        async fn readers(&self, _: &Scope, _: &str, _: &[Want]) -> Answer<Vec<String>> {
            Ok(Vec::new())
        }
        async fn lookup_rows(&self, _: &Scope, _: &str) -> Answer<Vec<(String, Value)>> {
            Ok(Vec::new())
        }
        async fn document(&self, _: &str, _: &str) -> Answer<Option<Value>> {
            Ok(None)
        }
        async fn documents_of(&self, _: &str, keys: &[String]) -> Answer<Vec<Option<Value>>> {
            Ok(vec![None; keys.len()])
        }
        async fn documents(&self, _: &str) -> Answer<Vec<(String, Value)>> {
            Ok(Vec::new())
        }
        async fn tidy(&self, _: jiff::Timestamp, _: &Retention) -> Answer<u64> {
            Ok(0)
        }
        async fn health(&self) -> Answer<BTreeMap<String, Value>> {
            Ok(BTreeMap::new())
        }
    }
}
