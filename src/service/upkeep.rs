//! What happens to a service as time passes.

use std::sync::Arc;
use std::time::Duration;

use super::observe::Observer;
use super::refresh::{Refresher, SECRET_LOOKS};
use super::state::{RefreshReason, SharedState};
use super::store_sync::StoreSync;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Timestamp, TokenPhase};
use crate::log::Level;
use crate::runtime;
use crate::sync::Mutex;

/// Between tries to claim the alert that a consent ends.
const ALERT_INTERVAL: Duration = Duration::from_secs(5);

/// Looks after a service, whenever the scheduler's loop has it do so.
pub struct Upkeep {
    pub(super) config: Arc<Config>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: SharedState,
    pub(super) sync: Arc<StoreSync>,
    pub(super) refresher: Arc<Refresher>,
    pub(super) observer: Arc<Observer>,
    /// The phase of the token at the last look, and whether attempts paused.
    pub(super) last_phase: Mutex<Option<(TokenPhase, bool)>>,
}

impl Upkeep {
    /// Notices what has changed by itself (the token expires, a pause ends), and looks into the store from time to time.
    /// Returns when it has to be called again, unless something else changes before; none once the service is closed,
    /// or can never change.
    pub fn keep_time(&self) -> Option<Timestamp> {
        if !self.config.has_credentials() {
            return None;
        }
        let now = self.clock.now();
        let (phase, is_paused, next_change, generation) = {
            let state = self.state.lock();
            if state.is_closed() {
                return None;
            }
            let generation = state.held().map(|held| held.generation);
            (state.phase(now), state.is_held_back(now), state.next_change(now), generation)
        };
        // Compared with the last look, not with the moment waited for: that may have passed between a change and this
        // look at it.
        if self.last_phase.lock().replace((phase, is_paused)) != Some((phase, is_paused)) {
            self.observer.time_has_passed();
        }
        if let Some(generation) = generation.filter(|_| phase == TokenPhase::Expiring) {
            self.observer.announce_expiring(generation);
        }
        if self.sync.take_due_look(now) {
            // The loop does not wait for a slow disk.
            let sync = Arc::clone(&self.sync);
            let _ = runtime::spawn(async move { sync.look().await });
        }
        let waits_for_secrets = self.refresher.waits_for_secrets();
        if waits_for_secrets {
            let refresher = Arc::clone(&self.refresher);
            let _ = runtime::spawn(async move { refresher.look_for_new_secrets().await });
        }
        let secret_look = waits_for_secrets.then(|| now.plus(SECRET_LOOKS));
        let consent_look = self.announce_consent_ending(now);
        [next_change, self.sync.next_look(), secret_look, consent_look].into_iter().flatten().min()
    }

    /// Announces that the consent ends soon, once that is so. Returns when to look again.
    fn announce_consent_ending(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.state.lock().consent_alert_at(self.config.consent_alert)?;
        if self.config.consent_alert.is_zero() {
            return None;
        }
        if due > now {
            return Some(due);
        }
        let (sync, observer) = (Arc::clone(&self.sync), Arc::clone(&self.observer));
        let _ = runtime::spawn(async move {
            if sync.claim_consent_alert().await {
                observer.announce_consent_ending();
            }
        });
        Some(now.plus(ALERT_INTERVAL))
    }

    /// When the next refresh is due and allowed.
    pub fn next_refresh(&self) -> Option<Timestamp> {
        let state = self.state.lock();
        if state.is_closed() || !self.config.has_credentials() {
            return None;
        }
        state.next_refresh(self.clock.now())
    }

    /// Starts a refresh if one is due and allowed.
    pub fn refresh_if_due(&self) {
        let now = self.clock.now();
        if self.next_refresh().is_some_and(|due| due <= now) && self.state.lock().is_due(now) {
            self.start(RefreshReason::Due);
        }
    }

    /// Requests a token if none is good; a pause is respected. Also looks into a store that does not tell what other
    /// processes change.
    pub fn look(&self) {
        let is_satisfied = || self.state.lock().satisfies(RefreshReason::Due, false, self.clock.now());
        if self.sync.looks_by_itself() || !is_satisfied() {
            self.start(RefreshReason::Due);
        }
    }

    /// Starts a refresh whether one is due or not, as `everyInterval` asks; a pause is respected.
    pub fn refresh_for_interval(&self, length: Duration) {
        self.start(RefreshReason::Interval(length));
    }

    fn start(&self, reason: RefreshReason) {
        if self.config.has_credentials() {
            // If none starts, the reason is a pause, which ends at its own moment.
            let _ = self.refresher.start(reason);
        }
    }

    /// Requests a token if none is good, stores one that is not stored yet, and forgets what worked before after
    /// `recover_after` failures in a row.
    pub async fn check_health(&self, recover_after: u32) {
        if !self.config.has_credentials() || self.state.lock().is_closed() {
            return;
        }
        let is_failing = self.state.lock().failures() >= recover_after;
        if is_failing && self.refresher.begin_again() {
            self.observer.log(
                Level::Info,
                "several failures in a row: searching for the endpoint and the format again",
            );
        }
        self.sync.look().await;
        self.refresh_if_due();
        self.observer.check_incident();
    }
}
