//! Signed tokens ([RFC 7515](https://www.rfc-editor.org/rfc/rfc7515)): `ring` signs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::jwk::Jwk;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::algorithm::SigningAlgorithm;
use super::key::random;
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of a `jti`, which must never repeat (RFC 7519 §4.1.7; RFC 9449 §11.1 requires 96 bits).
const ID_BYTES: usize = 16;

/// The header of a signed token (RFC 7515 §4.1).
#[derive(Serialize)]
pub struct JwsHeader<'a> {
    /// The algorithm.
    pub alg: &'a str,
    /// The media type.
    pub typ: &'a str,
    /// Which key it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<&'a str>,
    /// The SHA-1 thumbprint of the key's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x5t: Option<&'a str>,
    /// Its SHA-256 thumbprint.
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    pub x5t_s256: Option<&'a str>,
    /// The public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwk: Option<&'a Jwk>,
}

impl<'a> JwsHeader<'a> {
    /// A header of a JWT with nothing but the algorithm.
    pub fn new(alg: &'a str) -> Self {
        Self { alg, typ: "JWT", kid: None, x5t: None, x5t_s256: None, jwk: None }
    }
}

/// A token that lacks its signature.
pub struct UnsignedToken(Zeroizing<String>);

impl UnsignedToken {
    /// The header and the claims, as they are signed (RFC 7515 §5.1).
    pub fn new(header: &JwsHeader<'_>, claims: &impl Serialize) -> Result<Self> {
        let unwritable = |_| Error::new(ErrorKind::Internal, "could not write a JWT");
        let header = serde_json::to_vec(header).map_err(unwritable)?;
        let claims = Zeroizing::new(serde_json::to_vec(claims).map_err(unwritable)?);
        let mut text = Zeroizing::new(URL_SAFE_NO_PAD.encode(header));
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(&*claims, &mut text);
        Ok(Self(text))
    }

    /// What is signed.
    pub fn input(&self) -> &str {
        &self.0
    }

    /// The token with its signature.
    pub fn with_signature(mut self, signature: &[u8]) -> Secret {
        self.0.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut self.0);
        Secret::new(std::mem::take(&mut *self.0))
    }

    /// Signs it with a key in DER.
    ///
    /// # Errors
    /// `Internal`: the key was checked when it was read, so only the machine can fail.
    pub fn sign(self, algorithm: SigningAlgorithm, key: &EncodingKey) -> Result<Secret> {
        let signature = signature(algorithm, key.as_bytes(), self.input().as_bytes())
            .ok_or_else(|| Error::new(ErrorKind::Internal, "could not sign a JWT"))?;
        Ok(self.with_signature(&signature))
    }

    /// Signs it by `HS256` with a shared secret (RFC 7518 §3.2).
    pub fn sign_hs256(self, secret: &Secret) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let tag = hmac::sign(&key, self.input().as_bytes());
        self.with_signature(tag.as_ref())
    }
}

/// A new P-256 key pair, as PKCS#8.
pub fn generate_p256() -> Result<Zeroizing<Vec<u8>>> {
    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map(|pkcs8| Zeroizing::new(pkcs8.as_ref().to_vec()))
        .map_err(|_| Error::new(ErrorKind::Internal, "could not generate a key pair"))
}

/// The public point of a P-256 key pair in PKCS#8, as its coordinates x and y.
pub fn p256_point(pkcs8: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    const COORDINATE_BYTES: usize = 32;
    let unreadable = || Error::new(ErrorKind::Internal, "could not read the stored DPoP key");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new())
        .map_err(|_| unreadable())?;
    // Uncompressed: 0x04, x, y (SEC 1 §2.3.3).
    let point = pair.public_key().as_ref().get(1..).ok_or_else(unreadable)?;
    let (x, y) = point.split_at_checked(COORDINATE_BYTES).ok_or_else(unreadable)?;
    Ok((x.to_vec(), y.to_vec()))
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// SHA-1, for the thumbprint `x5t` alone (RFC 7515 §4.1.7).
pub(super) fn sha1(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()
}

/// A random identifier that is unique.
pub fn unique_id() -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(*random::<ID_BYTES>()?))
}

/// The signature of `message`. `None` if the key is not one of the algorithm.
pub(super) fn signature(algorithm: SigningAlgorithm, key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        SigningAlgorithm::Rs256 => rsa(&RSA_PKCS1_SHA256, key, message),
        SigningAlgorithm::Rs384 => rsa(&RSA_PKCS1_SHA384, key, message),
        SigningAlgorithm::Rs512 => rsa(&RSA_PKCS1_SHA512, key, message),
        SigningAlgorithm::Ps256 => rsa(&RSA_PSS_SHA256, key, message),
        SigningAlgorithm::Ps384 => rsa(&RSA_PSS_SHA384, key, message),
        SigningAlgorithm::Ps512 => rsa(&RSA_PSS_SHA512, key, message),
        SigningAlgorithm::Es256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, key, message),
        SigningAlgorithm::Es384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, key, message),
        SigningAlgorithm::EdDsa | SigningAlgorithm::Ed25519 => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).ok()?;
            Some(pair.sign(message).as_ref().to_vec())
        }
    }
}

fn rsa(encoding: &'static dyn RsaEncoding, key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let pair = RsaKeyPair::from_der(key).or_else(|_| RsaKeyPair::from_pkcs8(key)).ok()?;
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), message, &mut signature).ok()?;
    Some(signature)
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, key, &random).ok()?;
    pair.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec())
}

#[cfg(test)]
pub(crate) mod tests;
