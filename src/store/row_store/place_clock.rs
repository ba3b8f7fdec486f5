//! The clock of the place, compared with that of this machine.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::super::rows::Found;
use super::super::warnings::Warnings;
use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::error::{Error, Result};

/// Clocks that are kept by NTP differ by less. A look takes time, too.
const TOLERANCE_MS: i64 = 1_000;

/// From this difference on, users should know.
const WORTH_A_WARNING_MS: i64 = 30_000;

/// How far the clock of the place is ahead, as far as the last look tells. Replicas store times as that clock shows
/// them, so that one whose own clock is wrong adopts tokens, and stores them, as all others do.
pub(super) struct PlaceClock {
    clock: Arc<dyn Clock>,
    ahead_ms: AtomicI64,
    warnings: Warnings,
    has_warned: AtomicBool,
}

impl PlaceClock {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let (ahead_ms, has_warned) = (AtomicI64::new(0), AtomicBool::new(false));
        Self { clock, ahead_ms, warnings: Warnings::default(), has_warned }
    }

    /// How far it is ahead, in milliseconds: 0 where there is none, or no difference that matters.
    pub(super) fn ahead_ms(&self) -> i64 {
        self.ahead_ms.load(Ordering::Relaxed)
    }

    /// Looks at a row of the place `location`, and at both clocks.
    pub(super) async fn compared(
        &self,
        location: impl Fn() -> String,
        finding: impl Future<Output = Result<Found>>,
    ) -> Result<Found> {
        let before = self.clock.now();
        let found = finding.await?;
        if let Some(now) = found.now {
            let ahead_ms = difference_ms(before, now, self.clock.now());
            self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
            if ahead_ms.abs() >= WORTH_A_WARNING_MS && !self.has_warned.swap(true, Ordering::Relaxed) {
                let direction = if ahead_ms > 0 { "behind" } else { "ahead of" };
                self.warnings.add(format!(
                    "the clock of this machine is {} s {direction} the clock of {}",
                    ahead_ms.abs() / 1_000,
                    location()
                ));
            }
        }
        Ok(found)
    }

    pub(super) fn take_warnings(&self) -> Vec<Error> {
        self.warnings.take()
    }
}

/// The least difference that a reading between two readings of the own clock proves.
fn difference_ms(before: Timestamp, reading: Timestamp, after: Timestamp) -> i64 {
    let [before, reading, after] = [before, reading, after].map(Timestamp::as_millisecond);
    if reading > after + TOLERANCE_MS {
        reading - after
    } else if reading < before - TOLERANCE_MS {
        reading - before
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_difference_that_a_slow_look_cannot_explain_counts() {
        let difference = |before, reading, after| {
            let [before, reading, after] = [before, reading, after].map(Timestamp::from_millisecond);
            difference_ms(before, reading, after)
        };
        assert_eq!(difference(10_000, 10_005, 10_010), 0);
        assert_eq!(difference(10_000, 13_900, 14_000), 0, "the answer was slow");
        assert_eq!(difference(10_000, 11_010, 10_010), 0);
        assert_eq!(difference(10_000, 11_011, 10_010), 1_001);
        assert_eq!(difference(10_000, 8_999, 10_010), -1_001);
        assert_eq!(difference(10_000, 70_010, 10_010), 60_000);
    }
}
