//! When the scheduler's work is due. Pure: the time is an argument.

use std::time::Duration;

use serde_json::Value;

use crate::config::SchedulerFields;
use crate::domain::Timestamp;
use crate::error::Result;

/// `SchedulerOptions` of the public API.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// How often every service is checked, in addition to its own refresh point.
    pub refresh_interval: Duration,
    /// Whether each of these checks refreshes the token even if no refresh is due.
    pub every_interval: bool,
    /// How often the health of every service is checked.
    pub health_check_interval: Duration,
    /// After how many consecutive failures recovery starts again.
    pub recover_after_failures: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            refresh_interval: Duration::from_secs(600),
            every_interval: false,
            health_check_interval: Duration::from_secs(300),
            recover_after_failures: 3,
        }
    }
}

impl Options {
    /// Validates the options. The error names every invalid field.
    pub fn from_json(value: Value) -> Result<Self> {
        let default = Self::default();
        let fields = SchedulerFields::from_json(value)?;
        Ok(Self {
            refresh_interval: fields.refresh_interval.unwrap_or(default.refresh_interval),
            every_interval: fields.every_interval.unwrap_or(default.every_interval),
            health_check_interval: fields.health_check_interval.unwrap_or(default.health_check_interval),
            recover_after_failures: fields.recover_after_failures.unwrap_or(default.recover_after_failures),
        })
    }
}

/// The work that is due in one iteration of the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) look: bool,
    pub(super) health_check: bool,
}

/// When the next check of the services and the next health check are due.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    options: Options,
    next_look: Timestamp,
    next_health_check: Timestamp,
    last_health_check: Option<Timestamp>,
}

impl Plan {
    /// The first check is due now, the first health check after one interval.
    pub(super) fn new(options: Options, now: Timestamp) -> Self {
        let next_health_check = now.plus(options.health_check_interval);
        Self { options, next_look: now, next_health_check, last_health_check: None }
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn last_health_check(&self) -> Option<Timestamp> {
        self.last_health_check
    }

    /// Returns the due work and schedules the next. After a suspend that spans several intervals, one check
    /// makes up for all of them.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Due {
        let look = is_due(&mut self.next_look, self.options.refresh_interval, now);
        let health_check = is_due(&mut self.next_health_check, self.options.health_check_interval, now);
        if health_check {
            self.last_health_check = Some(now);
        }
        Due { look, health_check }
    }

    /// The next look or health check.
    pub(super) fn next(&self) -> Timestamp {
        self.next_look.min(self.next_health_check)
    }
}

/// Whether `next` is due; if so, schedules the one after it. A clock that was set back by more than an
/// interval would postpone the next one, so it is rescheduled.
fn is_due(next: &mut Timestamp, interval: Duration, now: Timestamp) -> bool {
    let is_due = *next <= now;
    if is_due || now.until(*next) > interval {
        *next = now.plus(interval);
    }
    is_due
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::MIN.plus(Duration::from_secs(1_000_000 + second))
    }

    fn due(look: bool, health_check: bool) -> Due {
        Due { look, health_check }
    }

    #[test]
    fn services_are_checked_now_and_after_every_interval() {
        let mut plan = Plan::new(Options::default(), at(0));
        assert_eq!(plan.take_due(at(0)), due(true, false));
        assert_eq!(plan.take_due(at(299)), due(false, false));
        assert_eq!(plan.take_due(at(300)), due(false, true));
        assert_eq!(plan.take_due(at(599)), due(false, false));
        assert_eq!(plan.take_due(at(600)), due(true, true));
        assert_eq!(plan.last_health_check(), Some(at(600)));
    }

    #[test]
    fn after_a_suspend_of_several_intervals_one_check_is_made_up_for() {
        let mut plan = Plan::new(Options::default(), at(0));
        plan.take_due(at(0));
        assert_eq!(plan.take_due(at(86_400)), due(true, true));
        assert_eq!(plan.take_due(at(86_401)), due(false, false));
    }

    #[test]
    fn a_clock_set_back_by_a_day_does_not_delay_the_next_check_by_a_day() {
        let mut plan = Plan::new(Options::default(), at(86_400));
        plan.take_due(at(86_400));
        assert_eq!(plan.take_due(at(0)), due(false, false));
        assert_eq!(plan.take_due(at(600)), due(true, true));
    }

    #[test]
    fn the_next_moment_is_that_of_the_next_look_or_check() {
        let mut plan = Plan::new(Options::default(), at(0));
        assert_eq!(plan.next(), at(0));
        plan.take_due(at(0));
        assert_eq!(plan.next(), at(300));
        plan.take_due(at(300));
        assert_eq!(plan.next(), at(600));
    }

    #[test]
    fn the_error_names_the_invalid_option() {
        for (value, field) in [
            (json!({ "refreshIntervalSeconds": 0 }), "refreshIntervalSeconds"),
            (json!({ "everyInterval": "yes" }), "everyInterval"),
            (json!({ "healthCheckIntervalSeconds": -1 }), "healthCheckIntervalSeconds"),
            (json!({ "recoverAfterFailures": 1.5 }), "recoverAfterFailures"),
            (json!({ "interval": 5 }), "interval"),
        ] {
            assert_eq!(Options::from_json(value).unwrap_err().field(), Some(field));
        }
        assert_eq!(Options::from_json(json!({})).unwrap(), Options::default());
    }
}
