//! The token to send, as a caller gets it.

use url::Url;

use super::life::{Held, Source};
use crate::config::{BaseUrl, Config};
use crate::domain::{AccessToken, AnswerFields, Generation, Secret, Timestamp, TokenType};
use crate::error::Result;

/// The token to send, and what belongs to it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which of the service's tokens it is.
    pub generation: Generation,
    /// The word that belongs before it.
    pub scheme: TokenType,
    /// The token.
    pub token: AccessToken,
    /// The value of the header that carries it.
    pub header: Secret,
    /// Where it came from.
    pub source: Source,
    /// Until when it may be sent.
    pub usable_until: Timestamp,
    /// When it expires; none where that is not known, or never.
    pub expires_at: Option<Timestamp>,
    /// What else of the answer is kept.
    pub fields: AnswerFields,
    /// Where relative requests lead, where the answer says that.
    pub base_url: Option<Result<Url>>,
}

impl Snapshot {
    pub(super) fn of(held: &Held, config: &Config) -> Self {
        let tokens = &held.tokens;
        Self {
            generation: held.generation,
            scheme: tokens.scheme.clone(),
            token: tokens.access_token.clone(),
            header: config.header.value(&tokens.scheme, &tokens.access_token),
            source: held.source,
            usable_until: tokens.lifetime.usable_until().unwrap_or(Timestamp::MAX),
            expires_at: tokens.lifetime.expires_at(),
            fields: held.fields.clone(),
            base_url: named_base_url(config, &held.fields),
        }
    }

    /// The configured token, where there is one.
    pub(super) fn manual(config: &Config) -> Option<Self> {
        let token = config.manual_token.clone()?;
        let scheme = config.scheme.clone().unwrap_or_else(TokenType::bearer);
        Some(Self {
            generation: Generation::default(),
            header: config.header.value(&scheme, &token),
            scheme,
            token,
            source: Source::Manual,
            usable_until: Timestamp::MAX,
            expires_at: None,
            fields: AnswerFields::default(),
            base_url: named_base_url(config, &AnswerFields::default()),
        })
    }
}

fn named_base_url(config: &Config, fields: &AnswerFields) -> Option<Result<Url>> {
    match config.base_url.as_ref()? {
        BaseUrl::Template(template) => Some(template.resolve(fields)),
        BaseUrl::Fixed(_) => None,
    }
}
