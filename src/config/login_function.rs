//! A function of the user's program as `login`: it obtains the token, and evertoken makes no token request.

use super::fields::{ConfigErrors, ConfigFields};
use super::{Config, Storage};

/// The fields that say where and how evertoken requests a token.
const REQUEST_FIELDS: [&str; 14] = [
    "audience",
    "authUrl",
    "clientAuthentication",
    "grant",
    "grantType",
    "headers",
    "issuer",
    "parameters",
    "probe",
    "refreshFormat",
    "refreshUrl",
    "requestFormat",
    "resource",
    "scope",
];

/// The credentials that evertoken would send.
const CREDENTIAL_FIELDS: [&str; 7] =
    ["clientCertificate", "clientId", "clientSecret", "email", "password", "privateKey", "username"];

/// Adds an error for each field that has no effect next to a function.
pub(super) fn check_fields(f: &ConfigFields<'_>) {
    if !f.is_function("login") {
        return;
    }
    for field in REQUEST_FIELDS.into_iter().filter(|field| f.is_used(field)) {
        f.error(
            field,
            format!(
                "has no effect, because login is a function, which obtains the token itself: remove {field}, or set \
                 login to an object"
            ),
        );
    }
    for field in CREDENTIAL_FIELDS.into_iter().filter(|field| f.is_used(field)) {
        f.error(
            field,
            format!(
                "has no effect, because login is a function, which has its own credentials: remove {field}, or set \
                 login to an object"
            ),
        );
    }
    if f.is_used("dpop") {
        f.error(
            "dpop",
            "cannot be combined with a function as login: evertoken binds only a token that it requests itself to a \
             key. Remove dpop, or set login to an object",
        );
    }
    if f.is_used("revocationUrl") {
        f.error(
            "revocationUrl",
            "cannot be combined with a function as login: evertoken has no client credentials to revoke a token with. \
             Remove revocationUrl, or set login to an object",
        );
    }
}

/// There is no secret to derive the store's key from.
pub(super) fn check(config: &Config, errors: &ConfigErrors) {
    let is_stored = !matches!(config.storage, Storage::Memory);
    if is_stored && config.encryption_keys.is_empty() {
        errors.add(
            "encryptionKey",
            "is missing: login is a function, so there is no secret to derive it from. Set it (TOKEN_ENCRYPTION_KEY), \
             or set storage to { kind: \"memory\" }",
        );
    }
}
