//! Tokens that a program hands in: they replace what is stored before they are used.

use std::time::Duration;

use super::StoreSync;
use crate::domain::{AnswerFields, Backoff, Consent, ConsentExpiry, Generation, Jitter, Timestamp, TokenSet};
use crate::error::{Error, ErrorKind, Result};
use crate::grants;
use crate::oauth::{HandedIn, ProofKey, RefreshExpiry};
use crate::service::state::{HeldToken, Sharing, Source};
use crate::store::{LeaseGrant, Leasing, Revision, StoredState};

/// Between two tries to take the lease while a token request is under way.
const LEASE_TRIES: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(250));

/// How often a save that another process prevents is tried.
const SAVES: u32 = 20;

impl StoreSync {
    /// Stores tokens that were handed in, in place of any others, and then uses them. A token request under way ends
    /// first, so that its token, from the earlier refresh token, does not replace them. Whether there is a usable token.
    ///
    /// # Errors
    /// `Shutdown`; `Storage` if they could not be stored. Then nothing has changed.
    pub(in crate::service) async fn hand_in(&self, given: &HandedIn) -> Result<bool> {
        let _one_at_a_time = self.keeping.lock().await;
        let mut tries = 0;
        loop {
            let lease = self.take_for_handing_in().await?;
            let saved = self.store_handed_in(given, lease.as_ref()).await;
            if let (Some(grant), Ok(None) | Err(_)) = (lease, &saved) {
                // If this fails, the lease ends by itself.
                let _ = self.store.release(grant.fence, grant.note).await;
            }
            tries += 1;
            match saved? {
                Some(is_usable) => return Ok(is_usable),
                None if tries < SAVES => {
                    self.clock.sleep(Jitter::random().full(LEASE_TRIES.wait(tries))).await;
                }
                None => {
                    return Err(Error::new(
                        ErrorKind::Storage,
                        "other processes keep changing the stored record",
                    ));
                }
            }
        }
    }

    /// Waits for the lease. `None` for a store without leases.
    async fn take_for_handing_in(&self) -> Result<Option<LeaseGrant>> {
        const BUSY: &str = "a token request is still under way, and its end was awaited in vain: try again";

        let began = self.clock.moment();
        let mut tries = 0;
        loop {
            if self.state.lock().is_closed() {
                return Err(Error::shutdown());
            }
            let moment = self.clock.moment();
            match self.store.lease_to_keep(moment).await? {
                Leasing::Granted(grant) => return Ok(Some(grant)),
                Leasing::Unknown => return Ok(None),
                // A holder that has died loses it after this time.
                Leasing::Held(_) if moment.since(began) > self.store.lease_length() * 2 => {
                    return Err(Error::new(ErrorKind::Storage, BUSY));
                }
                Leasing::Held(_) => {}
            }
            self.clock.sleep(Jitter::random().half(LEASE_TRIES.wait(tries))).await;
            tries += 1;
        }
    }

    /// Stores them under the lease. `None` if another process has changed the record meanwhile.
    async fn store_handed_in(&self, given: &HandedIn, lease: Option<&LeaseGrant>) -> Result<Option<bool>> {
        // The end of a token request takes the same lock.
        let _turn = self.store.turn().await;
        // What others have stored is replaced knowingly.
        self.adopt(self.attempt()).await;
        if let Some(error) = self.store.read_fault() {
            return Err(error);
        }
        let now = self.clock.now();
        let token = self.held_of(given, now)?;
        let expected = self.state.lock().stored();
        let fence = lease.map(|grant| grant.fence);
        let saved = self.store.save_in_place(&self.record_of(&token), expected, fence).await;
        self.observer.report_store();
        let Some(revision) = saved? else { return Ok(None) };
        self.expect_notice();
        let token = HeldToken { revision: Some(revision), sharing: Sharing::Yes, ..token };
        let is_usable = token.is_usable(now);
        self.state.lock().adopt_handed_in(token, revision, now);
        Ok(Some(is_usable))
    }

