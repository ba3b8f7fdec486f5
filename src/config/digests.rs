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

/// A digest of the parameters of every token request, where there are any.
pub(super) fn parameters(map: &Map<String, Value>) -> Option<String> {
    let parameters = map.get("parameters")?.as_object().filter(|map| !map.is_empty())?;
    let text = Zeroizing::new(json!(parameters).to_string());
    Some(digest(&text))
}

/// A digest of whom the token is for, and for what; of the parameters it holds a digest only.
pub(super) fn identity(config: &Config, parameters: Option<&str>) -> String {
    let place = config.endpoint.as_ref().map(Url::as_str);
    let place = place.or(config.issuer.as_ref().map(|issuer| issuer.text.as_str()));
    let Credentials { client_id, email, username, .. } = &config.credentials;
    let grant = config.grant.map(|grant| format!("{grant:?}"));
    let mut parts = vec![json!([
        place,
        grant,
        client_id,
        email,
        username,
        config.scope,
        config.audience,
        config.resource
    ])];
    // Where neither is set, the record of an earlier version stays this one's.
    if parameters.is_some() || config.grant_type.is_some() {
        parts.push(json!([parameters, config.grant_type]));
    }
    let texts: Vec<_> = parts.iter().map(Value::to_string).collect();
    digest(&texts.concat())
}

/// The fields that a token request is made of.
const REQUEST_FIELDS: [&str; 19] = [
    "audience",
    "authUrl",
    "clientAuthentication",
    "clientCertificate",
    "clientId",
    "clientSecret",
    "email",
    "grant",
    "grantType",
    "headers",
    "issuer",
    "login",
    "parameters",
    "password",
    "privateKey",
    "requestFormat",
    "resource",
    "scope",
    "username",
];

/// A digest of what a token request is made of.
pub(super) fn credential(map: &Map<String, Value>) -> CredentialDigest {
    let fields = Zeroizing::new(json!(REQUEST_FIELDS.map(|field| map.get(field))).to_string());
    CredentialDigest::new(digest(&fields))
}

fn digest(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..15])
}
