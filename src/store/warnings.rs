//! What users should know about although no operation failed because of it.

use crate::error::{Error, ErrorKind};
use crate::sync::Mutex;

/// More are dropped: it may be that no one takes them.
const MAX_WARNINGS: usize = 16;

#[derive(Debug, Default)]
pub(in crate::store) struct Warnings(Mutex<Vec<Error>>);

impl Warnings {
    pub(in crate::store) fn add(&self, message: String) {
        let mut warnings = self.0.lock();
        if warnings.len() < MAX_WARNINGS {
            warnings.push(Error::new(ErrorKind::Storage, message));
        }
    }

    /// All of them, each once.
    pub(in crate::store) fn take(&self) -> Vec<Error> {
        std::mem::take(&mut *self.0.lock())
    }
}
