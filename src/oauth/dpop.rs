//! Proofs of possession: `DPoP`, [RFC 9449](https://www.rfc-editor.org/rfc/rfc9449).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType,
    Jwk,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use crate::crypto;
use crate::domain::{AccessToken, Secret, Timestamp};
use crate::error::Result;
use crate::transport::Response;

/// The P-256 key pair that a token is bound to. It cannot print, and is zeroed when it is dropped.
#[derive(Clone, Debug)]
pub struct ProofKey {
    key: EncodingKey,
    public: Jwk,
}

/// What a proof is for.
pub struct ProofTarget<'a> {
    /// The request's method, as it is sent.
    pub method: &'a str,
    /// The request's address.
    pub url: &'a Url,
    /// The token that the request carries; none in a token request.
    pub token: Option<&'a AccessToken>,
    /// The nonce that the server gave last, where it gave any.
    pub nonce: Option<&'a str>,
}

/// The claims of RFC 9449 §4.2.
#[derive(Serialize)]
struct ProofClaims<'a> {
    jti: String,
    htm: &'a str,
    htu: &'a str,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

impl ProofKey {
    /// A new key pair.
    pub fn generate() -> Result<Self> {
        let pkcs8 = crypto::generate_p256()?;
        Self::from_pkcs8(&pkcs8)
    }

    /// The key pair that was stored.
    ///
    /// # Errors
    /// `Internal`: the text is none.
    pub fn from_secret(stored: &Secret) -> Result<Self> {
        Self::from_pkcs8(&Zeroizing::new(STANDARD.decode(stored.expose()).unwrap_or_default()))
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self> {
        let (x, y) = crypto::p256_point(pkcs8)?;
        let public = Jwk {
            common: CommonParameters::default(),
            algorithm: AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                key_type: EllipticCurveKeyType::EC,
                curve: EllipticCurve::P256,
                x: URL_SAFE_NO_PAD.encode(x),
                y: URL_SAFE_NO_PAD.encode(y),
            }),
        };
        Ok(Self { key: EncodingKey::from_ec_der(pkcs8), public })
    }

    /// The key pair as it is stored: PKCS#8 in base64.
    pub fn to_secret(&self) -> Secret {
        Secret::new(STANDARD.encode(self.key.as_bytes()))
    }

    /// A new proof for one request, at `now` by the server's clock (RFC 9449 §4.2).
    pub fn proof(&self, proven: &ProofTarget<'_>, now: Timestamp) -> Result<Secret> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("dpop+jwt".into());
        header.jwk = Some(self.public.clone());
        let ath = proven
            .token
            .map(|token| URL_SAFE_NO_PAD.encode(crypto::sha256(token.secret().expose().as_bytes())));
        let claims = ProofClaims {
            jti: crypto::unique_id()?,
            htm: proven.method,
            htu: &without_query(proven.url),
            iat: now.as_second(),
            ath,
            nonce: proven.nonce,
        };
        crypto::sign(&header, &claims, &self.key)
    }
}

/// `htu`: the address without query and fragment, nor a user's name, which no request line carries.
fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Refused by addresses that have no host, which no request goes to.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// The nonce to use from now on (RFC 9449 §8.2), where it is one: visible ASCII without quotes (§8.1).
pub fn fresh_nonce(response: &Response) -> Option<&str> {
    response.header("dpop-nonce").filter(|nonce| is_nonce(nonce))
}

/// Whether a text may be a nonce, and is of a length that headers carry.
pub fn is_nonce(text: &str) -> bool {
    const LONGEST: usize = 4096;
    let is_char = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(is_char)
}

/// Whether a token endpoint asks for the same request with the nonce that it gives (RFC 9449 §8).
pub fn asks_for_nonce(response: &Response) -> bool {
    matches!(response.status, 400 | 401)
        && error_of(response).as_deref() == Some("use_dpop_nonce")
        && fresh_nonce(response).is_some()
}

/// Whether an assertion or a proof may have been refused for its date. A secret has none: whatever else is refused
/// is not sent again.
pub fn may_refuse_the_date(response: &Response, is_asserted: bool, is_proven: bool) -> bool {
    matches!(response.status, 400 | 401)
        && match error_of(response).as_deref() {
            Some("invalid_client") => is_asserted,
            Some("invalid_dpop_proof") => is_proven,
            _ => false,
        }
}

fn error_of(response: &Response) -> Option<String> {
    let object = serde_json::from_slice::<Map<String, Value>>(&response.body).ok()?;
    object.get("error")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::jws_tests::verified_proof;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_proof_of_a_token_request_has_the_shape_of_rfc_9449_section_4_2() {
        let key = ProofKey::generate().unwrap();
        let url = url("https://server.example.com/token");
        let proven = ProofTarget { method: "POST", url: &url, token: None, nonce: None };
        let proof = key.proof(&proven, Timestamp::from_second(1_562_262_616.0)).unwrap();
        let (header, mut claims) = verified_proof(&proof).unwrap();
        assert_eq!(header.typ.as_deref(), Some("dpop+jwt"));
        let members: Vec<_> =
            serde_json::to_value(&header.jwk).unwrap().as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["crv", "kty", "x", "y"], "and nothing of the private key");
        assert_eq!(claims["jti"].as_str().map(str::len), Some(22));
        claims["jti"] = Value::Null;
        assert_eq!(
            claims,
            json!({ "jti": null, "htm": "POST", "htu": "https://server.example.com/token", "iat": 1_562_262_616 })
        );
    }

    #[test]
    fn the_hash_of_the_token_is_that_of_rfc_9449_section_7_1() {
        let key = ProofKey::generate().unwrap();
        let url = url("https://resource.example.org/protectedresource");
        let token = AccessToken::parse("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU").unwrap();
        let proven = ProofTarget {
            method: "GET",
            url: &url,
            token: Some(&token),
            nonce: Some("eyJ7S_zG.eyJH0-Z.HX4w-7v"),
        };
        let (_, claims) = verified_proof(&key.proof(&proven, Timestamp::MIN).unwrap()).unwrap();
        assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert_eq!(claims["nonce"], "eyJ7S_zG.eyJH0-Z.HX4w-7v");
    }

    #[test]
    fn query_fragment_and_user_are_no_part_of_the_address() {
        for (given, expected) in [
            ("https://h/a?b=c#d", "https://h/a"),
            ("https://H:443", "https://h/"),
            ("https://u:p@h:8443/a%20b/?", "https://h:8443/a%20b/"),
        ] {
            assert_eq!(without_query(&url(given)), expected);
        }
    }

    #[test]
    fn a_key_that_was_stored_makes_proofs_by_the_same_key() {
        let key = ProofKey::generate().unwrap();
        let again = ProofKey::from_secret(&key.to_secret()).unwrap();
        assert_eq!(key.public, again.public);
        assert_ne!(key.public, ProofKey::generate().unwrap().public);
        for text in ["", "hunter2", "AAAA"] {
            let fault = ProofKey::from_secret(&Secret::new(text)).unwrap_err();
            assert!(!fault.message().contains("hunter2"));
        }
        assert!(!format!("{key:?}").contains(key.to_secret().expose()));
    }

    #[test]
    fn a_nonce_is_visible_ascii_without_quotes() {
        assert!(is_nonce("eyJ7S_zG.eyJH0-Z.HX4w-7v"));
        for text in ["", "two words", "a\"b", "a\\b", "ä", "a\nb"] {
            assert!(!is_nonce(text), "{text:?}");
        }
    }
}
