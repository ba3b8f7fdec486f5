//! The client credentials grant, [RFC 6749 §4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4).

use super::GrantRequest;
use crate::config::Config;
use crate::oauth::{Form, UnsignedRequest};

pub(super) fn request(grant: &GrantRequest, config: &Config) -> UnsignedRequest {
    finish(Form::grant(&grant.endpoint, grant.grant_name(config)), grant, config)
}

/// Adds `scope`, `audience`, `resource` (RFC 8707), the configured parameters, and the client's
/// authentication.
pub(super) fn finish(form: Form, grant: &GrantRequest, config: &Config) -> UnsignedRequest {
    form.fields("scope", &config.scope)
        .fields("audience", &config.audience)
        .fields("resource", &config.resource)
        .parameters(&config.parameters)
        .client(grant.client(config).as_ref())
        .with_format(config.request_format.unwrap_or_default())
        .into_request()
}
