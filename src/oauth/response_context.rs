//! What the request says about its response.

use crate::config::{LoginOptions, ResponseField, TokenHeader};
use crate::domain::{Secret, Timestamp, TokenType};
use crate::redaction::Redaction;

/// What is needed to interpret a response.
pub struct ResponseContext<'a> {
    /// The structure of the response, as far as it is configured.
    pub login: &'a LoginOptions,
    /// Whether this is the response to a refresh, which may have another structure than that of a login.
    pub is_refresh: bool,
    /// The token type, if it is configured.
    pub scheme: Option<&'a TokenType>,
    /// Whether a token may be bound to a key (DPoP, RFC 9449 §5).
    pub dpop: bool,
    /// Whether a token without an expiry, or with an expiry of zero, never expires.
    pub never_expires: bool,
    /// The header that sends the token to the API.
    pub header: &'a TokenHeader,
    /// The fields of the response to keep.
    pub kept: &'a [ResponseField],
    /// The requested scope.
    pub scope: Option<&'a str>,
    /// The configured secrets. An echoed secret is not a token.
    pub secrets: Vec<&'a Secret>,
    /// The other secrets of the request.
    pub sent: Vec<&'a Secret>,
    /// The endpoint, for messages.
    pub place: String,
    /// When the response arrived.
    pub now: Timestamp,
}

impl ResponseContext<'_> {
    /// Removes these secrets from everything that is shown of the response.
    pub(super) fn redaction(&self) -> Redaction {
        Redaction::of(self.secrets.iter().chain(&self.sent).copied())
    }
}
