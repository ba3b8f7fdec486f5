//! The dates of an access token that happens to be a JWT, and of an assertion, which must be one.
//!
//! A token is opaque to a client (RFC 6749 §1.4): nothing is verified here, and only the two dates are used.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::time_value::{ParsedValue, epoch_seconds, parse_value, seconds};
use crate::domain::Secret;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The expiry in a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum TokenClaims {
    /// None: it is not a JWT, or it has no `exp`.
    Nothing,
    /// An `exp` that is not a date.
    Unreadable,
    /// Its dates.
    Dates(Dates),
}

/// The dates of a JWT ([RFC 7519 §4.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1)), in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dates {
    /// `exp`.
    pub expires: f64,
    /// `iat`, if it is present and before `exp`.
    pub issued: Option<f64>,
}

/// The claims of a token with three parts, the second of which is a JSON object.
pub(super) fn claims(token: &Secret) -> TokenClaims {
    let Some(claims) = payload(token) else { return TokenClaims::Nothing };
    let Some(expires) = claims.get("exp").filter(|exp| !exp.is_null()) else { return TokenClaims::Nothing };
    let Some(expires) = date(expires) else { return TokenClaims::Unreadable };
    let issued = claims.get("iat").and_then(date).filter(|issued| *issued < expires);
    TokenClaims::Dates(Dates { expires, issued })
}

fn payload(token: &Secret) -> Option<Map<String, Value>> {
    let [_, payload, _] = parts(token)?;
    object(payload)
}

fn parts(token: &Secret) -> Option<[&str; 3]> {
    let mut parts = token.expose().split('.');
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let json = Zeroizing::new(BASE64.decode(part).ok()?);
    serde_json::from_slice(&json).ok()
}

/// When an assertion expires, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AssertionExpiry {
    /// It does not say so.
    None,
    /// `exp` is not a `NumericDate`.
    Unreadable,
    /// `exp`, in seconds.
    At(f64),
}

/// The expiry of an assertion; `None` if the text is not a JWT with a signature. Unlike an access token, it is read
/// strictly: the server does so, too.
pub(super) fn assertion_expiry(text: &Secret) -> Option<AssertionExpiry> {
    let [header, payload, signature] = parts(text)?;
    let has_algorithm = object(header)?.get("alg").is_some_and(Value::is_string);
    if !has_algorithm || signature.is_empty() || BASE64.decode(signature).is_err() {
        return None;
    }
    Some(match object(payload)?.get("exp") {
        None => AssertionExpiry::None,
        Some(exp) => exp.as_f64().map_or(AssertionExpiry::Unreadable, AssertionExpiry::At),
    })
}

/// A `NumericDate`, or, as some servers write it, a number of milliseconds or a string.
fn date(value: &Value) -> Option<f64> {
    match parse_value(value) {
        ParsedValue::Zero => Some(0.0),
        ParsedValue::Number(number) => Some(epoch_seconds(number)),
        ParsedValue::Date(date) => Some(seconds(date)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn read(payload: &str) -> TokenClaims {
        let token = format!("eyJhbGciOiJub25lIn0.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
        claims(&Secret::new(token))
    }

    fn dates(expires: f64, issued: impl Into<Option<f64>>) -> TokenClaims {
        TokenClaims::Dates(Dates { expires, issued: issued.into() })
    }

    #[test]
    fn numeric_dates_are_parsed() {
        assert_eq!(read(r#"{"exp":100,"iat":40}"#), dates(100.0, 40.0));
        assert_eq!(read(r#"{"exp":100.5}"#), dates(100.5, None));
        assert_eq!(read(r#"{"exp":100,"iat":200}"#), dates(100.0, None));
        assert_eq!(read(r#"{"exp":0,"iat":1}"#), dates(0.0, None));
    }

    #[test]
    fn dates_in_milliseconds_or_as_strings_are_parsed() {
        for payload in [
            r#"{"exp":1800000900000,"iat":1800000000}"#,
            r#"{"exp":1800000900,"iat":1800000000000}"#,
            r#"{"exp":1800000900000,"iat":1800000000000}"#,
            r#"{"exp":"1800000900","iat":"1800000000"}"#,
            r#"{"exp":"2027-01-15T08:15:00Z","iat":"2027-01-15 08:00:00"}"#,
        ] {
            assert_eq!(read(payload), dates(1_800_000_900.0, 1_800_000_000.0), "{payload}");
        }
    }

    #[test]
    fn an_invalid_exp_and_a_missing_one_are_distinguished() {
        for payload in [r#"{"exp":"soon"}"#, r#"{"exp":{}}"#, r#"{"exp":true}"#, r#"{"exp":"15m"}"#] {
            assert_eq!(read(payload), TokenClaims::Unreadable, "{payload}");
        }
        for payload in ["42", "null", "{}", r#"{"exp":null}"#, "{", r#"{"__proto__":{"exp":1}}"#] {
            assert_eq!(read(payload), TokenClaims::Nothing, "{payload}");
        }
        for token in ["..", "a.b", "a.b.c.d.e", "a.~~~.c", "abc"] {
            assert_eq!(claims(&Secret::new(token)), TokenClaims::Nothing, "{token}");
        }
    }
}
