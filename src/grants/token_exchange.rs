//! The exchange of a token for another one, [RFC 8693](https://www.rfc-editor.org/rfc/rfc8693#section-2.1).

use super::{GrantRequest, client_credentials};
use crate::config::{Config, Presented};
use crate::oauth::{Form, LatePart, TOKEN_EXCHANGE, UnsignedRequest};

pub(super) fn request(grant: &GrantRequest, config: &Config) -> UnsignedRequest {
    let Presented { subject, requested_token_type, .. } = &*config.presented;
    let form = Form::grant(&grant.endpoint, config.grant_type.as_deref().unwrap_or(TOKEN_EXCHANGE))
        .late(LatePart::SubjectToken)
        .fields("subject_token_type", subject.as_ref().map(|subject| &subject.kind))
        .fields("requested_token_type", requested_token_type);
    client_credentials::finish(form, grant, config)
}
