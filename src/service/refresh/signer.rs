//! What is signed: assertions of the client (RFC 7523) and proofs of possession (RFC 9449), dated by the token server's
//! clock and with its nonces.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use url::Url;

use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::ClientKey;
use crate::domain::{AccessToken, Secret, Timestamp};
use crate::error::Result;
use crate::oauth::{self, ProofKey, ProofTarget, UnsignedRequest};
use crate::sync::Mutex;
use crate::transport::{Request, Response};

/// One token is for a few origins. A program that calls more of them gets some nonces from the servers again.
const MAX_NONCES: usize = 256;

/// A proof for one request with a token.
#[derive(Debug)]
pub enum DpopProof {
    /// The value of the `DPoP` header.
    Header(Secret),
    /// The token is not bound to a key, and needs none.
    NotNeeded,
}

/// Signs requests, with what earlier responses said of the clock and the nonce.
pub(in crate::service) struct Signer {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    client_key: Option<Arc<ClientKey>>,
    /// The latest nonce of each origin (RFC 9449 §8.2).
    nonces: Mutex<HashMap<String, String>>,
    /// How far the token server's clock is ahead, in milliseconds.
    clock_ahead: AtomicI64,
}

impl Signer {
    pub(in crate::service) fn new(
        config: Arc<Config>,
        clock: Arc<dyn Clock>,
        client_key: Option<Arc<ClientKey>>,
    ) -> Self {
        Self { config, clock, client_key, nonces: Mutex::default(), clock_ahead: AtomicI64::new(0) }
    }

    /// The request with the client's assertion, where it needs one. Each is for one sending.
    ///
    /// # Errors
    /// `Config` if the client's key cannot be read.
    pub(in crate::service) async fn sign(&self, unsigned: &UnsignedRequest) -> Result<Request> {
        let (Some(token_endpoint), Some(client_key), Some(client_id)) =
            (&unsigned.asserted_to, &self.client_key, &self.config.credentials.client_id)
        else {
            return Ok(unsigned.request.clone());
        };
        let audience = self.config.assertion_audience(token_endpoint);
        let kid = client_key.config.kid.as_deref();
        let key = client_key.get().await?;
        let assertion = oauth::client_assertion(client_id, audience, &key, kid, self.server_now())?;
        Ok(unsigned.with_assertion(&assertion))
    }

    /// A proof by `key` for one request, which carries `token` if there is one.
    pub(in crate::service) fn prove(
        &self,
        key: &ProofKey,
        method: &str,
        url: &Url,
        token: Option<&AccessToken>,
    ) -> Result<Secret> {
        let nonce = self.nonces.lock().get(&url.origin().ascii_serialization()).cloned();
        key.proof(&ProofTarget { method, url, token, nonce: nonce.as_deref() }, self.server_now())
    }

    /// The next proofs for the origin of `url` carry this nonce.
    pub(in crate::service) fn remember_nonce(&self, url: &Url, nonce: &str) {
        let origin = url.origin().ascii_serialization();
        let mut nonces = self.nonces.lock();
        if nonces.len() >= MAX_NONCES && !nonces.contains_key(&origin) {
            nonces.clear();
        }
        nonces.insert(origin, nonce.to_owned());
    }

    /// Notes the token server's clock. Whether that moves the date of signatures by more than servers tolerate.
    pub(super) fn note_server_clock(&self, response: &Response) -> bool {
        let Some(ahead) = oauth::server_clock(response, self.clock.now()) else { return false };
        let before = self.clock_ahead.swap(ahead, Ordering::Relaxed);
        oauth::clocks_differ(ahead - before)
    }

    fn server_now(&self) -> Timestamp {
        let ahead = self.clock_ahead.load(Ordering::Relaxed);
        Timestamp::from_millisecond(self.clock.now().as_millisecond().saturating_add(ahead))
    }
}
