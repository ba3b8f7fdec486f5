//! When another attempt may be made: back-off, cool-down and rate limit, as functions of the time.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::{RateLimit, RetryPolicy};
use crate::domain::Timestamp;
use crate::error::{Error, ErrorKind, Retry};

/// The first cool-down after a rejected credential: longer than any typing error takes to mend, shorter than
/// any account lock counts attempts in.
const FIRST_COOL_DOWN: Duration = Duration::from_secs(60);

/// The longest cool-down. Servers that lock an account count failures for good: at one an hour the 25 that some
/// allow are used up within a day, and at one a day only when somebody must have noticed.
const LONGEST_COOL_DOWN: Duration = Duration::from_secs(86_400);

/// The longest standstill: what is mended elsewhere is noticed within minutes.
const LONGEST_STANDSTILL: Duration = Duration::from_secs(300);

/// How long a failure that does not heal by itself (a wrong address, a certificate) is left alone at first.
const FIRST_STANDSTILL: Duration = Duration::from_secs(5);

/// A time in which nothing is tried. It has a beginning, too: when the clock was set back to before it, it
/// is over.
#[derive(Clone, Copy, Debug)]
struct Pause {
    from: Timestamp,
    until: Timestamp,
}

/// What stands between a service and its next attempt.
#[derive(Debug)]
pub(super) struct Limits {
    retry: RetryPolicy,
    rate: RateLimit,
    failures: u32,
    /// How many of the latest failures were rejections, or looked like one.
    rejections: u32,
    pause: Option<Pause>,
    attempts: VecDeque<Timestamp>,
}

impl Limits {
    pub(super) fn new(retry: RetryPolicy, rate: RateLimit) -> Self {
        Self { retry, rate, failures: 0, rejections: 0, pause: None, attempts: VecDeque::new() }
    }

    /// How often in a row no token was had.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Until when nothing is tried unless it is asked for by name.
    pub(super) fn paused_until(&self, now: Timestamp) -> Option<Timestamp> {
        let pause = self.pause.filter(|pause| pause.from <= now && now < pause.until)?;
        Some(pause.until)
    }

    /// A token was had.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.rejections = 0;
        self.pause = None;
    }

    /// How often in a row the credential was rejected, or an answer looked like it.
    pub(super) fn rejections(&self) -> u32 {
        self.rejections
    }

    /// A rejection counts no more.
    pub(super) fn lift(&mut self) {
        self.rejections = 0;
        self.pause = None;
    }

    /// The credential was rejected this often in a row, here or elsewhere.
    pub(super) fn rejected_before(&mut self, times: u32) {
        self.rejections = times;
    }

    /// No token was had. `jitter` (0 to 1) spreads the back-off.
    pub(super) fn failed(&mut self, error: &Error, now: Timestamp, jitter: f64) {
        self.failures = self.failures.saturating_add(1);
        if is_rejection(error) {
            self.rejections = self.rejections.saturating_add(1);
        }
        let wait = self.wait(error, jitter);
        self.pause = Some(Pause { from: now, until: now.plus(wait) });
    }

    /// Nothing is tried for this long, which is nobody's failure.
    pub(super) fn pause(&mut self, now: Timestamp, wait: Duration) {
        self.pause = Some(Pause { from: now, until: now.plus(wait) });
    }

    fn wait(&self, error: &Error, jitter: f64) -> Duration {
        let spread = |longest: Duration| longest / 2 + (longest / 2).mul_f64(jitter.clamp(0.0, 1.0));
        match error.retry() {
            Retry::CoolDown => doubled(FIRST_COOL_DOWN, self.rejections - 1, LONGEST_COOL_DOWN),
            Retry::Never => spread(doubled(FIRST_STANDSTILL, self.failures, LONGEST_STANDSTILL)),
            // The rest of a cool-down is waited for to the moment.
            Retry::After(wait) if error.kind() == ErrorKind::Credentials => wait,
            Retry::After(wait) => wait.max(spread(self.back_off())),
            Retry::BackOff => spread(self.back_off()),
        }
    }

    fn back_off(&self) -> Duration {
        doubled(self.retry.base, self.failures, self.retry.max)
    }

    /// How long to wait before try `number` (from 1 on) of the same request: full jitter, as the first
    /// answer was lost for one caller, and not for a fleet.
    pub(super) fn retry_wait(&self, number: u32, jitter: f64) -> Duration {
        doubled(self.retry.base, number - 1, self.retry.max).mul_f64(jitter.clamp(0.0, 1.0))
    }

    /// Notes an attempt, or says how long there is no room for one.
    pub(super) fn admit(&mut self, now: Timestamp) -> Result<(), Duration> {
        let window = now.minus(self.rate.per);
        self.attempts.retain(|at| *at > window && *at <= now);
        if self.attempts.len() < self.rate.attempts as usize {
            self.attempts.push_back(now);
            return Ok(());
        }
        Err(self.attempts.front().map_or(self.rate.per, |oldest| now.until(oldest.plus(self.rate.per))))
    }
}

/// The shortest time between two refreshes that a 401 asks for.
const REJECTION_SPACING: Duration = Duration::from_secs(1);

