//! Spending the refresh token, and what happens when that brings no token.

use std::sync::Arc;
use std::time::Duration;

use super::NewToken;
use super::lease::RefreshLease;
use super::token_request::TokenRequest;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Result, Retry};
use crate::grants::{Exchange, GrantRequest, RefreshRequest};
use crate::log::Level;
use crate::oauth::Refusal;
use crate::service::observe::Observer;
use crate::service::state::{RefreshReason, SharedState};
use crate::service::store_sync::{Attempt, StoreSync};

/// How often one attempt sends a refresh token that is certainly not spent: the server said that it is busy.
const REFRESH_TRIES: u32 = 2;

const INSTEAD: &str = "the refresh failed; logging in with the credentials instead";

/// What became of the refresh token.
enum RefreshTokenOutcome {
    /// There was none, or no way to spend it.
    None,
    /// It brought a token.
    Obtained(Box<NewToken>),
    /// It brought a token that has already expired, and the next refresh token.
    Rotated(Error),
    /// The server refused it.
    Refused,
    /// It brought no token, and no verdict on itself.
    Failed(Error),
}

/// What came of the refresh token, for an attempt that also has the credentials.
pub(super) enum Refreshed {
    /// It brought a token.
    Obtained(Box<NewToken>),
    /// Another process has refreshed, and its token was adopted.
    Adopted,
    /// Nothing: the credentials are used.
    No,
}

/// Spends refresh tokens.
pub(super) struct RefreshTokenGrant {
    pub(super) config: Arc<Config>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: SharedState,
    pub(super) sync: Arc<StoreSync>,
    pub(super) observer: Arc<Observer>,
}

impl RefreshTokenGrant {
    /// Spends the refresh token, if there is one. However its endpoint fails, the service works as long as its
    /// credentials are good.
    ///
    /// # Errors
    /// Why the attempt ends here: the old token still works, and there is time for another attempt.
    pub(super) async fn refresh(
        &self,
        request: &TokenRequest<'_>,
        resolved: &Config,
        reason: RefreshReason,
        lease: &RefreshLease,
        attempt: Attempt,
    ) -> Result<Refreshed> {
        match self.spend(request, resolved, lease).await {
            RefreshTokenOutcome::Failed(error) if lease.is_lost() => return Err(error),
            RefreshTokenOutcome::None => return Ok(Refreshed::No),
            RefreshTokenOutcome::Obtained(token) => return Ok(Refreshed::Obtained(token)),
            // Another process may have rotated it meanwhile: its token is as good as one of our own.
            RefreshTokenOutcome::Refused if self.sync.adopt(attempt).await => return Ok(Refreshed::Adopted),
            RefreshTokenOutcome::Refused => {
                self.observer.log(
                    Level::Warn,
                    "the server refused the refresh token; logging in with the credentials instead",
                );
            }
            RefreshTokenOutcome::Rotated(error) | RefreshTokenOutcome::Failed(error) => {
                let time_left = self.state.lock().time_left(reason, self.clock.now());
                let spare = time_left.saturating_sub(self.config.retry.max);
                if !spare.is_zero() && reason != RefreshReason::Requested {
                    self.sync.store_in_place(lease.expected, lease.fence(), attempt.epoch).await;
                    return Err(without_verdict(error, spare));
                }
                self.observer.log_error(Level::Warn, INSTEAD, &error);
            }
        }
        // Before the login, and without the fence, whose save would end the lease: the login may fail, and this
        // process end.
        self.sync.store_in_place(lease.expected, None, attempt.epoch).await;
        Ok(Refreshed::No)
    }

    /// Spends the refresh token, if there is one and a way to spend it.
    async fn spend(
        &self,
        request: &TokenRequest<'_>,
        resolved: &Config,
        lease: &RefreshLease,
    ) -> RefreshTokenOutcome {
        let Some((refresh_token, mut grant)) = self.state.lock().refresh_token(self.clock.now()) else {
            return RefreshTokenOutcome::None;
        };
        // A refresh token goes where its issuer has the endpoint today.
        if let (Some(_), Some(endpoint)) = (&resolved.issuer, &resolved.endpoint) {
            grant.endpoint.clone_from(endpoint);
        }
        let Some(refresh) = RefreshRequest::of(&grant, resolved) else { return RefreshTokenOutcome::None };
        let (mut tries, mut is_other_method) = (1, false);
        loop {
            let refusal = match request.exchange(refresh.request(&grant, &refresh_token, resolved)).await {
                Ok(granted) => {
                    self.state.lock().settle_refresh();
                    let grant = GrantRequest { refreshes: true, ..grant };
                    let (spent, proof_key) = (Some(refresh_token), request.proof_key().cloned());
                    let token = NewToken { granted, grant: Some(grant), spent, proof_key };
                    return RefreshTokenOutcome::Obtained(Box::new(token));
                }
                Err(refusal) => refusal,
            };
            match refusal {
                Refusal::Failed(error) if lease.is_lost() => return RefreshTokenOutcome::Failed(error),
                Refusal::Failed(error) | Refusal::NoToken(error) => {
                    let is_unspent = leaves_unspent(&error);
                    let most = if is_unspent { REFRESH_TRIES.min(self.config.retry.attempts) } else { 1 };
                    let Err(error) = request.wait_to_retry(error, &mut tries, most).await else {
                        continue;
                    };
                    self.state.lock().fail_refresh(&refresh_token, is_unspent);
                    return RefreshTokenOutcome::Failed(error);
                }
                Refusal::ExpiredToken(error, next) => {
                    self.state.lock().rotate_refresh(&refresh_token, next);
                    return RefreshTokenOutcome::Rotated(error);
                }
                // The server identifies the client first: it did not look at the refresh token.
                Refusal::InvalidClient(error)
                | Refusal::MissingClient(error)
                | Refusal::Unexplained(error) => {
                    let may_change = !grant.refreshes && !is_other_method;
                    if let Some(other) = grant.other_method(resolved).filter(|_| may_change) {
                        (grant.method, is_other_method) = (Some(other), true);
                        continue;
                    }
                    self.state.lock().fail_refresh(&refresh_token, true);
                    return RefreshTokenOutcome::Failed(error);
                }
                refused => {
                    let is_first_use = self.state.lock().refuse_refresh(&refresh_token, grant.refreshes);
                    let message = if is_first_use {
                        refresh.first_use_hint()
                    } else {
                        "the refresh token was refused".to_owned()
                    };
                    self.observer.log_error(Level::Warn, &message, &refused.into_error());
                    return RefreshTokenOutcome::Refused;
                }
            }
        }
    }
}

/// The failure of a refresh, which says nothing about the credentials: however long the endpoint asks to wait, they are
/// used before the old token expires, in `spare`.
fn without_verdict(error: Error, spare: Duration) -> Error {
    match error.retry() {
        Retry::After(wait) => error.with_retry(Retry::After(wait.min(spare))),
        Retry::CoolDown | Retry::Never | Retry::BackOff => error.with_retry(Retry::BackOff),
    }
}

/// Whether a request that failed has certainly not spent what it carried: it never left, or the server says that it did
/// not serve it (RFC 9110 §15.5, §15.6.4). After any other response, or none, it may have been served.
fn leaves_unspent(error: &Error) -> bool {
    !error.was_sent() || matches!(error.status(), Some(400..500 | 503))
}
