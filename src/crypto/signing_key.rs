//! The client's private key. It is read from PEM, and checked before it is needed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::EncodingKey;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{self, Decode, Header, SliceReader, Tag};
use pkcs8::{AlgorithmIdentifierRef, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument, Version};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RsaKeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value};

use super::algorithm::{KeyType, SigningAlgorithm};
use super::key_json::{self, Jwk, JwkKey, KeyDocument, ServiceAccount};
use crate::domain::Secret;

/// A private key and its algorithm. It cannot print, and is zeroed when it is dropped.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// The algorithm that it signs by.
    pub algorithm: SigningAlgorithm,
    /// The key in DER, in a form that `crypto` reads.
    pub key: EncodingKey,
    /// The `kid` next to the key.
    pub kid: Option<String>,
    /// The service account that the key belongs to.
    pub account: Option<ServiceAccount>,
}

/// Why a text is not a key to sign with. The reason repeats no part of the text.
#[derive(Debug)]
pub enum SigningKeyError {
    /// The key itself is not usable.
    Key(String),
    /// The configured algorithm does not fit the key.
    Algorithm {
        /// The configured algorithm.
        algorithm: SigningAlgorithm,
        /// The type of the key, with its article.
        key: &'static str,
        /// An algorithm that fits.
        fitting: SigningAlgorithm,
    },
}

impl SigningKeyError {
    /// The field, and the rest of a sentence that begins with it. `place` is the field of the key.
    pub fn at(self, place: &str) -> (String, String) {
        match self {
            Self::Key(reason) => (place.to_owned(), reason),
            Self::Algorithm { algorithm, key, fitting } => {
                let message = format!(
                    "is {}, but {place} is {key} key: set privateKey.alg to {}, or remove it",
                    algorithm.name(),
                    fitting.name()
                );
                ("privateKey.alg".to_owned(), message)
            }
        }
    }
}

/// `rsaEncryption` (RFC 8017 appendix C).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `id-ecPublicKey` (RFC 5480 §2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `secp256r1` (RFC 5480 §2.1.1.1).
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// `secp384r1` (RFC 5480 §2.1.1.1).
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// `id-Ed25519` (RFC 8410 §3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

impl SigningKey {
    /// The key of a text: PEM (PKCS#8, PKCS#1 or SEC1), a JWK, or the key file of a service account. It signs by
    /// `algorithm`, else by that of the JWK, else by the usual one of its type.
    pub fn from_text(text: &Secret, algorithm: Option<SigningAlgorithm>) -> Result<Self, SigningKeyError> {
        if !looks_like_json(text.expose()) {
            return Self::from_pem(text, algorithm);
        }
        let members: Map<String, Value> = serde_json::from_str(text.expose().trim_start_matches('\u{feff}'))
            .map_err(|_| SigningKeyError::Key("contains JSON that cannot be parsed".into()))?;
        Self::from_members(&members, algorithm)
    }

    /// The key of a JWK, or of the key file of a service account.
    pub fn from_members(
        members: &Map<String, Value>,
        algorithm: Option<SigningAlgorithm>,
    ) -> Result<Self, SigningKeyError> {
        match key_json::read(members).map_err(SigningKeyError::Key)? {
            KeyDocument::Jwk(jwk) => Self::from_jwk(jwk, algorithm),
            KeyDocument::Account { pem, kid, account } => {
                let key = Self::from_pem(&Secret::new(pem.as_str()), algorithm)?;
                Ok(Self { kid, account: Some(account), ..key })
            }
        }
    }

    fn from_pem(pem: &Secret, algorithm: Option<SigningAlgorithm>) -> Result<Self, SigningKeyError> {
        let der = Der(private_key(pem).map_err(|fault| SigningKeyError::Key(fault.into()))?);
        let (kind, key) = der.read().map_err(SigningKeyError::Key)?;
        Self::new(kind, key, algorithm)
    }

