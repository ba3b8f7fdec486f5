//! When another attempt may be made: back-off, cool-down and rate limit, as functions of the time.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::{RateLimit, RetryPolicy};
use crate::domain::{Backoff, Jitter, Timestamp};
use crate::error::{Error, ErrorKind, Result, Retry};

/// The cool-down after a rejected credential. The first minute is longer than mending a typing error takes, and shorter
/// than any window in which account locks count attempts. Servers that lock an account for good count failures for
/// ever: once an hour would use up the 25 that some allow within a day; once a day, someone must have noticed.
const COOL_DOWN: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(86_400));

/// How long a failure that does not heal by itself (a wrong URL, a certificate) is left alone. What is corrected
/// elsewhere is noticed within minutes.
const STANDSTILL: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(300));

/// A time in which no attempt is made, and why. It has a beginning, too: once the clock is set back to before it, the
/// pause has ended.
#[derive(Clone, Debug)]
pub(in crate::service) struct Pause {
    from: Timestamp,
    until: Timestamp,
    error: Error,
}

impl Pause {
    /// When the next attempt is allowed.
    pub(in crate::service) fn until(&self) -> Timestamp {
        self.until
    }

    /// Why no attempt is made at `now`, with the rest of the wait.
    pub(in crate::service) fn error(&self, now: Timestamp) -> Error {
        self.error.clone().with_retry(Retry::After(now.until(self.until)))
    }
}

/// What stands between a service and its next attempt.
#[derive(Debug)]
pub(in crate::service) struct Limits {
    backoff: Backoff,
    rate: RateLimit,
    failures: u32,
    /// How many of the latest failures were rejections, or looked like one.
    rejections: u32,
    pause: Option<Pause>,
    attempts: VecDeque<Timestamp>,
    spacing: RejectionSpacing,
}

impl Limits {
    pub(super) fn new(retry: &RetryPolicy, rate: RateLimit) -> Self {
        let backoff = Backoff::new(retry.base, retry.max);
        Self {
            backoff,
            rate,
            failures: 0,
            rejections: 0,
            pause: None,
            attempts: VecDeque::new(),
            spacing: RejectionSpacing::default(),
        }
    }

    /// The number of failed attempts in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// The number of rejections in a row, or of responses that look like one.
    pub(super) fn rejections(&self) -> u32 {
        self.rejections
    }

    /// The pause that `now` falls into; only an explicit request goes through it.
    pub(super) fn pause_at(&self, now: Timestamp) -> Option<&Pause> {
        self.pause.as_ref().filter(|pause| pause.from <= now && now < pause.until)
    }

    /// An attempt obtained a token.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
        self.rejections = 0;
        self.pause = None;
    }

    /// The credential was accepted elsewhere: its rejections no longer count, and do not pause. Another pause stays.
    pub(super) fn lift_rejection(&mut self) {
        self.rejections = 0;
        let is_of_rejection =
            |pause: &Pause| is_rejection(&pause.error) || pause.error.kind() == ErrorKind::Credentials;
        self.pause = self.pause.take().filter(|pause| !is_of_rejection(pause));
    }

    /// The credential was rejected this often in a row, by this process or another.
    pub(super) fn set_rejections(&mut self, times: u32) {
        self.rejections = times;
    }

    /// An attempt failed.
    pub(super) fn fail(&mut self, error: &Error, now: Timestamp, jitter: Jitter) {
        self.failures = self.failures.saturating_add(1);
        if is_rejection(error) {
            self.rejections = self.rejections.saturating_add(1);
        }
        let wait = self.wait(error, jitter);
        self.pause(error, now, wait);
    }

    /// No attempt is made for this long.
    fn pause(&mut self, error: &Error, now: Timestamp, wait: Duration) {
        let until = now.plus(wait);
        // A server that asked for a longer wait still wants it.
        if self.pause_at(now).is_none_or(|pause| pause.until <= until) {
            self.pause = Some(Pause { from: now, until, error: error.clone() });
        }
    }

    fn wait(&self, error: &Error, jitter: Jitter) -> Duration {
        let backoff = self.backoff.wait(self.failures);
        match error.retry() {
            Retry::CoolDown => cool_down(self.rejections),
            Retry::Never => jitter.half(STANDSTILL.wait(self.failures)),
            // The rest of a cool-down is waited for to the moment.
            Retry::After(wait) if error.kind() == ErrorKind::Credentials => wait,
            Retry::After(wait) => wait.max(jitter.half(backoff)),
            Retry::BackOff => jitter.half(backoff),
        }
    }

    /// The wait before try `number` (from 1 on) of the same request. Full jitter: one caller lost a response, not a
    /// fleet.
    pub(super) fn retry_wait(&self, number: u32, jitter: Jitter) -> Duration {
        jitter.full(self.backoff.wait(number - 1))
    }

    /// Counts an attempt against the configured rate. The excess pauses until the next one is allowed.
    pub(super) fn admit(&mut self, now: Timestamp) -> Result<()> {
        let window = now.minus(self.rate.per);
        self.attempts.retain(|at| *at > window && *at <= now);
        if self.attempts.len() < self.rate.attempts as usize {
            self.attempts.push_back(now);
            return Ok(());
        }
        let oldest = self.attempts.front();
        let wait = oldest.map_or(self.rate.per, |oldest| now.until(oldest.plus(self.rate.per)));
        let error = too_many("attempts to obtain a token (rateLimit)", wait);
        self.pause(&error, now, wait);
        Err(error)
    }

    /// Counts a refresh that a 401 response causes: they are spaced out.
    pub(super) fn admit_rejection(&mut self, now: Timestamp) -> Result<()> {
        self.spacing.admit(now).map_err(|wait| too_many("refreshes caused by 401 responses", wait))
    }
}

