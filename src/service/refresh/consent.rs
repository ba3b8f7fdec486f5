//! The grant of a refresh token that someone's consent brought: it is the only way to a token, so it is never given up
//! before the server refuses it, and never replaced by another grant.

use std::sync::Arc;

use async_trait::async_trait;

use super::NewToken;
use super::lease::RefreshLease;
use super::refresh_token::{REFRESH_TRIES, leaves_unspent};
use super::rejected_credentials::CredentialMemory;
use super::token_request::TokenRequest;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{MAX_LIFETIME, Secret};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::grants::{Exchange, Obtained, Search};
use crate::oauth::{Granted, Refusal, UnsignedRequest};
use crate::service::state::{SharedState, consent_ended};
use crate::service::store_sync::{Attempt, StoreSync};
use crate::sync::Mutex;

/// How many refresh tokens one attempt spends: after a refusal, the later one of another process.
const MOST_SPENT: u32 = 3;

/// Spends the refresh token of a consent.
pub(super) struct ConsentGrant {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: SharedState,
    pub(super) sync: Arc<StoreSync>,
    pub(super) credentials: Arc<CredentialMemory>,
    pub(super) attempts: u32,
}

impl ConsentGrant {
    /// Spends the refresh token. `None` if the server refused it, and another process turns out to have a token.
    ///
    /// # Errors
    /// `Consent` if there is no refresh token that the server may accept; why the request failed.
    pub(super) async fn obtain(
        &self,
        request: &TokenRequest<'_>,
        resolved: &Config,
        lease: &RefreshLease,
        attempt: Attempt,
    ) -> Result<Option<NewToken>> {
        let mut spent = 0;
        loop {
            let token = self.to_spend(resolved)?;
            let error = match self.spend(&request.again(), resolved, &token, lease, attempt).await {
                Ok(obtained) => return Ok(Some(obtained)),
                Err(error) if error.kind() != ErrorKind::Consent => return Err(error),
                Err(error) => error,
            };
            // Another process may have rotated it meanwhile, or someone may have consented again.
            if self.sync.adopt(attempt).await {
                return Ok(None);
            }
            spent += 1;
            let has_other = self.to_spend(resolved).is_ok_and(|other| !other.matches(&token));
            if has_other && spent < MOST_SPENT {
                continue;
            }
            self.end(&token, &error, lease, attempt).await;
            return Err(error);
        }
    }

    fn to_spend(&self, resolved: &Config) -> Result<Secret> {
        self.state.lock().consent_to_spend(resolved.credentials.refresh_token.as_ref())
    }

    /// Sends the refresh token. A request that may have been served is not repeated within the attempt: most servers
    /// that rotate refresh tokens accept the last one for a while, but not two of them at once.
    async fn spend(
        &self,
        request: &TokenRequest<'_>,
        resolved: &Config,
        token: &Secret,
        lease: &RefreshLease,
        attempt: Attempt,
    ) -> Result<NewToken> {
        let mut config = resolved.clone();
        config.credentials.refresh_token = Some(token.clone());
        let remembered = self.state.lock().grant().cloned();
        let mut search = Search::new(&config, remembered.as_ref());
        let exchange = ConsentExchange { request, next: Mutex::default() };
        let mut tries = 1;
        loop {
            let error = match search.obtain(&exchange).await {
                Ok(Obtained { granted, strategy: grant }) => {
                    let (spent, proof_key) = (Some(token.clone()), request.proof_key().cloned());
                    return Ok(NewToken { granted, grant: Some(grant), spent, proof_key });
                }
                Err(error) => error,
            };
            let next = exchange.next.lock().take();
            if let Some(next) = next {
                self.state.lock().rotate_consent(token, next, self.clock.now());
                self.sync.store_in_place(lease.expected, None, attempt.epoch).await;
                return Err(error.with_retry(Retry::BackOff));
            }
            let most = if leaves_unspent(&error) { REFRESH_TRIES.min(self.attempts) } else { 1 };
            request.wait_to_retry(error, &mut tries, most).await?;
        }
    }

    /// Remembers for every process, and for the next start, that the server refused `token`.
    async fn end(&self, token: &Secret, error: &Error, lease: &RefreshLease, attempt: Attempt) {
        let now = self.clock.now();
        if self.state.lock().end_consent(token, now) {
            self.sync.store_in_place(lease.expected, None, attempt.epoch).await;
        } else {
            self.credentials.remember(error, 1, now, now.plus(MAX_LIFETIME)).await;
        }
    }
}

/// Reads what a refusal says about the refresh token.
struct ConsentExchange<'r, 'c> {
    request: &'r TokenRequest<'c>,
    /// The refresh token that came with a token that has already expired.
    next: Mutex<Option<Secret>>,
}

#[async_trait]
impl Exchange for ConsentExchange<'_, '_> {
    async fn exchange(&self, unsigned: UnsignedRequest) -> Result<Granted, Refusal> {
        Err(match self.request.exchange(unsigned).await {
            Ok(granted) => return Ok(granted),
            // The client, its grant and the scope are known to be good here: what is rejected is the refresh token.
            Err(Refusal::Rejected(error)) if error.retry() == Retry::CoolDown => {
                Refusal::Rejected(consent_ended(error.status(), error.server_error().cloned()))
            }
            Err(Refusal::Ambiguous(rejected, _)) => Refusal::Failed(rejected),
            Err(Refusal::ExpiredToken(error, next)) => {
                *self.next.lock() = Some(next);
                Refusal::Failed(error)
            }
            Err(other) => other,
        })
    }
}
