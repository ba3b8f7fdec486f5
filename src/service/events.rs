//! What is announced.

use serde::Serialize;

use super::status::Status;
use crate::domain::Timestamp;
use crate::error::Error;

/// What happened to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    /// A new token is there, requested or adopted.
    Refreshed,
    /// No new token could be had.
    RefreshFailed,
    /// The refresh point is past.
    Expiring,
    /// Failures have come in a row, or the store is sick: once an incident.
    Alert,
    /// The incident is over.
    Recovered,
    /// The token was cleared.
    Cleared,
}

/// One announcement.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// How things stand.
    pub status: Status,
    /// What went wrong.
    pub error: Option<Error>,
}

/// Hears events; called on the evertoken thread, so it must not wait.
pub trait Listener: Send + Sync {
    /// Hears one.
    fn on_event(&self, event: &Event);
}
