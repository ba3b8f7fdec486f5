//! DPoP, [RFC 9449](https://www.rfc-editor.org/rfc/rfc9449): proofs of possession of a key.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType,
    Jwk,
};
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use super::request::LatePart;
use crate::crypto::{self, JwsHeader, SigningAlgorithm, UnsignedToken};
use crate::domain::{AccessToken, Secret, Timestamp};
use crate::error::Result;
use crate::transport::Response;

/// The P-256 key pair that a token is bound to. Its `Debug` output contains no secret, and it is zeroed on
/// drop.
#[derive(Clone, Debug)]
pub struct ProofKey {
    key: EncodingKey,
    /// Apart, as few services have a key and all have room for one.
    public: Arc<Jwk>,
}

/// The request that a proof is for.
pub struct ProofTarget<'a> {
    /// The request's method.
    pub method: &'a str,
    /// The request's URL.
    pub url: &'a Url,
    /// The token in the request. `None` for a token request.
    pub token: Option<&'a AccessToken>,
    /// The server's latest nonce, if it sent one.
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

    /// Restores a stored key pair.
    ///
    /// # Errors
    /// `Internal`: the text is not a key pair.
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
        Ok(Self { key: EncodingKey::from_ec_der(pkcs8), public: Arc::new(public) })
    }

    /// The key pair in the form in which it is stored: PKCS#8 in base64.
    pub fn to_secret(&self) -> Secret {
        Secret::new(STANDARD.encode(self.key.as_bytes()))
    }

    /// Signs a new proof for one request (RFC 9449 §4.2). `now` is the time by the server's clock.
    pub fn proof(&self, target: &ProofTarget<'_>, now: Timestamp) -> Result<Secret> {
        let algorithm = SigningAlgorithm::Es256;
        let header =
            JwsHeader { typ: "dpop+jwt", jwk: Some(&self.public), ..JwsHeader::new(algorithm.name()) };
        let ath = target
            .token
            .map(|token| URL_SAFE_NO_PAD.encode(crypto::sha256(token.secret().expose().as_bytes())));
        let claims = ProofClaims {
            jti: crypto::unique_id()?,
            htm: target.method,
            htu: &without_query(target.url),
            iat: now.as_second(),
            ath,
            nonce: target.nonce,
        };
        UnsignedToken::new(&header, &claims)?.sign(algorithm, &self.key)
    }
}

/// `htu`: the URL without query, fragment and credentials.
fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // These fail only for URLs without a host, which are never requested.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// The nonce to use from now on (RFC 9449 §8.2), if it is valid: visible ASCII without quotes (§8.1).
pub fn fresh_nonce(response: &Response) -> Option<&str> {
    response.header("dpop-nonce").filter(|nonce| is_nonce(nonce))
}

/// Whether a text is a valid nonce that fits into a header.
pub fn is_nonce(text: &str) -> bool {
    const MAX_LENGTH: usize = 4096;
    let is_char = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    !text.is_empty() && text.len() <= MAX_LENGTH && text.bytes().all(is_char)
}

/// Whether a token endpoint requires the same request with its new nonce (RFC 9449 §8).
pub fn asks_for_nonce(response: &Response) -> bool {
    matches!(response.status, 400 | 401)
        && error_of(response).as_deref() == Some("use_dpop_nonce")
        && fresh_nonce(response).is_some()
}

/// Whether an assertion or a proof may have been rejected because of its date. Only then is a rejected
/// request sent again.
pub fn may_refuse_the_date(response: &Response, signed: &[LatePart], is_proven: bool) -> bool {
    let error = error_of(response);
    let refuses = |part: &LatePart| match part {
        LatePart::ClientAssertion(_) | LatePart::SecretAssertion(_) => {
            error.as_deref() == Some("invalid_client")
        }
        LatePart::GrantAssertion(_) => error.as_deref() == Some("invalid_grant"),
        LatePart::BearerAssertion(_) => response.status == 401,
        LatePart::SubjectToken => false,
    };
    matches!(response.status, 400 | 401)
        && (signed.iter().any(refuses) || (is_proven && error.as_deref() == Some("invalid_dpop_proof")))
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
        let target = ProofTarget { method: "POST", url: &url, token: None, nonce: None };
        let proof = key.proof(&target, Timestamp::from_second(1_562_262_616.0)).unwrap();
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
        let target = ProofTarget {
            method: "GET",
            url: &url,
            token: Some(&token),
            nonce: Some("eyJ7S_zG.eyJH0-Z.HX4w-7v"),
        };
        let (_, claims) = verified_proof(&key.proof(&target, Timestamp::MIN).unwrap()).unwrap();
        assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert_eq!(claims["nonce"], "eyJ7S_zG.eyJH0-Z.HX4w-7v");
    }

    #[test]
    fn the_htu_has_no_query_fragment_or_credentials() {
        for (given, expected) in [
            ("https://h/a?b=c#d", "https://h/a"),
            ("https://H:443", "https://h/"),
            ("https://u:p@h:8443/a%20b/?", "https://h:8443/a%20b/"),
        ] {
            assert_eq!(without_query(&url(given)), expected);
        }
    }

    #[test]
    fn a_stored_key_is_restored() {
        let key = ProofKey::generate().unwrap();
        let again = ProofKey::from_secret(&key.to_secret()).unwrap();
        assert_eq!(key.public, again.public);
        assert_ne!(key.public, ProofKey::generate().unwrap().public);
        for text in ["", "hunter2", "AAAA"] {
            let error = ProofKey::from_secret(&Secret::new(text)).unwrap_err();
            assert!(!error.message().contains("hunter2"));
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
