//! The client credentials grant, [RFC 6749 §4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4).

use super::GrantRequest;
use crate::config::Config;
use crate::oauth::{Form, UnsignedRequest};

pub(super) fn request(strategy: &GrantRequest, config: &Config) -> UnsignedRequest {
    finish(Form::grant(&strategy.endpoint, strategy.grant_name(config)), strategy, config)
}

/// The grant with what the token is for (`scope`, `audience`, and `resource` of RFC 8707), with the configured
/// parameters, and with the client's authentication.
pub(super) fn finish(form: Form, strategy: &GrantRequest, config: &Config) -> UnsignedRequest {
    form.fields("scope", &config.scope)
        .fields("audience", &config.audience)
        .fields("resource", &config.resource)
        .parameters(&config.parameters)
        .client(strategy.client(config).as_ref())
        .with_format(config.request_format.unwrap_or_default())
        .into_request()
}
