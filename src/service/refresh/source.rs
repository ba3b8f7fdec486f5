//! Where a token comes from: the refresh token first, then the credentials.

use std::sync::Arc;

use super::NewToken;
use super::code_exchange::CodeExchange;
use super::consent::ConsentGrant;
use super::issuer::ResolvedConfig;
use super::lease::RefreshLease;
use super::refresh_token::{RefreshTokenGrant, Refreshed};
use super::rejected_credentials::{CredentialMemory, CredentialRejection, CredentialTurn};
use super::secrets::{SecretReader, SecretRotation};
use super::token_request::{TokenClient, TokenRequest};
use crate::config::Config;
use crate::domain::TokenSet;
use crate::error::{Error, ErrorKind, Result};
use crate::grants::{self, Obtained, Search};
use crate::log::Level;
use crate::oauth::ProofKey;
use crate::service::state::{RefreshReason, is_rejection};
use crate::service::store_sync::{Attempt, StoreSync};

const NEXT_SECRET: &str = "the server rejected a secret; trying the next one";

/// Requests tokens from the server.
pub(super) struct TokenSource {
    client: TokenClient,
    resolved: ResolvedConfig,
    secrets: SecretReader,
    refresh_tokens: RefreshTokenGrant,
    consent: ConsentGrant,
    credentials: Arc<CredentialMemory>,
}

impl TokenSource {
    pub(super) fn new(client: TokenClient, sync: Arc<StoreSync>, credentials: Arc<CredentialMemory>) -> Self {
        let TokenClient { config, clock, state, observer, .. } = &client;
        let (signer, observed) = (Arc::clone(&client.signer), Arc::clone(observer));
        let resolved = ResolvedConfig::new(Arc::clone(config), Arc::clone(clock), observed, signer);
        let consent = ConsentGrant {
            clock: Arc::clone(clock),
            state: Arc::clone(state),
            sync: Arc::clone(&sync),
            credentials: Arc::clone(&credentials),
            attempts: config.retry.attempts,
        };
        let refresh_tokens = RefreshTokenGrant {
            config: Arc::clone(config),
            clock: Arc::clone(clock),
            state: Arc::clone(state),
            sync,
            observer: Arc::clone(observer),
        };
        let secrets = SecretReader::new(Arc::clone(&client.config), client.functions.clone());
        Self { client, resolved, secrets, refresh_tokens, consent, credentials }
    }

    /// An endpoint was not there: the next attempt requests the issuer's metadata again.
    pub(super) fn doubt_metadata(&self) {
        self.resolved.doubt();
    }