    /// The tokens as they are kept in memory. An access token alone does not end the consent: the refresh token stays.
    fn held_of(&self, given: &HandedIn, now: Timestamp) -> Result<HeldToken> {
        let state = self.state.lock();
        let earlier = state.held();
        let proof_key = match earlier.and_then(|held| held.proof_key.clone()) {
            _ if !self.config.dpop => None,
            Some(key) => Some(key),
            None => Some(ProofKey::generate()?),
        };
        let kept = earlier.filter(|_| given.refresh_token.is_none());
        let expiry = match given.refresh_expiry {
            Some(RefreshExpiry::In(life)) => Some(ConsentExpiry::new(now, now.plus(life))),
            Some(RefreshExpiry::Never) => None,
            None => kept.and_then(|held| held.consent.expiry),
        };
        let expires_at = match &given.access_token {
            Some(_) => given.expiry.lifetime(self.config.policy.default_lifetime).map(|life| now.plus(life)),
            None => Some(now),
        };
        let stored = StoredState { fields: fields_of(given, kept), ..StoredState::default() };
        let grant = state.grant().cloned().or_else(|| grants::assumed_request(&self.config));
        Ok(HeldToken {
            tokens: TokenSet {
                access_token: given.access_token.clone(),
                scheme: given.scheme.clone(),
                refresh_token: given
                    .refresh_token
                    .clone()
                    .or_else(|| kept.and_then(|held| held.tokens.refresh_token.clone())),
                lifetime: self.lifetime_of(now, expires_at, &stored),
            },
            generation: Generation::default(),
            source: Source::Store,
            grant: grant.filter(|grant| grant.is_allowed(&self.config)),
            fields: stored.fields,
            proof_key,
            revision: None,
            sharing: Sharing::No,
            consent: Consent { seeds: state.seeds(), expiry, ended_at: None },
            refresh_has_failed: false,
        })
    }

    /// Claims the alert that the consent ends: of all processes, the one that stores that it goes out. If the store
    /// fails, each of them does.
    pub(in crate::service) async fn claim_consent_alert(&self) -> bool {
        let _one_at_a_time = self.keeping.lock().await;
        let lease = match self.store.lease_to_keep(self.clock.moment()).await {
            Ok(Leasing::Granted(grant)) => Some(grant),
            Ok(Leasing::Unknown) => None,
            // A request is under way, and may move the end.
            Ok(Leasing::Held(_)) => return false,
            Err(_) => return self.announce_consent(None),
        };
        let _turn = self.store.turn().await;
        let attempt = self.attempt();
        self.adopt(attempt).await;
        let token = self.state.lock().held().cloned();
        let is_due = self.is_consent_alert_due();
        let saved = match token.filter(|_| is_due) {
            Some(mut token) => {
                token.consent.expiry = token.consent.expiry.map(ConsentExpiry::announced);
                let expected = self.state.lock().stored();
                let fence = lease.as_ref().map(|grant| grant.fence);
                self.store.save_in_place(&self.record_of(&token), expected, fence).await
            }
            None => Ok(None),
        };
        if let (Some(grant), Ok(None) | Err(_)) = (lease, &saved) {
            let _ = self.store.release(grant.fence, grant.note).await;
        }
        match saved {
            Ok(Some(revision)) => {
                self.expect_notice();
                self.announce_consent(Some(revision))
            }
            Ok(None) => false,
            Err(_) => self.announce_consent(None),
        }
    }

    /// Whether the alert that the consent ends is due.
    pub(in crate::service) fn is_consent_alert_due(&self) -> bool {
        let due = self.state.lock().consent_alert_at(self.config.consent_alert);
        due.is_some_and(|due| due <= self.clock.now())
    }

    fn announce_consent(&self, revision: Option<Revision>) -> bool {
        let mut state = self.state.lock();
        let generation = state.held().map(|held| held.generation);
        if let Some(generation) = generation {
            state.mark_consent_announced(generation, revision);
        }
        generation.is_some()
    }
}

/// The fields that came with the tokens; with an access token alone, also the earlier ones.
fn fields_of(given: &HandedIn, kept: Option<&HeldToken>) -> AnswerFields {
    match kept {
        Some(held) => given.fields.clone().with_earlier(&held.fields),
        None => given.fields.clone(),
    }
}
