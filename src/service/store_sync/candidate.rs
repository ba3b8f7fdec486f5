//! Whether the token of a stored record replaces the one in memory.

use super::StoreSync;
use crate::config::BaseUrl;
use crate::domain::{AnswerFields, Generation, Lifetime, Timestamp, TokenSet};
use crate::grants;
use crate::oauth::ProofKey;
use crate::service::state::{HeldToken, Sharing, Source, TokenState};
use crate::store::{Revision, StoredState, StoredToken};

/// What a look at the record is worth.
pub(super) enum Candidate {
    /// A token to use.
    Token(Box<HeldToken>),
    /// Nothing that is better than the token in memory.
    Nothing,
    /// A later token that is for another configuration.
    OfAnother,
}

impl StoreSync {
    pub(super) fn candidate(
        &self,
        state: &mut TokenState,
        record: StoredToken,
        revision: Revision,
        now: Timestamp,
    ) -> Candidate {
        let is_sealed = record.state.is_some();
        let stored = record.state.unwrap_or_default();
        let lifetime = self.lifetime_of(record.issued_at, record.expires_at, &stored);
        let is_later = state.see(Some(revision));
        if stored.identity.is_some_and(|identity| identity != self.config.identity) {
            return if is_later { Candidate::OfAnother } else { Candidate::Nothing };
        }
        if state.was_cleared(revision) {
            return Candidate::Nothing;
        }
        // While the store failed, this process obtained a newer token than the one that another stored since. If it may
        // have been stored, what is there now may have followed from it, however the clock of the other is set.
        let is_newer = |held: &HeldToken| {
            held.revision.is_none()
                && held.sharing != Sharing::Perhaps
                && held.is_usable(now)
                && held.tokens.lifetime.issued_at() > record.issued_at
        };
        if state.held().is_some_and(is_newer) {
            return Candidate::Nothing;
        }
        // An earlier record (a copy that was put back) is better than nothing. One that was seen before is better than an
        // earlier one, which a look brought late: its refresh token was spent since.
        let is_needed = state.held().is_none_or(|held| {
            let is_alive = lifetime.is_usable(now) && !held.is_usable(now) && held.revision != Some(revision);
            is_alive || held.revision.is_some_and(|held| revision.is_later_than(held))
        });
        if !is_later && !is_needed {
            return Candidate::Nothing;
        }
        let stored_key = stored.proof_key.filter(|_| self.config.dpop);
        let proof_key = stored_key.and_then(|key| ProofKey::from_secret(&key).ok());
        // Obtained before `dpop` was set, or after it was removed: a new token is requested.
        if proof_key.is_none() && (self.config.dpop || record.scheme.is_dpop()) {
            return Candidate::Nothing;
        }
        // A token that another program put there was most likely obtained by the first request of the search.
        let guess = if is_sealed { None } else { grants::first_request(&self.config) };
        let grant = stored.grant.or(guess);
        Candidate::Token(Box::new(HeldToken {
            tokens: TokenSet {
                access_token: record.access_token,
                scheme: record.scheme,
                refresh_token: record.refresh_token,
                lifetime,
            },
            generation: Generation::default(),
            source: Source::Store,
            // A writer to the store must not decide where credentials go.
            grant: grant.filter(|grant| grant.is_allowed(&self.config)),
            fields: self.fields_of(stored.fields),
            proof_key,
            revision: Some(revision),
            sharing: Sharing::Yes,
            refresh_has_failed: false,
        }))
    }

    /// The stored fields that the configuration keeps. A function that logs in chooses them itself.
    fn fields_of(&self, stored: AnswerFields) -> AnswerFields {
        if self.config.login.is_function { stored } else { stored.only(self.config.field_names()) }
    }

    /// The lifetime of a stored token. A process with another configuration may not have kept all `fields`: then a
    /// refresh is due at once, and where one of them names the API's URL, the token is of no use.
    fn lifetime_of(
        &self,
        issued_at: Timestamp,
        expires_at: Option<Timestamp>,
        stored: &StoredState,
    ) -> Lifetime {
        let lifetime = self.lifetime(issued_at, expires_at);
        if stored.fields.cover(self.config.field_names()) {
            return lifetime;
        }
        match self.config.base_url {
            Some(BaseUrl::Template(_)) => self.lifetime(issued_at, Some(issued_at)),
            _ => lifetime.due_at_once(),
        }
    }
}
