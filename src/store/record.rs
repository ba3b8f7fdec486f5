//! What is stored for a service.

use zeroize::Zeroizing;

use crate::crypto::{is_envelope, sha256};
use crate::domain::{AccessToken, AnswerFields, Consent, Secret, Timestamp, TokenType};
use crate::grants::{GrantFormat, GrantRequest};

/// Identifies one state of a record, and tells which of two is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revision {
    /// Counts evertoken's writes. It only grows.
    pub number: u64,
    /// A digest of the content: an edit by hand keeps the number, and is another revision nevertheless.
    pub digest: u64,
}

impl Revision {
    /// The revision of a row that is written with this number.
    pub fn new(number: u64, row: &StoredRow) -> Self {
        Self { number, digest: row.digest() }
    }

    /// The number of the write after `last`. It is never less than the time of the write, so that it also grows if
    /// the last record is lost.
    pub fn number_after(last: Option<u64>, now: Timestamp) -> u64 {
        next_number(last, now)
    }

    /// The revision of the removal that follows the write `last`.
    pub fn of_removal(last: u64) -> Self {
        Self { number: last.saturating_add(1).min(LAST_NUMBER), digest: 0 }
    }

    /// Whether this was written after `other`, by evertoken or by hand.
    pub fn is_later_than(self, other: Self) -> bool {
        self.number > other.number || (self.number == other.number && self.digest != other.digest)
    }
}

/// How many unusable records of one service are kept: enough for someone to look at, and a limit for two processes
/// with different keys that set aside each other's records.
pub(super) const KEPT_ASIDE: u8 = 4;

/// The largest number that every reader of JSON keeps exactly.
const LAST_NUMBER: u64 = (1 << 53) - 1;

/// Numbers that grow by one, or to the milliseconds of the clock if those are greater.
pub(super) fn next_number(last: Option<u64>, now: Timestamp) -> u64 {
    let time = u64::try_from(now.as_millisecond()).unwrap_or_default();
    last.map_or(time, |last| time.max(last.saturating_add(1))).min(LAST_NUMBER)
}

/// No clock shows it (the year 9000). Another program wrote it, so that nothing could be later.
const FORGED_MS: i64 = 221_845_392_000_000;

/// The number of a write, at a place that has no column for it: the moment `lastUsed` stands for it.
pub(super) fn number_of(last_used: Timestamp) -> u64 {
    let ms = last_used.as_millisecond();
    if ms < FORGED_MS { u64::try_from(ms).unwrap_or_default() } else { 0 }
}

/// What stands for the number of the removal that follows the write `last`: a whole second that is later, even at a
/// place that truncates or rounds milliseconds.
pub(super) fn removal_moment(last: u64) -> Timestamp {
    let second = last.saturating_add(1500) / 1000;
    Timestamp::from_millisecond(i64::try_from(second.saturating_mul(1000)).unwrap_or(i64::MAX))
}

/// A token, and what is stored with it.
#[derive(Clone, Debug)]
pub struct StoredToken {
    /// The token to send.
    pub access_token: Option<AccessToken>,
    /// The token type.
    pub scheme: TokenType,
    /// The refresh token, if the server issued one.
    pub refresh_token: Option<Secret>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it expires; `None` if it never does.
    pub expires_at: Option<Timestamp>,
    /// When it was last stored or first used.
    pub last_used: Timestamp,
    /// How it was obtained, and for whom. `None` for a token that another program stored.
    pub state: Option<StoredState>,
}

impl StoredToken {
    /// The same with times of a clock that is `ms` milliseconds ahead.
    #[must_use]
    pub(super) fn on_clock_ahead(&self, ms: i64) -> Self {
        Self {
            issued_at: self.issued_at.on_clock_ahead(ms),
            expires_at: self.expires_at.map(|moment| moment.on_clock_ahead(ms)),
            last_used: self.last_used.on_clock_ahead(ms),
            ..self.clone()
        }
    }
}

/// What evertoken remembers about a token that it obtained. A member that cannot be read is absent: the token can
/// be sent without it.
#[derive(Clone, Debug, Default)]
pub struct StoredState {
    /// The request that obtained the token. Refreshes follow it, and the next login tries it first.
    pub grant: Option<GrantRequest>,
    /// A digest of the account and the purpose that the token is for: [`Config::identity`](crate::config::Config).
    pub identity: Option<String>,
    /// The key that the tokens are bound to (RFC 9449): PKCS#8 in base64.
    pub proof_key: Option<Secret>,
    /// The fields of the response that are kept.
    pub fields: AnswerFields,
    /// The consent behind the refresh token.
    pub consent: Consent,
}

