//! What is remembered of the attempts so far.

use std::collections::VecDeque;

use serde::Serialize;

use crate::domain::Timestamp;
use crate::error::Error;

/// What happened to the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The token server issued a token.
    Refreshed,
    /// The store had a token.
    Adopted,
    /// An attempt obtained no token.
    Failed,
    /// The token was cleared.
    Cleared,
}

/// One line of `TokenStatus.history`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// When it ended.
    pub at: Timestamp,
    /// What happened.
    pub outcome: Outcome,
    /// How long the attempt took, in milliseconds.
    pub duration_ms: u64,
    /// The code of the error of a failed attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
}

impl HistoryEntry {
    /// An attempt from `started` to `now`.
    pub(super) fn new(
        outcome: Outcome,
        started: Timestamp,
        now: Timestamp,
        code: Option<&'static str>,
    ) -> Self {
        let duration_ms = u64::try_from(started.until(now).as_millis()).unwrap_or(u64::MAX);
        Self { at: now, outcome, duration_ms, code }
    }
}

/// The last failure, kept until a token is obtained.
#[derive(Clone, Debug, Serialize)]
pub struct LastError {
    /// The code of the error.
    pub code: &'static str,
    /// Its message.
    pub message: String,
    /// When it occurred.
    pub at: Timestamp,
}

impl LastError {
    /// The error, at a moment.
    pub(super) fn new(error: &Error, at: Timestamp) -> Self {
        Self { code: error.code(), message: error.message().to_owned(), at }
    }
}

/// What was counted since the service started.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    pub token_requests: u64,
    pub refreshes: u64,
    pub failures: u64,
    pub store_hits: u64,
    #[serde(rename = "retriesOn401")]
    pub retries_on_401: u64,
}

/// How many entries are kept.
const MAX_ENTRIES: usize = 50;

/// What is remembered of the attempts so far.
#[derive(Debug, Default)]
pub(in crate::service) struct History {
    pub(super) counters: Counters,
    pub(super) last_error: Option<LastError>,
    pub(super) last_refresh_at: Option<Timestamp>,
    entries: VecDeque<HistoryEntry>,
}

impl History {
    /// What was counted.
    pub(in crate::service) fn counters(&self) -> Counters {
        self.counters
    }

    /// The last failure, unless a token was obtained since.
    pub(in crate::service) fn last_error(&self) -> Option<&LastError> {
        self.last_error.as_ref()
    }

    /// When the server last issued a token.
    pub(in crate::service) fn last_refresh_at(&self) -> Option<Timestamp> {
        self.last_refresh_at
    }

    /// The latest entries, the oldest first.
    pub(in crate::service) fn entries(&self) -> impl Iterator<Item = &HistoryEntry> {
        self.entries.iter()
    }

    /// Adds an entry, and drops the oldest one of too many.
    pub(super) fn add(&mut self, entry: HistoryEntry) {
        if self.entries.len() == MAX_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_fifty_entries_are_kept() {
        let mut history = History::default();
        for second in 0..60 {
            let at = Timestamp::from_millisecond(second);
            history.add(HistoryEntry::new(Outcome::Failed, at, at, None));
        }
        assert_eq!(history.entries().count(), MAX_ENTRIES);
        assert_eq!(history.entries().next().map(|entry| entry.at), Some(Timestamp::from_millisecond(10)));
    }
}
