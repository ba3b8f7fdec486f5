//! What happened, in readable lines.

use std::fmt::Arguments;

use tokio::time::Instant;

use crate::sync::Mutex;

/// The lines of one run. They cost time, so only a run that is looked at writes them.
pub(super) struct Trace {
    start: Mutex<Option<Instant>>,
    lines: Mutex<Vec<String>>,
    is_on: bool,
}

impl Trace {
    pub(super) fn new(is_on: bool) -> Self {
        Self { start: Mutex::new(None), lines: Mutex::default(), is_on }
    }

    /// Time counts from now on.
    pub(super) fn begin(&self) {
        *self.start.lock() = Some(Instant::now());
    }

    /// How long the simulation has been running.
    pub(super) fn seconds(&self) -> f64 {
        self.start.lock().map_or(0.0, |start| start.elapsed().as_secs_f64())
    }

    pub(super) fn write(&self, line: Arguments<'_>) {
        if self.is_on {
            let line = format!("{:>9.3} s  {line}", self.seconds());
            self.lines.lock().push(line);
        }
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock())
    }
}
