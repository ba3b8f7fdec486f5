//! Where a token is kept between processes and restarts: the trait, one file for each kind of store, the decorator
//! that seals, and one conformance suite that every store passes.

mod call_limit;
mod callbacks;
mod client;
mod disk;
mod external;
mod file;
mod health;
mod lease;
mod lease_files;
mod lock;
mod memory;
mod postgres;
mod record;
mod redis;
mod row_store;
mod rows;
mod sealed;
mod sqlite;
mod warnings;
mod watch;

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tokio::sync::Semaphore;

pub use call_limit::{CallLimit, UnansweredCall};
pub use callbacks::StoreCallbacks;
pub(crate) use client::StoreClient;
pub use external::{ExternalStore, external};
pub use file::FileStore;
#[cfg(any(test, fuzzing))]
pub use file::fuzzing::record_file;
pub use lease::{Claim, Fence, LeaseGrant, Leasing, Owner};
pub use memory::MemoryStore;
pub use record::{Revision, Slot, StoredRow, StoredState, StoredToken};
pub use row_store::RowStore;
pub use sealed::{Loaded, SealedStore};
pub use sqlite::SqliteStore;
pub use watch::{RecordObserver, Subscription};

use crate::config::{Config, Storage};
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::runtime;
use crate::transport::{Environment, StoreTls};

use postgres::PostgresRows;
use redis::RedisRows;
use rows::Rows;

/// The store on the server that the configuration names by its URL, if it names one. The environment says which
/// certificates the server may have.
pub fn on_server(config: &Config, environment: &Environment) -> Option<Arc<dyn Store>> {
    let tls = || StoreTls::new(&config.ca, environment);
    let rows: Arc<dyn Rows> = match &config.storage {
        Storage::Postgres(url, table) => PostgresRows::at(url, table, &tls()),
        Storage::Redis(url, prefix) => RedisRows::of_server(url, prefix, &tls()),
        _ => return None,
    };
    Some(Arc::new(RowStore::new(rows)))
}

/// How a compare-and-swap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The record is stored, and this is its revision.
    Stored(Revision),
    /// Another writer was first, and nothing was changed. Load again, then decide.
    Conflict,
    /// Another holder has taken the lease, or a removal has ended it. Nothing was changed.
    Fenced,
}

/// A place for one record per service, and for the lease that decides which process requests the next token. It has
/// no keys: it receives sealed texts.
///
/// Every error is of kind `Storage`, goes away by itself or once someone repairs the store, and contains no part of a
/// record.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The kind, as the status shows it: `memory`, `file`, `sqlite`, `postgres`, `redis`,
    /// `prisma` or `custom`.
    fn kind(&self) -> &'static str;

    /// Where it is, without credentials.
    fn location(&self) -> String;

    /// What is stored for a service.
    async fn load(&self, service: &ServiceName) -> Result<Slot>;

    /// Stores a record if the stored one still has the revision `expected` or, with `None`, if there is none. The new
    /// revision is later than every earlier one: its number is [`Revision::number_after`] the last one that is known,
    /// at the record's `last_used`.
    ///
    /// With a fence, it stores only while that lease is valid, and ends it: the lease is then free, and its note is
    /// deleted.
    async fn save(
        &self,
        service: &ServiceName,
        row: &StoredRow,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved>;

    /// Removes a service's record in any revision. It also ends the current lease, so that what its holder obtains is
    /// not stored. Removing a record that does not exist is not an error.
    async fn remove(&self, service: &ServiceName) -> Result<()>;

    /// Moves an unusable record out of the way of the next save, and keeps it for someone to look at. It is never
    /// loaded again. A record of another revision than `seen` was written in the meantime and stays.
    async fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()>;

    /// Takes the lease of a service if it is free, has ended or belongs to the claimant; it gets a new fence. The
    /// lease of a holder that is known to be dead is free. A lease needs no record.
    ///
    /// A store without leases returns `Unknown`. Its processes find each other's tokens, but may request one at the
    /// same time.
    async fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let _ = (service, claim);
        Ok(Leasing::Unknown)
    }

    /// Extends the lease from `claim`'s moment. Returns `false` if another holder has taken it, or it was ended.
    async fn renew(&self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        let _ = (service, claim, fence);
        Ok(false)
    }

    /// Ends the lease of this fence, and leaves `note` for the next holder. The note is sealed. It is kept until a
    /// save under a fence or another release replaces it.
    async fn release(&self, service: &ServiceName, fence: Fence, note: Option<Secret>) -> Result<()> {
        let _ = (service, fence, note);
        Ok(())
    }

    /// The sealed text that is kept for a service separately from its record and its lease.
    async fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>>;

    /// Replaces that text; `None` deletes it. Saving or removing the record does not affect it. The text is useless
    /// after `until`: a store may record that, and need not delete it.
    async fn save_note(&self, service: &ServiceName, note: Option<&Secret>, until: Timestamp) -> Result<()>;

    /// How far the clock of the place is ahead of this machine's, in milliseconds, as the last load found it. Times of
    /// records are stored as that clock shows them.
    fn clock_ahead_ms(&self) -> i64 {
        0
    }

    /// What users should know about although no operation failed, such as a damaged file that was set aside. Each
    /// warning is returned once.
    fn take_warnings(&self) -> Vec<Error> {
        Vec::new()
    }

    /// What limits how many operations run at once on its place.
    fn gate(&self) -> Option<&Arc<Gate>> {
        None
    }

    /// Notifies `observer` when another process may have changed the service's record, until the subscription is dropped.
    /// `None` for a store that cannot do that: then the record is read from time to time.
    fn watch(
        &self,
        service: &ServiceName,
        observer: Weak<dyn RecordObserver>,
    ) -> Result<Option<Subscription>> {
        let _ = (service, observer);
        Ok(None)
    }
}

/// Stores use no more threads at once, so that some are left for lookups of addresses and keys while disks hang. The
/// tests of this crate hang many stores at once, in one process.
static THREADS: Semaphore = Semaphore::const_new(if cfg!(test) { 64 } else { 8 });

/// Runs work on a place outside the runtime's thread.
async fn run_blocking<P: Clone + Send + 'static, T: Send + 'static>(
    place: &P,
    service: &ServiceName,
    work: impl FnOnce(&P, &ServiceName) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (place, service) = (place.clone(), service.clone());
    // Never closed.
    let _thread = THREADS.acquire().await;
    runtime::blocking(move || work(&place, &service)).await
}
