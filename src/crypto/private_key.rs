//! The `privateKey` option: where the client's key is, and the options of its assertions.

use std::path::PathBuf;

use super::algorithm::SigningAlgorithm;
use super::certificate::KeyCertificate;
use super::signing_key::SigningKey;

/// `privateKey` of the configuration. The client signs its assertions with it (RFC 7523 §2).
#[derive(Clone, Debug)]
pub struct PrivateKey {
    /// Where the key is.
    pub source: KeySource,
    /// `kid` in the header of the assertions.
    pub kid: Option<String>,
    /// The algorithm, if it is configured.
    pub algorithm: Option<SigningAlgorithm>,
    /// `aud` of the client's assertions, if it is configured.
    pub audience: Option<String>,
    /// The certificate of the key, which the header of the assertions names.
    pub certificate: Option<CertificateSource>,
}

/// Where a private key is.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// In the configuration.
    Text(SigningKey),
    /// In a file that is read when the key is first needed.
    File(PathBuf),
    /// Elsewhere: a function of the user's program signs with it, by this algorithm.
    Function(SigningAlgorithm),
}

impl PrivateKey {
    /// Whether the key itself can be read.
    pub fn is_readable(&self) -> bool {
        !matches!(self.source, KeySource::Function(_))
    }
}

/// Where the certificate of a private key is.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// In the configuration.
    Text(KeyCertificate),
    /// In a file that is read with the key.
    File(PathBuf),
}
