//! The token to send, as callers get it.

use url::Url;

use super::state::{HeldToken, Source};
use crate::config::{BaseUrl, Config};
use crate::domain::{AccessToken, AnswerFields, Generation, Secret, Timestamp, TokenType};
use crate::error::Result;

/// The token to send, and what belongs to it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which of the service's tokens it is.
    pub generation: Generation,
    /// Its type, which goes before it in the `Authorization` header.
    pub scheme: TokenType,
    /// The token.
    pub token: AccessToken,
    /// The value of the header that carries it.
    pub header: Secret,
    /// Where it came from.
    pub source: Source,
    /// When it may last be sent.
    pub usable_until: Timestamp,
    /// When it expires; none if never, or if that is unknown.
    pub expires_at: Option<Timestamp>,
    /// The fields of the response that the configuration keeps.
    pub fields: AnswerFields,
    /// The base of relative URLs, if it depends on the response.
    pub base_url: Option<Result<Url>>,
}

impl Snapshot {
    pub(super) fn of(held: &HeldToken, config: &Config) -> Option<Self> {
        let tokens = &held.tokens;
        let token = tokens.access_token.clone()?;
        Some(Self {
            generation: held.generation,
            scheme: tokens.scheme.clone(),
            header: config.header.value(&tokens.scheme, &token),
            token,
            source: held.source,
            usable_until: tokens.lifetime.usable_until().unwrap_or(Timestamp::MAX),
            expires_at: tokens.lifetime.expires_at(),
            fields: held.fields.clone(),
            base_url: named_base_url(config, &held.fields),
        })
    }

    /// The manual token, which may be sent until `usable_until`.
    pub(super) fn manual(token: AccessToken, usable_until: Timestamp, config: &Config) -> Self {
        let scheme = config.scheme.clone().unwrap_or_else(TokenType::bearer);
        Self {
            generation: Generation::default(),
            header: config.header.value(&scheme, &token),
            scheme,
            token,
            source: Source::Manual,
            usable_until,
            expires_at: None,
            fields: AnswerFields::default(),
            base_url: named_base_url(config, &AnswerFields::default()),
        }
    }
}

fn named_base_url(config: &Config, fields: &AnswerFields) -> Option<Result<Url>> {
    match config.base_url.as_ref()? {
        BaseUrl::Template(template) => Some(template.resolve(fields)),
        BaseUrl::Fixed(_) => None,
    }
}
