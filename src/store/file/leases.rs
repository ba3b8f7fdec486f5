//! The leases of a file's services. The holder of the lock keeps them in the lock file. A crash may lose them without
//! harm, so the file is written in place and never synced.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::super::disk;
use super::super::lease::{Claim, Fence, LeaseEntry, LeaseGrant, Owner};
use super::super::lock::Lock;
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::Result;
use crate::sync::{Mutex, MutexGuard};

const VERSION: u64 = 1;

/// The leases while the lock is held.
pub(super) struct Leases<'l> {
    lock: &'l Lock,
    by_service: BTreeMap<String, LeaseEntry>,
    /// When a content was written that cannot be read, so that it is unknown who holds which lease.
    damaged: Option<Timestamp>,
}

impl<'l> Leases<'l> {
    /// The leases in the lock file. There are none if it is new, or if a crash came between truncating and writing
    /// it.
    ///
    /// # Errors
    /// `Storage` if it is of a newer version: it is left as it is.
    pub(super) fn read(lock: &'l Lock) -> Result<Self> {
        let content = lock.read_content();
        if content.as_ref().is_ok_and(String::is_empty) {
            return Ok(Self { lock, by_service: BTreeMap::new(), damaged: None });
        }
        let mut root: Map<String, Value> =
            content.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let version = root.get("version").and_then(Value::as_u64).unwrap_or_default();
        if version > VERSION {
            return Err(lock.newer(version));
        }
        let leases = root.remove("leases").filter(|_| version == VERSION);
        let by_service = leases.and_then(|leases| serde_json::from_value(leases).ok());
        let damaged = if by_service.is_none() { Some(lock.written_at()?) } else { None };
        Ok(Self { lock, by_service: by_service.unwrap_or_default(), damaged })
    }

    /// Whether the content could not be read.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.is_some()
    }

    pub(super) fn is_under(&self, service: &ServiceName, fence: Fence) -> bool {
        self.by_service.get(service.as_str()).is_some_and(|lease| lease.is_under(fence))
    }

    /// The lease for `claim`, or the fence of the lease that another owner holds.
    pub(super) fn take(
        &mut self,
        service: &ServiceName,
        claim: &Claim,
        lease_files: &LeaseFiles,
    ) -> Result<Result<LeaseGrant, Fence>> {
        // After the length of a lease, every holder of that time has ended its request.
        if let Some(unknown) = self.damaged.map(|written| LeaseEntry::unknown(written, claim.length))
            && unknown.is_held_against(claim)
        {
            return Ok(Err(unknown.fence));
        }
        let last = self.by_service.get(service.as_str());
        if let Some(lease) = last.filter(|lease| lease.is_held_against(claim))
            && lease.owner.is_some_and(|owner| lease_files.is_alive(owner))
        {
            return Ok(Err(lease.fence));
        }
        let former = last.and_then(|lease| lease.owner).filter(|owner| *owner != claim.owner);
        let lease = LeaseEntry::after(last, claim);
        let grant = lease.grant();
        lease_files.create(claim.owner);
        self.by_service.insert(service.as_str().to_owned(), lease);
        self.write()?;
        if let Some(owner) = former {
            lease_files.remove(owner);
        }
        Ok(Ok(grant))
    }

    pub(super) fn renew(&mut self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        let Some(lease) = self.by_service.get_mut(service.as_str()).filter(|lease| lease.is_under(fence))
        else {
            return Ok(false);
        };
        lease.renew(claim);
        self.write()?;
        Ok(true)
    }

    /// Ends the lease of this fence. With `None` it ends any lease, and keeps the note.
    pub(super) fn end(
        &mut self,
        service: &ServiceName,
        which: Option<(Fence, Option<Secret>)>,
        lease_files: &LeaseFiles,
    ) -> Result<()> {
        let Some(lease) = self.by_service.get_mut(service.as_str()) else { return Ok(()) };
        let owner = lease.owner;
        match which {
            Some((fence, note)) if lease.is_under(fence) => lease.end(note),
            None if owner.is_some() => {
                let note = lease.note.take();
                lease.end(note);
            }
            _ => return Ok(()),
        }
        self.write()?;
        if let Some(owner) = owner {
            lease_files.remove(owner);
        }
        Ok(())
    }

    /// Whether an owner holds a lease.
    pub(super) fn names(&self, owner: Owner) -> bool {
        self.by_service.values().any(|lease| lease.owner == Some(owner))
    }

    fn write(&self) -> Result<()> {
        let content = json!({ "version": VERSION, "leases": self.by_service });
        self.lock.write_content(&content.to_string())
    }
}

/// For each lease that this process holds, a locked file next to the cache. The operating system releases the lock
/// when the process dies, so that others need not wait for the end of the lease.
#[derive(Debug)]
pub(super) struct LeaseFiles {
    path: PathBuf,
    held: Mutex<HashMap<Owner, File>>,
}

impl LeaseFiles {
    /// For the leases of the cache at `path`.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), held: Mutex::default() }
    }

    /// Whether the owner may be alive. Without the file or without locks this is unknown, and the lease alone
    /// decides.
    fn is_alive(&self, owner: Owner) -> bool {
        match disk::open_lease_file(&self.path, owner.number(), false) {
            Ok(file) => file.try_lock().is_err(),
            Err(_) => true,
        }
    }

    /// Best effort: without the file, a death is noticed at the end of the lease.
    fn create(&self, owner: Owner) {
        let mut held = self.held();
        if !held.contains_key(&owner)
            && let Ok(file) = disk::open_lease_file(&self.path, owner.number(), true)
            && file.try_lock().is_ok()
        {
            held.insert(owner, file);
        }
    }

    fn remove(&self, owner: Owner) {
        disk::remove_lease_file(&self.path, owner.number());
        self.held().remove(&owner);
    }

    /// Removes the files of those of these owners that are dead and hold no lease.
    pub(super) fn sweep(&self, owners: &[u64], leases: &Leases<'_>) {
        for owner in owners.iter().filter_map(|number| Owner::from_number(*number)) {
            if !leases.names(owner) && !self.is_alive(owner) {
                disk::remove_lease_file(&self.path, owner.number());
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Owner, File>> {
        self.held.lock()
    }
}