/// A [`StoredToken`] in its stored form: one sealed text, and columns for display and for a Prisma schema. Anyone who
/// can write to the store can write the columns, so they are read only with a plain token, and only if the
/// configuration accepts those.
#[derive(Clone, Debug)]
pub struct StoredRow {
    /// The whole record, sealed; or a plain token that another program stored.
    pub token: Secret,
    /// `refreshToken`, for a plain token. Evertoken itself writes none.
    pub refresh_token: Option<Secret>,
    /// `tokenType`.
    pub token_type: TokenType,
    /// `createdAt`: when the token was issued.
    pub created_at: Timestamp,
    /// `expiresAt`.
    pub expires_at: Timestamp,
    /// `lastUsed`: when it was last stored or first used.
    pub last_used: Timestamp,
    /// The form of the request that obtained the token. It is for display only and is never read back.
    pub format: Option<GrantFormat>,
    /// What is wrong with the columns that were read. It is `None` unless another program wrote them.
    pub column_fault: Option<&'static str>,
}

/// The other columns of a stored token. A value that cannot be read is `None`, or `Err` if the column may be empty.
pub(super) struct Columns {
    pub(super) refresh_token: Result<Option<Secret>, ()>,
    pub(super) token_type: Option<TokenType>,
    pub(super) created_at: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) last_used: Option<Timestamp>,
}

impl Columns {
    fn fault(&self) -> Option<&'static str> {
        let faults = [
            (self.expires_at.is_none(), "expiresAt is not a valid timestamp"),
            (self.created_at.is_none(), "createdAt is not a valid timestamp"),
            (self.last_used.is_none(), "lastUsed is not a valid timestamp"),
            (self.refresh_token.is_err(), "refreshToken is not a string"),
            (self.token_type.is_none(), "tokenType is not a valid token type"),
        ];
        faults.into_iter().find_map(|(is_faulty, fault)| is_faulty.then_some(fault))
    }
}

impl StoredRow {
    /// The row that was read. Its token can be opened even if its columns cannot be read.
    pub(super) fn from_columns(token: Secret, columns: Columns) -> Self {
        Self {
            token,
            format: None,
            column_fault: columns.fault(),
            refresh_token: columns.refresh_token.unwrap_or_default(),
            token_type: columns.token_type.unwrap_or_else(TokenType::bearer),
            created_at: columns.created_at.unwrap_or(Timestamp::MIN),
            expires_at: columns.expires_at.unwrap_or(Timestamp::MIN),
            last_used: columns.last_used.unwrap_or(Timestamp::MIN),
        }
    }

    /// A digest of what matters: the sealed text, or a plain token with its columns.
    fn digest(&self) -> u64 {
        let token = self.token.expose();
        if is_envelope(token) {
            return digest([token]);
        }
        let refresh_token = self.refresh_token.as_ref().map(Secret::expose).unwrap_or_default();
        let times = [self.created_at, self.expires_at].map(|time| time.as_millisecond().to_string());
        digest([token, refresh_token, self.token_type.as_str(), &times[0], &times[1]])
    }
}

/// A digest that is the same in every process: the first bytes of a SHA-256 over the parts.
pub(super) fn digest<const N: usize>(parts: [&str; N]) -> u64 {
    let mut content = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum()));
    for part in parts {
        content.extend_from_slice(&(part.len() as u64).to_le_bytes());
        content.extend_from_slice(part.as_bytes());
    }
    sha256(&content).iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What is found in the place of a service's record.
#[derive(Clone, Debug, Default)]
pub enum Slot {
    /// The record and its revision.
    Record(StoredRow, Revision),
    /// The removal that left no record. It is later than the record was.
    Removed(Revision),
    /// There has never been a record, or it was lost with its place.
    #[default]
    Empty,
}

impl Slot {
    /// The revision of the record, if there is one.
    pub fn revision(&self) -> Option<Revision> {
        match self {
            Self::Record(_, revision) => Some(*revision),
            Self::Removed(_) | Self::Empty => None,
        }
    }

    /// The record and its revision, if there is one.
    pub fn record(self) -> Option<(StoredRow, Revision)> {
        match self {
            Self::Record(row, revision) => Some((row, revision)),
            Self::Removed(_) | Self::Empty => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_is_later_however_a_place_keeps_the_moment_of_the_record() {
        for number in [0, 1, 499, 500, 999, 1000, 1_800_000_000_000, 1_800_000_000_499, 1_800_000_000_500] {
            let removal = number_of(removal_moment(number));
            let rounded = (number + 500) / 1000 * 1000;
            assert!(removal > number && removal > rounded, "{number}: {removal}");
            assert_eq!(removal % 1000, 0);
            assert!(removal <= number + 1500);
        }
    }

    #[test]
    fn a_forged_moment_does_not_keep_others_from_being_later() {
        assert_eq!(number_of(Timestamp::MAX), 0);
        let latest = number_of(Timestamp::from_second(200_000_000_000.0));
        assert!(number_of(removal_moment(latest)) > latest);
    }

    #[test]
    fn a_removal_at_the_end_of_time_overflows_nothing() {
        assert_eq!(removal_moment(u64::MAX), Timestamp::MAX);
    }
}
