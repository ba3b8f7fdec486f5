//! What an attempt brings: a token, which is saved before it is handed out, or a failure, which all processes learn of.

use std::sync::Arc;
use std::time::Duration;

use super::lease::RefreshLease;
use super::rejected_credentials::with_verdict;
use super::{NewToken, Refresher};
use crate::domain::{AnswerFields, Backoff, Generation, Jitter, Timestamp, TokenSet};
use crate::error::{Error, ErrorKind, Retry};
use crate::log::Level;
use crate::runtime;
use crate::service::state::{HeldToken, Sharing, Source, is_rejection};
use crate::service::store_sync::{Attempt, InPlace};

/// Between two tries to store what a failing store did not take.
const SAVE_PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// How long they are made, and other processes kept from a request.
const SAVES_FOR: Duration = Duration::from_secs(60);

const UNSAVED: &str = "could not store the new refresh token yet";

impl Refresher {
    /// Saves a new token, then makes it the one that is handed out.
    pub(super) async fn keep(&self, token: NewToken, lease: RefreshLease, attempt: Attempt) {
        let is_login = token.spent.is_none();
        let is_rotated = token.granted.refresh_token.is_some();
        let mut unsaved = None;
        let mut token = self.hold(token);
        let now = token.tokens.lifetime.issued_at();
        if is_login || self.config.login.is_function {
            self.credentials.forget(now).await;
        }
        // A clearing takes the same lock: either it came first and raised the epoch, or it removes what is saved here.
        let guard = self.store.turn().await;
        if self.state.lock().epoch() != attempt.epoch {
            lease.leave();
            return;
        }
        match self.sync.save(&token, lease.expected, lease.fence()).await {
            Ok(Some(revision)) => {
                token.revision = Some(revision);
                token.sharing = Sharing::Yes;
                lease.end_by_save();
            }
            // This process stalled, and another took over: what that one stores is the later token. Or the record was
            // removed: then what was requested before is not kept.
            Ok(None) => {
                self.sync.adopt(attempt).await;
                if self.state.lock().epoch() != attempt.epoch {
                    return;
                }
                self.observer
                    .log(Level::Warn, "another process took over this refresh, so its token is used");
                // A look may have adopted it before: then this one may even be from before a removal.
                if self.state.lock().has_stored_since(lease.expected) {
                    return;
                }
            }
            Err(error) => {
                token.sharing = Sharing::after(&error);
                if is_rotated {
                    self.observer.log_error(Level::Error, UNSAVED, &error);
                }
                // After a login, no stored refresh token was spent: others may go ahead.
                unsaved = Some(lease).filter(|lease| is_rotated && !is_login && lease.fence().is_some());
            }
        }
        {
            let mut state = self.state.lock();
            if state.epoch() != attempt.epoch {
                unsaved.into_iter().for_each(RefreshLease::leave);
                return;
            }
            state.refresh(token, attempt.started, now);
        }
        drop(guard);
        if let Some(lease) = unsaved {
            self.save_before_release(lease, attempt);
        }
        self.observer.announce_token("obtained a new token");
    }

    /// A new token as it is kept in memory, with warnings about what its response lacks.
    fn hold(&self, token: NewToken) -> HeldToken {
        let NewToken { granted, grant, spent, proof_key } = token;
        self.observer.check_binding(&granted.scheme);
        self.observer.check_scopes(&granted.withheld);
        self.observer.check_expiry(granted.expiry_warning.as_deref());
        let fields = self.with_earlier_fields(granted.kept.fields);
        self.observer.check_fields(&fields, &granted.kept.faults);
        let now = self.clock.now();
        let length = granted.expiry.lifetime(self.config.policy.default_lifetime);
        HeldToken {
            tokens: TokenSet {
                access_token: granted.access_token,
                scheme: granted.scheme,
                refresh_token: granted.refresh_token.or(spent),
                lifetime: self.sync.lifetime(now, length.map(|length| now.plus(length))),
            },
            generation: Generation::default(),
            source: Source::Request,
            grant,
            fields,
            proof_key,
            revision: None,
            sharing: Sharing::No,
            refresh_has_failed: false,
        }
    }

    /// The fields of a response, with the earlier values of those that it leaves out.
    fn with_earlier_fields(&self, fields: AnswerFields) -> AnswerFields {
        match self.state.lock().held() {
            Some(held) => fields.with_earlier(&held.fields),
            None => fields,
        }
    }

    /// Keeps the lease until what is in memory is stored: the stored refresh token was spent, and another process would
    /// send it again. If the store does not take it for long, the others are better off with a login.
    fn save_before_release(&self, lease: RefreshLease, attempt: Attempt) {
        let (sync, clock) = (Arc::clone(&self.sync), Arc::clone(&self.clock));
        let saving = async move {
            let began = clock.moment();
            let mut tries = 0;
            while clock.moment().since(began) < SAVES_FOR {
                clock.sleep(Jitter::random().half(SAVE_PAUSES.wait(tries))).await;
                tries += 1;
                match sync.store_in_place(lease.expected, lease.fence(), attempt.epoch).await {
                    InPlace::Stored => return lease.end_by_save(),
                    // Another process has taken the lease, or this one has a token that is stored.
                    InPlace::Needless | InPlace::Taken => return,
                    InPlace::Failed => {}
                }
            }
        };
        // If it cannot start, the lease ends at once.
        let _ = runtime::spawn(saving);
    }

    /// Notes a failed attempt for this process and all others, and returns the error as callers get it.
    pub(super) async fn fail(&self, error: Error, lease: RefreshLease, attempt: Attempt) -> Error {
        let rejections = self.state.lock().rejections();
        let error = with_verdict(error, rejections);
        self.note_failure(&error, attempt.started);
        let is_rejection = is_rejection(&error);
        if is_rejection {
            self.remember_rejection(&error).await;
        }
        if self.state.lock().epoch() != attempt.epoch {
            // A clearing is under way, and ends the lease.
            lease.leave();
        } else if self.state.lock().is_unsaved() && lease.fence().is_some() {
            // What became of the refresh token could not be stored.
            self.save_before_release(lease, attempt);
        } else {
            self.leases.fail(lease, &error).await;
        }
        if is_rejection { self.with_wait(error) } else { error }
    }

    pub(super) fn note_failure(&self, error: &Error, started: Timestamp) {
        self.state.lock().fail(error, started, self.clock.now(), Jitter::random());
        if error.kind() == ErrorKind::Endpoint {
            self.source.doubt_metadata();
        }
        self.observer.announce_failure(error);
    }

    /// Another process had its function rejected while this one waited. No store tells that later.
    pub(super) async fn share_rejection(&self, error: &Error) {
        if self.config.login.is_function && is_rejection(error) {
            self.remember_rejection(error).await;
        }
    }

    /// No process sends the credential again before its cool-down ends.
    async fn remember_rejection(&self, error: &Error) {
        let now = self.clock.now();
        let (times, until) = {
            let state = self.state.lock();
            (state.rejections(), state.paused_until(now))
        };
        self.credentials.remember(error, times, now, until.unwrap_or(now)).await;
    }

    /// The error with the time until the next attempt.
    fn with_wait(&self, error: Error) -> Error {
        let now = self.clock.now();
        match self.state.lock().paused_until(now) {
            Some(until) => error.with_retry(Retry::After(now.until(until))),
            None => error,
        }
    }
}
