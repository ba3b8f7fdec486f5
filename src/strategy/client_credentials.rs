//! The client credentials grant, [RFC 6749 §4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4).

use super::Strategy;
use crate::config::Config;
use crate::oauth::{Draft, Form};

pub(super) fn request(strategy: &Strategy, config: &Config) -> Draft {
    target(Form::grant(&strategy.endpoint, "client_credentials"), config)
        .client(strategy.client(config).as_ref())
        .into_draft()
}

/// What the token is for: `scope`, `audience`, and `resource` of RFC 8707.
pub(super) fn target(form: Form, config: &Config) -> Form {
    form.fields("scope", &config.scope)
        .fields("audience", &config.audience)
        .fields("resource", &config.resource)
}
