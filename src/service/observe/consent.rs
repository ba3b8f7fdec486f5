//! What becomes known of a consent: that it is missing, has ended, or is about to end.

use super::{EventKind, Observer};
use crate::config::Storage;
use crate::domain::Secret;
use crate::error::{Error, ErrorKind};
use crate::log::Level;

impl Observer {
    /// Announces that the consent has ended, or is there again, if that is new. The process whose refresh token was
    /// refused, `here`, posts the alert for all.
    pub(in crate::service) fn check_consent(&self, here: bool) {
        let (missing, ended_at) = {
            let state = self.state.lock();
            (state.missing_consent(), state.consent_ended_at())
        };
        if !self.warnings.lock().is_new_consent(missing.is_some(), ended_at) {
            return;
        }
        self.changed();
        let Some(error) = missing else { return self.end_incident() };
        if ended_at.is_none() {
            return self.log(Level::Warn, error.message());
        }
        self.log(Level::Error, error.message());
        self.emit(EventKind::ConsentEnded, Some(&error));
        if !here {
            self.note_alert_posted_elsewhere();
        }
        if self.incidents.lock().begin() {
            self.announce(EventKind::Alert, Some(&error));
        }
    }

    pub(super) fn has_consent_ended(&self) -> bool {
        self.state.lock().consent_ended_at().is_some()
    }

    /// The consent ends soon. One process announces it.
    pub(in crate::service) fn announce_consent_ending(&self) {
        let Some(until) = self.state.lock().refresh_token_expires_at() else { return };
        let message = format!(
            "the consent ends at {until}: before that, someone has to sign in again and pass the new refresh token to \
             adopt(), or set refreshToken"
        );
        let error = Error::new(ErrorKind::Consent, message);
        self.log(Level::Warn, error.message());
        let event = self.emit(EventKind::Alert, Some(&error));
        if let Some(webhook) = &self.webhook {
            webhook.post(&event, self.log.lock().clone());
        }
    }

    /// The server issued the refresh token `next` for `spent`.
    pub(in crate::service) fn check_rotation(&self, next: Option<&Secret>, spent: Option<&Secret>) {
        let is_rotated = matches!((next, spent), (Some(next), Some(spent)) if !next.matches(spent));
        if is_rotated && self.config.needs_consent() && matches!(self.config.storage, Storage::Memory) {
            self.warn(|warnings| warnings.lost_by_restart().map(str::to_owned));
        }
    }
}
