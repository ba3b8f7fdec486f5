//! A login endpoint that expects `Authorization: Basic` ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)), or an
//! assertion in `Authorization: Bearer`, and no body.

use url::Url;

use crate::config::{Config, LoginCredentials};
use crate::oauth::{self, UnsignedRequest};

pub(super) fn request(url: &Url, config: &Config) -> UnsignedRequest {
    authenticate(oauth::blank(url), config)
}

/// Adds the header, if it is configured.
pub(super) fn authenticate(draft: UnsignedRequest, config: &Config) -> UnsignedRequest {
    let credentials = &config.credentials;
    match (config.login.credentials, credentials.username(), &credentials.password) {
        (LoginCredentials::Basic, Some(name), Some(password)) => draft.with_basic(name, password),
        (LoginCredentials::Assertion, ..) => draft.with_bearer_assertion(),
        _ => draft,
    }
}
