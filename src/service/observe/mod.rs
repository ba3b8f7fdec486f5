//! What becomes known of a service: its log, status, events and incidents, and that something has changed.

mod changes;
mod consent;
mod events;
mod incidents;
mod status;
mod warnings;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{AnswerFields, Generation, TokenType};
use crate::error::{Error, ErrorKind};
use crate::log::{Level, Log};
use crate::oauth::FieldError;
use crate::service::state::SharedState;
use crate::store::StoreClient;
use crate::sync::Mutex;

use changes::ChangeCounters;
use incidents::Incidents;
use warnings::LoggedWarnings;

pub use changes::ChangedServices;
pub use events::{Event, EventKind, Listener};
pub use status::{SchedulerStatus, Status};
pub(super) use webhook::Webhook;

/// What a service is observed through.
pub(super) struct Observer {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    state: SharedState,
    store: Arc<StoreClient>,
    listener: Arc<dyn Listener>,
    log: Mutex<Log>,
    webhook: Option<Webhook>,
    incidents: Mutex<Incidents>,
    warnings: Mutex<LoggedWarnings>,
    counters: ChangeCounters,
    /// Wakes those who wait for a change.
    change: Notify,
    schedule: Schedule,
}

/// How the scheduler learns that it has to plan for a service again.
#[derive(Clone, Default)]
pub struct Schedule {
    /// The number of the service.
    pub id: u32,
    /// The services of the process that have changed.
    pub changed: Arc<ChangedServices>,
}

/// What an observer passes things on to.
pub(super) struct Outlets {
    pub(super) listener: Arc<dyn Listener>,
    pub(super) log: Log,
    pub(super) webhook: Option<Webhook>,
    pub(super) schedule: Schedule,
}

impl Observer {
    pub(super) fn new(
        config: Arc<Config>,
        clock: Arc<dyn Clock>,
        state: SharedState,
        store: Arc<StoreClient>,
        outlets: Outlets,
    ) -> Self {
        let observer = Self {
            config,
            clock,
            state,
            store,
            listener: outlets.listener,
            log: Mutex::new(outlets.log),
            webhook: outlets.webhook,
            incidents: Mutex::default(),
            warnings: Mutex::default(),
            counters: ChangeCounters::default(),
            change: Notify::new(),
            schedule: outlets.schedule,
        };
        for warning in observer.config.warnings.iter().cloned().chain(warnings::clear_text(&observer.config))
        {
            observer.log(Level::Warn, warning);
        }
        observer
    }

    // The log.

    pub(super) fn set_log(&self, log: Log) {
        *self.log.lock() = log;
    }

    pub(super) fn log(&self, level: Level, message: impl Into<String>) {
        self.log.lock().write(level, message);
    }

    pub(super) fn log_error(&self, level: Level, message: &str, error: &Error) {
        self.log.lock().error(level, message, error);
    }

    // Changes.

    /// A counter that changes whenever a snapshot may no longer be current.
    pub(super) fn attach(&self) -> Arc<AtomicU32> {
        self.counters.attach()
    }

    /// Something has changed: JavaScript looks again, and the scheduler plans again.
    pub(super) fn changed(&self) {
        self.counters.increment();
        self.change.notify_waiters();
        self.plan_again();
    }

    /// The scheduler plans again: what is to be done next may have changed.
    pub(super) fn plan_again(&self) {
        self.schedule.changed.mark(self.schedule.id);
    }

    /// Waits until the service is closed.
    pub(super) async fn closed(&self) {
        loop {
            // Before the condition is read, so that no change is missed in between.
            let mut change = std::pin::pin!(self.change.notified());
            change.as_mut().enable();
            if self.state.lock().is_closed() {
                return;
            }
            change.await;
        }
    }

    /// The token has changed by itself, as time has passed.
    pub(super) fn time_has_passed(&self) {
        self.counters.increment();
    }

    // Status and events.

    pub(super) fn status(&self) -> Status {
        Status::new(&self.config, &self.state.lock(), &self.store, self.clock.now())
    }

    pub(super) fn announce(&self, kind: EventKind, error: Option<&Error>) {
        let event = self.emit(kind, error);
        let Some(webhook) = &self.webhook else { return };
        let is_due = match kind {
            EventKind::Alert => self.incidents.lock().take_alert(),
            EventKind::Recovered => self.incidents.lock().take_recovery(),
            _ => false,
        };
        if is_due {
            webhook.post(&event, self.log.lock().clone());
        }
    }