    fn from_jwk(jwk: Jwk, algorithm: Option<SigningAlgorithm>) -> Result<Self, SigningKeyError> {
        let read = match &jwk.key {
            JwkKey::Rsa(pkcs1) => rsa(pkcs1),
            JwkKey::Ec(curve, sec1) => ec_of_sec1(sec1, &[*curve]),
            JwkKey::Ed25519(pkcs8) => ed25519(pkcs8),
        };
        let (kind, key) = read.map_err(SigningKeyError::Key)?;
        if let Some(own) = jwk.algorithm.filter(|own| !kind.algorithms().contains(own)) {
            let reason =
                format!("is a JWK whose alg is {}, which does not fit {} key", own.name(), kind.name());
            return Err(SigningKeyError::Key(reason));
        }
        Ok(Self { kid: jwk.kid, ..Self::new(kind, key, algorithm.or(jwk.algorithm))? })
    }

    fn new(
        kind: KeyType,
        key: EncodingKey,
        algorithm: Option<SigningAlgorithm>,
    ) -> Result<Self, SigningKeyError> {
        let fitting = kind.algorithms()[0];
        match algorithm {
            Some(algorithm) if !kind.algorithms().contains(&algorithm) => {
                Err(SigningKeyError::Algorithm { algorithm, key: kind.name(), fitting })
            }
            _ => Ok(Self { algorithm: algorithm.unwrap_or(fitting), key, kid: None, account: None }),
        }
    }

    /// A text that only the owner of the key can know. The store's key is derived from it.
    pub fn as_credential(&self) -> Secret {
        Secret::new(STANDARD.encode(self.key.as_bytes()))
    }
}

/// The type of the key that this algorithm identifier is for.
fn type_of(algorithm: &AlgorithmIdentifierRef<'_>) -> Option<KeyType> {
    let curve = algorithm.parameters_oid();
    match algorithm.oid {
        RSA => Some(KeyType::Rsa),
        EC if curve == Ok(P256) => Some(KeyType::P256),
        EC if curve == Ok(P384) => Some(KeyType::P384),
        ED25519 => Some(KeyType::Ed25519),
        _ => None,
    }
}

/// Whether a text is meant to be JSON rather than PEM or a path.
pub(crate) fn looks_like_json(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with('{')
}

/// Whether a text is meant to be PEM rather than a path.
pub(crate) fn looks_like_pem(text: &str) -> bool {
    text.contains("-----BEGIN")
}

/// The key of a client's certificate, as TLS signs with it. The error is the rest of a sentence that begins with the
/// field.
pub(crate) fn tls_signing_key(pem: &Secret) -> Result<Arc<dyn rustls::sign::SigningKey>, &'static str> {
    let key = Der(private_key(pem)?);
    rustls::crypto::ring::sign::any_supported_type(&key.0)
        .map_err(|_| "contains a key of an unsupported type")
}

/// The private key in a PEM text.
fn private_key(pem: &Secret) -> Result<PrivateKeyDer<'static>, &'static str> {
    let has = |mark: &str| pem.expose().contains(mark);
    if has("-----BEGIN ENCRYPTED") || has("4,ENCRYPTED") {
        return Err("is encrypted: use a key without a passphrase");
    }
    // In an environment variable of one line, line ends are often written as `\n`.
    let lines = if has("\n") { pem.clone() } else { Secret::new(pem.expose().replace("\\n", "\n")) };
    PrivateKeyDer::from_pem_slice(lines.expose().as_bytes()).map_err(|_| {
        if has("PUBLIC KEY-----") || has("-----BEGIN CERTIFICATE") {
            "contains a public key or a certificate: use the private key"
        } else {
            "must be a private key in PEM format (-----BEGIN PRIVATE KEY-----)"
        }
    })
}

