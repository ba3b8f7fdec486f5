//! The primitive that a store of any number of replicas rests on: rows under names, and compare-and-set.

use std::sync::Arc;

use async_trait::async_trait;

use super::StoredRow;
use super::watch::Watch;
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::{Error, Result};

/// A place that keeps a row under each name, and replaces one only while it is what the caller saw. The records, leases
/// and notes of [`RowStore`](super::RowStore) are rows.
///
/// Every error is of kind `Storage`, and contains no part of a row and no credential of the place. After an error, a
/// change may have happened nevertheless.
#[async_trait]
pub(in crate::store) trait Rows: Send + Sync + 'static {
    /// The kind, as the status shows it.
    fn kind(&self) -> &'static str;

    /// Where it is, without credentials.
    fn location(&self) -> String;

    /// What is stored under a name at this moment. A replica that lags behind does not answer this.
    async fn find(&self, name: &ServiceName) -> Result<Found>;

    /// Replaces what is stored under a name if that is still what the caller saw, in one step that no other change
    /// interrupts. Returns whether it was.
    ///
    /// `expected` is the [`Content`]'s `seen`, or `None` for nothing. `next` is the new row, or `None` to delete it.
    async fn compare_and_set(
        &self,
        name: &ServiceName,
        expected: Option<&Secret>,
        next: Option<&StoredRow>,
    ) -> Result<bool>;

    /// Deletes what is stored under a name: a row that cannot be expected, as it cannot be read.
    async fn discard(&self, name: &ServiceName) -> Result<()>;

    /// Whether [`marks`](Self::marks) works: not at a place that can only look at one row at a time.
    fn has_marks(&self) -> bool {
        true
    }

    /// For each of these names, a number that differs after each change of its row: one look for all of them, which
    /// reads no whole row.
    async fn marks(&self, names: &[Arc<str>]) -> Result<Vec<u64>>;

    /// Calls [`Watch::notice`] from now on when another process changes a row, for a place that can notify. It is
    /// called once, with what lives as long as the place. Notices may be lost: there are looks as well.
    fn notify(&self, watch: &Arc<Watch>) -> Result<()> {
        let _ = watch;
        Ok(())
    }

    /// What users should know about although no operation failed. Each warning is returned once.
    fn take_warnings(&self) -> Vec<Error> {
        Vec::new()
    }
}

/// What was found under a name.
#[derive(Debug)]
pub(in crate::store) struct Found {
    pub(in crate::store) content: Content,
    /// The time at the place, for one that has a clock: the clocks of replicas do not matter there.
    pub(in crate::store) now: Option<Timestamp>,
}

/// A row, or why there is none.
#[derive(Debug)]
pub(in crate::store) enum Content {
    Nothing,
    Row {
        row: StoredRow,
        /// What a compare-and-set of it expects.
        seen: Secret,
    },
    /// Another program wrote it.
    Malformed {
        /// What is wrong, as the rest of a sentence that begins with the place.
        fault: &'static str,
        /// What a compare-and-set of it expects, if it can be expected.
        seen: Option<Secret>,
    },
}
