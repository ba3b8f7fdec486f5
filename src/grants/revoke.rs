//! Token revocation, [RFC 7009](https://www.rfc-editor.org/rfc/rfc7009).

use super::GrantRequest;
use crate::config::Config;
use crate::domain::TokenSet;
use crate::oauth::{Form, UnsignedRequest};

/// The request that revokes a token, if there is a revocation endpoint. It revokes the refresh token if there
/// is one, because that also invalidates the access tokens (RFC 7009 §2.1).
pub fn revocation(
    tokens: &TokenSet,
    grant: Option<&GrantRequest>,
    config: &Config,
) -> Option<UnsignedRequest> {
    let url = config.revocation_url.as_ref()?;
    let (token, hint) = match (&tokens.refresh_token, &tokens.access_token) {
        (Some(token), _) => (token, "refresh_token"),
        (None, Some(token)) => (token.secret(), "access_token"),
        (None, None) => return None,
    };
    let client = grant.and_then(|grant| grant.client(config));
    let mut draft = Form::new(url)
        .field("token", token.expose())
        .field("token_type_hint", hint)
        .client(client.as_ref())
        .into_request();
    draft.request.headers.extend(config.headers.iter().cloned());
    Some(draft)
}
