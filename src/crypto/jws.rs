//! Signed tokens: `jsonwebtoken` writes them, `ring` signs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, KeyUtils};
use jsonwebtoken::errors::{ErrorKind as JwtFault, Result as JwtResult};
use jsonwebtoken::signature::{Error as Unsigned, Signer};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use serde::Serialize;

use super::key::random;
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of a `jti`: nobody meets the same one twice (RFC 7519 §4.1.7, RFC 9449 §11.1 asks for 96 bits).
const ID_BYTES: usize = 16;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // Keys are never written as JWKs by the library.
    key_utils: KeyUtils::new_unimplemented(),
};

/// The claims under the header, signed by its algorithm.
///
/// # Errors
/// `Internal`: the key was checked when it was read, so that only the machine can be at fault.
pub fn sign(header: &Header, claims: &impl Serialize, key: &EncodingKey) -> Result<Secret> {
    // An error says that it is installed already.
    let _ = PROVIDER.install_default();
    jsonwebtoken::encode(header, claims, key)
        .map(Secret::new)
        .map_err(|_| Error::new(ErrorKind::Internal, "a token could not be signed"))
}

/// A name that was never given before.
pub fn unique_id() -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(*random::<ID_BYTES>()?))
}

/// A key pair that signs by one algorithm.
enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding, Algorithm),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> JwtResult<Box<dyn JwtSigner>> {
    let rsa = |encoding| {
        let der = key.as_bytes();
        let pair = RsaKeyPair::from_der(der).or_else(|_| RsaKeyPair::from_pkcs8(der)).ok()?;
        Some(Pair::Rsa(pair, encoding, *algorithm))
    };
    let pair = match algorithm {
        Algorithm::RS256 => rsa(&RSA_PKCS1_SHA256),
        Algorithm::PS256 => rsa(&RSA_PSS_SHA256),
        Algorithm::ES256 => {
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_bytes(), &SystemRandom::new())
                .ok()
                .map(Pair::P256)
        }
        Algorithm::EdDSA => {
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.as_bytes()).ok().map(Pair::Ed25519)
        }
        _ => None,
    };
    match pair {
        Some(pair) => Ok(Box::new(pair)),
        None => Err(JwtFault::InvalidKeyFormat.into()),
    }
}

impl JwtSigner for Pair {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(.., algorithm) => *algorithm,
            Self::P256(_) => Algorithm::ES256,
            Self::Ed25519(_) => Algorithm::EdDSA,
        }
    }
}

impl Signer<Vec<u8>> for Pair {
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

/// A token is opaque to a client (RFC 6749 §1.4): only tests verify any.
#[cfg(not(test))]
fn verifier(_: &Algorithm, _: &DecodingKey) -> JwtResult<Box<dyn jsonwebtoken::crypto::JwtVerifier>> {
    Err(JwtFault::InvalidAlgorithm.into())
}

#[cfg(test)]
use tests::verifier;
#[cfg(test)]
pub(crate) mod tests;
