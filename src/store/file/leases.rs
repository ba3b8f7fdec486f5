//! The leases of a file's services. The holder of the lock keeps them in the lock file. A crash may lose them without
//! harm, so the file is written in place and never synced.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::lease::{Claim, Fence, LeaseEntry, LeaseGrant, Owner};
use super::super::lease_files::LeaseFiles;
use super::super::lock::Lock;
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::Result;

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
        lease_files.hold(service, claim.owner, lease.fence);
        self.by_service.insert(service.as_str().to_owned(), lease);
        self.write().inspect_err(|_| lease_files.let_go(service, claim.owner))?;
        if let Some(owner) = former {
            lease_files.remove(service, owner);
        }
        Ok(Ok(grant))
    }

    pub(super) fn renew(
        &mut self,
        service: &ServiceName,
        claim: &Claim,
        fence: Fence,
        lease_files: &LeaseFiles,
    ) -> Result<bool> {
        let Some(lease) = self.by_service.get_mut(service.as_str()).filter(|lease| lease.is_under(fence))
        else {
            lease_files.let_go_of(service, fence);
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
        let lease = self.by_service.get_mut(service.as_str());
        let is_meant = |lease: &LeaseEntry| which.as_ref().is_none_or(|(fence, _)| lease.is_under(*fence));
        let Some((lease, owner)) =
            lease.filter(|lease| is_meant(lease)).and_then(|lease| lease.owner.map(|owner| (lease, owner)))
        else {
            if let Some((fence, _)) = which {
                lease_files.let_go_of(service, fence);
            }
            return Ok(());
        };
        let note = which.map_or_else(|| lease.note.take(), |(_, note)| note);
        lease.end(note);
        self.write()?;
        lease_files.remove(service, owner);
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
