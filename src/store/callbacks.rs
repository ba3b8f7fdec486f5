//! Functions of the user's program that stores call.

use async_trait::async_trait;

use crate::error::Result;

/// The user's functions, as the core calls them.
#[async_trait]
pub trait StoreCallbacks: Send + Sync + 'static {
    /// Passes on a request as JSON, and waits for its outcome as JSON: `{"ok": …}`, or `{"error": {"message": …}}`
    /// with a message that contains no part of a record.
    ///
    /// # Errors
    /// `Storage` if there is no program to call.
    async fn call(&self, request: String) -> Result<String>;
}
