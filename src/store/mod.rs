//! Where a token rests between processes and restarts: the trait, one file a place, the sealing decorator,
//! and one conformance suite that every store passes.

mod client;
mod disk;
mod external;
mod file;
mod health;
mod lease;
mod lock;
mod memory;
mod record;
mod sealed;
mod sqlite;
mod warnings;

#[cfg(test)]
mod conformance;

use async_trait::async_trait;

pub(crate) use client::StoreClient;
pub use external::{ExternalStore, StoreCallbacks};
pub use file::FileStore;
#[cfg(any(test, fuzzing))]
pub use file::fuzzing::record_file;
pub use lease::{Claim, Fence, LeaseGrant, Leasing, Owner};
pub use memory::MemoryStore;
pub use record::{Revision, Slot, StoredRow, StoredState, StoredToken};
pub use sealed::{Loaded, SealedStore};
pub use sqlite::SqliteStore;

use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::{Error, Result};
use crate::runtime;

/// How a compare-and-swap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The record is stored, and this is its revision.
    Stored(Revision),
    /// Another writer was there first; nothing was changed. Load again, and decide anew.
    Conflict,
    /// The lease it was to be saved under is another's by now, or was ended by a removal; nothing was changed.
    Fenced,
}

/// A place for one record per service, and for the lease that decides which process asks for the next one. It
/// knows nothing of keys: texts arrive sealed.
///
/// Every error is of kind `Storage` and heals by itself or by a person's hand; none holds a part of a record.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The word in the status: `memory`, `file`, `sqlite`.
    fn kind(&self) -> &'static str;

    /// The place, without credentials.
    fn location(&self) -> String;

    /// What is stored for a service, as one look finds it.
    async fn load(&self, service: &ServiceName) -> Result<Slot>;

    /// Stores a record if the stored one still has the revision `expected`; with `None`, if there is none. The
    /// new revision is later than every one before it: [`Revision::number_after`] the one stored last, as far as that
    /// is known, at the record's `last_used`.
    ///
    /// With a fence, it stores only while that lease is neither over nor another's, and thereby ends it: the
    /// lease is free, and its note is gone.
    async fn save(
        &self,
        service: &ServiceName,
        row: &StoredRow,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved>;

    /// Removes a service's record, whatever its revision, and ends a lease under way, so that what its holder
    /// brings is not stored; to remove none is no error.
    async fn remove(&self, service: &ServiceName) -> Result<()>;

    /// Moves a record that cannot be used out of the way of the next save, and keeps it for a person to look
    /// at. It is never loaded again. A record of another revision than `seen` was written meanwhile: it stays.
    async fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()>;

    /// Takes the lease of a service, where it is free, over, or the claimant's own; its fence is then a new one.
    /// The lease of a holder that is known to be dead is free. It needs no record to be there.
    ///
    /// A store without leases says so; its processes then find each other's tokens, and may ask at once.
    async fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let _ = (service, claim);
        Ok(Leasing::Unknown)
    }

    /// Makes the lease last from `claim`'s moment on; `false` when it is another's by now, or was ended.
    async fn renew(&self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        let _ = (service, claim, fence);
        Ok(false)
    }

    /// Ends the lease, if it still is this one, and leaves `note` for whoever takes the next one. The note is
    /// sealed, and is kept until a save under a fence, or another release, replaces it.
    async fn release(&self, service: &ServiceName, fence: Fence, note: Option<Secret>) -> Result<()> {
        let _ = (service, fence, note);
        Ok(())
    }

    /// The sealed text that is kept for a service apart from its record and its lease.
    async fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>>;

    /// Keeps that text in place of the one before; `None` deletes it. Neither a save nor a removal of the record
    /// touches it. After `until` it is of no use: a store may say so, and need not delete it.
    async fn save_note(&self, service: &ServiceName, note: Option<&Secret>, until: Timestamp) -> Result<()>;

    /// What a person should know of that cost no operation its success (a damaged file set aside), each
    /// handed out once.
    fn take_warnings(&self) -> Vec<Error> {
        Vec::new()
    }
}

/// Runs work on a place outside the runtime's thread.
async fn run_blocking<P: Clone + Send + 'static, T: Send + 'static>(
    place: &P,
    service: &ServiceName,
    work: impl FnOnce(&P, &ServiceName) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (place, service) = (place.clone(), service.clone());
    runtime::blocking(move || work(&place, &service)).await
}
