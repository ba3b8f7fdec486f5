//! The clocks of simulated machines.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::runtime::simulated;
use crate::sync::Mutex;

/// The wall clock of one machine, which is wrong and can be set. Time passes on it also while the process is frozen.
pub(super) struct SimulatedClock {
    start: Instant,
    /// What it reads at the start.
    reading: Mutex<Timestamp>,
    /// How long the machine has been running at the start.
    uptime: Duration,
}

impl SimulatedClock {
    pub(super) fn new(reading: Timestamp, uptime: Duration) -> Self {
        Self { start: Instant::now(), reading: Mutex::new(reading), uptime }
    }

    /// Sets it forward or back.
    pub(super) fn step(&self, seconds: i64) {
        let mut reading = self.reading.lock();
        let span = Duration::from_secs(seconds.unsigned_abs());
        *reading = if seconds < 0 { reading.minus(span) } else { reading.plus(span) };
    }
}

#[async_trait]
impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.reading.lock().plus(self.start.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.uptime + self.start.elapsed()
    }

    async fn sleep(&self, span: Duration) {
        simulated::sleep(span).await;
    }
}
