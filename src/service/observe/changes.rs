//! How a change becomes known: to JavaScript through counters in memory, to the scheduler through a list of services.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::Notify;

use crate::sync::Mutex;

/// One counter for each JavaScript handle. It changes when the snapshot may no longer be current, so that JavaScript
/// learns that without a call.
#[derive(Debug, Default)]
pub(in crate::service) struct ChangeCounters {
    counters: Mutex<Vec<Weak<AtomicU32>>>,
}

impl ChangeCounters {
    /// A new counter, which lives as long as its handle keeps it.
    pub(in crate::service) fn attach(&self) -> Arc<AtomicU32> {
        let counter = Arc::new(AtomicU32::new(0));
        let mut counters = self.counters.lock();
        counters.retain(|counter| counter.strong_count() > 0);
        counters.push(Arc::downgrade(&counter));
        counter
    }

    /// Changes every counter.
    pub(in crate::service) fn increment(&self) {
        for counter in self.counters.lock().iter().filter_map(Weak::upgrade) {
            counter.fetch_add(1, Ordering::Release);
        }
    }
}

/// The services that have changed since the scheduler last looked, by number.
#[derive(Debug, Default)]
pub struct ChangedServices {
    ids: Mutex<HashSet<u32>>,
    changed: Notify,
}

impl ChangedServices {
    /// The service of this number has changed.
    pub fn mark(&self, id: u32) {
        self.ids.lock().insert(id);
        self.changed.notify_one();
    }

    /// Wakes the scheduler although no service has changed.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Waits for a change, unless one has come since the last wait.
    pub async fn wait(&self) {
        self.changed.notified().await;
    }

    /// The services that have changed, each once.
    pub fn take(&self) -> HashSet<u32> {
        std::mem::take(&mut self.ids.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_increment_changes_every_counter_and_a_dropped_one_is_forgotten() {
        let counters = ChangeCounters::default();
        let (one, other) = (counters.attach(), counters.attach());
        counters.increment();
        assert_eq!((one.load(Ordering::Acquire), other.load(Ordering::Acquire)), (1, 1));
        drop(other);
        drop(counters.attach());
        assert_eq!(counters.counters.lock().len(), 2, "the one alive and the one just made");
    }

    #[tokio::test]
    async fn a_change_before_the_wait_ends_it_at_once_and_is_taken_once() {
        let changed = ChangedServices::default();
        changed.mark(3);
        changed.mark(3);
        changed.wait().await;
        assert_eq!(changed.take(), HashSet::from([3]));
        assert!(changed.take().is_empty());
    }
}
