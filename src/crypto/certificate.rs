//! The certificate of a client's key, which the header of an assertion names by its thumbprints.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::InconsistentKeys;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::jws::{sha1, sha256};
use super::signing_key::SigningKey;

/// The thumbprints of a certificate, in base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbprints {
    /// `x5t`: SHA-1 (RFC 7515 §4.1.7).
    pub sha1: String,
    /// `x5t#S256`: SHA-256 (RFC 7515 §4.1.8).
    pub sha256: String,
}

/// A certificate. Of a chain, it is the first.
#[derive(Clone, Debug)]
pub struct KeyCertificate(CertificateDer<'static>);

impl KeyCertificate {
    /// The first certificate of a PEM text. The error is the rest of a sentence that begins with the field.
    pub fn from_pem(pem: &str) -> Result<Self, &'static str> {
        // In an environment variable of one line, line ends are often written as `\n`.
        let lines = if pem.contains('\n') { pem.to_owned() } else { pem.replace("\\n", "\n") };
        CertificateDer::from_pem_slice(lines.as_bytes())
            .map(Self)
            .map_err(|_| "must contain a certificate in PEM format (-----BEGIN CERTIFICATE-----)")
    }

    /// What the header of an assertion says of it.
    pub fn thumbprints(&self) -> Thumbprints {
        Thumbprints {
            sha1: URL_SAFE_NO_PAD.encode(sha1(&self.0)),
            sha256: URL_SAFE_NO_PAD.encode(sha256(&self.0)),
        }
    }

    /// Whether it certifies this key. The error is the rest of a sentence that begins with the field.
    pub fn check_key(&self, key: &SigningKey) -> Result<(), &'static str> {
        const UNREADABLE: &str = "contains a certificate that cannot be read";
        let der = key.key.as_bytes().to_vec();
        // PKCS#8 and PKCS#1 differ in their second element, which tells the two apart.
        let der = PrivateKeyDer::try_from(der).map_err(|_| UNREADABLE)?;
        let key = rustls::crypto::ring::sign::any_supported_type(&der).map_err(|_| UNREADABLE)?;
        match CertifiedKey::new(vec![self.0.clone()], key).keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err("is the certificate of another key than the one in privateKey")
            }
            Err(_) => Err(UNREADABLE),
        }
    }
}
