//! Assertions: JWTs that authenticate a client ([RFC 7523 §2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2)),
//! or that are the grant themselves (§2.1).

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::jwt::{self, AssertionExpiry};
use crate::crypto;
use crate::domain::{Secret, Timestamp};
use crate::error::Result;

/// An assertion is valid for one request, which takes seconds.
pub const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

/// The same limit as for access tokens.
const MAX_ASSERTION_BYTES: usize = 64 * 1024;

/// The claims of RFC 7523 §3.
#[derive(Serialize)]
pub struct AssertionClaims<'a> {
    iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    jti: String,
    iat: i64,
    exp: i64,
    #[serde(flatten)]
    more: Option<&'a Map<String, Value>>,
}

/// What an assertion says, besides its dates and its identifier.
#[derive(Clone, Copy)]
pub struct Statement<'a> {
    /// `iss`: who makes it.
    pub issuer: &'a str,
    /// `sub`: whom it is about.
    pub subject: Option<&'a str>,
    /// `aud`: whom it is for.
    pub audience: Option<&'a str>,
    /// `scope`: what the token is to be used for. Not a claim of RFC 7523, but of Google and others.
    pub scope: Option<&'a str>,
    /// Other claims.
    pub more: Option<&'a Map<String, Value>>,
    /// How long it is valid.
    pub lifetime: Duration,
}

impl<'a> Statement<'a> {
    /// The statement that authenticates a client.
    pub fn of_client(client_id: &'a str, audience: &'a str) -> Self {
        Self {
            issuer: client_id,
            subject: Some(client_id),
            audience: Some(audience),
            scope: None,
            more: None,
            lifetime: ASSERTION_LIFETIME,
        }
    }

    /// The claims of a new assertion for one request. `now` is the time by the server's clock.
    pub fn claims(&self, now: Timestamp) -> Result<AssertionClaims<'a>> {
        Ok(AssertionClaims {
            iss: self.issuer,
            sub: self.subject,
            aud: self.audience,
            scope: self.scope,
            jti: crypto::unique_id()?,
            iat: now.as_second(),
            exp: now.plus(self.lifetime).as_second(),
            more: self.more,
        })
    }
}

/// Reads an assertion that a platform made: a JWT that can be sent, and has not expired. White space around it is
/// removed. `now` is the time by the server's clock.
///
/// # Errors
/// Why it is not one: the rest of a sentence that begins with its place. It repeats no part of the text.
pub fn read_assertion(text: &Secret, now: Timestamp) -> Result<Secret, String> {
    let assertion = Secret::new(text.expose().trim());
    if assertion.is_empty() {
        return Err("is empty".into());
    }
    if assertion.len() > MAX_ASSERTION_BYTES {
        return Err("is too long: it has more than 64 KiB".into());
    }
    match jwt::assertion_expiry(&assertion) {
        None => Err("is not a signed JWT: three parts in base64url, separated by dots (RFC 7519)".into()),
        Some(AssertionExpiry::Unreadable) => Err("is a JWT whose exp is not a number of seconds".into()),
        Some(AssertionExpiry::At(exp)) if Timestamp::from_second(exp) <= now => {
            Err(format!("has expired: its exp is {}, and it is {now}", Timestamp::from_second(exp)))
        }
        Some(AssertionExpiry::At(_) | AssertionExpiry::None) => Ok(assertion),
    }
}

#[cfg(test)]
mod tests;
