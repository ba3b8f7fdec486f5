//! The client's private key: read from PEM and checked before it is needed.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{AlgorithmIdentifier, PrivateKeyDer, PrivatePkcs8KeyDer, alg_id};
use zeroize::Zeroizing;

use crate::domain::Secret;

/// `privateKey` of the configuration, by which the client signs its assertions (RFC 7523 §2.2).
#[derive(Clone, Debug)]
pub struct PrivateKey {
    /// Where the key is.
    pub source: KeySource,
    /// `kid` of the assertions' header.
    pub kid: Option<String>,
    /// The algorithm, when it is said.
    pub algorithm: Option<Algorithm>,
    /// `aud` of the assertions, when it is said.
    pub audience: Option<String>,
}

/// Where a private key is.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// In the configuration.
    Pem(SigningKey),
    /// In a file, which is read when the key is first needed.
    File(PathBuf),
}

/// A private key that signs by one algorithm. It cannot print, and is zeroed when it is dropped.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// By which it signs.
    pub algorithm: Algorithm,
    /// What it signs with: DER in the forms that `crypto` reads.
    pub key: EncodingKey,
}

/// Why a text is no key to sign with. No part of the text is repeated.
#[derive(Debug)]
pub enum SigningKeyError {
    /// The key itself is at fault.
    Key(String),
    /// The algorithm does not fit the key.
    Algorithm(String),
}

/// The kinds of keys, each with the algorithms it signs by; the first is the usual one.
#[derive(Clone, Copy)]
enum KeyType {
    Rsa,
    P256,
    Ed25519,
}

impl KeyType {
    const ALL: [(Self, AlgorithmIdentifier); 3] = [
        (Self::Rsa, alg_id::RSA_ENCRYPTION),
        (Self::P256, alg_id::ECDSA_P256),
        (Self::Ed25519, alg_id::ED25519),
    ];

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
            let fault = format!("is {algorithm:?}, by which {} key does not sign", kind.name());
            return Err(SigningKeyError::Algorithm(fault));
        }
        Ok(Self { algorithm, key })
    }

    /// A text that only who has the key can know, for the key of the store.
    pub fn as_credential(&self) -> Secret {
        Secret::new(STANDARD.encode(self.key.as_bytes()))
    }
}

/// Whether a text is meant to be PEM, and not a path.
pub(crate) fn looks_like_pem(text: &str) -> bool {
    text.contains("-----BEGIN")
}

/// The private key in a PEM text.
pub(crate) fn private_key(pem: &Secret) -> Result<PrivateKeyDer<'static>, &'static str> {
    let has = |mark: &str| pem.expose().contains(mark);
    if has("-----BEGIN ENCRYPTED") || has("4,ENCRYPTED") {
        return Err("is encrypted: it must be a key without a passphrase");
    }
    // In the one line of an environment variable, line ends are often written out.
    let lines = if has("\n") { pem.clone() } else { Secret::new(pem.expose().replace("\\n", "\n")) };
    PrivateKeyDer::from_pem_slice(lines.expose().as_bytes()).map_err(|_| {
        if has("PUBLIC KEY-----") || has("-----BEGIN CERTIFICATE") {
            "holds a public key, where the private one is needed"
        } else {
            "must be a private key in PEM form (-----BEGIN PRIVATE KEY-----)"
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
            PrivateKeyDer::Sec1(_) => p256(&pkcs8_of_sec1(der)),
            PrivateKeyDer::Pkcs8(pkcs8) => match kind_of(pkcs8) {
                Some(KeyType::Rsa) => rsa(der),
                Some(KeyType::P256) => p256(der),
                Some(KeyType::Ed25519) => ed25519(der),
                None => Err("is of a kind that is not supported: RSA, P-256 and Ed25519 keys are".into()),
            },
            _ => Err("is in a form that is not supported".into()),
        }
    }
}

/// The kind that the algorithm identifier of PKCS#8 names; it stands behind two headers and the version.
fn kind_of(pkcs8: &PrivatePkcs8KeyDer<'_>) -> Option<KeyType> {
    const LONGEST_START: usize = 4 + 3 + 2;
    let der = pkcs8.secret_pkcs8_der();
    let names = |identifier: &AlgorithmIdentifier| {
        (0..=LONGEST_START).any(|at| der.get(at..).is_some_and(|rest| rest.starts_with(identifier)))
    };
    KeyType::ALL.into_iter().find(|(_, identifier)| names(identifier)).map(|(kind, _)| kind)
}

fn rsa(der: &[u8]) -> Result<(KeyType, EncodingKey), String> {
    RsaKeyPair::from_der(der).or_else(|_| RsaKeyPair::from_pkcs8(der)).map_err(|reason| {
        format!("holds an RSA key that is not taken ({reason}): it must have 2048 to 4096 bits")
    })?;
    Ok((KeyType::Rsa, EncodingKey::from_rsa_der(der)))
}

fn p256(der: &[u8]) -> Result<(KeyType, EncodingKey), String> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new()).map_err(
        |reason| {
            format!("holds an EC key that is not taken ({reason}): it must be on P-256, with its public key")
        },
    )?;
    Ok((KeyType::P256, EncodingKey::from_ec_der(der)))
}

fn ed25519(der: &[u8]) -> Result<(KeyType, EncodingKey), String> {
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
        .map_err(|reason| format!("holds an Ed25519 key that is not taken ({reason})"))?;
    Ok((KeyType::Ed25519, EncodingKey::from_ed_der(der)))
}

/// SEC1 (RFC 5915) in the wrapping of PKCS#8 (RFC 5208 §5); whether it is on P-256 is checked with it.
fn pkcs8_of_sec1(sec1: &[u8]) -> Zeroizing<Vec<u8>> {
    let version = [0x02, 0x01, 0x00];
    let content = [&version[..], &tagged(0x30, &alg_id::ECDSA_P256), &tagged(0x04, sec1)].concat();
    tagged(0x30, &Zeroizing::new(content))
}

fn tagged(tag: u8, content: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = content.len().to_be_bytes();
    let digits = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut der = Zeroizing::new(Vec::with_capacity(content.len() + 6));
    der.push(tag);
    if content.len() >= 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "a length has at most eight digits")]
        der.push(0x80 | digits.len() as u8);
    }
    der.extend_from_slice(digits);
    der.extend_from_slice(content);
    der
}
