//! What is stored of a service.

use crate::domain::{AccessToken, Scheme, Secret, Timestamp};

/// Tells two states of a record apart. It has no order: a greater one is not a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revision(pub u64);

/// A token and what is remembered with it.
#[derive(Clone, Debug)]
pub struct Record {
    /// The token to send.
    pub access_token: AccessToken,
    /// The word before it.
    pub scheme: Scheme,
    /// What gets the next one.
    pub refresh_token: Option<Secret>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last written or taken into use.
    pub last_used: Timestamp,
    /// What worked to get it: opaque here, and without a secret.
    pub strategy: Option<serde_json::Value>,
    /// Counts the service's tokens.
    pub generation: u32,
}

/// A [`Record`] as it is stored: its two secrets are sealed, or are plain where a person put them by hand or
/// the store needs no sealing.
#[derive(Clone, Debug)]
pub struct Row {
    /// The token, sealed or plain.
    pub token: Secret,
    /// The refresh token, sealed or plain.
    pub refresh_token: Option<Secret>,
    /// The word before the token.
    pub token_type: Scheme,
    /// `createdAt`: when the token was issued.
    pub created_at: Timestamp,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// When it was last written or taken into use.
    pub last_used: Timestamp,
    /// What worked to get it.
    pub strategy: Option<serde_json::Value>,
    /// Counts the service's tokens.
    pub generation: u32,
}
