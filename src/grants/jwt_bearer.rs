//! An assertion as the grant, [RFC 7523 §2.1](https://www.rfc-editor.org/rfc/rfc7523#section-2.1), or as the bearer
//! token of a login.

use url::Url;

use super::GrantRequest;
use crate::config::{Config, LoginCredentials, ScopeClaim};
use crate::crypto::ServiceAccount;
use crate::error::{Error, Result};
use crate::oauth::{ASSERTION_LIFETIME, Form, JWT_BEARER, LatePart, Statement, UnsignedRequest};

pub(super) fn request(grant: &GrantRequest, config: &Config) -> UnsignedRequest {
    let grant_type = config.grant_type.as_deref().unwrap_or(JWT_BEARER);
    // The assertion says whom it is from, so that the client needs no authentication, and need not be named.
    let client = grant.client(config).filter(|_| config.client_method(grant.method).is_some());
    Form::grant(&grant.endpoint, grant_type)
        .late(LatePart::GrantAssertion(grant.endpoint.clone()))
        .fields("scope", config.scope.as_ref().filter(|_| !is_scope_claimed(config)))
        .fields("audience", &config.audience)
        .fields("resource", &config.resource)
        .parameters(&config.parameters)
        .client(client.as_ref())
        .with_format(config.request_format.unwrap_or_default())
        .into_request()
}

/// Whether the assertion contains the configured scope. Google refuses it in the request.
fn is_scope_claimed(config: &Config) -> bool {
    config.presented.options().is_some_and(|options| options.scope == ScopeClaim::Configured)
}

/// What the assertion for the server with this token endpoint states.
///
/// # Errors
/// `Config`: there is no issuer.
pub fn statement<'a>(
    config: &'a Config,
    token_endpoint: &'a Url,
    account: Option<&'a ServiceAccount>,
) -> Result<Statement<'a>> {
    let is_login = config.login.credentials == LoginCredentials::Assertion;
    let options = config.presented.options().ok_or_else(|| Error::config("assertion", "is not signed"))?;
    let own = options.issuer.as_ref().or(config.credentials.client_id.as_ref());
    let issuer = own.or(account.map(|account| &account.client_email)).ok_or_else(|| {
        let message =
            "is missing: it is the issuer of the assertion, unless the key is that of a service account";
        Error::config("clientId", message)
    })?;
    let scope = match &options.scope {
        ScopeClaim::Own(scope) => Some(scope),
        ScopeClaim::Configured => config.scope.as_ref().filter(|_| !is_login),
        ScopeClaim::None => None,
    };
    // A login endpoint is not OAuth: its documentation names the audience, and often there is none.
    let endpoint = (!is_login).then_some(token_endpoint.as_str());
    Ok(Statement {
        issuer,
        subject: options.subject.as_deref(),
        audience: options.audience.as_deref().or(endpoint),
        scope: scope.map(String::as_str),
        more: Some(&options.claims),
        lifetime: options.lifetime.unwrap_or(ASSERTION_LIFETIME),
    })
}
