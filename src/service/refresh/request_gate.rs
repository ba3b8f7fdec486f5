//! The limit on token requests under way at one token server.

use std::sync::Arc;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::gate::{Gate, Pass};

/// Requests that time out make room as well. A service whose requests would be answered gets its turn after those of some
/// that are not, and a caller of a server that answers no one does not wait for ever.
const ROUNDS: u32 = 3;

/// What each attempt passes before it takes a lease: a lease that waits here would keep other processes waiting.
pub(super) struct RequestGate {
    pub(super) gate: Arc<Gate>,
    pub(super) config: Arc<Config>,
}

/// The right to have a request under way.
pub(super) struct RequestPass(Pass);

impl RequestGate {
    /// Waits until fewer than `maxConcurrentRequests` are under way.
    ///
    /// # Errors
    /// `Timeout` if the token server answered none of them for [`ROUNDS`] times as long as a request may take.
    pub(super) async fn enter(&self) -> Result<RequestPass> {
        let patience = self.config.timeout * ROUNDS;
        let pass = self.gate.enter(patience).await.ok_or_else(|| {
            let message = format!(
                "the token server answered none of the {} requests under way (maxConcurrentRequests) for {} ms, so \
                 evertoken did not send another one",
                self.config.max_concurrent_requests,
                patience.as_millis(),
            );
            Error::new(ErrorKind::Timeout, message).unsent()
        })?;
        Ok(RequestPass(pass))
    }
}

impl RequestPass {
    /// Ends it. A server that does not answer does not keep others waiting.
    pub(super) fn leave(self, error: Option<&Error>) {
        let is_answer = |error: &Error| !matches!(error.kind(), ErrorKind::Network | ErrorKind::Timeout);
        if error.is_none_or(is_answer) {
            drop(self.0);
        } else {
            self.0.leave_in_vain();
        }
    }
}
