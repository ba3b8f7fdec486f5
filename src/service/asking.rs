//! The requests of one attempt.

use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use super::Service;
use crate::domain::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::grants::Exchange;
use crate::log::Level;
use crate::oauth::{self, Granted, ProofKey, Refusal, ResponseContext, UnsignedRequest};
use crate::transport::{Request, Response};

/// One attempt's requests: counted, timed, read.
pub(super) struct TokenRequest<'s> {
    pub(super) service: &'s Service,
    pub(super) deadline: Timestamp,
    /// The key that tokens are to be bound to.
    pub(super) proof_key: Option<ProofKey>,
}

impl<'s> TokenRequest<'s> {
    /// An attempt that may take as long as the configuration says.
    pub(super) fn begin(service: &'s Service) -> Self {
        let deadline = service.clock.now().plus(service.config.timeout);
        Self { service, deadline, proof_key: None }
    }

    /// What is left of the attempt's time; no more than the whole of it, wherever the clock was set to.
    pub(super) fn time_left(&self) -> Duration {
        self.service.clock.now().until(self.deadline).min(self.service.config.timeout)
    }
}

#[async_trait]
impl Exchange for TokenRequest<'_> {
    async fn exchange(&self, draft: UnsignedRequest) -> Result<Granted, Refusal> {
        let service = self.service;
        let mut response = self.send(&draft).await?;
        let (is_asserted, is_proven) = (draft.asserted_to.is_some(), self.proof_key.is_some());
        // Neither is a refusal of what was asked for: the server only says what to sign.
        if (is_proven && oauth::asks_for_nonce(&response.answer))
            || (response.has_set_clock
                && oauth::may_refuse_the_date(&response.answer, is_asserted, is_proven))
        {
            response = self.send(&draft).await?;
        }
        let sent = draft.secrets();
        let reading = ResponseContext {
            login: &service.config.login,
            is_refresh: draft.is_refresh,
            never_expires: service.config.policy.never_expires,
            scheme: service.config.scheme.as_ref(),
            kept: &service.config.fields,
            scope: service.config.scope.as_deref(),
            dpop: service.config.dpop,
            secrets: service.config.secrets().collect(),
            sent: sent.iter().collect(),
            place: place(&draft.request.url),
            now: service.clock.now(),
        };
        oauth::read(&response.answer, &reading)
    }
}

/// An answer, and whether it was the first to show how wrong the local clock is.
struct TimedResponse {
    answer: Response,
    has_set_clock: bool,
}

impl TokenRequest<'_> {
    /// Sends what is drafted, with signatures of its own.
    async fn send(&self, draft: &UnsignedRequest) -> Result<TimedResponse, Refusal> {
        let service = self.service;
        let place = place(&draft.request.url);
        let time_left = self.time_left();
        if time_left.is_zero() {
            let timeout = service.config.timeout.as_millis();
            return Err(Refusal::Failed(Error::new(
                ErrorKind::Timeout,
                format!("{place} gave no token within {timeout} ms"),
            )));
        }
        let mut request = service.signed(draft).await.map_err(Refusal::Failed)?;
        if let Some(key) = &self.proof_key {
            let url = &draft.request.url;
            let proof =
                service.prove(key, draft.request.method.as_str(), url, None).map_err(Refusal::Failed)?;
            request.headers.push(("dpop".into(), proof));
        }
        service.life().counters.token_requests += 1;
        service.log(|log| log.write(Level::Debug, format!("{} {place}", draft.request.method)));
        let answer = service.transport.send(request, time_left).await.map_err(Refusal::Failed)?;
        if let Some(nonce) = oauth::fresh_nonce(&answer) {
            service.signing.remember_nonce(&draft.request.url, nonce);
        }
        let has_set_clock = service.signing.note_server_clock(&answer, service.clock.now());
        Ok(TimedResponse { answer, has_set_clock })
    }
}

fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

impl Service {
    /// The request with what is made anew each time it is sent.
    ///
    /// # Errors
    /// `Config`, where the client's key cannot be read.
    pub(super) async fn signed(&self, draft: &UnsignedRequest) -> Result<Request> {
        let (Some(token_endpoint), Some(client_key), Some(client_id)) =
            (&draft.asserted_to, &self.client_key, &self.config.credentials.client_id)
        else {
            return Ok(draft.request.clone());
        };
        let audience = self.config.assertion_audience(token_endpoint);
        let kid = client_key.config.kid.as_deref();
        let key = client_key.get().await?;
        let assertion = oauth::client_assertion(client_id, audience, &key, kid, self.server_now())?;
        Ok(draft.with_assertion(&assertion))
    }
}
