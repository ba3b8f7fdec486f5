//! Signed tokens: `jsonwebtoken` writes them, `ring` signs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, KeyUtils};
use jsonwebtoken::errors::{ErrorKind as JwtFault, Result as JwtResult};
use jsonwebtoken::signature::{Error as Unsigned, Signer};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::key::random;
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of a `jti`, which must never repeat (RFC 7519 §4.1.7; RFC 9449 §11.1 requires 96 bits).
const ID_BYTES: usize = 16;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // The library never writes keys as JWKs.
    key_utils: KeyUtils::new_unimplemented(),
};

/// The header and the claims, signed by the header's algorithm.
///
/// # Errors
/// `Internal`: the key was checked when it was read, so only the machine can fail.
pub fn sign(header: &Header, claims: &impl Serialize, key: &EncodingKey) -> Result<Secret> {
    // An error means that it is installed already.
    let _ = PROVIDER.install_default();
    jsonwebtoken::encode(header, claims, key)
        .map(Secret::new)
        .map_err(|_| Error::new(ErrorKind::Internal, "could not sign a JWT"))
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

/// A random identifier that is unique.
pub fn unique_id() -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(*random::<ID_BYTES>()?))
}

/// A key pair that signs by one algorithm.
enum SigningPair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding, Algorithm),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> JwtResult<Box<dyn JwtSigner>> {
    let rsa = |encoding| {
        let der = key.as_bytes();
        let pair = RsaKeyPair::from_der(der).or_else(|_| RsaKeyPair::from_pkcs8(der)).ok()?;
        Some(SigningPair::Rsa(pair, encoding, *algorithm))
    };
    let pair = match algorithm {
        Algorithm::RS256 => rsa(&RSA_PKCS1_SHA256),
        Algorithm::PS256 => rsa(&RSA_PSS_SHA256),
        Algorithm::ES256 => {
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_bytes(), &SystemRandom::new())
                .ok()
                .map(SigningPair::P256)
        }
        Algorithm::EdDSA => {
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.as_bytes()).ok().map(SigningPair::Ed25519)
        }
        _ => None,
    };
    match pair {
        Some(pair) => Ok(Box::new(pair)),
        None => Err(JwtFault::InvalidKeyFormat.into()),
    }
}

impl JwtSigner for SigningPair {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(.., algorithm) => *algorithm,
            Self::P256(_) => Algorithm::ES256,
            Self::Ed25519(_) => Algorithm::EdDSA,
        }
    }
}

impl Signer<Vec<u8>> for SigningPair {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, Unsigned> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair, encoding, _) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).map(|()| signature)
            }
            Self::P256(pair) => pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
        .map_err(|_| Unsigned::new())
    }
}

/// A token is opaque to a client (RFC 6749 §1.4), so only tests verify one.
#[cfg(not(test))]
fn verifier(_: &Algorithm, _: &DecodingKey) -> JwtResult<Box<dyn jsonwebtoken::crypto::JwtVerifier>> {
    Err(JwtFault::InvalidAlgorithm.into())
}

#[cfg(test)]
use tests::verifier;
#[cfg(test)]
pub(crate) mod tests;
