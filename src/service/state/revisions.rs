//! What the store was seen to hold.

use crate::store::Revision;

/// The revision that the store had at the last look, and the latest that was ever seen there.
#[derive(Debug, Default)]
pub(super) struct Revisions {
    stored: Option<Revision>,
    seen: Option<Revision>,
}

impl Revisions {
    /// What the store had when it was last read or written.
    pub(super) fn stored(&self) -> Option<Revision> {
        self.stored
    }

    /// Notes what the store has; whether that is later than all that was seen before.
    pub(super) fn see(&mut self, stored: Option<Revision>) -> bool {
        self.stored = stored;
        let is_later = stored.is_some_and(|stored| self.seen.is_none_or(|seen| stored.is_later_than(seen)));
        if is_later {
            self.seen = stored;
        }
        is_later
    }

    /// Notes that the record was removed; whether that is later than all that was seen before.
    pub(super) fn see_removal(&mut self, removal: Revision) -> bool {
        self.stored = None;
        let is_later = self.seen.is_none_or(|seen| removal.number > seen.number);
        if is_later {
            self.seen = Some(removal);
        }
        is_later
    }

    /// Notes that the record was lost, as if none had ever been stored.
    pub(super) fn see_loss(&mut self) {
        self.stored = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(number: u64, digest: u64) -> Revision {
        Revision { number, digest }
    }

    #[test]
    fn a_record_is_later_once_and_an_earlier_copy_is_not() {
        let mut revisions = Revisions::default();
        assert!(revisions.see(Some(revision(2, 7))));
        assert!(!revisions.see(Some(revision(2, 7))), "the same one again");
        assert!(!revisions.see(Some(revision(1, 9))), "a copy that was put back");
        assert_eq!(revisions.stored(), Some(revision(1, 9)));
        assert!(revisions.see(Some(revision(2, 8))), "an edit by hand");
    }

    #[test]
    fn a_removal_is_later_than_the_record_and_counts_once() {
        let mut revisions = Revisions::default();
        revisions.see(Some(revision(2, 7)));
        assert!(revisions.see_removal(revision(3, 0)));
        assert_eq!(revisions.stored(), None);
        assert!(!revisions.see_removal(revision(3, 0)));
    }

    #[test]
    fn after_a_loss_the_same_record_is_not_a_later_one() {
        let mut revisions = Revisions::default();
        revisions.see(Some(revision(2, 7)));
        revisions.see_loss();
        assert_eq!(revisions.stored(), None);
        assert!(!revisions.see(Some(revision(2, 7))));
        assert!(revisions.see(Some(revision(3, 7))));
    }
}
