//! The mark of a removal, in the place of the record.

use super::super::{Revision, StoredRow};
use super::{number_of, reserved_row};
use crate::domain::{Secret, Timestamp};

/// Begins the text that stands in the place of the token. No sealed text begins so. The rest tells removals apart.
const WORD: &str = "removed ";

/// No record has it, as theirs are hashes.
const DIGEST: u64 = 0;

pub(super) fn is_one(revision: Revision) -> bool {
    revision.digest == DIGEST
}

/// The row for the removal of the last record, and its revision.
pub(super) fn write(last: Option<Revision>) -> (StoredRow, Revision) {
    let moment = moment_after(last.map_or(0, |last| last.number));
    let text = format!("{WORD}{:016x}", fastrand::u64(..));
    (reserved_row(Secret::new(text), moment, moment), of(moment))
}

/// The removal that this row marks, if it is one.
pub(super) fn read(row: &StoredRow) -> Option<Revision> {
    row.token.expose().starts_with(WORD).then(|| of(row.last_used))
}

fn of(moment: Timestamp) -> Revision {
    Revision { number: number_of(moment), digest: DIGEST }
}

/// A whole second that is later than `number`, even in a place that truncates or rounds milliseconds.
fn moment_after(number: u64) -> Timestamp {
    let second = number.saturating_add(1500) / 1000;
    Timestamp::from_millisecond(i64::try_from(second.saturating_mul(1000)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_removal_is_later_however_a_place_keeps_the_moment_of_the_record() {
        for number in [0, 1, 499, 500, 999, 1000, 1_800_000_000_000, 1_800_000_000_499, 1_800_000_000_500] {
            let (row, removal) = write(Some(Revision { number, digest: 1 }));
            let rounded = (number + 500) / 1000 * 1000;
            assert!(removal.number > number && removal.number > rounded, "{number}: {removal:?}");
            assert_eq!(removal.number % 1000, 0);
            assert!(removal.number <= number + 1500);
            assert_eq!(read(&row), Some(removal));
        }
    }

    #[test]
    fn a_removal_at_the_end_of_time_overflows_nothing() {
        let (_, removal) = write(Some(Revision { number: u64::MAX, digest: 1 }));
        assert!(is_one(removal));
        assert_eq!(removal.number, Timestamp::MAX.as_millisecond().cast_unsigned());
    }

    #[test]
    fn no_two_removals_have_one_text() {
        let (one, other) = (write(None).0, write(None).0);
        assert!(!one.token.matches(&other.token));
    }
}