/// The time between two refreshes that 401 responses cause.
const REJECTION_SPACING: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));

/// An API that answers 401 to every token must not make the token server pay for it: refreshes that follow each other
/// closely for that reason move apart.
#[derive(Debug, Default)]
struct RejectionSpacing {
    last: Option<(Timestamp, u32)>,
}

impl RejectionSpacing {
    /// Counts a refresh for this reason, or returns how long none is allowed.
    fn admit(&mut self, now: Timestamp) -> Result<(), Duration> {
        let Some((last, streak)) = self.last.filter(|(last, _)| *last <= now) else {
            self.last = Some((now, 0));
            return Ok(());
        };
        let spacing = REJECTION_SPACING.wait(streak);
        let wait = now.until(last.plus(spacing));
        if !wait.is_zero() {
            return Err(wait);
        }
        let is_streak = now < last.plus(spacing * 2);
        self.last = Some((now, if is_streak { streak + 1 } else { 0 }));
        Ok(())
    }
}

fn too_many(what: &str, wait: Duration) -> Error {
    let message = format!("too many {what}; the next one is allowed in {} s", wait.as_secs_f64().ceil());
    Error::new(ErrorKind::RateLimited, message).with_retry(Retry::After(wait))
}

/// How long a credential is not sent after its `times`-th rejection in a row.
pub(in crate::service) fn cool_down(times: u32) -> Duration {
    COOL_DOWN.wait(times.saturating_sub(1))
}

/// Whether the same credential must not be sent again before a cool-down.
pub(in crate::service) fn is_rejection(error: &Error) -> bool {
    error.retry() == Retry::CoolDown
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
        Limits::new(&retry, RateLimit { attempts: 3, per: Duration::from_secs(60) })
    }

    fn pause_after(limits: &mut Limits, error: &Error, jitter: f64) -> Duration {
        limits.fail(error, at(0), Jitter::fixed(jitter));
        at(0).until(limits.pause_at(at(0)).unwrap().until())
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
        limits.succeed();
        assert!(limits.pause_at(at(0)).is_none());
        assert_eq!(pause_after(&mut limits, &error, 0.5).as_secs(), 60);
    }

    #[test]
    fn the_servers_wish_is_respected() {
        let error =
            Error::new(ErrorKind::RateLimited, "429").with_retry(Retry::After(Duration::from_secs(77)));
        assert_eq!(pause_after(&mut limits(), &error, 1.0).as_secs(), 77);
    }

    #[test]
    fn a_shorter_pause_does_not_end_a_longer_one() {
        let mut limits = limits();
        let busy = Error::new(ErrorKind::Response, "busy").with_retry(Retry::After(Duration::from_secs(600)));
        limits.fail(&busy, at(0), Jitter::fixed(0.5));
        limits.fail(&Error::new(ErrorKind::Network, "reset"), at(10), Jitter::fixed(0.5));
        for _ in 0..3 {
            limits.admit(at(20)).unwrap();
        }
        assert!(limits.admit(at(20)).is_err());
        let pause = limits.pause_at(at(20)).unwrap();
        assert_eq!((pause.until(), pause.error(at(20)).message()), (at(600), "busy"));
    }

    #[test]
    fn a_pause_ends_at_its_moment_and_when_the_clock_is_set_back() {
        let mut limits = limits();
        limits.fail(&Error::new(ErrorKind::Credentials, "rejected"), at(0), Jitter::fixed(0.0));
        assert!(limits.pause_at(at(59)).is_some());
        assert!(limits.pause_at(at(60)).is_none());
        assert!(limits.pause_at(Timestamp::MIN.plus(Duration::from_secs(999_999))).is_none());
    }

    #[test]
    fn no_more_attempts_are_admitted_than_the_rate_allows() {
        let mut limits = limits();
        for second in [0, 10, 20] {
            limits.admit(at(second)).unwrap();
        }
        let wait = |error: Error| error.retry_after().map(|wait| wait.as_secs());
        assert_eq!(wait(limits.admit(at(30)).unwrap_err()), Some(30));
        assert_eq!(limits.pause_at(at(30)).unwrap().until(), at(60));
        limits.admit(at(60)).unwrap();
        assert_eq!(wait(limits.admit(at(61)).unwrap_err()), Some(9));
    }

    #[test]
    fn refreshes_caused_by_401_responses_move_apart_and_come_together_again() {
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
        assert_eq!(limits.retry_wait(1, Jitter::fixed(1.0)), Duration::from_millis(500));
        assert_eq!(limits.retry_wait(3, Jitter::fixed(1.0)), Duration::from_secs(2));
        assert_eq!(limits.retry_wait(3, Jitter::fixed(0.0)), Duration::ZERO);
    }
}
