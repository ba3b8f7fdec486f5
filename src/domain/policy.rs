//! When a token is refreshed, and until when it is sent.

use std::time::Duration;

/// The longest lifetime that is computed with, and the one shown in a store's columns for a token that never expires.
pub const MAX_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long a request may take to arrive: a token is not sent if it would expire on the way.
const FLIGHT_MARGIN: Duration = Duration::from_secs(5);

/// The two windows of a token's lifetime, as functions of that lifetime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long before expiry a refresh is due, for tokens that live at least four times as long.
    pub refresh_buffer: Duration,
    /// The lifetime of a token if neither the response nor the token states one.
    pub default_lifetime: Duration,
    /// Whether a token without an expiry, or with an expiry of zero, never expires.
    pub never_expires: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            refresh_buffer: Duration::from_secs(300),
            default_lifetime: Duration::from_secs(3600),
            never_expires: false,
        }
    }
}

impl Policy {
    /// How long before expiry a token with the lifetime `life` is refreshed: the configured buffer, but at most a
    /// quarter of the lifetime.
    pub fn buffer(&self, life: Duration) -> Duration {
        self.refresh_buffer.min(life / 4)
    }

    /// How much earlier than that, so that replicas do not all refresh at once: `jitter` (0 to 1) of a tenth of the
    /// buffer.
    pub fn spread(&self, life: Duration, jitter: f64) -> Duration {
        (self.buffer(life) / 10).mul_f64(jitter.clamp(0.0, 1.0))
    }

    /// How long before expiry a token with the lifetime `life` is no longer sent.
    pub fn margin(life: Duration) -> Duration {
        FLIGHT_MARGIN.min(life / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn the_buffer_shrinks_with_the_life() {
        let policy = Policy::default();
        assert_eq!(policy.buffer(seconds(3600)), seconds(300));
        assert_eq!(policy.buffer(seconds(1200)), seconds(300));
        assert_eq!(policy.buffer(seconds(1199)), Duration::from_millis(299_750));
        assert_eq!(policy.buffer(seconds(60)), seconds(15));
        assert_eq!(policy.buffer(seconds(0)), seconds(0));
    }

    #[test]
    fn the_margin_is_five_seconds_at_most_and_a_tenth_of_short_lives() {
        assert_eq!(Policy::margin(seconds(3600)), seconds(5));
        assert_eq!(Policy::margin(seconds(20)), seconds(2));
    }

    #[test]
    fn the_spread_stays_within_a_tenth_of_the_buffer() {
        let policy = Policy::default();
        assert_eq!(policy.spread(seconds(3600), 0.0), seconds(0));
        assert_eq!(policy.spread(seconds(3600), 1.0), seconds(30));
        assert_eq!(policy.spread(seconds(3600), 7.0), seconds(30));
    }
}
