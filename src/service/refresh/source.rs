//! Where a token comes from: the refresh token first, then the credentials.

use std::sync::Arc;

use super::NewToken;
use super::issuer::ResolvedConfig;
use super::lease::RefreshLease;
use super::refresh_token::{RefreshTokenGrant, Refreshed};
use super::rejected_credentials::{CredentialMemory, CredentialTurn};
use super::token_request::{TokenClient, TokenRequest};
use crate::config::Config;
use crate::domain::TokenSet;
use crate::error::{Error, ErrorKind, Result};
use crate::grants::{self, Obtained, Search};
use crate::log::Level;
use crate::oauth::ProofKey;
use crate::service::state::RefreshReason;
use crate::service::store_sync::{Attempt, StoreSync};

/// Requests tokens from the server.
pub(super) struct TokenSource {
    client: TokenClient,
    resolved: ResolvedConfig,
    refresh_tokens: RefreshTokenGrant,
    credentials: Arc<CredentialMemory>,
}

impl TokenSource {
    pub(super) fn new(client: TokenClient, sync: Arc<StoreSync>, credentials: Arc<CredentialMemory>) -> Self {
        let TokenClient { config, clock, state, observer, .. } = &client;
        let resolved = ResolvedConfig::new(Arc::clone(config), Arc::clone(clock), Arc::clone(observer));
        let refresh_tokens = RefreshTokenGrant {
            config: Arc::clone(config),
            clock: Arc::clone(clock),
            state: Arc::clone(state),
            sync,
            observer: Arc::clone(observer),
        };
        Self { client, resolved, refresh_tokens, credentials }
    }

    /// An endpoint was not there: the next attempt requests the issuer's metadata again.
    pub(super) fn doubt_metadata(&self) {
        self.resolved.doubt();
    }

    /// Requests a token. `None` if another process turns out to have done so, and its token was adopted.
    ///
    /// `turn` holds off other services with the same credential until the caller has noted the outcome.
    pub(super) async fn obtain(
        &self,
        reason: RefreshReason,
        lease: &RefreshLease,
        attempt: Attempt,
        turn: &mut Option<CredentialTurn>,
    ) -> Result<Option<NewToken>> {
        let request = self.client.begin(self.proof_key()?).under(lease);
        self.require_open()?;
        if self.client.config.login.is_function {
            return self.call_login(&request, reason, lease, turn).await.map(Some);
        }
        let resolved = self.resolve(&request).await?;
        if lease.may_spend {
            match self.refresh_tokens.refresh(&request, &resolved, reason, lease, attempt).await? {
                Refreshed::Obtained(token) => return Ok(Some(*token)),
                Refreshed::Adopted => return Ok(None),
                Refreshed::No => {}
            }
        }
        *turn = self.credentials.turn(&*self.client.clock, self.client.config.timeout).await;
        self.respect_rejection(reason).await?;
        self.require_open()?;
        // The refresh may have used up its time; the login has its own.
        self.log_in(&request.again(), &resolved).await.map(Some)
    }

    /// Calls the function that logs in.
    async fn call_login(
        &self,
        request: &TokenRequest<'_>,
        reason: RefreshReason,
        lease: &RefreshLease,
        turn: &mut Option<CredentialTurn>,
    ) -> Result<NewToken> {
        *turn = self.credentials.turn(&*self.client.clock, self.client.config.timeout).await;
        self.respect_rejection(reason).await?;
        self.require_open()?;
        self.client.call_login(&request.again(), reason, lease).await
    }

    /// A service that was shut down while it waited sends nothing: it may have been replaced by one with other
    /// credentials.
    fn require_open(&self) -> Result<()> {
        if self.client.state.lock().is_closed() { Err(Error::shutdown()) } else { Ok(()) }
    }

    /// The key to bind the next token to: that of the token in memory, else a new one. None without `dpop`.
    fn proof_key(&self) -> Result<Option<ProofKey>> {
        if !self.client.config.dpop {
            return Ok(None);
        }
        let held = self.client.state.lock().held().and_then(|held| held.proof_key.clone());
        held.map_or_else(ProofKey::generate, Ok).map(Some)
    }

    async fn resolve(&self, request: &TokenRequest<'_>) -> Result<Arc<Config>> {
        let mut tries = 1;
        loop {
            match self.resolved.resolve(request).await {
                Ok(config) => return Ok(config),
                Err(error) => self.wait_to_retry(request, error, &mut tries).await?,
            }
        }
    }

    /// Holds back a credential that was rejected, except from an explicit request.
    async fn respect_rejection(&self, reason: RefreshReason) -> Result<()> {
        let now = self.client.clock.now();
        let Some(rejection) = self.credentials.last_rejection(now).await else { return Ok(()) };
        self.client.state.lock().set_rejections(rejection.times);
        match rejection.cool_down(now) {
            Some(wait) if reason != RefreshReason::Requested => Err(rejection.error(wait)),
            _ => Ok(()),
        }
    }

    /// Requests a token with the credentials, in the first way that works.
    async fn log_in(&self, request: &TokenRequest<'_>, resolved: &Config) -> Result<NewToken> {
        let remembered = self.client.state.lock().grant().cloned();
        let mut search = Search::new(resolved, remembered.as_ref());
        let mut tries = 1;
        loop {
            match search.obtain(request).await {
                Ok(Obtained { granted, strategy: grant }) => {
                    let proof_key = request.proof_key().cloned();
                    return Ok(NewToken { granted, grant: Some(grant), spent: None, proof_key });
                }
                Err(error) => self.wait_to_retry(request, error, &mut tries).await?,
            }
        }
    }

    async fn wait_to_retry(&self, request: &TokenRequest<'_>, error: Error, tries: &mut u32) -> Result<()> {
        request.wait_to_retry(error, tries, self.client.config.retry.attempts).await
    }

    /// Revokes a token that is no longer held ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).
    ///
    /// # Errors
    /// `Endpoint` if the server does not revoke it; the errors of the metadata and the network.
    pub(super) async fn revoke(&self, tokens: &TokenSet) -> Result<()> {
        let request = self.client.begin(None);
        let resolved = self.resolved.resolve(&request).await?;
        let grant = self.client.state.lock().grant().cloned();
        let Some(unsigned) = grants::revocation(tokens, grant.as_ref(), &resolved) else {
            let why = if resolved.login.is_function {
                "login is a function, so the program has to revoke it"
            } else {
                "set revocationUrl"
            };
            self.client.observer.log(Level::Warn, format!("the token was not revoked: {why}"));
            return Ok(());
        };
        let path = unsigned.request.url.path().to_owned();
        let response = request.send(self.client.signer.sign(&unsigned).await?).await?;
        if (200..300).contains(&response.status) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Endpoint, format!("{path} did not revoke the token"))
            .with_status(response.status))
    }
}
