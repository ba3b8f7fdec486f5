//! What a service says of itself, and what happens to it as time goes by.

use std::sync::Arc;
use std::time::Duration;

use super::events::{Event, EventKind};
use super::life::{RefreshReason, Source};
use super::status::{SchedulerStatus, Status, StorageStatus, StrategyStatus};
use super::{Life, Service};
use crate::domain::{AnswerFields, Timestamp, TokenPhase};
use crate::error::Error;
use crate::log::Level;
use crate::oauth::KeptFields;

impl Service {
    /// How things stand, by what is in memory.
    pub fn status(&self) -> Status {
        let now = self.clock.now();
        let life = self.life();
        let held = life.held.as_ref();
        let lifetime = held.map(|held| held.tokens.lifetime);
        let state = self.state(&life, now);
        let is_manual = state == TokenPhase::Manual;
        let token_type = if is_manual {
            self.config.scheme.as_ref().map_or("Bearer", |scheme| scheme.as_str())
        } else {
            held.map_or("", |held| held.tokens.scheme.as_str())
        };
        Status {
            service: self.config.service.to_string(),
            state,
            healthy: self.is_healthy(&life, now),
            source: if is_manual {
                Some(Source::Manual.as_str())
            } else {
                held.map(|held| held.source.as_str())
            },
            token_type: Some(token_type).filter(|name| !name.is_empty()).map(str::to_owned),
            issued_at: lifetime.map(|life| life.issued_at()),
            expires_at: lifetime.and_then(|life| life.expires_at()),
            refresh_at: lifetime.and_then(|life| life.refresh_at()),
            expires_in_seconds: lifetime
                .and_then(|life| life.expires_at())
                .map(|end| now.until(end).as_secs()),
            last_refresh_at: life.last_refresh_at,
            consecutive_failures: life.limits.failures(),
            last_error: life.last_error.as_ref().map(|(_, error)| error.clone()),
            strategy: life.strategy.as_ref().map(|strategy| StrategyStatus {
                grant: strategy.grant_name(&self.config).to_owned(),
                endpoint: format!(
                    "{}{}",
                    strategy.endpoint.origin().ascii_serialization(),
                    strategy.endpoint.path()
                ),
                format: strategy.format_name(&self.config),
            }),
            scheduler: SchedulerStatus::default(),
            storage: self.storage_status(),
            counters: life.counters,
            history: life.history.iter().cloned().collect(),
        }
    }

    /// When the next refresh is due and allowed.
    pub fn next_refresh(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        let life = self.life();
        if life.closed || !self.has_credentials() { None } else { life.next_refresh(now) }
    }

    /// Begins a refresh where one is due and nothing holds it back.
    pub fn refresh_if_due(self: &Arc<Self>) {
        let now = self.clock.now();
        if self.next_refresh().is_some_and(|due| due <= now && self.life().is_due(now)) {
            // A refusal to take off is the pause itself, which ends at its own moment.
            let _ = self.take_off(RefreshReason::Due);
        }
    }

    /// Looks at the store, and asks the server where there is no good token; a pause is respected.
    pub fn look(self: &Arc<Self>) {
        if self.has_credentials() {
            let _ = self.take_off(RefreshReason::Due);
        }
    }

    /// Begins a refresh whether one is due or not, as `everyInterval` asks; a pause is respected.
    pub fn refresh_for_interval(self: &Arc<Self>, length: Duration) {
        if self.has_credentials() {
            let _ = self.take_off(RefreshReason::Interval(length));
        }
    }

    /// Looks after the service: a missing or expired token is fetched, a token that could not be stored is
    /// stored, and after `recover_after` failures in a row what was remembered is forgotten.
    pub async fn check_health(self: &Arc<Self>, recover_after: u32) {
        if !self.has_credentials() || self.is_closed() {
            return;
        }
        if self.life().limits.failures() >= recover_after {
            self.doubt_metadata();
            let forgot = self.life().begin_anew();
            if forgot {
                self.log(|log| log.write(Level::Info, "recovery: looking for the endpoint and format anew"));
            }
        }
        self.look_into_store().await;
        self.refresh_if_due();
        let now = self.clock.now();
        let begins = {
            let mut life = self.life();
            let is_sick =
                !self.vault.is_healthy() || life.limits.failures() >= self.config.alert_after_failures;
            let begins = is_sick && !life.alerting && !life.closed;
            life.alerting |= begins;
            begins
        };
        if begins {
            let error = self.vault.fault();
            self.announce_at(EventKind::Alert, error.as_ref(), now);
        }
        self.end_incident();
    }

    /// The incident is over once nothing is wrong any more.
    pub(super) fn end_incident(&self) {
        let ends = {
            let mut life = self.life();
            let ends = life.alerting && life.limits.failures() == 0 && self.vault.is_healthy();
            life.alerting &= !ends;
            ends
        };
        if ends {
            self.log(|log| log.write(Level::Info, "recovered"));
            self.announce(EventKind::Recovered, None);
        }
    }

