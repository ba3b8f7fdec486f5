//! The mark of a removal: a record under a reserved name, whose `lastUsed` is the number of the removal.

use std::time::Duration;

use super::super::record::{number_of, removal_moment};
use super::super::{Revision, StoredRow};
use crate::domain::{Secret, TokenType};

/// Stands in the place of the token.
const WORD: &str = "removed";

/// No record has it, as theirs are hashes.
const DIGEST: u64 = 0;

/// How long the mark is needed: a process that was suspended since may still hold a refresh token. After that a store
/// may delete it.
const REMOVAL_MARK_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

pub(super) fn is_one(revision: Revision) -> bool {
    revision.digest == DIGEST
}

/// The mark for the removal of the last record.
pub(super) fn write(last: Revision) -> StoredRow {
    let moment = removal_moment(last.number);
    StoredRow {
        token: Secret::new(WORD),
        refresh_token: None,
        token_type: TokenType::bearer(),
        created_at: moment,
        expires_at: moment.plus(REMOVAL_MARK_LIFETIME),
        last_used: moment,
        format: None,
        column_fault: None,
    }
}

pub(super) fn read(row: &StoredRow) -> Revision {
    Revision { number: number_of(row.last_used), digest: DIGEST }
}
