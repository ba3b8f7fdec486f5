//! Where a token rests between processes and restarts: the trait, one file a place, the sealing decorator,
//! and one conformance suite that every store passes.

mod file;
mod memory;
mod record;
mod sealed;

#[cfg(test)]
mod conformance;

use async_trait::async_trait;

pub use file::FileStore;
pub use memory::MemoryStore;
pub use record::{Record, Revision, Row};
pub use sealed::{Loaded, SealedStore};

use crate::domain::ServiceName;
use crate::error::{Error, Result};

/// How a compare-and-swap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The record is stored, and this is its revision.
    Stored(Revision),
    /// Another writer was there first; nothing was changed. Load again, and decide anew.
    Conflict,
}

/// A place for one record per service. It knows nothing of keys: texts arrive sealed.
///
/// Every error is of kind `Storage` and heals by itself or by a person's hand; none holds a part of a record.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The word in the status: `memory`, `file`.
    fn kind(&self) -> &'static str;

    /// The place, without credentials.
    fn location(&self) -> String;

    /// The record of a service and its revision; `None` when there is none.
    async fn load(&self, service: &ServiceName) -> Result<Option<(Row, Revision)>>;

    /// Stores a record if the stored one still has the revision `expected`; with `None`, if there is none.
    /// A revision is never used twice, not even after a removal.
    async fn save(&self, service: &ServiceName, row: &Row, expected: Option<Revision>) -> Result<Saved>;

    /// Removes a service's record, whatever its revision; to remove none is no error.
    async fn remove(&self, service: &ServiceName) -> Result<()>;

    /// Moves a record that cannot be used out of the way of the next save, and keeps it for a person to look
    /// at. It is never loaded again. A record of another revision than `seen` was written meanwhile: it stays.
    async fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()>;

    /// What a person should know of that cost no operation its success (a damaged file set aside), each
    /// handed out once.
    fn take_warnings(&self) -> Vec<Error> {
        Vec::new()
    }
}
