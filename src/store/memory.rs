//! Records that end with the process.

use std::collections::HashMap;

use async_trait::async_trait;

use super::lease::LeaseEntry;
use super::{Claim, Fence, Leasing, Revision, Saved, Slot, Store, StoredRow};
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::Result;
use crate::sync::{Mutex, MutexGuard};

/// Records in this process's memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<MemoryState>,
}

#[derive(Debug, Default)]
struct MemoryState {
    last_number: Option<u64>,
    records: HashMap<ServiceName, (StoredRow, Revision)>,
    removals: HashMap<ServiceName, Revision>,
    leases: HashMap<ServiceName, LeaseEntry>,
    aside: HashMap<ServiceName, StoredRow>,
    notes: HashMap<ServiceName, Secret>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, MemoryState> {
        self.state.lock()
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

    async fn load(&self, service: &ServiceName) -> Result<Slot> {
        let state = self.state();
        let removal = || state.removals.get(service).copied().map(Slot::Removed);
        let record = state.records.get(service).cloned().map(|(row, revision)| Slot::Record(row, revision));
        Ok(record.or_else(removal).unwrap_or_default())
    }

    async fn save(
        &self,
        service: &ServiceName,
        row: &StoredRow,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved> {
        let mut state = self.state();
        if fence.is_some_and(|fence| !state.leases.get(service).is_some_and(|lease| lease.is_under(fence))) {
            return Ok(Saved::Fenced);
        }
        if state.records.get(service).map(|(_, revision)| *revision) != expected {
            return Ok(Saved::Conflict);
        }
        let number = Revision::number_after(state.last_number, row.last_used);
        state.last_number = Some(number);
        let revision = Revision::new(number, row);
        state.records.insert(service.clone(), (row.clone(), revision));
        state.removals.remove(service);
        if fence.is_some()
            && let Some(lease) = state.leases.get_mut(service)
        {
            lease.end(None);
        }
        Ok(Saved::Stored(revision))
    }

    async fn remove(&self, service: &ServiceName) -> Result<()> {
        let mut state = self.state();
        if let Some((_, last)) = state.records.remove(service) {
            let removal = Revision::of_removal(last.number);
            state.last_number = state.last_number.max(Some(removal.number));
            state.removals.insert(service.clone(), removal);
        }
        if let Some(lease) = state.leases.get_mut(service) {
            let note = lease.note.take();
            lease.end(note);
        }
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

    async fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let mut state = self.state();
        let last = state.leases.get(service);
        if let Some(lease) = last.filter(|lease| lease.is_held_against(claim)) {
            return Ok(Leasing::Held(lease.fence));
        }
        let lease = LeaseEntry::after(last, claim);
        let grant = lease.grant();
        state.leases.insert(service.clone(), lease);
        Ok(Leasing::Granted(grant))
    }

    async fn renew(&self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        let mut state = self.state();
        let lease = state.leases.get_mut(service).filter(|lease| lease.is_under(fence));
        Ok(lease.map(|lease| lease.renew(claim)).is_some())
    }

    async fn release(&self, service: &ServiceName, fence: Fence, note: Option<Secret>) -> Result<()> {
        if let Some(lease) = self.state().leases.get_mut(service).filter(|lease| lease.is_under(fence)) {
            lease.end(note);
        }
        Ok(())
    }

    async fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>> {
        Ok(self.state().notes.get(service).cloned())
    }

    async fn save_note(&self, service: &ServiceName, note: Option<&Secret>, _until: Timestamp) -> Result<()> {
        match note {
            Some(note) => self.state().notes.insert(service.clone(), note.clone()),
            None => self.state().notes.remove(service),
        };
        Ok(())
    }
}
