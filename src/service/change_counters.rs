//! The counters through which JavaScript learns, without a call, that its snapshot may be old.

use crate::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

/// One number for each JavaScript handle; it changes when the snapshot may have changed.
#[derive(Debug, Default)]
pub(super) struct ChangeCounters {
    cells: Mutex<Vec<Weak<AtomicU32>>>,
}

impl ChangeCounters {
    /// A new cell. Whoever keeps it keeps it alive.
    pub(super) fn attach(&self) -> Arc<AtomicU32> {
        let cell = Arc::new(AtomicU32::new(0));
        let mut cells = self.cells.lock();
        cells.retain(|cell| cell.strong_count() > 0);
        cells.push(Arc::downgrade(&cell));
        cell
    }

    /// Changes every cell.
    pub(super) fn increment(&self) {
        for cell in self.cells.lock().iter().filter_map(Weak::upgrade) {
            cell.fetch_add(1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bump_changes_every_cell_and_a_dropped_one_is_forgotten() {
        let cells = ChangeCounters::default();
        let (one, other) = (cells.attach(), cells.attach());
        cells.increment();
        assert_eq!((one.load(Ordering::Acquire), other.load(Ordering::Acquire)), (1, 1));
        drop(other);
        drop(cells.attach());
        assert_eq!(cells.cells.lock().len(), 2, "the one alive and the one just made");
    }
}
