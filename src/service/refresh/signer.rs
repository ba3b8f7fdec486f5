//! What is signed: assertions of the client (RFC 7523) and proofs of possession (RFC 9449), dated by the token server's
//! clock and with its nonces.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use url::Url;

use super::presented::{AssertionTarget, PresentedParts};
use crate::clock::Clock;
use crate::config::{Config, GrantAssertion, Presented};
use crate::crypto::{ClientKey, JwsHeader, ReadyKey, UnsignedToken};
use crate::domain::{AccessToken, Secret, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::functions::UserFunctions;
use crate::grants;
use crate::oauth::{self, LatePart, ProofKey, ProofTarget, Statement, UnsignedRequest};
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

/// A request as it is sent once.
pub(in crate::service) struct SignedRequest {
    pub(in crate::service) request: Request,
    /// The secrets that were added to it.
    pub(in crate::service) secrets: Vec<Secret>,
    /// What of it was signed here, and so dated.
    pub(in crate::service) signed: Vec<LatePart>,
}

/// The configuration was checked: it contains what it signs with.
fn missing_key() -> Error {
    Error::new(ErrorKind::Internal, "there is no key to sign with")
}

/// Signs requests, with what earlier responses said of the clock and the nonce.
pub(in crate::service) struct Signer {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    client_key: Option<Arc<ClientKey>>,
    presented: PresentedParts,
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
        functions: Option<Arc<dyn UserFunctions>>,
    ) -> Self {
        let presented = PresentedParts { functions };
        Self {
            config,
            clock,
            client_key,
            presented,
            nonces: Mutex::default(),
            clock_ahead: AtomicI64::new(0),
        }
    }

    /// The request with its assertions. Each is for one sending. A function gets at most `longest`.
    ///
    /// # Errors
    /// `Config` if the client's key, an assertion or a token cannot be read, or has expired. What a function threw.
    pub(in crate::service) async fn sign(
        &self,
        unsigned: &UnsignedRequest,
        longest: Duration,
    ) -> Result<SignedRequest> {
        let mut signed =
            SignedRequest { request: unsigned.request.clone(), secrets: Vec::new(), signed: Vec::new() };
        for part in &unsigned.late {
            let (value, is_signed) = match self.given(part, longest).await? {
                Some(given) => (given, false),
                None => (self.signed(part, longest).await?, true),
            };
            part.add_to(&mut signed.request, &value);
            signed.secrets.push(value);
            signed.signed.extend(is_signed.then(|| part.clone()));
        }
        Ok(signed)
    }

    /// The value of a part that somebody else makes.
    async fn given(&self, part: &LatePart, longest: Duration) -> Result<Option<Secret>> {
        let config = &self.config;
        let Presented { client_assertion, assertion, subject, .. } = &*config.presented;
        let (source, field, audience) = match (part, client_assertion, assertion) {
            (LatePart::ClientAssertion(url), Some(source), _) => {
                (source, "clientAssertion", config.assertion_audience(url))
            }
            (
                LatePart::GrantAssertion(url) | LatePart::BearerAssertion(url),
                _,
                Some(GrantAssertion::Given(source)),
            ) => (source, "assertion", url.as_str()),
            (LatePart::SubjectToken, ..) => {
                return self.presented.subject_token(subject.as_ref(), longest).await.map(Some);
            }
            _ => return Ok(None),
        };
        let client_id = config.credentials.client_id.as_deref();
        let target = AssertionTarget { field, client_id, audience, now: self.server_now() };
        self.presented.assertion(source, &target, longest).await.map(Some)
    }

    /// The value of a part that is signed here.
    async fn signed(&self, part: &LatePart, longest: Duration) -> Result<Secret> {
        let (config, now) = (&self.config, self.server_now());
        let of_client = |token_endpoint| {
            let client_id = config.credentials.client_id.as_deref().unwrap_or_default();
            Statement::of_client(client_id, config.assertion_audience(token_endpoint)).claims(now)
        };
        let key = match part {
            LatePart::SecretAssertion(token_endpoint) => {
                let secret = config.credentials.client_secret.as_ref().ok_or_else(missing_key)?;
                let token = UnsignedToken::new(&JwsHeader::new("HS256"), &of_client(token_endpoint)?)?;
                return Ok(token.sign_hs256(secret));
            }
            _ => self.key().await?,
        };
        let token = match part {
            LatePart::GrantAssertion(url) | LatePart::BearerAssertion(url) => {
                let statement = grants::assertion_statement(config, url, key.account())?;
                key.unsigned(&statement.claims(now)?)?
            }
            LatePart::ClientAssertion(url) | LatePart::SecretAssertion(url) => {
                key.unsigned(&of_client(url)?)?
            }
            LatePart::SubjectToken => return Err(missing_key()),
        };
        self.presented.sign(&key, token, longest).await
    }

    /// The client's key. The first call reads it.
    pub(super) async fn key(&self) -> Result<Arc<ReadyKey>> {
        self.client_key.as_ref().ok_or_else(missing_key)?.get().await
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
