//! Whether the store works.

use crate::error::Error;

/// What is done with a store. A successful read tells nothing about the next write, and leases may be kept in another
/// file.
#[derive(Clone, Copy)]
pub(in crate::store) enum StoreOperation {
    Read,
    Write,
    Lease,
}

/// The last error of each operation that is failing.
#[derive(Default)]
pub(in crate::store) struct StoreHealth {
    pub(in crate::store) faults: [Option<Error>; 3],
    /// Whether the present health has been reported.
    pub(in crate::store) is_reported: bool,
}

impl StoreHealth {
    pub(in crate::store) fn fault(&self) -> Option<&Error> {
        self.faults.iter().flatten().next()
    }

    /// Records how an operation ended. A successful write also replaced what could not be read.
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
