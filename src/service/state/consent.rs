//! Whether someone has to consent before a token can be requested, with `grant: 'refresh_token'`.

use std::time::Duration;

use super::TokenState;
use super::history::LastError;
use crate::config::{Config, GrantType, seed_digest};
use crate::domain::{ConsentExpiry, Generation, Secret, SeedDigest, Seeds, Timestamp};
use crate::error::{Error, ErrorKind, ServerError};
use crate::service::state::HeldToken;
use crate::store::Revision;

const ENDED: &str = "the consent has ended: someone has to sign in again and pass the new refresh token to adopt(), or \
                     set refreshToken";

const NONE_YET: &str = "there is no refresh token: someone has to sign in and pass the refresh token to adopt(), or set \
                        refreshToken";

/// What a service knows about consent, besides what belongs to the token that it holds.
#[derive(Debug, Default)]
pub(super) struct ConsentState {
    /// Whether a refresh token is the only way to a token.
    is_required: bool,
    /// The configured refresh token.
    seed: Option<SeedDigest>,
    /// Those that the stored records so far began with or replaced.
    known: Seeds,
    /// The configured refresh token that the server refused before it ever brought a token.
    refused: Option<(SeedDigest, Timestamp)>,
    /// Whether the stored record cannot be decrypted.
    is_unreadable: bool,
}

impl ConsentState {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            is_required: config.grant == Some(GrantType::RefreshToken),
            seed: config.credentials.refresh_token.as_ref().map(seed_digest),
            ..Self::default()
        }
    }

    /// The record was removed on purpose: the configured refresh token is all there is.
    pub(super) fn begin_again(&mut self) {
        self.known = Seeds::default();
        self.refused = None;
        self.is_unreadable = false;
    }

    /// A token is held from now on: what it began with is not spent again.
    pub(super) fn see_held(&mut self, token: &HeldToken) {
        self.known.merge(&token.consent.seeds);
        self.refused = None;
        self.is_unreadable = false;
    }

    /// Whether the configured refresh token was never spent, as far as is known.
    fn has_new_seed(&self) -> bool {
        let is_refused = |seed| self.refused.as_ref().is_some_and(|(refused, _)| refused == seed);
        self.seed.as_ref().is_some_and(|seed| !self.known.contains(seed) && !is_refused(seed))
    }
}

/// The error of a service whose refresh token the server refused.
pub(in crate::service) fn consent_ended(status: Option<u16>, server_error: Option<ServerError>) -> Error {
    let mut error = Error::new(ErrorKind::Consent, ENDED);
    if let Some(status) = status {
        error = error.with_status(status);
    }
    match server_error {
        Some(server_error) => error.with_server_error(server_error),
        None => error,
    }
}

impl TokenState {
    /// Why no token can be requested: someone has to consent.
    pub(in crate::service) fn missing_consent(&self) -> Option<Error> {
        if !self.consent.is_required || self.has_refresh_token() || self.consent.has_new_seed() {
            return None;
        }
        let has_ended = self.consent_ended_at().is_some();
        Some(if has_ended { consent_ended(None, None) } else { Error::new(ErrorKind::Consent, NONE_YET) })
    }

