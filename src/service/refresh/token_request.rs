//! Token requests: signed, sent, counted, and read.

use std::sync::Arc;
use std::time::Duration;

use super::lease::RefreshLease;
use super::signer::Signer;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::Jitter;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::functions::UserFunctions;
use crate::grants::Exchange;
use crate::log::Level;
use crate::oauth::{self, Granted, ProofKey, Refusal, ResponseContext, UnsignedRequest};
use crate::redaction::display_url;
use crate::service::observe::Observer;
use crate::service::state::SharedState;
use crate::transport::{Request, Response, Transport};
use async_trait::async_trait;

/// The way to the token server.
pub(in crate::service) struct TokenClient {
    pub(in crate::service) config: Arc<Config>,
    pub(in crate::service) clock: Arc<dyn Clock>,
    pub(in crate::service) transport: Arc<dyn Transport>,
    pub(in crate::service) state: SharedState,
    pub(in crate::service) observer: Arc<Observer>,
    pub(in crate::service) signer: Arc<Signer>,
    /// The functions of the configuration.
    pub(in crate::service) functions: Option<Arc<dyn UserFunctions>>,
}

impl TokenClient {
    /// An exchange that may take as long as `timeoutMs`, for tokens that are bound to `proof_key`.
    pub(in crate::service) fn begin(&self, proof_key: Option<ProofKey>) -> TokenRequest<'_> {
        let deadline = self.clock.elapsed() + self.config.timeout;
        TokenRequest { client: self, deadline, proof_key, lease: None }
    }
}

/// One exchange with the token server, in one or several requests.
pub(in crate::service) struct TokenRequest<'c> {
    client: &'c TokenClient,
    /// On the clock that is never set.
    deadline: Duration,
    proof_key: Option<ProofKey>,
    lease: Option<&'c RefreshLease>,
}

impl<'c> TokenRequest<'c> {
    /// Sends a token request only while this lease is held.
    pub(super) fn under(self, lease: &'c RefreshLease) -> Self {
        Self { lease: Some(lease), ..self }
    }

    /// The key that the tokens are to be bound to.
    pub(super) fn proof_key(&self) -> Option<&ProofKey> {
        self.proof_key.as_ref()
    }

    /// Another exchange, with all of the time.
    pub(super) fn again(&self) -> Self {
        Self { lease: self.lease, ..self.client.begin(self.proof_key.clone()) }
    }

    /// What is left of the time, however the clock is set.
    pub(in crate::service) fn time_left(&self) -> Duration {
        self.deadline.saturating_sub(self.client.clock.elapsed())
    }

    /// Sends a request that needs no proof, and is not counted as a token request.
    pub(in crate::service) async fn send(&self, request: Request) -> Result<Response> {
        self.client.transport.send(request, self.time_left()).await
    }

    /// Waits before try `tries` + 1, or ends with `error`: when a repetition would not help, after `most` tries, or when
    /// the time would run out.
    pub(super) async fn wait_to_retry(&self, error: Error, tries: &mut u32, most: u32) -> Result<()> {
        let is_refused = error.status().is_some_and(|status| status >= 400);
        let wait = match (error.retry(), error.kind()) {
            (Retry::After(wait), _) => Some(wait),
            (Retry::BackOff, ErrorKind::Response) if !is_refused => None,
            (Retry::BackOff, ErrorKind::Network | ErrorKind::Response) => {
                Some(self.client.state.lock().retry_wait(*tries, Jitter::random()))
            }
            _ => None,
        };
        let Some(wait) = wait.filter(|wait| *tries < most && *wait < self.time_left()) else {
            return Err(error);
        };
        *tries += 1;
        self.client.observer.log_error(Level::Debug, "the token request failed; trying again", &error);
        self.client.clock.sleep(wait).await;
        Ok(())
    }

    /// A credential can be sent twice, and so it is sent if the store cannot tell who holds the lease.
    pub(super) async fn confirm(&self, is_refresh: bool) -> Result<()> {
        let Some(lease) = self.lease else { return Ok(()) };
        match lease.confirm(self.time_left()).await {
            Err(_) if !is_refresh && !lease.is_lost() => Ok(()),
            confirmed => confirmed,
        }
    }

    /// Sends a token request with signatures of its own. Also whether the response is the first to show how wrong the
    /// local clock is.
    async fn send_signed(&self, unsigned: &UnsignedRequest) -> Result<(Response, bool)> {
        let TokenClient { config, observer, signer, state, .. } = self.client;
        let endpoint = display_url(&unsigned.request.url);
        if self.time_left().is_zero() {
            let timeout = config.timeout.as_millis();
            let message = format!("{endpoint} did not issue a token within {timeout} ms (timeoutMs)");
            return Err(Error::new(ErrorKind::Timeout, message));
        }
        let mut request = signer.sign(unsigned).await?;
        if let Some(key) = &self.proof_key {
            let proof = signer.prove(key, request.method.as_str(), &request.url, None)?;
            request.headers.push(("dpop".into(), proof));
        }
        self.confirm(unsigned.is_refresh).await?;
        state.lock().count_token_request();
        observer.log(Level::Debug, format!("{} {endpoint}", request.method));
        let response = self.send(request).await?;
        if let Some(nonce) = oauth::fresh_nonce(&response) {
            signer.remember_nonce(&unsigned.request.url, nonce);
        }
        let has_set_clock = signer.note_server_clock(&response);
        Ok((response, has_set_clock))
    }
}

#[async_trait]
impl Exchange for TokenRequest<'_> {
    async fn exchange(&self, unsigned: UnsignedRequest) -> Result<Granted, Refusal> {
        let config = &self.client.config;
        let (mut response, has_set_clock) = self.send_signed(&unsigned).await.map_err(Refusal::Failed)?;
        let (is_asserted, is_proven) = (unsigned.asserted_to.is_some(), self.proof_key.is_some());
        // Neither refuses what was requested: the server only says what to sign.
        if (is_proven && oauth::asks_for_nonce(&response))
            || (has_set_clock && oauth::may_refuse_the_date(&response, is_asserted, is_proven))
        {
            (response, _) = self.send_signed(&unsigned).await.map_err(Refusal::Failed)?;
        }
        let sent = unsigned.secrets();
        let context = ResponseContext {
            login: &config.login,
            is_refresh: unsigned.is_refresh,
            never_expires: config.policy.never_expires,
            scheme: config.scheme.as_ref(),
            kept: &config.fields,
            scope: config.scope.as_deref(),
            dpop: config.dpop,
            secrets: config.secrets().collect(),
            sent: sent.iter().collect(),
            place: display_url(&unsigned.request.url),
            now: self.client.clock.now(),
        };
        oauth::read(&response, &context)
    }
}