/// An upstream that answers 401 whatever the token must not make the token server pay for it: refreshes that
/// follow each other closely for that reason move apart.
#[derive(Debug, Default)]
pub(super) struct RejectionSpacing {
    last: Option<(Timestamp, u32)>,
}

impl RejectionSpacing {
    const LONGEST: Duration = Duration::from_secs(300);

    /// Notes a refresh for this reason, or says how long there is none.
    pub(super) fn admit(&mut self, now: Timestamp) -> Result<(), Duration> {
        let Some((last, streak)) = self.last.filter(|(last, _)| *last <= now) else {
            self.last = Some((now, 0));
            return Ok(());
        };
        let spacing = doubled(REJECTION_SPACING, streak, Self::LONGEST);
        let wait = now.until(last.plus(spacing));
        if !wait.is_zero() {
            return Err(wait);
        }
        let is_streak = now < last.plus(spacing * 2);
        self.last = Some((now, if is_streak { streak + 1 } else { 0 }));
        Ok(())
    }
}

/// Whether the same credential is not to be sent again before a cool-down.
pub(super) fn is_rejection(error: &Error) -> bool {
    error.retry() == Retry::CoolDown
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::MIN.plus(Duration::from_secs(1_000_000 + second))
    }

    fn limits() -> Limits {
        let retry =
            RetryPolicy { attempts: 3, base: Duration::from_millis(500), max: Duration::from_secs(60) };
        Limits::new(retry, RateLimit { attempts: 3, per: Duration::from_secs(60) })
    }

    fn pause_after(limits: &mut Limits, error: &Error, jitter: f64) -> Duration {
        limits.failed(error, at(0), jitter);
        at(0).until(limits.paused_until(at(0)).unwrap())
    }

    #[test]
    fn the_back_off_doubles_to_its_longest_and_jitter_takes_half_at_most() {
        let error = Error::new(ErrorKind::Network, "refused");
        let mut late = limits();
        let waits: Vec<_> = (0..8).map(|_| pause_after(&mut late, &error, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        let mut early = limits();
        assert_eq!(pause_after(&mut early, &error, 0.0), Duration::from_millis(500));
    }

    #[test]
    fn a_rejected_credential_cools_down_for_a_minute_and_then_longer_up_to_a_day() {
        let error = Error::new(ErrorKind::Credentials, "rejected");
        let mut limits = limits();
        let waits: Vec<_> = (0..13).map(|_| pause_after(&mut limits, &error, 0.5).as_secs() / 60).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440]);
        limits.succeeded();
        assert_eq!(limits.paused_until(at(0)), None);
        assert_eq!(pause_after(&mut limits, &error, 0.5).as_secs(), 60);
    }

    #[test]
    fn the_servers_wish_is_respected() {
        let error =
            Error::new(ErrorKind::RateLimited, "429").with_retry(Retry::After(Duration::from_secs(77)));
        assert_eq!(pause_after(&mut limits(), &error, 1.0).as_secs(), 77);
    }

    #[test]
    fn a_pause_ends_at_its_moment_and_when_the_clock_is_set_back() {
        let mut limits = limits();
        limits.failed(&Error::new(ErrorKind::Credentials, "rejected"), at(0), 0.0);
        assert!(limits.paused_until(at(59)).is_some());
        assert!(limits.paused_until(at(60)).is_none());
        assert!(limits.paused_until(Timestamp::MIN.plus(Duration::from_secs(999_999))).is_none());
    }

    #[test]
    fn no_more_attempts_are_admitted_than_the_rate_allows() {
        let mut limits = limits();
        for second in [0, 10, 20] {
            assert_eq!(limits.admit(at(second)), Ok(()));
        }
        assert_eq!(limits.admit(at(30)), Err(Duration::from_secs(30)));
        assert_eq!(limits.admit(at(60)), Ok(()));
        assert_eq!(limits.admit(at(61)), Err(Duration::from_secs(9)));
    }

    #[test]
    fn refreshes_that_401_answers_ask_for_move_apart_and_come_together_again() {
        let mut rejections = RejectionSpacing::default();
        assert_eq!(rejections.admit(at(0)), Ok(()));
        assert_eq!(rejections.admit(at(0)), Err(Duration::from_secs(1)));
        assert_eq!(rejections.admit(at(1)), Ok(()));
        assert_eq!(rejections.admit(at(2)), Err(Duration::from_secs(1)));
        assert_eq!(rejections.admit(at(3)), Ok(()));
        assert_eq!(rejections.admit(at(6)), Err(Duration::from_secs(1)));
        assert_eq!(rejections.admit(at(7)), Ok(()));
        assert_eq!(rejections.admit(at(1000)), Ok(()));
        assert_eq!(rejections.admit(at(1001)), Ok(()));
    }

    #[test]
    fn a_retry_within_a_request_waits_up_to_its_doubled_base() {
        let limits = limits();
        assert_eq!(limits.retry_wait(1, 1.0), Duration::from_millis(500));
        assert_eq!(limits.retry_wait(3, 1.0), Duration::from_secs(2));
        assert_eq!(limits.retry_wait(3, 0.0), Duration::ZERO);
    }
}
