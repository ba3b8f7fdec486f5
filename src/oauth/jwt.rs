//! What an access token says of itself, when it happens to be a JWT.
//!
//! A token is opaque to a client (RFC 6749 §1.4): nothing is verified here, and nothing but the two dates is
//! believed.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::domain::AccessToken;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The dates of a JWT ([RFC 7519 §4.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1)), in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dates {
    /// `exp`.
    pub expires: f64,
    /// `iat`, where it is there and before `exp`.
    pub issued: Option<f64>,
}

/// The dates of a token with three parts whose second is a JSON object with a numeric `exp`.
pub(super) fn dates(token: &AccessToken) -> Option<Dates> {
    let mut parts = token.secret().expose().split('.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let payload = Zeroizing::new(BASE64.decode(payload).ok()?);
    let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    let expires = claims.get("exp")?.as_f64()?;
    let issued = claims.get("iat").and_then(Value::as_f64).filter(|issued| *issued < expires);
    Some(Dates { expires, issued })
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn read(payload: &str) -> Option<Dates> {
        let token = format!("eyJhbGciOiJub25lIn0.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
        dates(&AccessToken::parse(&token).unwrap())
    }

    #[test]
    fn numeric_dates_are_read() {
        assert_eq!(read(r#"{"exp":100,"iat":40}"#), Some(Dates { expires: 100.0, issued: Some(40.0) }));
        assert_eq!(read(r#"{"exp":100.5}"#), Some(Dates { expires: 100.5, issued: None }));
        assert_eq!(read(r#"{"exp":100,"iat":200}"#), Some(Dates { expires: 100.0, issued: None }));
    }

    #[test]
    fn whatever_is_no_jwt_says_nothing() {
        for payload in
            ["42", "null", "{}", r#"{"exp":"100"}"#, r#"{"exp":null}"#, "{", r#"{"__proto__":{"exp":1}}"#]
        {
            assert_eq!(read(payload), None, "{payload}");
        }
        for token in ["..", "a.b", "a.b.c.d.e", "a.~~~.c", "abc"] {
            assert_eq!(dates(&AccessToken::parse(token).unwrap()), None, "{token}");
        }
    }
}