    /// Raises the counters when the token changes by itself, as time goes by, until the service ends.
    pub(super) async fn tend(self: Arc<Self>) {
        let mut changes = self.changes.subscribe();
        let mut last = None;
        loop {
            changes.mark_unchanged();
            let now = self.clock.now();
            let (stands, next, begins_to_expire) = {
                let mut life = self.life();
                if life.closed {
                    return;
                }
                let state = life.state(now);
                let begins = state == TokenPhase::Expiring && !life.expiry_announced;
                life.expiry_announced |= begins;
                ((state, life.limits.paused_until(now).is_some()), life.next_change(now), begins)
            };
            // Compared with the last look rather than with the moment waited for: that may have passed
            // between a change and this look at it.
            if last.replace(stands) != Some(stands) {
                self.cells.increment();
            }
            if begins_to_expire {
                self.announce(EventKind::Expiring, None);
            }
            let moment = async {
                match next {
                    Some(moment) => self.clock.sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = moment => {}
                // The sender lives in self: this is a change, and never an end.
                _ = changes.changed() => {}
            }
        }
    }

    /// Says once what of the scope the server does not grant.
    pub(super) fn warn_of_withheld(&self, words: &[String]) {
        if words.is_empty() || std::mem::replace(&mut self.life().warned_of_scope, true) {
            return;
        }
        let words = words.join(" ");
        self.log(|log| {
            log.write(
                Level::Warn,
                format!("the token server does not grant all of `scope`: without {words}"),
            );
        });
    }

    /// Says once what is assumed of an expiry that cannot be right, or cannot be read.
    pub(super) fn warn_of_expiry(&self, warning: Option<&str>) {
        let Some(warning) = warning else { return };
        let last = self.life().warned_of_expiry.replace(warning.to_owned());
        if last.as_deref() != Some(warning) {
            self.log(|log| log.write(Level::Warn, warning));
        }
    }

    /// What is kept of an answer, with the earlier values of what it leaves out. Says once which fields no answer had.
    pub(super) fn with_earlier_fields(&self, kept: KeptFields) -> AnswerFields {
        let fields = match &self.life().held {
            Some(held) => kept.fields.with_earlier(&held.fields),
            None => kept.fields,
        };
        let reason = |name: &str| kept.faults.iter().find(|(faulty, _)| faulty == name);
        let missing: Vec<_> = fields
            .missing()
            .map(|name| match reason(name) {
                Some((_, fault)) => format!("{name} {}", fault.as_str()),
                None => format!("{name} is not in it"),
            })
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            let warning =
                format!("the token answer does not have every name in `fields`: {missing}. Correct `fields`");
            let last = self.life().warned_of_fields.replace(warning.clone());
            if last.as_ref() != Some(&warning) {
                self.log(|log| log.write(Level::Warn, warning));
            }
        }
        fields
    }

    pub(super) fn announce(&self, kind: EventKind, error: Option<&Error>) {
        self.announce_at(kind, error, self.clock.now());
    }

    fn announce_at(&self, kind: EventKind, error: Option<&Error>, at: Timestamp) {
        let event = Event { kind, at, status: self.status(), error: error.cloned() };
        self.listener.on_event(&event);
        self.tell_webhook(&event);
    }

    /// Says once an incident that the store is sick, and that it is well again.
    pub(super) fn report_store_health(&self) {
        for warning in self.vault.take_warnings() {
            self.warn_of(&warning);
        }
        match self.vault.take_transition() {
            Some(true) => self.log(|log| log.write(Level::Info, "the store works again")),
            Some(false) => {
                if let Some(error) = self.vault.fault() {
                    self.log(|log| {
                        log.error(Level::Warn, "the store fails; tokens are kept in memory", &error);
                    });
                }
            }
            None => {}
        }
    }

    fn state(&self, life: &Life, now: Timestamp) -> TokenPhase {
        let state = life.state(now);
        let stands_in = self.config.manual_token.is_some()
            && matches!(state, TokenPhase::Missing | TokenPhase::Expired)
            && (!self.has_credentials() || life.limits.failures() > 0);
        if stands_in { TokenPhase::Manual } else { state }
    }

    fn is_healthy(&self, life: &Life, now: Timestamp) -> bool {
        let has_token = life.usable(now).is_some() || !self.has_credentials();
        let is_new = life.held.is_none() && life.last_error.is_none();
        (has_token || is_new)
            && life.limits.failures() < self.config.alert_after_failures
            && self.vault.is_healthy()
            && !life.closed
    }

    fn storage_status(&self) -> StorageStatus {
        StorageStatus {
            kind: self.vault.kind(),
            location: self.vault.location(),
            encrypted: self.vault.is_encrypted(),
            healthy: self.vault.is_healthy(),
        }
    }
}
