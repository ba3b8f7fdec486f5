//! A service that takes the place of another of its name, as in a hot reload.

use std::sync::Arc;

use super::Service;
use crate::sync::MutexGuard;

impl Service {
    /// Ends the service that this one replaces. Its request under way is waited for before this one makes its own:
    /// both would spend one refresh token.
    pub fn replace(&self, replaced: &Arc<Self>) {
        replaced.close();
        let mut busy = std::mem::take(&mut *replaced.predecessors());
        if replaced.life().flight.is_some() {
            busy.push(Arc::clone(replaced));
        }
        *self.predecessors() = busy;
    }

    pub(super) fn predecessors(&self) -> MutexGuard<'_, Vec<Arc<Self>>> {
        self.predecessors.lock()
    }

    /// Waits for the requests of the services that this one replaced; whether there were any.
    pub(super) async fn waited_for_predecessors(&self) -> bool {
        let predecessors = std::mem::take(&mut *self.predecessors());
        let waited = !predecessors.is_empty();
        for predecessor in predecessors {
            // A refresh and a login, each as long as it may be.
            let longest = predecessor.config.timeout * 2;
            tokio::select! {
                () = predecessor.wait_for_flight() => {}
                () = self.clock.sleep(longest) => {}
            }
        }
        waited
    }
}
