//! The source of time, which tests replace.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::domain::Timestamp;
use crate::sync::Mutex;

/// The wall clock, and waits that do not depend on it.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// How much time has passed since some moment, however the wall clock is set. A process that is stopped does not stop
    /// it.
    fn elapsed(&self) -> Duration;

    /// Both readings.
    fn moment(&self) -> Moment {
        Moment { now: self.now(), elapsed: self.elapsed() }
    }

    /// Waits for `span`, even if the wall clock is changed in the meantime.
    async fn sleep(&self, span: Duration);
}

/// A reading of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// [`Clock::elapsed`].
    pub elapsed: Duration,
}

impl Moment {
    /// How much time has passed since `earlier`, at most: a clock that does not run while the machine sleeps, and one
    /// that was set back, would show less.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.elapsed.saturating_sub(earlier.elapsed).max(earlier.now.until(self.now))
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::MIN.plus(since_epoch)
    }

    fn elapsed(&self) -> Duration {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }

    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

/// A clock that stops until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    now: tokio::sync::watch::Sender<Timestamp>,
    elapsed: Mutex<Duration>,
}

impl ManualClock {
    /// A clock that reads `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { now: tokio::sync::watch::Sender::new(now), elapsed: Mutex::default() }
    }

    /// Moves the clock forward and wakes the tasks whose moment has come.
    pub fn advance(&self, by: Duration) {
        *self.elapsed.lock() += by;
        self.now.send_modify(|now| *now = now.plus(by));
    }

    /// How many tasks are waiting for a moment.
    pub fn sleepers(&self) -> usize {
        self.now.receiver_count()
    }

    /// Sets the clock forward or back, as an administrator or NTP does.
    pub fn set(&self, to: Timestamp) {
        self.now.send_replace(to);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.lock()
    }

    async fn sleep(&self, span: Duration) {
        let moment = self.now().plus(span);
        let mut ticks = self.now.subscribe();
        // The sender lives in self, so the wait ends only when the moment has come.
        let _ = ticks.wait_for(|now| *now >= moment).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_system_clock_is_in_this_century() {
        assert!(SystemClock.now() > Timestamp::from_second(1_700_000_000.0));
    }

    #[tokio::test]
    async fn a_task_on_the_manual_clock_wakes_at_its_moment_and_not_before() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(100.0)));
        let sleeper = {
            let clock = Arc::clone(&clock);
            async move { clock.sleep(Duration::from_secs(10)).await }
        };
        tokio::pin!(sleeper);
        for seconds in [0, 9] {
            clock.advance(Duration::from_secs(seconds));
            tokio::select! {
                biased;
                () = &mut sleeper => panic!("woke early"),
                () = tokio::task::yield_now() => {}
            }
        }
        clock.advance(Duration::from_secs(1));
        sleeper.await;
    }
}
