//! Proofs of possession, and what they are made by: the key in hand, the servers' nonces and clock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use url::Url;

use super::Service;
use crate::domain::{AccessToken, Generation, Secret, Timestamp, TokenType};
use crate::error::{Error, Result};
use crate::log::Level;
use crate::oauth::{self, ProofKey, ProofTarget};
use crate::sync::Mutex;
use crate::transport::Response;

/// Nobody calls more origins with one token; whoever does asks some of them twice.
const MOST_NONCES: usize = 256;

/// What is remembered from answers for the next signature.
#[derive(Default)]
pub(super) struct Signing {
    /// The latest nonce of each origin (RFC 9449 §8.2).
    nonces: Mutex<HashMap<String, String>>,
    /// How far the token server's clock is ahead, in milliseconds.
    ahead: AtomicI64,
}

impl Signing {
    pub(super) fn remember_nonce(&self, url: &Url, nonce: &str) {
        let origin = url.origin().ascii_serialization();
        let mut nonces = self.nonces.lock();
        if nonces.len() >= MOST_NONCES && !nonces.contains_key(&origin) {
            nonces.clear();
        }
        nonces.insert(origin, nonce.to_owned());
    }

    fn nonce(&self, url: &Url) -> Option<String> {
        let nonces = self.nonces.lock();
        nonces.get(&url.origin().ascii_serialization()).cloned()
    }

    /// Notes the server's clock; whether that moved what is signed from now on by more than the tolerance.
    pub(super) fn note_server_clock(&self, answer: &Response, now: Timestamp) -> bool {
        let Some(ahead) = oauth::server_clock(answer, now) else { return false };
        let before = self.ahead.swap(ahead, Ordering::Relaxed);
        oauth::clocks_differ(ahead - before)
    }
}

/// A proof for one request with the token in hand.
#[derive(Debug)]
pub enum DpopProof {
    /// For the `DPoP` header.
    Made(Secret),
    /// The token is not bound to a key, and needs none.
    NotNeeded,
}

impl Service {
    /// The present by the token server's clock, as far as it told: what is signed is dated by it.
    pub(super) fn server_now(&self) -> Timestamp {
        let ahead = self.signing.ahead.load(Ordering::Relaxed);
        Timestamp::from_millisecond(self.clock.now().as_millisecond().saturating_add(ahead))
    }

    /// The key to ask with: that of the token in hand, else a new one. None without `dpop`.
    pub(super) fn proof_key_in_hand(&self) -> Result<Option<ProofKey>> {
        if !self.config.dpop {
            return Ok(None);
        }
        let held = self.life().held.as_ref().and_then(|held| held.proof_key.clone());
        held.map_or_else(ProofKey::generate, Ok).map(Some)
    }

    pub(super) fn prove(
        &self,
        key: &ProofKey,
        method: &str,
        url: &Url,
        token: Option<&AccessToken>,
    ) -> Result<Secret> {
        let nonce = self.signing.nonce(url);
        key.proof(&ProofTarget { method, url, token, nonce: nonce.as_deref() }, self.server_now())
    }

    /// A proof for one request that carries the token of this generation; none when another is in hand by now.
    ///
    /// # Errors
    /// `Config` for what is no method or no address of a request; `Shutdown`.
    pub fn proof(&self, method: &str, url: &str, generation: Generation) -> Result<Option<DpopProof>> {
        if TokenType::parse(method).is_none() {
            return Err(Error::config("request.method", "must be the method of the request, such as GET"));
        }
        let url =
            Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(|| {
                Error::config("request.url", "must be the absolute http or https URL of the request")
            })?;
        let (key, token) = {
            let life = self.life();
            if life.closed {
                return Err(Error::shutdown());
            }
            match &life.held {
                // The manual token is nobody's.
                _ if generation == Generation::default() => return Ok(Some(DpopProof::NotNeeded)),
                Some(held) if held.generation != generation => return Ok(None),
                None => return Ok(None),
                Some(held) if !held.tokens.scheme.is_dpop() => return Ok(Some(DpopProof::NotNeeded)),
                Some(held) => (held.proof_key.clone(), held.tokens.access_token.clone()),
            }
        };
        match key {
            Some(key) => {
                self.prove(&key, method, &url, Some(&token)).map(|proof| Some(DpopProof::Made(proof)))
            }
            None => Ok(Some(DpopProof::NotNeeded)),
        }
    }

    /// A server gave this nonce in an answer (RFC 9449 §9): the next proofs for its origin carry it.
    pub fn remember_nonce_for(&self, url: &str, nonce: &str) {
        if let (Ok(url), true) = (Url::parse(url), oauth::is_nonce(nonce)) {
            self.signing.remember_nonce(&url, nonce);
        }
    }

    /// Says once that the server does not do what `dpop` is for.
    pub(super) fn warn_of_unbound(&self, scheme: &TokenType) {
        let is_bound = !self.config.dpop || scheme.is_dpop();
        if is_bound || std::mem::replace(&mut self.life().warned_of_unbound, true) {
            return;
        }
        self.log(|log| {
            log.write(
                Level::Warn,
                "the token server binds no token to its key: it is sent as Bearer, without dpop",
            );
        });
    }
}
