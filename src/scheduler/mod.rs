//! The one loop that keeps time for every service, and the scheduler that refreshes tokens with it.

mod plan;
mod timetable;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::clock::Clock;
use crate::config::SchedulerOptions;
use crate::domain::Timestamp;
use crate::error::Result;
use crate::runtime;
use crate::service::{ChangedServices, Registry, SchedulerStatus, Service, Status};
use crate::sync::{Mutex, MutexGuard};

use plan::{Due, Plan};
use timetable::Timetable;

/// The loop looks at the wall clock at least this often while it waits for a moment: timers stop while a machine
/// sleeps, and clocks are set.
const MAX_SLEEP: Duration = Duration::from_secs(5);

/// Keeps time for the services of a registry, those that come later too. Tokens expire, pauses end and stores are read
/// whether it was started or not; once started, it also refreshes tokens and checks their health.
pub struct Scheduler {
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    timetable: Timetable,
    /// None while the scheduler is stopped.
    plan: Option<Plan>,
    last_options: SchedulerOptions,
    has_loop: bool,
    /// The wall clock at the last turn of the loop.
    last_turn: Option<Timestamp>,
}

impl Scheduler {
    /// A scheduler that does not keep time yet.
    pub fn new(registry: Arc<Registry>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { registry, clock, state: Mutex::default() })
    }

    /// Starts the loop, unless it runs already. It ends with the scheduler.
    pub fn keep_time(self: &Arc<Self>) -> Result<()> {
        let mut state = self.state();
        if !state.has_loop {
            let changed = Arc::clone(self.registry.changed());
            runtime::spawn(run(Arc::downgrade(self), changed, Arc::clone(&self.clock)))?;
            state.has_loop = true;
        }
        Ok(())
    }

    /// Starts refreshing tokens, or goes on with other options; with equal ones nothing changes.
    pub fn start(self: &Arc<Self>, options: SchedulerOptions) -> Result<SchedulerStatus> {
        self.keep_time()?;
        {
            let mut state = self.state();
            state.last_options = options.clone();
            if state.plan.as_ref().is_none_or(|plan| *plan.options() != options) {
                state.plan = Some(Plan::new(options, self.clock.now()));
            }
        }
        self.registry.changed().wake();
        Ok(self.status())
    }

    /// Stops it. Tokens are still refreshed when callers ask for them.
    pub fn stop(&self) -> SchedulerStatus {
        self.state().plan = None;
        self.registry.changed().wake();
        self.status()
    }

    /// The status, with the next refresh of all services.
    pub fn status(&self) -> SchedulerStatus {
        let services = self.registry.all();
        let next = services.iter().filter_map(|(_, service)| service.upkeep().next_refresh()).min();
        self.status_with(next)
    }

    /// The status of a service, with the scheduler's in it.
    pub fn complete(&self, status: Status) -> Status {
        Status { scheduler: self.status_with(status.scheduler.next_refresh_at), ..status }
    }

    fn status_with(&self, next_refresh_at: Option<Timestamp>) -> SchedulerStatus {
        let state = self.state();
        let is_running = state.plan.is_some();
        SchedulerStatus {
            running: is_running,
            next_refresh_at: next_refresh_at.filter(|_| is_running),
            last_health_check_at: state.plan.as_ref().and_then(Plan::last_health_check),
            ..SchedulerStatus::new(&state.last_options)
        }
    }

    /// Does what is due, and returns when the next thing is.
    fn turn(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        // In the order of their initialization.
        let (due, options, mut services) = {
            let mut state = self.state();
            let due = state.plan.as_mut().map_or_else(Due::default, |plan| plan.take_due(now));
            let was_set_back = state.last_turn.replace(now).is_some_and(|last| now < last);
            let is_all = due.look || due.health_check || was_set_back;
            let mut services: BTreeSet<u32> = state.timetable.take_due(now).into_iter().collect();
            if is_all {
                services.extend(self.registry.all().into_iter().map(|(id, _)| id));
            }
            (due, state.plan.as_ref().map(|plan| plan.options().clone()), services)
        };
        services.extend(self.registry.changed().take());
        for id in services {
            // A service that was shut down is not planned for.
            let next = self
                .registry
                .get(id)
                .ok()
                .and_then(|service| look_after(&service, due, options.as_ref(), now));
            self.state().timetable.plan(id, next);
        }
        let state = self.state();
        let next = [state.timetable.next(), state.plan.as_ref().map(Plan::next)];
        next.into_iter().flatten().min()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.registry.changed().wake();
    }
}

/// Does what is due for one service, and returns when the next thing is.
fn look_after(
    service: &Arc<Service>,
    due: Due,
    options: Option<&SchedulerOptions>,
    now: Timestamp,
) -> Option<Timestamp> {
    let upkeep = service.upkeep();
    let next = upkeep.keep_time();
    let Some(options) = options else { return next };
    if due.look && options.every_interval {
        upkeep.refresh_for_interval(options.refresh_interval);
    } else if due.look {
        upkeep.look();
    } else {
        upkeep.refresh_if_due();
    }
    if due.health_check {
        let (service, recover_after) = (Arc::clone(service), options.recover_after_failures);
        // A check may wait for a slow disk; the loop does not.
        let _ = runtime::spawn(async move { service.upkeep().check_health(recover_after).await });
    }
    // A refresh that is already due is under way, and its end is a change.
    let refresh = upkeep.next_refresh().filter(|at| *at > now);
    [next, refresh].into_iter().flatten().min()
}

async fn run(scheduler: Weak<Scheduler>, changed: Arc<ChangedServices>, clock: Arc<dyn Clock>) {
    while let Some(scheduler) = scheduler.upgrade() {
        let next = scheduler.turn();
        drop(scheduler);
        let moment = async {
            match next {
                // Not until the moment itself: a clock that is set back would put it off.
                Some(moment) => clock.sleep(clock.now().until(moment).min(MAX_SLEEP)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = moment => {}
            () = changed.wait() => {}
        }
    }
}
