//! When to do it: a pure plan, and the loop that follows it.

mod plan;

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::Timestamp;
use crate::error::Result;
use crate::runtime;
use crate::service::{Registry, SchedulerStatus};
use crate::sync::{Mutex, MutexGuard};

use plan::Plan;

pub use plan::Options;

/// Refreshes every service of a registry, those that come later too.
pub struct Scheduler {
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    running: Mutex<Option<Running>>,
    last_options: Mutex<Options>,
}

struct Running {
    plan: Plan,
    /// Dropped when the scheduler is stopped or started anew, which ends its loop.
    _stop: watch::Sender<()>,
    number: u64,
}

impl Scheduler {
    /// A scheduler that does not run yet.
    pub fn new(registry: Arc<Registry>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { registry, clock, running: Mutex::default(), last_options: Mutex::default() })
    }

    /// Starts it, or goes on with other options; with equal ones nothing changes.
    pub fn start(self: &Arc<Self>, options: Options) -> Result<SchedulerStatus> {
        *self.last_options.lock() = options.clone();
        let mut running = self.running();
        if running.as_ref().is_none_or(|running| *running.plan.options() != options) {
            let (stop, stopped) = watch::channel(());
            let number = running.as_ref().map_or(0, |running| running.number) + 1;
            *running = Some(Running { plan: Plan::new(options, self.clock.now()), _stop: stop, number });
            let scheduler = Arc::clone(self);
            runtime::spawn(async move { scheduler.run(stopped, number).await })?;
        }
        drop(running);
        Ok(self.status())
    }

    /// Stops it. Tokens are still refreshed when they are asked for.
    pub fn stop(&self) -> SchedulerStatus {
        self.running().take();
        self.status()
    }

    /// How it stands.
    pub fn status(&self) -> SchedulerStatus {
        let running = self.running();
        let last = self.last_options.lock();
        let next =
            running.as_ref().and_then(|_| self.registry.all().iter().filter_map(|s| s.next_refresh()).min());
        SchedulerStatus {
            running: running.is_some(),
            refresh_interval_seconds: last.refresh_interval.as_secs_f64(),
            health_check_interval_seconds: last.health_check_interval.as_secs_f64(),
            next_refresh_at: next,
            last_health_check_at: running.as_ref().and_then(|running| running.plan.last_health_check()),
        }
    }

    async fn run(self: Arc<Self>, mut stopped: watch::Receiver<()>, number: u64) {
        let mut pulse = self.registry.pulse();
        while let Some(wake_at) = self.turn(number) {
            tokio::select! {
                () = self.clock.sleep_until(wake_at) => {}
                _ = pulse.changed() => {}
                _ = stopped.changed() => return,
            }
        }
    }

    /// Does what is due, and says when to look again; nothing once another loop runs or none.
    fn turn(&self, number: u64) -> Option<Timestamp> {
        let services = self.registry.all();
        let now = self.clock.now();
        let (due, options) = {
            let mut running = self.running();
            let running = running.as_mut().filter(|running| running.number == number)?;
            (running.plan.take_due(now), running.plan.options().clone())
        };
        for service in &services {
            if due.look && options.every_interval {
                service.refresh_for_interval(options.refresh_interval);
            } else if due.look {
                service.look();
            } else {
                service.refresh_if_due();
            }
            if due.health_check {
                let service = Arc::clone(service);
                let recover_after = options.recover_after_failures;
                // A check may wait for a slow disk; the loop does not.
                let _ = runtime::spawn(async move { service.check_health(recover_after).await });
            }
        }
        // A service that is due by now has a flight under way, which wakes the loop when it lands.
        let refreshes = services.iter().filter_map(|service| service.next_refresh()).filter(|at| *at > now);
        self.running().as_ref().map(|running| running.plan.wake_at(now, refreshes))
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock()
    }
}
