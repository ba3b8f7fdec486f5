//! Operations whose callers have given up.

use tokio::task::JoinHandle;

use crate::sync::Mutex;

/// Operations that timed out, and may still be running.
#[derive(Default)]
pub(super) struct LateOperations(Mutex<Vec<JoinHandle<()>>>);

impl LateOperations {
    pub(super) fn add(&self, operation: JoinHandle<()>) {
        self.0.lock().push(operation);
    }

    /// Whether one is still running.
    pub(super) fn is_any(&self) -> bool {
        let mut late = self.0.lock();
        late.retain(|operation| !operation.is_finished());
        !late.is_empty()
    }
}
