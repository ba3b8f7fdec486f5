//! Client assertions: `private_key_jwt` of OpenID Connect Core §9, which is [RFC 7523
//! §2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2) with a key.

use std::time::Duration;

use jsonwebtoken::Header;
use serde::Serialize;

use crate::crypto;
use crate::crypto::SigningKey;
use crate::domain::{Secret, Timestamp};
use crate::error::Result;

/// An assertion is valid for one request, which takes seconds.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

/// The claims of RFC 7523 §3.
#[derive(Serialize)]
struct AssertionClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: String,
    iat: i64,
    exp: i64,
}

/// Signs a new assertion for one request. `now` is the time by the server's clock.
pub fn client_assertion(
    client_id: &str,
    audience: &str,
    key: &SigningKey,
    kid: Option<&str>,
    now: Timestamp,
) -> Result<Secret> {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(key.algorithm) };
    let claims = AssertionClaims {
        iss: client_id,
        sub: client_id,
        aud: audience,
        jti: crypto::unique_id()?,
        iat: now.as_second(),
        exp: now.plus(ASSERTION_LIFETIME).as_second(),
    };
    crypto::sign(&header, &claims, &key.key)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::Algorithm;
    use serde_json::{Value, json};

    use super::*;
    use crate::crypto::jws_tests::{key, verified};

    const PEM: &str = include_str!("../../tests/fixtures/keys/p256-pkcs8.pem");

    #[test]
    fn an_assertion_has_exactly_the_claims_of_rfc_7523_section_3() {
        let key = key(PEM, None);
        let now = Timestamp::from_second(1_800_000_000.9);
        let assertion = client_assertion("app", "https://h/token", &key, Some("16"), now).unwrap();
        let mut claims = verified(&assertion, &key).unwrap();
        assert_eq!(claims["jti"].as_str().map(str::len), Some(22));
        claims["jti"] = Value::Null;
        assert_eq!(
            claims,
            json!({
                "iss": "app", "sub": "app", "aud": "https://h/token", "jti": null,
                "iat": 1_800_000_000, "exp": 1_800_000_060,
            })
        );
        let header = jsonwebtoken::decode_header(assertion.expose()).unwrap();
        assert_eq!((header.alg, header.kid.as_deref()), (Algorithm::ES256, Some("16")));
    }

    #[test]
    fn every_assertion_is_unique() {
        let key = key(PEM, None);
        let identifier = || {
            let assertion = client_assertion("app", "a", &key, None, Timestamp::MIN).unwrap();
            verified(&assertion, &key).unwrap()["jti"].clone()
        };
        assert_ne!(identifier(), identifier());
    }
}
