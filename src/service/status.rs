//! What a service tells of itself: never a token, never a secret.

use serde::{Serialize, Serializer};

use crate::domain::{Timestamp, TokenPhase};
use crate::error::Error;

/// `TokenStatus` of the public interface.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each field is documented where users read it, in index.d.ts")]
pub struct Status {
    pub service: String,
    #[serde(serialize_with = "state")]
    pub state: TokenPhase,
    pub healthy: bool,
    pub source: Option<&'static str>,
    pub token_type: Option<String>,
    #[serde(serialize_with = "iso")]
    pub issued_at: Option<Timestamp>,
    #[serde(serialize_with = "iso")]
    pub expires_at: Option<Timestamp>,
    #[serde(serialize_with = "iso")]
    pub refresh_at: Option<Timestamp>,
    pub expires_in_seconds: Option<u64>,
    #[serde(serialize_with = "iso")]
    pub last_refresh_at: Option<Timestamp>,
    pub consecutive_failures: u32,
    pub last_error: Option<LastError>,
    pub strategy: Option<StrategyStatus>,
    pub scheduler: SchedulerStatus,
    pub storage: StorageStatus,
    pub counters: Counters,
    pub history: Vec<HistoryEntry>,
}

/// The last failure, kept until a token is had.
#[derive(Clone, Debug, Serialize)]
pub struct LastError {
    pub code: &'static str,
    pub message: String,
    #[serde(serialize_with = "iso_moment")]
    pub at: Timestamp,
}

impl LastError {
    /// The error, at a moment.
    pub fn new(error: &Error, at: Timestamp) -> Self {
        Self { code: error.code(), message: error.message().to_owned(), at }
    }
}

/// What worked last.
#[derive(Clone, Debug, Serialize)]
pub struct StrategyStatus {
    pub grant: String,
    pub endpoint: String,
    pub format: String,
}

/// `SchedulerStatus` of the public interface.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each field is documented where users read it, in index.d.ts")]
pub struct SchedulerStatus {
    pub running: bool,
    pub refresh_interval_seconds: f64,
    pub health_check_interval_seconds: f64,
    #[serde(serialize_with = "iso")]
    pub next_refresh_at: Option<Timestamp>,
    #[serde(serialize_with = "iso")]
    pub last_health_check_at: Option<Timestamp>,
}

/// A scheduler that was never started, with its usual intervals.
impl Default for SchedulerStatus {
    fn default() -> Self {
        Self {
            running: false,
            refresh_interval_seconds: 600.0,
            health_check_interval_seconds: 300.0,
            next_refresh_at: None,
            last_health_check_at: None,
        }
    }
}

/// Where the token rests.
#[derive(Clone, Debug, Serialize)]
pub struct StorageStatus {
    pub kind: &'static str,
    pub location: String,
    pub encrypted: bool,
    pub healthy: bool,
}

/// What was counted since the service began.
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

/// One line of the history.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    #[serde(serialize_with = "iso_moment")]
    pub at: Timestamp,
    pub outcome: &'static str,
    pub duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
}

fn state<S: Serializer>(state: &TokenPhase, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(state.as_str())
}

fn iso_moment<S: Serializer>(moment: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(moment)
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn iso<S: Serializer>(moment: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => to.collect_str(moment),
        None => to.serialize_none(),
    }
}