    fn emit(&self, kind: EventKind, error: Option<&Error>) -> Event {
        let event = Event { kind, at: self.clock.now(), status: self.status(), error: error.cloned() };
        self.listener.on_event(&event);
        event
    }

    /// The refresh point of the token of this generation has passed.
    pub(super) fn announce_expiring(&self, generation: Generation) {
        if self.warnings.lock().is_new_expiring(generation) {
            self.announce(EventKind::Expiring, None);
        }
    }

    /// A token was obtained or adopted.
    pub(super) fn announce_token(&self, how: &str) {
        self.incidents.lock().succeed();
        self.changed();
        self.log(Level::Info, how);
        self.announce(EventKind::Refreshed, None);
        self.end_incident();
    }

    /// An attempt obtained no token.
    pub(super) fn announce_failure(&self, error: &Error) {
        self.changed();
        self.log_error(Level::Warn, "could not obtain a token", error);
        self.announce(EventKind::RefreshFailed, Some(error));
        if self.is_failing() && self.incidents.lock().begin() {
            self.log_error(Level::Error, "could not obtain a token several times in a row", error);
            self.announce(EventKind::Alert, Some(error));
        }
    }

    // Incidents.

    /// Begins an incident if something is wrong, and ends one if nothing is wrong any longer.
    pub(super) fn check_incident(&self) {
        let is_ill = !self.store.is_healthy() || self.is_failing() || self.has_consent_ended();
        if is_ill && !self.state.lock().is_closed() && self.incidents.lock().begin() {
            self.announce(EventKind::Alert, self.store.fault().as_ref());
        }
        self.end_incident();
    }

    fn is_failing(&self) -> bool {
        self.state.lock().failures() >= self.config.alert_after_failures
    }

    fn end_incident(&self) {
        let is_well =
            self.state.lock().failures() == 0 && self.store.is_healthy() && !self.has_consent_ended();
        if is_well && self.incidents.lock().end() {
            self.log(Level::Warn, "recovered");
            self.announce(EventKind::Recovered, None);
        }
    }

    /// Whether the alert of the incident was posted to the webhook, by this process or another.
    pub(super) fn is_alert_posted(&self) -> bool {
        self.incidents.lock().is_alert_posted()
    }

    pub(super) fn note_alert_posted_elsewhere(&self) {
        self.incidents.lock().note_posted_elsewhere();
    }

    // Warnings.

    /// Logs what the store has shown: once for each incident that it fails, and that it works again.
    pub(super) fn report_store(&self) {
        for warning in self.store.take_warnings() {
            self.warn_about_record(&warning);
        }
        let transition = self.store.take_transition();
        if transition.is_some() {
            self.plan_again();
        }
        match (transition, self.store.fault()) {
            // At the level of the beginning: an outage that is shown must be seen to end.
            (Some(true), _) => self.log(Level::Warn, "the store works again"),
            (Some(false), Some(error)) => {
                self.log_error(Level::Warn, "the store does not work; tokens are kept in memory", &error);
            }
            _ => {}
        }
    }

    fn warn_about_record(&self, warning: &Error) {
        if warning.kind() == ErrorKind::Decrypt {
            self.state.lock().drop_shared_refresh_token();
        }
        if self.warnings.lock().is_new_about_record(warning) {
            let subject = match warning.kind() {
                ErrorKind::Storage => "a problem with the store",
                _ => "the stored token is not used",
            };
            self.log_error(Level::Warn, subject, warning);
        }
    }

    /// The server issued a token of this type.
    pub(super) fn check_binding(&self, token_type: &TokenType) {
        if self.config.dpop && !token_type.is_dpop() {
            self.warn(|warnings| warnings.unbound().map(str::to_owned));
        }
    }

    /// The server granted all of `scope` but these words.
    pub(super) fn check_scopes(&self, withheld: &[String]) {
        self.warn(|warnings| warnings.withheld_scopes(withheld));
    }

    /// What is assumed of an expiry that is impossible or unreadable.
    pub(super) fn check_expiry(&self, warning: Option<&str>) {
        self.warn(|warnings| warnings.expiry(warning?).map(str::to_owned));
    }

    /// What the responses so far had of the configured `fields`.
    pub(super) fn check_fields(&self, fields: &AnswerFields, errors: &[(String, FieldError)]) {
        self.warn(|warnings| warnings.missing_fields(fields, errors));
    }

    fn warn(&self, warning: impl FnOnce(&mut LoggedWarnings) -> Option<String>) {
        let warning = warning(&mut self.warnings.lock());
        if let Some(warning) = warning {
            self.log(Level::Warn, warning);
        }
    }
}
