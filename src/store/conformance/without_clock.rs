//! Rows of a real server, whose clock the cases cannot set.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::{Secret, ServiceName};
use crate::error::Result;
use crate::store::StoredRow;
use crate::store::rows::{Found, Rows};

/// The rows of a place that does not tell its time, so that the time of the claims counts.
pub(super) struct WithoutClock<R>(pub(super) Arc<R>);

#[async_trait]
impl<R: Rows> Rows for WithoutClock<R> {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn location(&self) -> String {
        self.0.location()
    }

    async fn find(&self, name: &ServiceName) -> Result<Found> {
        Ok(Found { now: None, ..self.0.find(name).await? })
    }

    async fn compare_and_set(
        &self,
        name: &ServiceName,
        expected: Option<&Secret>,
        next: Option<&StoredRow>,
    ) -> Result<bool> {
        self.0.compare_and_set(name, expected, next).await
    }

    async fn discard(&self, name: &ServiceName) -> Result<()> {
        self.0.discard(name).await
    }

    async fn marks(&self, names: &[Arc<str>]) -> Result<Vec<u64>> {
        self.0.marks(names).await
    }
}
