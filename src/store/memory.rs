//! Records that end with the process.

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

/// A store in memory has few services, mostly one: a list takes less room than a map.
#[derive(Debug, Default)]
struct MemoryState {
    last_number: Option<u64>,
    entries: Vec<(ServiceName, Box<MemoryEntry>)>,
}

/// What is kept for a service.
#[derive(Debug, Default)]
struct MemoryEntry {
    slot: Slot,
    lease: Option<LeaseEntry>,
    aside: Option<StoredRow>,
    note: Option<Secret>,
}

impl MemoryEntry {
    fn is_under(&self, fence: Fence) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.is_under(fence))
    }

    fn lease_under(&mut self, fence: Fence) -> Option<&mut LeaseEntry> {
        self.lease.as_mut().filter(|lease| lease.is_under(fence))
    }
}

impl MemoryState {
    fn entry(&mut self, service: &ServiceName) -> &mut MemoryEntry {
        let at = self.entries.iter().position(|(name, _)| name == service).unwrap_or_else(|| {
            self.entries.reserve_exact(1);
            self.entries.push((service.clone(), Box::default()));
            self.entries.len() - 1
        });
        &mut self.entries[at].1
    }
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
        Ok(self.state().entry(service).slot.clone())
    }

    async fn save(
        &self,
        service: &ServiceName,
        row: &StoredRow,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved> {
        let mut state = self.state();
        let number = Revision::number_after(state.last_number, row.last_used);
        let entry = state.entry(service);
        if fence.is_some_and(|fence| !entry.is_under(fence)) {
            return Ok(Saved::Fenced);
        }
        if entry.slot.revision() != expected {
            return Ok(Saved::Conflict);
        }
        let revision = Revision::new(number, row);
        entry.slot = Slot::Record(row.clone(), revision);
        if let Some(lease) = fence.and_then(|fence| entry.lease_under(fence)) {
            lease.end(None);
        }
        state.last_number = Some(number);
        Ok(Saved::Stored(revision))
    }

    async fn remove(&self, service: &ServiceName) -> Result<()> {
        let mut state = self.state();
        let entry = state.entry(service);
        if let Some(lease) = &mut entry.lease {
            let note = lease.note.take();
            lease.end(note);
        }
        if let Some(last) = entry.slot.revision() {
            let removal = Revision::of_removal(last.number);
            entry.slot = Slot::Removed(removal);
            state.last_number = state.last_number.max(Some(removal.number));
        }
        Ok(())
    }

    async fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()> {
        let mut state = self.state();
        let entry = state.entry(service);
        if entry.slot.revision() == Some(seen)
            && let Slot::Record(row, _) = std::mem::take(&mut entry.slot)
        {
            entry.aside = Some(row);
        }
        Ok(())
    }

    async fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let mut state = self.state();
        let last = &mut state.entry(service).lease;
        if let Some(lease) = last.as_ref().filter(|lease| lease.is_held_against(claim)) {
            return Ok(Leasing::Held(lease.fence));
        }
        let lease = LeaseEntry::after(last.as_ref(), claim);
        let grant = lease.grant();
        *last = Some(lease);
        Ok(Leasing::Granted(grant))
    }

    async fn renew(&self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        let mut state = self.state();
        let lease = state.entry(service).lease_under(fence);
        Ok(lease.map(|lease| lease.renew(claim)).is_some())
    }

    async fn release(&self, service: &ServiceName, fence: Fence, note: Option<Secret>) -> Result<()> {
        if let Some(lease) = self.state().entry(service).lease_under(fence) {
            lease.end(note);
        }
        Ok(())
    }

    async fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>> {
        Ok(self.state().entry(service).note.clone())
    }

    async fn save_note(&self, service: &ServiceName, note: Option<&Secret>, _until: Timestamp) -> Result<()> {
        self.state().entry(service).note = note.cloned();
        Ok(())
    }
}