    /// The exchange of a user's consent for tokens.
    pub(super) fn code_exchange(&self) -> CodeExchange<'_> {
        CodeExchange { client: &self.client, resolved: &self.resolved, secrets: &self.secrets }
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
        let mut secrets = self.secrets.begin(resolved).await?;
        if secrets.config().needs_consent() {
            return self.use_consent(&request, secrets, reason, lease, attempt, turn).await;
        }
        if lease.may_spend {
            match self.refresh_tokens.refresh(&request, &mut secrets, reason, lease, attempt).await? {
                Refreshed::Obtained(token) => return Ok(Some(*token)),
                Refreshed::Adopted => return Ok(None),
                Refreshed::No => {}
            }
        }
        self.log_in_with_each(&request, secrets, reason, turn).await.map(Some)
    }

    /// Spends the refresh token of a consent, with the client's secrets one after another while the server rejects them.
    async fn use_consent(
        &self,
        request: &TokenRequest<'_>,
        mut secrets: SecretRotation<'_>,
        reason: RefreshReason,
        lease: &RefreshLease,
        attempt: Attempt,
        turn: &mut Option<CredentialTurn>,
    ) -> Result<Option<NewToken>> {
        loop {
            let config = Arc::clone(secrets.config());
            self.change_to(&config);
            *turn = self.credentials.turn(&*self.client.clock, self.client.config.timeout).await;
            self.respect_rejection(reason).await?;
            self.require_open()?;
            let obtained = self.consent.obtain(&request.with(&config), &config, lease, attempt).await;
            match obtained {
                Err(error) if is_rejection(&error) && secrets.advance_client().await? => {
                    self.pass_over(error, None).await;
                }
                obtained => {
                    if obtained.is_ok() {
                        secrets.accept();
                    }
                    return obtained;
                }
            }
        }
    }

    /// Requests a token with the secrets, one after another while the server rejects them.
    async fn log_in_with_each(
        &self,
        request: &TokenRequest<'_>,
        mut secrets: SecretRotation<'_>,
        reason: RefreshReason,
        turn: &mut Option<CredentialTurn>,
    ) -> Result<NewToken> {
        let mut shortest: Option<Error> = None;
        loop {
            self.change_to(secrets.config());
            *turn = self.credentials.turn(&*self.client.clock, self.client.config.timeout).await;
            let error = match self.respect_rejection(reason).await {
                Ok(()) => {
                    self.require_open()?;
                    // What was sent before may have used up its time; each login has its own.
                    match self.log_in(&request.again().with(secrets.config()), secrets.config()).await {
                        Ok(token) => {
                            secrets.accept();
                            return Ok(token);
                        }
                        Err(error) if is_rejection(&error) => error,
                        Err(error) => return Err(error),
                    }
                }
                Err(waits) => waits,
            };
            let advanced = secrets.advance().await;
            if matches!(advanced, Ok(false)) {
                // A rejection of now is the last word: the caller notes it. Else the first cool-down to end counts.
                let earlier = shortest.filter(|earlier| earlier.retry_after() < error.retry_after());
                return Err(earlier.unwrap_or(error));
            }
            shortest = Some(self.pass_over(error, shortest).await);
            advanced?;
        }
    }

    /// Notes that the attempt goes on although these secrets were rejected, now or before. The one of two errors whose
    /// cool-down ends first.
    async fn pass_over(&self, error: Error, shortest: Option<Error>) -> Error {
        let now = self.client.clock.now();
        let error = if is_rejection(&error) {
            self.client.observer.log_error(Level::Warn, NEXT_SECRET, &error);
            self.credentials.remember_in_passing(error.clone(), now).await;
            let rejection = self.credentials.last_rejection(now).await;
            let waits = rejection.and_then(|rejection| Some(rejection.error(rejection.cool_down(now)?)));
            waits.unwrap_or(error)
        } else {
            error
        };
        match shortest {
            Some(shortest) if shortest.retry_after() <= error.retry_after() => shortest,
            _ => error,
        }
    }

    /// The secrets to send from now on. Rejections of others do not count for them.
    fn change_to(&self, config: &Config) {
        if self.credentials.change_to(&config.credential) {
            self.client.state.lock().set_rejections(0);
        }
    }

    /// Whether there are secrets that were not rejected yet, as far as this process knows: a file has changed.
    pub(super) async fn has_new_secrets(&self) -> bool {
        let now = self.client.clock.now();
        let Ok(all) = self.secrets.all().await else { return false };
        let new = all.iter().find(|config| !self.credentials.is_rejected(&config.credential, now));
        new.is_some_and(|config| {
            self.change_to(config);
            self.client.state.lock().lift_rejection();
            true
        })
    }

    /// The rejection whose cool-down ends first, if the secrets have all been rejected.
    pub(super) async fn pending_rejection(&self) -> Option<CredentialRejection> {
        let now = self.client.clock.now();
        let mut first: Option<CredentialRejection> = None;
        for config in self.secrets.all().await.ok()? {
            self.change_to(&config);
            let rejection = self.credentials.last_rejection(now).await?;
            let wait = rejection.cool_down(now)?;
            if first.as_ref().and_then(|first| first.cool_down(now)).is_none_or(|shortest| wait < shortest) {
                first = Some(rejection);
            }
        }
        first
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
        if let Some(error) = rejection.consent() {
            let mut state = self.client.state.lock();
            // What has replaced it since was not refused.
            if state.has_refresh_token() {
                return Ok(());
            }
            state.refuse_seed(now);
            return Err(error);
        }
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
        let secrets = self.secrets.begin(self.resolved.resolve(&request).await?).await?;
        let resolved = secrets.config();
        let grant = self.client.state.lock().grant().cloned();
        let Some(unsigned) = grants::revocation(tokens, grant.as_ref(), resolved) else {
            let why = if resolved.login.is_function {
                "login is a function, so the program has to revoke it"
            } else {
                "set revocationUrl"
            };
            self.client.observer.log(Level::Warn, format!("the token was not revoked: {why}"));
            return Ok(());
        };
        let path = unsigned.request.url.path().to_owned();
        let response =
            request.send(self.client.signer.sign(&unsigned, request.time_left()).await?.request).await?;
        if (200..300).contains(&response.status) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Endpoint, format!("{path} did not revoke the token"))
            .with_status(response.status))
    }
}
