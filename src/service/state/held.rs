//! A token in memory, and what belongs to it.

use crate::domain::{
    AccessToken, AnswerFields, Consent, Generation, Lifetime, Policy, Secret, Seeds, Timestamp, TokenSet,
    TokenType,
};
use crate::error::Error;
use crate::grants::GrantRequest;
use crate::oauth::ProofKey;
use crate::store::Revision;

/// Where a token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// This process requested it.
    Request,
    /// It was in the store.
    Store,
    /// It is the configured one.
    Manual,
}

impl Source {
    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Store => "store",
            Self::Manual => "manual",
        }
    }
}

/// Whether other processes may have a token, and so spend its refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Sharing {
    /// It was never stored.
    No,
    /// It may have been stored, or may still be: the answer of the store did not come.
    Perhaps,
    /// It is stored, or was.
    Yes,
}

impl Sharing {
    /// Of a token that was not stored for this reason.
    pub(in crate::service) fn after(error: &Error) -> Self {
        if error.may_have_happened() { Self::Perhaps } else { Self::No }
    }
}

/// A token in memory.
#[derive(Clone, Debug)]
pub(in crate::service) struct HeldToken {
    pub(in crate::service) tokens: TokenSet,
    pub(in crate::service) generation: Generation,
    pub(in crate::service) source: Source,
    /// How it was obtained.
    pub(in crate::service) grant: Option<GrantRequest>,
    /// The fields of the response that the configuration keeps.
    pub(in crate::service) fields: AnswerFields,
    /// The key that the tokens are bound to, with `dpop`.
    pub(in crate::service) proof_key: Option<ProofKey>,
    /// The revision of the stored record that holds this very token; none while it is not stored.
    pub(in crate::service) revision: Option<Revision>,
    /// Whether other processes may have it.
    pub(in crate::service) sharing: Sharing,
    /// What is known about the consent behind the refresh token.
    pub(in crate::service) consent: Consent,
    /// Whether a refresh failed without a verdict on the refresh token.
    pub(in crate::service) refresh_has_failed: bool,
}

impl HeldToken {
    /// A refresh token without an access token. One is requested as soon as it is needed.
    pub(in crate::service) fn of_refresh_token(refresh_token: Secret, seeds: Seeds, now: Timestamp) -> Self {
        Self {
            tokens: TokenSet {
                access_token: None,
                scheme: TokenType::bearer(),
                refresh_token: Some(refresh_token),
                lifetime: Lifetime::new(now, Some(now), &Policy::default(), 0.0),
            },
            generation: Generation::default(),
            source: Source::Request,
            grant: None,
            fields: AnswerFields::default(),
            proof_key: None,
            revision: None,
            sharing: Sharing::No,
            consent: Consent { seeds, ..Consent::default() },
            refresh_has_failed: false,
        }
    }

    /// Whether the token may be sent.
    pub(in crate::service) fn is_usable(&self, now: Timestamp) -> bool {
        self.tokens.access_token.is_some() && self.tokens.lifetime.is_usable(now)
    }

    /// Whether only a login can replace it once it has expired.
    pub(in crate::service) fn needs_login(&self, now: Timestamp) -> bool {
        !self.is_usable(now) && self.tokens.refresh_token.is_none()
    }

    /// The key that the access token is bound to, with the token: what a proof is made of.
    pub(in crate::service) fn binding(&self) -> Option<(ProofKey, AccessToken)> {
        let key = self.proof_key.as_ref().filter(|_| self.tokens.scheme.is_dpop())?;
        Some((key.clone(), self.tokens.access_token.clone()?))
    }

    /// Whether `token` is its refresh token.
    pub(in crate::service) fn has_refresh_token(&self, token: &Secret) -> bool {
        self.tokens.refresh_token.as_ref().is_some_and(|known| known.matches(token))
    }

    /// Replaces the refresh token. The stored record holds the earlier one, and is out of date with it.
    pub(super) fn set_refresh_token(&mut self, token: Option<Secret>) {
        self.tokens.refresh_token = token;
        self.revision = None;
        self.sharing = Sharing::No;
    }
}
