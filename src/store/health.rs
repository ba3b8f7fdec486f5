//! How a store fares, as far as it shows.

use crate::error::Error;

/// What is done to a store. A read that succeeds says nothing of the next write, and a lease may rest elsewhere.
#[derive(Clone, Copy)]
pub(in crate::store) enum StoreOperation {
    Read,
    Write,
    Lease,
}

/// What is wrong with the store, by the operation that showed it.
#[derive(Default)]
pub(in crate::store) struct StoreHealth {
    pub(in crate::store) faults: [Option<Error>; 3],
    /// Whether it was said how things stand since they last changed.
    pub(in crate::store) is_reported: bool,
}

impl StoreHealth {
    pub(in crate::store) fn fault(&self) -> Option<&Error> {
        self.faults.iter().flatten().next()
    }

    /// Notes how a operation ended. One that wrote has replaced whatever could not be read.
    pub(in crate::store) fn note(&mut self, operation: StoreOperation, fault: Option<Error>) {
        self.change(|faults| match (operation, &fault) {
            (StoreOperation::Write, None) => *faults = Default::default(),
            _ => faults[operation as usize] = fault,
        });
    }

    pub(in crate::store) fn change(&mut self, change: impl FnOnce(&mut [Option<Error>; 3])) {
        let was_sick = self.fault().is_some();
        change(&mut self.faults);
        self.is_reported &= was_sick == self.fault().is_some();
    }
}
