//! What outlives a process: the store's content, the two sides, and what the plan says of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_model::Scope;

use super::memory::MemoryStore;
use super::plan::Plan;
use super::source::SourceTable;
use super::target::TargetTables;
use super::world::World;

pub(super) struct Stage {
    pub(super) world: Arc<World>,
    pub(super) plan: Plan,
    pub(super) store: MemoryStore,
    sources: Vec<Mutex<SourceTable>>,
    target: Mutex<TargetTables>,
}

impl Stage {
    pub(super) fn new(world: Arc<World>, plan: Plan) -> Arc<Stage> {
        let sources = plan.routes.iter().map(|_| Mutex::default()).collect();
        Arc::new(Stage {
            world,
            plan,
            store: MemoryStore::default(),
            sources,
            target: Mutex::default(),
        })
    }

    pub(super) fn source(&self, index: usize) -> MutexGuard<'_, SourceTable> {
        self.sources[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn target(&self) -> MutexGuard<'_, TargetTables> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn scope() -> Scope {
    Scope::new("simulated", "seed")
}
