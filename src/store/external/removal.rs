//! The mark of a removal: a record under a reserved name, whose `lastUsed` is the number of the removal.

use std::time::Duration;

use super::super::{Revision, StoredRow};
use super::wire::number_of;
use crate::domain::{Secret, Timestamp, TokenType};

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
    let moment = moment_after(last.number);
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

/// A whole second that is later than `number`, even in a store that truncates or rounds milliseconds.
fn moment_after(number: u64) -> Timestamp {
    let second = number.saturating_add(1500) / 1000;
    Timestamp::from_millisecond(i64::try_from(second.saturating_mul(1000)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_removal_is_later_however_a_store_keeps_the_moment_of_the_record() {
        for number in [0, 1, 499, 500, 999, 1000, 1_800_000_000_000, 1_800_000_000_499, 1_800_000_000_500] {
            let removal = read(&write(Revision { number, digest: 1 })).number;
            let rounded = (number + 500) / 1000 * 1000;
            assert!(removal > number && removal > rounded, "{number}: {removal}");
            assert_eq!(removal % 1000, 0);
            assert!(removal <= number + 1500);
        }
    }

    #[test]
    fn a_removal_at_the_end_of_time_overflows_nothing() {
        let removal = read(&write(Revision { number: u64::MAX, digest: 1 }));
        assert!(is_one(removal));
        assert_eq!(removal.number, Timestamp::MAX.as_millisecond().cast_unsigned());
    }
}
