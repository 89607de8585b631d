//! What runs in this process: the store of a data folder, who may use it, and an engine for one project and environment.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use weir_access::{Access, DataKey, Secrets};
use weir_api::{Api, Served, Verify};
use weir_engine::Engine;
use weir_engine::configuration::Configuration;
use weir_model::Scope;
use weir_sdk::connector::Connection;
use weir_sdk::store::{Retention, Store};
use weir_store::SqliteStore;

use crate::config;
use crate::output::{Output, tally};
use crate::place::Places;
use crate::project::{self, Project};
use crate::wiring::Wiring;

const DAY_MS: u64 = 86_400_000;

/// How much is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The store only: looking at tasks, entering secrets.
    Store,
    /// Connections, without an engine: for trying them.
    Connections,
    /// An engine without triggers of its own: for one run or one action.
    Idle,
    /// Everything.
    Serving,
}

/// What was started.
pub(crate) struct Running {
    pub(crate) api: Arc<Api>,
    pub(crate) engine: Option<Arc<Engine>>,
}

impl Running {
    /// Lets sources end at their page and workers end their batch.
    pub(crate) async fn stop(&self) {
        if let Some(engine) = &self.engine {
            engine.stop().await;
        }
    }

    pub(crate) fn engine(&self) -> anyhow::Result<&Arc<Engine>> {
        self.engine.as_ref().context("no engine was started")
    }
}

/// Reads and checks a project; a project with errors is not run, and says why on the way.
pub(crate) fn load(places: &Places, wiring: &Wiring, output: Output) -> anyhow::Result<Project> {
    let (texts, mut findings) = project::read(&places.project)?;
    let loaded = project::load(&texts, places.environment.as_deref(), wiring);
    findings.extend(loaded.findings);
    if let Some(project) = &loaded.project {
        project::look(project, wiring, &mut findings);
    }
    let findings = project::tidy(findings);
    match loaded.project {
        Some(project) if project::is_clean(&findings) => Ok(project),
        _ => {
            output.findings(&findings);
            anyhow::bail!(
                "the project in {} has {}: correct them, `weir check` shows them again",
                places.project.display(),
                tally(&findings)
            )
        }
    }
}

/// Opens the data folder and starts what is asked for.
pub(crate) async fn start(places: &Places, what: Start, output: Output) -> anyhow::Result<Running> {
    let wiring = Wiring::new()?;
    if what == Start::Store {
        let scope = scope(places, &wiring)?;
        let (store, access, secrets) = open(&places.data, &wiring)?;
        let served = Served {
            scope,
            release: 0,
            engine: None,
            connections: BTreeMap::new(),
            hooks: BTreeMap::new(),
            used: BTreeMap::new(),
        };
        let api = Api {
            store,
            access: Arc::new(access),
            secrets,
            served: vec![served],
        };
        return Ok(Running {
            api: Arc::new(api),
            engine: None,
        });
    }
    let project = load(places, &wiring, output)?;
    let (store, access, secrets) = open(&places.data, &wiring)?;
    let stored = secrets.values(&project.scope).await?;
    let values = project::Secrets::gather(&project, &places.project, &stored);
    let connections = connections(&project, &values, &wiring, output)?;
    let hooks = match what {
        Start::Serving => hooks(&project, &values, output)?,
        _ => BTreeMap::new(),
    };
    let (mut release, mut engine) = (0, None);
    if what != Start::Connections {
        release = project::put_release(&project, &*store, &wiring.context, "folder").await?;
        let configuration = configuration(&project, release, connections.clone(), &wiring, output)?;
        let (of_store, context) = (store.clone(), wiring.context.clone());
        let started = match what {
            Start::Serving => Engine::start(configuration, of_store, context).await,
            _ => Engine::start_idle(configuration, of_store, context).await,
        };
        engine = Some(Arc::new(started.context("could not start the engine")?));
    }
    let served = Served {
        scope: project.scope.clone(),
        release,
        engine: engine.clone(),
        connections,
        hooks,
        used: project.used(),
    };
    let api = Api {
        store,
        access: Arc::new(access),
        secrets,
        served: vec![served],
    };
    Ok(Running {
        api: Arc::new(api),
        engine,
    })
}

/// Routes, lookups and connections as an engine takes them.
pub(crate) fn configuration(
    project: &Project,
    release: u64,
    connections: BTreeMap<String, Arc<dyn Connection>>,
    wiring: &Wiring,
    output: Output,
) -> anyhow::Result<Configuration> {
    let mut findings = Vec::new();
    let compiled = project::compile(project, wiring, &mut findings);
    if !project::is_clean(&findings) {
        output.findings(&findings);
        anyhow::bail!("the project does not compile: correct it, `weir check` shows the same");
    }
    let days = |ms: u64| u32::try_from(ms / DAY_MS).unwrap_or(u32::MAX);
    let retention = &project.settings.value.retention;
    Ok(Configuration {
        scope: project.scope.clone(),
        release,
        vars: project::vars_value(&project.vars),
        connections,
        routes: compiled.routes,
        lookups: compiled.lookups,
        retention: Retention {
            done_days: days(retention.done.ms),
            skipped_days: days(retention.skipped.ms),
            dead_days: days(retention.dead.ms),
        },
    })
}

/// Makes the connections; what is missing or wrong is said, all of it.
pub(crate) fn connections(
    project: &Project,
    secrets: &project::Secrets,
    wiring: &Wiring,
    output: Output,
) -> anyhow::Result<BTreeMap<String, Arc<dyn Connection>>> {
    let mut findings = Vec::new();
    let connections = project::connect(project, secrets, &wiring.context, &mut findings);
    if !project::is_clean(&findings) {
        output.findings(&findings);
        anyhow::bail!("{} of the connections cannot be made, see above", findings.len());
    }
    Ok(connections)
}

/// How senders show that they may send; what is missing is said, all of it.
fn hooks(
    project: &Project,
    secrets: &project::Secrets,
    output: Output,
) -> anyhow::Result<BTreeMap<String, Verify>> {
    let mut findings = Vec::new();
    let hooks = project::hooks(project, secrets, &mut findings);
    if !project::is_clean(&findings) {
        output.findings(&findings);
        anyhow::bail!("webhooks cannot be verified, see above");
    }
    Ok(hooks)
}

/// Project and environment, from as little as possible: also of a project that has errors.
fn scope(places: &Places, wiring: &Wiring) -> anyhow::Result<Scope> {
    let (texts, _) = project::read(&places.project)?;
    let loaded = project::load(&texts, places.environment.as_deref(), wiring);
    match loaded.project {
        Some(project) => Ok(project.scope),
        None => anyhow::bail!("weir.yaml or the environment's file cannot be read: `weir check` says why"),
    }
}

type Opened = (Arc<dyn Store>, Access, Secrets);

fn open(data: &Path, wiring: &Wiring) -> anyhow::Result<Opened> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| {
            format!(
                "could not make the data folder {}: name another with --data",
                data.display()
            )
        })?;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(data)?);
    // The usual place is within the project folder, and neither data nor its key belong into git.
    let ignore = data.join(".gitignore");
    if !ignore.exists() {
        std::fs::write(&ignore, "*\n").with_context(|| format!("could not write {}", ignore.display()))?;
    }
    let key = match config::data_key() {
        Some(text) => DataKey::from_text(&text)?,
        None => DataKey::open(data)?,
    };
    let access = Access::new(store.clone(), wiring.context.clock.clone());
    let secrets = Secrets::new(store.clone(), Arc::new(key));
    Ok((store, access, secrets))
}
