//! The requests of one attempt.

use std::time::Duration;

use async_trait::async_trait;

use super::Service;
use crate::domain::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::log::Level;
use crate::oauth::{self, Draft, Granted, Reading, Refusal};
use crate::strategy::Exchange;
use crate::transport::Request;

/// One attempt's requests: counted, timed, read.
pub(super) struct Asking<'s> {
    pub(super) service: &'s Service,
    pub(super) deadline: Timestamp,
}

impl<'s> Asking<'s> {
    /// An attempt that may take as long as the configuration says.
    pub(super) fn begin(service: &'s Service) -> Self {
        Self { service, deadline: service.clock.now().plus(service.config.timeout) }
    }

    /// What is left of the attempt's time; no more than the whole of it, wherever the clock was set to.
    pub(super) fn time_left(&self) -> Duration {
        self.service.clock.now().until(self.deadline).min(self.service.config.timeout)
    }
}

#[async_trait]
impl Exchange for Asking<'_> {
    async fn exchange(&self, draft: Draft) -> Result<Granted, Refusal> {
        let service = self.service;
        let url = draft.request.url.clone();
        let place = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let time_left = self.time_left();
        if time_left.is_zero() {
            let timeout = service.config.timeout.as_millis();
            return Err(Refusal::Failed(Error::new(
                ErrorKind::Timeout,
                format!("{place} gave no token within {timeout} ms"),
            )));
        }
        let request = service.signed(&draft).await.map_err(Refusal::Failed)?;
        service.life().counters.token_requests += 1;
        service.log(|log| log.say(Level::Debug, format!("POST {place}")));
        let response = service.transport.send(request, time_left).await.map_err(Refusal::Failed)?;
        let reading = Reading {
            login: &service.config.login,
            scheme: service.config.scheme.as_ref(),
            secrets: service.config.credentials.secrets().collect(),
            place,
            now: service.clock.now(),
        };
        oauth::read(&response, &reading)
    }
}

impl Service {
    /// The request with what is made anew each time it is sent.
    ///
    /// # Errors
    /// `Config`, where the client's key cannot be read.
    pub(super) async fn signed(&self, draft: &Draft) -> Result<Request> {
        let (Some(token_endpoint), Some(client_key), Some(client_id)) =
            (&draft.asserted_to, &self.client_key, &self.config.credentials.client_id)
        else {
            return Ok(draft.request.clone());
        };
        let audience = self.config.assertion_audience(token_endpoint);
        let kid = client_key.config.kid.as_deref();
        let key = client_key.get().await?;
        let assertion = oauth::client_assertion(client_id, audience, &key, kid, self.clock.now())?;
        Ok(draft.with_assertion(&assertion))
    }
}
