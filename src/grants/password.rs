//! The password grant, [RFC 6749 §4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3).
//!
//! RFC 9700 §2.4 forbids it for new servers, but many old servers support nothing else.

use super::{GrantRequest, client_credentials};
use crate::config::Config;
use crate::domain::Secret;
use crate::oauth::{Form, UnsignedRequest};

pub(super) fn request(grant: &GrantRequest, config: &Config) -> UnsignedRequest {
    let credentials = &config.credentials;
    let form = Form::grant(&grant.endpoint, grant.grant_name(config))
        .field("username", credentials.username().unwrap_or_default())
        .field("password", credentials.password.as_ref().map_or("", Secret::expose));
    client_credentials::finish(form, grant, config)
}
