//! When the scheduler's work is due. Pure: the time is an argument.

use std::time::Duration;

use crate::config::SchedulerOptions;
use crate::domain::Timestamp;

/// The work that is due in one iteration of the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) look: bool,
    pub(super) health_check: bool,
}

/// When the next check of the services and the next health check are due.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    options: SchedulerOptions,
    next_look: Timestamp,
    next_health_check: Timestamp,
    last_health_check: Option<Timestamp>,
}

impl Plan {
    /// The first check is due now, the first health check after one interval.
    pub(super) fn new(options: SchedulerOptions, now: Timestamp) -> Self {
        let next_health_check = now.plus(options.health_check_interval);
        Self { options, next_look: now, next_health_check, last_health_check: None }
    }

    pub(super) fn options(&self) -> &SchedulerOptions {
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
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::MIN.plus(Duration::from_secs(1_000_000 + second))
    }

    fn due(look: bool, health_check: bool) -> Due {
        Due { look, health_check }
    }

    #[test]
    fn services_are_checked_now_and_after_every_interval() {
        let mut plan = Plan::new(SchedulerOptions::default(), at(0));
        assert_eq!(plan.take_due(at(0)), due(true, false));
        assert_eq!(plan.take_due(at(299)), due(false, false));
        assert_eq!(plan.take_due(at(300)), due(false, true));
        assert_eq!(plan.take_due(at(599)), due(false, false));
        assert_eq!(plan.take_due(at(600)), due(true, true));
        assert_eq!(plan.last_health_check(), Some(at(600)));
    }

    #[test]
    fn after_a_suspend_of_several_intervals_one_check_is_made_up_for() {
        let mut plan = Plan::new(SchedulerOptions::default(), at(0));
        plan.take_due(at(0));
        assert_eq!(plan.take_due(at(86_400)), due(true, true));
        assert_eq!(plan.take_due(at(86_401)), due(false, false));
    }

    #[test]
    fn a_clock_set_back_by_a_day_does_not_delay_the_next_check_by_a_day() {
        let mut plan = Plan::new(SchedulerOptions::default(), at(86_400));
        plan.take_due(at(86_400));
        assert_eq!(plan.take_due(at(0)), due(false, false));
        assert_eq!(plan.take_due(at(600)), due(true, true));
    }

    #[test]
    fn the_next_moment_is_that_of_the_next_look_or_check() {
        let mut plan = Plan::new(SchedulerOptions::default(), at(0));
        assert_eq!(plan.next(), at(0));
        plan.take_due(at(0));
        assert_eq!(plan.next(), at(300));
        plan.take_due(at(300));
        assert_eq!(plan.next(), at(600));
    }
}
