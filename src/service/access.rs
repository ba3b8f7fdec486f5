//! What callers get: the token in memory at once, or after an attempt that all of them share.

use std::sync::Arc;

use url::Url;

use super::manual_tokens::ManualTokens;
use super::observe::Observer;
use super::refresh::{DpopProof, Flight, Refresher, Signer};
use super::snapshot::Snapshot;
use super::state::{RefreshReason, SharedState};
use crate::clock::Clock;
use crate::config::{Config, OnFailure};
use crate::domain::{Generation, TokenType};
use crate::error::{Error, ErrorKind, Result};
use crate::log::Level;

/// How many attempts a caller waits for. The first may only have looked into the store, others may have been cut off by
/// a clearing; after more than these, tokens expire before they arrive.
const MAX_ATTEMPTS: u32 = 5;

/// Hands out tokens.
pub(super) struct TokenAccess {
    pub(super) config: Arc<Config>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: SharedState,
    pub(super) refresher: Arc<Refresher>,
    pub(super) manual_tokens: ManualTokens,
    pub(super) observer: Arc<Observer>,
    pub(super) signer: Arc<Signer>,
}

impl TokenAccess {
    /// The token that may be sent now, if there is one. Starts a refresh in the background when one is due.
    pub(super) fn snapshot(&self) -> Result<Option<Snapshot>> {
        let now = self.clock.now();
        let has_credentials = self.config.has_credentials();
        let (snapshot, is_due) = {
            let state = self.state.lock();
            if state.is_closed() {
                return Err(Error::shutdown());
            }
            let is_paused = state.is_held_back(now);
            let held = state.usable(now).and_then(|held| Snapshot::of(held, &self.config));
            let stand_in = || if is_paused || !has_credentials { self.manual_tokens.at_once() } else { None };
            (held.or_else(stand_in), state.is_due(now) && !is_paused)
        };
        if snapshot.is_some() && is_due && has_credentials {
            // If none starts, the reason is a pause, which ends at its own moment.
            let _ = self.refresher.start(RefreshReason::Due);
        }
        Ok(snapshot)
    }

    /// The token, after at most one token request that all waiting callers share; none if no token can be obtained.
    ///
    /// # Errors
    /// `Shutdown`; with `onFailure: 'throw'`, why no token could be obtained.
    pub(super) async fn acquire(&self) -> Result<Option<Snapshot>> {
        let mut attempts = 0;
        let failure = loop {
            if let Some(snapshot) = self.snapshot()? {
                return Ok(Some(snapshot));
            }
            if !self.config.has_credentials() {
                return self.without_credentials().await;
            }
            if attempts == MAX_ATTEMPTS {
                let message = "the token server issues tokens that expire before they can be used: set a longer lifetime there";
                break Error::new(ErrorKind::Response, message);
            }
            attempts += 1;
            let flight = match self.refresher.start_with_new_secrets(RefreshReason::Due).await {
                Ok(flight) => flight,
                Err(error) => break error,
            };
            if let Err(error) = self.wait(flight).await {
                break error;
            }
        };
        if self.state.lock().is_closed() {
            return Err(Error::shutdown());
        }
        match self.manual_tokens.get().await.unwrap_or_else(|error| self.without_manual(&error)) {
            Some(snapshot) => Ok(Some(snapshot)),
            None if self.config.on_failure == OnFailure::Throw => Err(failure),
            None => Ok(None),
        }
    }

    /// Requests a new token now, however fresh the old one is; joins a refresh under way.
    ///
    /// # Errors
    /// Why no token could be obtained.
    pub(super) async fn refresh(&self) -> Result<()> {
        if !self.config.has_credentials() {
            let message = "is not set: evertoken cannot refresh a manual token. Set authUrl and a credential";
            return Err(Error::config("authUrl", message));
        }
        let before = self.state.lock().history().counters().refreshes;
        loop {
            let flight = self.refresher.start(RefreshReason::Requested)?;
            let was_own = flight.reason() == RefreshReason::Requested;
            self.wait(flight).await?;
            // One that started for another reason may have found the token fresh, and requested none.
            if was_own || self.state.lock().history().counters().refreshes > before {
                return Ok(());
            }
        }
    }

    /// The API answered 401 to the token of this generation: whether a later one is held now.
    ///
    /// # Errors
    /// Why a later one could not be obtained.
    pub(super) async fn rejected(&self, generation: Generation) -> Result<bool> {
        let reason = RefreshReason::Rejected(generation);
        loop {
            {
                let mut state = self.state.lock();
                if state.is_closed() {
                    return Err(Error::shutdown());
                }
                if state.has_later_than(generation, self.clock.now()) {
                    state.count_retry_on_401();
                    return Ok(true);
                }
            }
            if generation == Generation::default() && self.manual_tokens.has_later().await {
                self.observer.changed();
                return Ok(true);
            }
            if !self.config.has_credentials() {
                return Ok(false);
            }
            // An attempt that started for another reason may bring a later token, or only find the old one fresh: then
            // one for this reason follows.
            let flight = self.refresher.start_with_new_secrets(reason).await?;
            let was_own = flight.reason() == reason;
            let result = self.wait(flight).await;
            if !self.state.lock().has_later_than(generation, self.clock.now()) {
                result?;
                if was_own {
                    return Ok(false);
                }
            }
        }
    }

    /// A proof for one request with the token of this generation; none if another token has replaced it.
    ///
    /// # Errors
    /// `Config` for an invalid method or URL; `Shutdown`.
    pub(super) fn proof(&self, method: &str, url: &str, generation: Generation) -> Result<Option<DpopProof>> {
        if TokenType::parse(method).is_none() {
            return Err(Error::config(
                "request.method",
                "must be the HTTP method of the request, such as GET",
            ));
        }
        let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| {
            Error::config("request.url", "must be the absolute http or https URL of the request")
        })?;
        let binding = {
            let state = self.state.lock();
            match state.held() {
                _ if state.is_closed() => return Err(Error::shutdown()),
                // The manual token is not bound to a key.
                _ if generation == Generation::default() => None,
                Some(held) if held.generation == generation => held.binding(),
                Some(_) | None => return Ok(None),
            }
        };
        let Some((key, token)) = binding else { return Ok(Some(DpopProof::NotNeeded)) };
        let proof = self.signer.prove(&key, method, &url, Some(&token))?;
        Ok(Some(DpopProof::Header(proof)))
    }

    /// The manual token of a service that has nothing else.
    async fn without_credentials(&self) -> Result<Option<Snapshot>> {
        match self.manual_tokens.get().await {
            Err(error) if self.config.on_failure == OnFailure::Throw => Err(error),
            Err(error) => Ok(self.without_manual(&error)),
            manual => manual,
        }
    }

    /// The manual token cannot be read, and the caller gets none.
    fn without_manual(&self, error: &Error) -> Option<Snapshot> {
        self.observer.log_error(Level::Warn, "could not read the manual token", error);
        None
    }

    /// Waits for an attempt's result, or for the end of the service.
    async fn wait(&self, flight: Flight) -> Result<()> {
        tokio::select! {
            biased;
            result = flight.result() => result,
            () = self.observer.closed() => Err(Error::shutdown()),
        }
    }
}
