//! What is announced.

use serde::Serialize;

use super::status::Status;
use crate::domain::Timestamp;
use crate::error::Error;

/// What happened to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    /// A new token was obtained, or adopted from the store.
    Refreshed,
    /// An attempt obtained no token.
    RefreshFailed,
    /// The refresh point has passed.
    Expiring,
    /// An incident has begun: several attempts in a row have failed, or the store fails.
    Alert,
    /// The incident has ended.
    Recovered,
    /// The token was cleared.
    Cleared,
    /// The server refused the refresh token: someone has to consent again.
    ConsentEnded,
}

/// One announcement.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// The status at that moment.
    pub status: Status,
    /// What went wrong.
    pub error: Option<Error>,
}

/// Receives events on the evertoken thread, so it must not block.
pub trait Listener: Send + Sync {
    /// An event has occurred.
    fn on_event(&self, event: &Event);
}
