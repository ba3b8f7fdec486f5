//! What tells configurations apart that ask for different tokens, or with different credentials.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::{Config, Credentials};

/// A digest of what is sent for a token, and where to, secrets included: of two configurations with the same one, a
/// server that rejects the first rejects the second. It cannot print, and is stored sealed only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CredentialDigest(String);

impl CredentialDigest {
    /// The digest of such a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for CredentialDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[digest]")
    }
}

/// A digest of whom the token is for, and for what.
pub(super) fn identity(config: &Config) -> String {
    let place = config.endpoint.as_ref().map(Url::as_str);
    let place = place.or(config.issuer.as_ref().map(|issuer| issuer.text.as_str()));
    let Credentials { client_id, email, username, .. } = &config.credentials;
    let grant = config.grant.map(|grant| format!("{grant:?}"));
    let parts =
        json!([place, grant, client_id, email, username, config.scope, config.audience, config.resource]);
    digest(&parts.to_string())
}

/// The fields that say what a token request is made of, and where it goes.
const REQUEST_FIELDS: &[&str] = &[
    "audience",
    "authUrl",
    "clientAuthentication",
    "clientCertificate",
    "clientId",
    "clientSecret",
    "email",
    "grant",
    "headers",
    "issuer",
    "login",
    "password",
    "privateKey",
    "probe",
    "resource",
    "scope",
    "username",
];

/// A digest of what a token request is made of.
pub(super) fn credential(map: &Map<String, Value>) -> CredentialDigest {
    let fields = Zeroizing::new(
        json!(REQUEST_FIELDS.iter().map(|field| map.get(*field)).collect::<Vec<_>>()).to_string(),
    );
    CredentialDigest::new(digest(&fields))
}

fn digest(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..15])
}
