//! A login endpoint that expects `{email, password}` or `{username, password}`.

use serde_json::Map;
use url::Url;

use crate::config::Config;
use crate::domain::Secret;
use crate::oauth::{self, UnsignedRequest};

pub(super) fn request(url: &Url, name: &str, user: Option<&str>, config: &Config) -> UnsignedRequest {
    let password = config.credentials.password.as_ref().map_or("", Secret::expose);
    let body = [(name, user.unwrap_or_default()), ("password", password)];
    oauth::json(
        url,
        body.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect::<Map<_, _>>(),
        &config.parameters,
    )
}