    /// Whether a refresh token is held.
    pub(in crate::service) fn has_refresh_token(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.tokens.refresh_token.is_some())
    }

    /// Whether a refresh token is the only way to a token.
    pub(super) fn needs_consent(&self) -> bool {
        self.consent.is_required
    }

    /// When the server refused the refresh token, if nothing has replaced it since.
    pub(in crate::service) fn consent_ended_at(&self) -> Option<Timestamp> {
        if !self.consent.is_required || self.consent.has_new_seed() {
            return None;
        }
        match &self.held {
            Some(held) if held.tokens.refresh_token.is_some() => None,
            Some(held) if held.consent.ended_at.is_some() => held.consent.ended_at,
            _ => self.consent.refused.as_ref().map(|(_, at)| *at),
        }
    }

    /// The refresh token to spend: the configured one if it is new, else the one that is held.
    ///
    /// # Errors
    /// `Consent` if there is none; `Decrypt` if the one that followed from the configured one is in a record that cannot
    /// be decrypted.
    pub(in crate::service) fn consent_to_spend(
        &mut self,
        configured: Option<&Secret>,
    ) -> Result<Secret, Error> {
        self.consent.seed = configured.map(seed_digest);
        let held = self.held.as_ref().and_then(|held| held.tokens.refresh_token.clone());
        match configured.filter(|_| self.consent.has_new_seed()) {
            Some(_) if self.consent.is_unreadable && held.is_none() => {
                const UNREADABLE: &str = "the stored record cannot be decrypted, and may contain the refresh token that \
                                          replaced the configured one: set the encryptionKey that encrypted it. If that \
                                          is lost, clear() deletes the record";
                Err(Error::new(ErrorKind::Decrypt, UNREADABLE))
            }
            Some(seed) => Ok(seed.clone()),
            None => held.ok_or_else(|| {
                self.missing_consent().unwrap_or_else(|| Error::new(ErrorKind::Consent, NONE_YET))
            }),
        }
    }

    /// The server refused `sent`, and no other process has a later one. Whether the stored record says so once it is
    /// stored again; a configured refresh token that never brought a token is not part of any record.
    pub(in crate::service) fn end_consent(&mut self, sent: &Secret, now: Timestamp) -> bool {
        if let Some(held) = self.held.as_mut().filter(|held| held.has_refresh_token(sent)) {
            held.set_refresh_token(None);
            held.consent.ended_at = Some(now);
            return true;
        }
        self.refuse_seed(now);
        false
    }

    /// Sending `sent` brought a token of no use, and the `next` refresh token.
    pub(in crate::service) fn rotate_consent(&mut self, sent: &Secret, next: Secret, now: Timestamp) {
        let seeds = self.seeds();
        match self.held.as_mut().filter(|held| held.has_refresh_token(sent)) {
            Some(held) => held.set_refresh_token(Some(next)),
            None => self.hold(HeldToken::of_refresh_token(next, seeds, now)),
        }
    }

    /// The configured refresh token was refused, by this process or another, and never brought a token.
    pub(in crate::service) fn refuse_seed(&mut self, now: Timestamp) {
        self.consent.refused = self.consent.seed.clone().map(|seed| (seed, now));
        self.history.last_error = Some(LastError::new(&consent_ended(None, None), now));
    }

    /// Whether the configured refresh token is new to a record that these belong to.
    pub(in crate::service) fn replaces(&mut self, seeds: &Seeds) -> bool {
        self.consent.known.merge(seeds);
        let is_new = |seed: &SeedDigest| !seeds.contains(seed);
        self.consent.is_required && self.consent.seed.as_ref().is_some_and(is_new)
    }

    /// The configured refresh tokens that the next record begins with or replaces.
    pub(in crate::service) fn seeds(&self) -> Seeds {
        let mut seeds = self.consent.known.clone();
        if let Some(seed) = &self.consent.seed {
            seeds.add(seed.clone());
        }
        seeds
    }

    /// Notes whether the stored record can be decrypted.
    pub(in crate::service) fn see_readable(&mut self, is_readable: bool) {
        self.consent.is_unreadable = !is_readable;
    }

    /// When the alert that the consent ends is due, `period` before it does.
    pub(in crate::service) fn consent_alert_at(&self, period: Duration) -> Option<Timestamp> {
        let held = self.held.as_ref().filter(|held| held.tokens.refresh_token.is_some())?;
        let expiry = held.consent.expiry.filter(|expiry| self.consent.is_required && !expiry.is_announced)?;
        Some(expiry.alert_at(period))
    }

    /// When the refresh token expires, if the server says so.
    pub(in crate::service) fn refresh_token_expires_at(&self) -> Option<Timestamp> {
        let held = self.held.as_ref().filter(|held| held.tokens.refresh_token.is_some())?;
        held.consent.expiry.map(|expiry| expiry.until)
    }

    /// The alert about the consent of this generation goes out; it is stored under `revision` that it does.
    pub(in crate::service) fn mark_consent_announced(
        &mut self,
        generation: Generation,
        revision: Option<Revision>,
    ) {
        if let Some(held) = self.held.as_mut().filter(|held| held.generation == generation) {
            held.consent.expiry = held.consent.expiry.map(ConsentExpiry::announced);
        }
        if let Some(revision) = revision {
            self.mark_stored(generation, revision);
        }
    }

    /// A token was handed in, and its record was stored. What was requested before is not kept.
    pub(in crate::service) fn adopt_handed_in(
        &mut self,
        token: HeldToken,
        revision: Revision,
        now: Timestamp,
    ) {
        self.epoch += 1;
        self.revisions.see(Some(revision));
        self.hold(token);
        self.succeed();
        self.note(super::Outcome::Adopted, now, now, None);
    }
}
