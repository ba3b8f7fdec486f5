//! A login endpoint that takes `Authorization: Basic` ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)) and no body.

use url::Url;

use crate::config::{Config, LoginCredentials};
use crate::oauth::{self, UnsignedRequest};

pub(super) fn request(url: &Url, config: &Config) -> UnsignedRequest {
    authenticated(oauth::blank(url), config)
}

/// The request with the header, where the configuration asks for it.
pub(super) fn authenticated(draft: UnsignedRequest, config: &Config) -> UnsignedRequest {
    let credentials = &config.credentials;
    match (config.login.credentials, credentials.username(), &credentials.password) {
        (LoginCredentials::Basic, Some(name), Some(password)) => draft.with_basic(name, password),
        _ => draft,
    }
}
