//! A login endpoint that takes `Authorization: Basic` ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)) and no body.

use url::Url;

use crate::config::{Config, LoginCredentials};
use crate::oauth::{self, Draft};

pub(super) fn request(url: &Url, config: &Config) -> Draft {
    authenticated(oauth::blank(url), config)
}

/// The request with the header, where the configuration asks for it.
pub(super) fn authenticated(draft: Draft, config: &Config) -> Draft {
    let credentials = &config.credentials;
    match (config.login.credentials, credentials.username(), &credentials.password) {
        (LoginCredentials::Basic, Some(name), Some(password)) => draft.with_basic(name, password),
        _ => draft,
    }
}
