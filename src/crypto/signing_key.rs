//! The client's private key. It is read from PEM, and checked before it is needed.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey};
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{self, Decode, Header, SliceReader, Tag};
use pkcs8::{AlgorithmIdentifierRef, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument, Version};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::domain::Secret;

/// `privateKey` of the configuration. The client signs its assertions with it (RFC 7523 §2.2).
#[derive(Clone, Debug)]
pub struct PrivateKey {
    /// Where the key is.
    pub source: KeySource,
    /// `kid` in the header of the assertions.
    pub kid: Option<String>,
    /// The algorithm, if it is configured.
    pub algorithm: Option<Algorithm>,
    /// `aud` of the assertions, if it is configured.
    pub audience: Option<String>,
}

/// Where a private key is.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// In the configuration.
    Pem(SigningKey),
    /// In a file that is read when the key is first needed.
    File(PathBuf),
}

/// A private key and its algorithm. It cannot print, and is zeroed when it is dropped.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// The algorithm that it signs by.
    pub algorithm: Algorithm,
    /// The key in DER, in a form that `crypto` reads.
    pub key: EncodingKey,
}

/// Why a text is not a key to sign with. The reason repeats no part of the text.
#[derive(Debug)]
pub enum SigningKeyError {
    /// The key itself is not usable.
    Key(String),
    /// The algorithm does not fit the key.
    Algorithm(String),
}

/// The types of keys. Of the algorithms of each, the first is the usual one.
#[derive(Clone, Copy)]
enum KeyType {
    Rsa,
    P256,
    Ed25519,
}

/// `rsaEncryption` (RFC 8017 appendix C).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `id-ecPublicKey` (RFC 5480 §2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `secp256r1` (RFC 5480 §2.1.1.1).
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// `id-Ed25519` (RFC 8410 §3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

impl KeyType {
    fn of(algorithm: &AlgorithmIdentifierRef<'_>) -> Option<Self> {
        match algorithm.oid {
            RSA => Some(Self::Rsa),
            EC if algorithm.parameters_oid() == Ok(P256) => Some(Self::P256),
            ED25519 => Some(Self::Ed25519),
            _ => None,
        }
    }

    fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Rsa => &[Algorithm::RS256, Algorithm::PS256],
            Self::P256 => &[Algorithm::ES256],
            Self::Ed25519 => &[Algorithm::EdDSA],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rsa => "an RSA",
            Self::P256 => "a P-256",
            Self::Ed25519 => "an Ed25519",
        }
    }
}

impl SigningKey {
    /// The key of a PEM text (PKCS#8, PKCS#1 or SEC1), by `algorithm` or the usual one of its kind.
    pub fn from_pem(pem: &Secret, algorithm: Option<Algorithm>) -> Result<Self, SigningKeyError> {
        let der = Der(private_key(pem).map_err(|fault| SigningKeyError::Key(fault.into()))?);
        let (kind, key) = der.read().map_err(SigningKeyError::Key)?;
        let usual = kind.algorithms()[0];
        let algorithm = algorithm.unwrap_or(usual);
        if !kind.algorithms().contains(&algorithm) {
            let fault = format!("is {algorithm:?}, which does not fit {} key", kind.name());
            return Err(SigningKeyError::Algorithm(fault));
        }
        Ok(Self { algorithm, key })
    }

    /// A text that only the owner of the key can know. The store's key is derived from it.
    pub fn as_credential(&self) -> Secret {
        Secret::new(STANDARD.encode(self.key.as_bytes()))
    }
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
            PrivateKeyDer::Sec1(_) => match pkcs8_of_sec1(der) {
                Ok(pkcs8) => p256(pkcs8.as_bytes()),
                Err(_) => Err("contains an EC key that is too long: use a P-256 key".into()),
            },
            PrivateKeyDer::Pkcs8(_) => match algorithm_of(der).as_ref().map(KeyType::of) {
                Ok(Some(KeyType::Rsa)) => rsa(der),
                Ok(Some(KeyType::P256)) => p256(der),
                Ok(Some(KeyType::Ed25519)) => ed25519(der),
                Ok(None) | Err(_) => {
                    Err("contains a key of an unsupported type: use an RSA, P-256 or Ed25519 key".into())
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

fn p256(der: &[u8]) -> Result<(KeyType, EncodingKey), String> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new()).map_err(
        |reason| {
            format!(
                "contains an EC key that cannot be used ({reason}): it must be a P-256 key that includes its public key"
            )
        },
    )?;
    Ok((KeyType::P256, EncodingKey::from_ec_der(der)))
}

fn ed25519(der: &[u8]) -> Result<(KeyType, EncodingKey), String> {
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
        .map_err(|reason| format!("contains an Ed25519 key that cannot be used ({reason})"))?;
    Ok((KeyType::Ed25519, EncodingKey::from_ed_der(der)))
}

/// A SEC1 key (RFC 5915) as a P-256 key in PKCS#8 (RFC 5208 §5). `ring` checks later that it is on that curve.
fn pkcs8_of_sec1(sec1: &[u8]) -> pkcs8::Result<SecretDocument> {
    let algorithm = AlgorithmIdentifierRef { oid: EC, parameters: Some((&P256).into()) };
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
            assert_eq!(SigningKey::from_pem(&pem_of(der), None).unwrap().algorithm, Algorithm::EdDSA);
        }
    }

    #[test]
    fn a_key_that_is_cut_short_anywhere_is_refused() {
        let written =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        for length in 0..written.as_ref().len() {
            assert!(SigningKey::from_pem(&pem_of(&written.as_ref()[..length]), None).is_err(), "{length}");
        }
    }
}
