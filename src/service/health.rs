//! How a store fares, as far as it shows.

use crate::error::Error;

/// What is done to a store. A read that succeeds says nothing of the next write, and a lease may rest elsewhere.
#[derive(Clone, Copy)]
pub(super) enum Deed {
    Read,
    Write,
    Lease,
}

/// What is wrong with the store, by the deed that showed it.
#[derive(Default)]
pub(super) struct Health {
    pub(super) faults: [Option<Error>; 3],
    /// Whether it was said how things stand since they last changed.
    pub(super) is_told: bool,
}

impl Health {
    pub(super) fn fault(&self) -> Option<&Error> {
        self.faults.iter().flatten().next()
    }

    /// Notes how a deed ended. One that wrote has replaced whatever could not be read.
    pub(super) fn note(&mut self, deed: Deed, fault: Option<Error>) {
        self.change(|faults| match (deed, &fault) {
            (Deed::Write, None) => *faults = Default::default(),
            _ => faults[deed as usize] = fault,
        });
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut [Option<Error>; 3])) {
        let was_sick = self.fault().is_some();
        change(&mut self.faults);
        self.is_told &= was_sick == self.fault().is_some();
    }
}
