//! The lifetime of a token.

use std::time::Duration;

use super::{Policy, Timestamp};

/// The clocks of replicas differ. A token that one replica obtained this far in the future of another is still valid.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(300);

/// issued ≤ refresh point ≤ usable until ≤ expiry: the constructor ensures this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    issued_at: Timestamp,
    refresh_at: Option<Timestamp>,
    end: Option<End>,
}

/// The end of a token that expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    usable_until: Timestamp,
    expires_at: Timestamp,
}

impl Lifetime {
    /// The lifetime of a token that was issued at `issued_at` (or received, if that is all that is known) and expires
    /// at `expires_at`, or never. `jitter` (0 to 1) moves the refresh point earlier.
    pub fn new(issued_at: Timestamp, expires_at: Option<Timestamp>, policy: &Policy, jitter: f64) -> Self {
        let Some(expires_at) = expires_at else { return Self { issued_at, refresh_at: None, end: None } };
        let expires_at = expires_at.max(issued_at);
        let life = issued_at.until(expires_at);
        let early = policy.buffer(life) + policy.spread(life, jitter);
        let usable_until = expires_at.minus(Policy::margin(life));
        let refresh_at = expires_at.minus(early).clamp(issued_at, usable_until);
        Self { issued_at, refresh_at: Some(refresh_at), end: Some(End { usable_until, expires_at }) }
    }

    /// When the token was issued, as far as is known.
    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// When a refresh becomes due, in the background.
    pub fn refresh_at(&self) -> Option<Timestamp> {
        self.refresh_at
    }

    /// Until when the token is sent. After that, callers wait for a new one.
    pub fn usable_until(&self) -> Option<Timestamp> {
        self.end.map(|end| end.usable_until)
    }

    /// When the token expires; `None` if it never does, as far as is known.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.end.map(|end| end.expires_at)
    }

    /// The same lifetime with a refresh that is due now.
    #[must_use]
    pub fn due_at_once(self) -> Self {
        Self { refresh_at: Some(self.issued_at), ..self }
    }

    /// Whether a refresh is due.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.refresh_at.is_some_and(|refresh_at| now >= refresh_at)
    }

    /// Whether the token may be sent. If the clock is far before the time of issue, it was set back: the true age of
    /// the token is then unknown, and the token is not trusted.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        let tolerated = self
            .end
            .map_or(CLOCK_DIFFERENCE, |end| CLOCK_DIFFERENCE.min(self.issued_at.until(end.expires_at)));
        self.end.is_none_or(|end| now < end.usable_until) && now.until(self.issued_at) <= tolerated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millisecond(second * 1000)
    }

    fn life(seconds: i64) -> Lifetime {
        Lifetime::new(at(10_000), Some(at(10_000 + seconds)), &Policy::default(), 0.0)
    }

    #[test]
    fn a_refresh_is_due_from_the_refresh_point_on() {
        let lifetime = life(3600);
        assert!(!lifetime.is_due(at(10_000 + 3299)));
        assert!(lifetime.is_due(at(10_000 + 3300)));
        assert!(lifetime.is_due(at(10_000 + 3301)));
    }

    #[test]
    fn a_token_is_usable_until_the_margin_before_its_expiry() {
        let lifetime = life(3600);
        assert!(lifetime.is_usable(at(10_000 + 3594)));
        assert!(!lifetime.is_usable(at(10_000 + 3595)));
        assert!(!lifetime.is_usable(at(10_000 + 3596)));
    }

    #[test]
    fn a_clock_stepped_far_back_ends_the_trust_in_a_token() {
        let lifetime = life(3600);
        assert!(lifetime.is_usable(at(10_000 - 300)));
        assert!(!lifetime.is_usable(at(10_000 - 301)));
        assert!(!life(60).is_usable(at(10_000 - 61)));
    }

    #[test]
    fn a_token_whose_refresh_is_due_at_once_stays_usable() {
        let due = life(3600).due_at_once();
        assert!(due.is_due(at(10_000)) && due.is_usable(at(10_000 + 3594)));
        assert_eq!(due.expires_at(), life(3600).expires_at());
    }

    #[test]
    fn a_token_that_never_expires_is_usable_at_any_time_and_due_only_at_once() {
        let lifetime = Lifetime::new(at(10_000), None, &Policy::default(), 0.5);
        assert_eq!(
            (lifetime.refresh_at(), lifetime.usable_until(), lifetime.expires_at()),
            (None, None, None)
        );
        for now in [at(10_000), Timestamp::MAX] {
            assert!(lifetime.is_usable(now) && !lifetime.is_due(now));
        }
        assert!(lifetime.is_usable(at(10_000 - 300)) && !lifetime.is_usable(at(10_000 - 301)));
        assert!(
            lifetime.due_at_once().is_due(at(10_000)) && lifetime.due_at_once().is_usable(Timestamp::MAX)
        );
    }

    #[test]
    fn a_token_that_expires_at_its_issue_is_never_usable() {
        let lifetime = life(-50);
        assert_eq!(lifetime.expires_at(), Some(at(10_000)));
        assert!(!lifetime.is_usable(at(10_000)));
        assert!(lifetime.is_due(at(10_000)));
    }

    #[test]
    fn the_order_holds_for_every_life_and_jitter() {
        for seconds in [0, 1, 2, 3, 10, 59, 60, 1199, 1200, 3600, 1 << 40] {
            for jitter in [0.0, 0.5, 1.0] {
                let l = Lifetime::new(at(10_000), Some(at(10_000 + seconds)), &Policy::default(), jitter);
                assert!(Some(l.issued_at()) <= l.refresh_at(), "{seconds} {jitter}");
                assert!(l.refresh_at() <= l.usable_until(), "{seconds} {jitter}");
                assert!(l.usable_until() <= l.expires_at(), "{seconds} {jitter}");
            }
        }
    }
}