/// A key that is zeroed when it is dropped.
struct Der(PrivateKeyDer<'static>);

impl Drop for Der {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl Der {
    fn read(&self) -> Result<(KeyType, EncodingKey), String> {
        let der = self.0.secret_der();
        match &self.0 {
            PrivateKeyDer::Pkcs1(_) => rsa(der),
            PrivateKeyDer::Sec1(_) => ec_of_sec1(der, &[KeyType::P256, KeyType::P384]),
            PrivateKeyDer::Pkcs8(_) => match algorithm_of(der).as_ref().map(type_of) {
                Ok(Some(KeyType::Rsa)) => rsa(der),
                Ok(Some(curve @ (KeyType::P256 | KeyType::P384))) => ec(curve, der),
                Ok(Some(KeyType::Ed25519)) => ed25519(der),
                Ok(None) | Err(_) => {
                    Err("contains a key of an unsupported type: use an RSA, P-256, P-384 or \
                                          Ed25519 key"
                        .into())
                }
            },
            _ => Err("contains a key in an unsupported format: use PKCS#8, PKCS#1 or SEC1".into()),
        }
    }
}

/// The algorithm that a PKCS#8 key names. `ring` reads the rest, as it also accepts the form in which its earlier
/// versions wrote public keys.
fn algorithm_of(pkcs8: &[u8]) -> der::Result<AlgorithmIdentifierRef<'_>> {
    let mut reader = SliceReader::new(pkcs8)?;
    Header::decode(&mut reader)?.tag().assert_eq(Tag::Sequence)?;
    Version::decode(&mut reader)?;
    AlgorithmIdentifierRef::decode(&mut reader)
}

fn rsa(der: &[u8]) -> Result<(KeyType, EncodingKey), String> {
    RsaKeyPair::from_der(der).or_else(|_| RsaKeyPair::from_pkcs8(der)).map_err(|reason| {
        format!("contains an RSA key that cannot be used ({reason}): it must have 2048 to 4096 bits")
    })?;
    Ok((KeyType::Rsa, EncodingKey::from_rsa_der(der)))
}

fn ec(curve: KeyType, der: &[u8]) -> Result<(KeyType, EncodingKey), String> {
    let algorithm = match curve {
        KeyType::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        _ => &ECDSA_P256_SHA256_FIXED_SIGNING,
    };
    EcdsaKeyPair::from_pkcs8(algorithm, der, &SystemRandom::new()).map_err(|reason| {
        format!(
            "contains an EC key that cannot be used ({reason}): it must be a P-256 or P-384 key that includes its \
             public key"
        )
    })?;
    Ok((curve, EncodingKey::from_ec_der(der)))
}

/// A SEC1 key (RFC 5915), on the first of these curves that it fits. It may not name its curve.
fn ec_of_sec1(sec1: &[u8], curves: &[KeyType]) -> Result<(KeyType, EncodingKey), String> {
    let mut last = "contains an EC key that is too long: use a P-256 or P-384 key".to_owned();
    for curve in curves {
        let Ok(pkcs8) = pkcs8_of_sec1(sec1, *curve) else { continue };
        match ec(*curve, pkcs8.as_bytes()) {
            Ok(key) => return Ok(key),
            Err(reason) => last = reason,
        }
    }
    Err(last)
}

fn ed25519(der: &[u8]) -> Result<(KeyType, EncodingKey), String> {
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
        .map_err(|reason| format!("contains an Ed25519 key that cannot be used ({reason})"))?;
    Ok((KeyType::Ed25519, EncodingKey::from_ed_der(der)))
}

/// A SEC1 key in PKCS#8 (RFC 5208 §5). `ring` checks later that it is on that curve.
fn pkcs8_of_sec1(sec1: &[u8], curve: KeyType) -> pkcs8::Result<SecretDocument> {
    let curve = if curve == KeyType::P384 { &P384 } else { &P256 };
    let algorithm = AlgorithmIdentifierRef { oid: EC, parameters: Some(curve.into()) };
    PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(sec1)?).try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem_of(der: &[u8]) -> Secret {
        let body = STANDARD.encode(der);
        Secret::new(format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"))
    }

    /// Before version 0.17, `ring` wrote the public key of PKCS#8 version 2 with an explicit tag.
    #[test]
    fn ed25519_keys_are_read_in_either_form_that_ring_has_written() {
        let written = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let (before, public_key) = written.as_ref().split_at(written.as_ref().len() - 32);
        let [start @ .., 0x81, 0x21, 0x00] = before else { panic!("another form: {before:x?}") };
        let mut earlier = [start, &[0xa1, 0x23, 0x03, 0x21, 0x00], public_key].concat();
        earlier[1] += 2;
        for der in [written.as_ref(), &earlier] {
            assert_eq!(SigningKey::from_text(&pem_of(der), None).unwrap().algorithm, SigningAlgorithm::EdDsa);
        }
    }

    #[test]
    fn a_key_that_is_cut_short_anywhere_is_refused() {
        let written =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        for length in 0..written.as_ref().len() {
            assert!(SigningKey::from_text(&pem_of(&written.as_ref()[..length]), None).is_err(), "{length}");
        }
    }
}
