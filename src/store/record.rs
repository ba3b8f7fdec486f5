//! What is stored of a service.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::domain::{AccessToken, Scheme, Secret, Timestamp};

/// Tells the states of a record apart, and which of two is the later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revision {
    /// Numbers the writes of evertoken; it only grows.
    pub number: u64,
    /// Of the content: a person's edit keeps the number, and is another revision all the same.
    pub digest: u64,
}

impl Revision {
    /// The revision of a row that is written with this number.
    pub fn new(number: u64, row: &Row) -> Self {
        let mut hasher = DefaultHasher::new();
        let times = [row.created_at, row.expires_at].map(Timestamp::as_millisecond);
        (row.token.expose(), row.refresh_token.as_ref().map(Secret::expose), row.token_type.as_str(), times)
            .hash(&mut hasher);
        Self { number, digest: hasher.finish() }
    }

    /// The number of the write after `last`. It is never below the time of the write, so that it also grows
    /// where the last record is gone, or lost.
    pub fn number_after(last: Option<u64>, now: Timestamp) -> u64 {
        next_number(last, now)
    }

    /// The revision of a removal of what was written last.
    pub fn of_removal(last: u64) -> Self {
        Self { number: last.saturating_add(1).min(LAST_NUMBER), digest: 0 }
    }

    /// Whether this was written after `other`: by evertoken, or by a person over it.
    pub fn is_later_than(self, other: Self) -> bool {
        self.number > other.number || (self.number == other.number && self.digest != other.digest)
    }
}

/// What every reader of JSON keeps exactly.
const LAST_NUMBER: u64 = (1 << 53) - 1;

/// Numbers that grow by one, or by the milliseconds of the clock where that is further.
pub(super) fn next_number(last: Option<u64>, now: Timestamp) -> u64 {
    let time = u64::try_from(now.as_millisecond()).unwrap_or_default();
    last.map_or(time, |last| time.max(last.saturating_add(1))).min(LAST_NUMBER)
}

/// A token and what is remembered with it.
#[derive(Clone, Debug)]
pub struct Record {
    /// The token to send.
    pub access_token: AccessToken,
    /// The word before it.
    pub scheme: Scheme,
    /// What gets the next one.
    pub refresh_token: Option<Secret>,
    /// The key that both are bound to (RFC 9449): PKCS#8 in base64.
    pub proof_key: Option<Secret>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last written or taken into use.
    pub last_used: Timestamp,
    /// What worked to get it: opaque here, and without a secret.
    pub strategy: Option<serde_json::Value>,
}

/// A [`Record`] as it is stored: its two secrets are sealed, or are plain where a person put them by hand or
/// the store needs no sealing.
#[derive(Clone, Debug)]
pub struct Row {
    /// The token, sealed or plain.
    pub token: Secret,
    /// The refresh token, sealed or plain.
    pub refresh_token: Option<Secret>,
    /// The word before the token.
    pub token_type: Scheme,
    /// `createdAt`: when the token was issued.
    pub created_at: Timestamp,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// When it was last written or taken into use.
    pub last_used: Timestamp,
    /// What worked to get it, with the proof key in an envelope of its own where there is one.
    pub strategy: Option<serde_json::Value>,
}

/// What one look finds where a service's record is stored.
#[derive(Clone, Debug, Default)]
pub enum Slot {
    /// The record and its revision.
    Record(Row, Revision),
    /// The removal that left no record, later than the record was.
    Removed(Revision),
    /// There never was a record, or it was lost with its place, by a person's hand or a disk's fault.
    #[default]
    Empty,
}

impl Slot {
    /// The record and its revision, where there is one.
    pub fn record(self) -> Option<(Row, Revision)> {
        match self {
            Self::Record(row, revision) => Some((row, revision)),
            Self::Removed(_) | Self::Empty => None,
        }
    }
}
