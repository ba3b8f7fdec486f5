//! Waits between attempts: how they grow, and how they spread.

use std::time::Duration;

/// The longest wait that a server or a function of the user may ask for. No server needs a longer pause, and a typo on the
/// server must not disable a service.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// A wait that doubles with each failure, up to a longest one.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Waits from `first` on, and never more than `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The wait after `doublings` doublings: `first` after none.
    pub fn wait(self, doublings: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(doublings)).min(self.longest)
    }
}

/// What spreads waits, so that a fleet that failed together does not come back together: a number from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Jitter(f64);

impl Jitter {
    /// A random one.
    pub fn random() -> Self {
        Self(fastrand::f64())
    }

    /// This value, clamped to the range.
    #[cfg(test)]
    pub fn fixed(value: f64) -> Self {
        Self(value.clamp(0.0, 1.0))
    }

    /// The number itself.
    pub fn value(self) -> f64 {
        self.0
    }

    /// Anything up to `wait` ("full jitter").
    pub fn full(self, wait: Duration) -> Duration {
        wait.mul_f64(self.0)
    }

    /// Between half of `wait` and all of it ("equal jitter").
    pub fn half(self, wait: Duration) -> Duration {
        wait / 2 + (wait / 2).mul_f64(self.0)
    }

    /// Between three quarters and five quarters of `interval`: what recurs drifts apart.
    pub fn around(self, interval: Duration) -> Duration {
        interval.mul_f64(0.75 + self.0 / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_wait_doubles_up_to_the_longest_and_overflows_nothing() {
        let backoff = Backoff::new(SECOND, SECOND * 60);
        let waits: Vec<_> = (0..8).map(|n| backoff.wait(n).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.wait(u32::MAX), SECOND * 60);
    }

    #[test]
    fn jitter_stays_within_its_bounds() {
        for (jitter, full, half, around) in
            [(0.0, 0, 500, 750), (0.5, 500, 750, 1000), (1.0, 1000, 1000, 1250)]
        {
            let jitter = Jitter::fixed(jitter);
            let millis = [jitter.full(SECOND), jitter.half(SECOND), jitter.around(SECOND)]
                .map(|wait| wait.as_millis());
            assert_eq!(millis, [full, half, around]);
        }
        assert!((0.0..=1.0).contains(&Jitter::random().value()));
        assert!((Jitter::fixed(7.0).value() - 1.0).abs() < f64::EPSILON);
    }
}
