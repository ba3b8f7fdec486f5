//! The mark of a removal, in the place of the record.

use super::super::record::{number_of, removal_moment};
use super::super::{Revision, StoredRow};
use super::reserved_row;
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
    let moment = removal_moment(last.map_or(0, |last| last.number));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_is_read_as_it_was_written_and_no_two_have_one_text() {
        let last = Revision { number: 1_800_000_000_499, digest: 1 };
        let (one, removal) = write(Some(last));
        assert!(removal.is_later_than(last) && is_one(removal));
        assert_eq!(read(&one), Some(removal));
        assert!(!one.token.matches(&write(Some(last)).0.token));
    }
}
