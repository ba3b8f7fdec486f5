//! No place at all: records end with the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Revision, Row, Saved, Store};
use crate::domain::ServiceName;
use crate::error::Result;

/// Records in this process's memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_revision: u64,
    records: HashMap<ServiceName, (Row, Revision)>,
    aside: HashMap<ServiceName, Row>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }

    async fn load(&self, service: &ServiceName) -> Result<Option<(Row, Revision)>> {
        Ok(self.state().records.get(service).cloned())
    }

    async fn save(&self, service: &ServiceName, row: &Row, expected: Option<Revision>) -> Result<Saved> {
        let mut state = self.state();
        if state.records.get(service).map(|(_, revision)| *revision) != expected {
            return Ok(Saved::Conflict);
        }
        state.last_revision += 1;
        let revision = Revision(state.last_revision);
        state.records.insert(service.clone(), (row.clone(), revision));
        Ok(Saved::Stored(revision))
    }

    async fn remove(&self, service: &ServiceName) -> Result<()> {
        self.state().records.remove(service);
        Ok(())
    }

    async fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()> {
        let mut state = self.state();
        if state.records.get(service).is_some_and(|(_, revision)| *revision == seen)
            && let Some((row, _)) = state.records.remove(service)
        {
            state.aside.insert(service.clone(), row);
        }
        Ok(())
    }
}
