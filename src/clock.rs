//! The source of time, which tests replace.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::domain::Timestamp;

/// Sleeps are divided into steps of at most this length, and the wall clock is read after each. A machine
/// that was suspended, or whose clock was changed, is noticed within one step.
const MAX_SLEEP_STEP: Duration = Duration::from_secs(5);

/// A wall clock that a task can wait on.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// Waits until the wall clock reaches `moment`; returns at once if it has passed.
    async fn sleep_until(&self, moment: Timestamp);

    /// Waits for `span`, even if the wall clock is changed in the meantime.
    async fn sleep(&self, span: Duration);
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

    async fn sleep_until(&self, moment: Timestamp) {
        loop {
            let left = self.now().until(moment);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(MAX_SLEEP_STEP)).await;
        }
    }

    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

/// A clock that stops until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    now: tokio::sync::watch::Sender<Timestamp>,
}

impl ManualClock {
    /// A clock that reads `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { now: tokio::sync::watch::Sender::new(now) }
    }

    /// Moves the clock forward and wakes the tasks whose moment has come.
    pub fn advance(&self, by: Duration) {
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

    async fn sleep_until(&self, moment: Timestamp) {
        let mut ticks = self.now.subscribe();
        // `self` owns the sender, so the wait ends only when the moment has come.
        let _ = ticks.wait_for(|now| *now >= moment).await;
    }

    async fn sleep(&self, span: Duration) {
        self.sleep_until(self.now().plus(span)).await;
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
            async move { clock.sleep_until(Timestamp::from_second(110.0)).await }
        };
        tokio::pin!(sleeper);
        clock.advance(Duration::from_secs(9));
        tokio::select! {
            biased;
            () = &mut sleeper => panic!("woke a second early"),
            () = tokio::task::yield_now() => {}
        }
        clock.advance(Duration::from_secs(1));
        sleeper.await;
    }
}
