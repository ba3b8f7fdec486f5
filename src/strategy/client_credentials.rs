//! The client credentials grant, [RFC 6749 §4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4).

use super::Strategy;
use crate::config::Config;
use crate::oauth::{Draft, Form};

pub(super) fn request(strategy: &Strategy, config: &Config) -> Draft {
    finish(Form::grant(&strategy.endpoint, strategy.grant_name(config)), strategy, config)
}

/// The grant with what the token is for (`scope`, `audience`, and `resource` of RFC 8707), with the configured
/// parameters, and with the client's authentication.
pub(super) fn finish(form: Form, strategy: &Strategy, config: &Config) -> Draft {
    form.fields("scope", &config.scope)
        .fields("audience", &config.audience)
        .fields("resource", &config.resource)
        .parameters(&config.parameters)
        .client(strategy.client(config).as_ref())
        .written_as(config.request_format.unwrap_or_default())
        .into_draft()
}
