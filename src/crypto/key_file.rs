//! The client's private key, ready to sign requests.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use jsonwebtoken::EncodingKey;
use once_cell::sync::OnceCell;
use serde::Serialize;
use zeroize::Zeroizing;

use super::algorithm::SigningAlgorithm;
use super::certificate::{KeyCertificate, Thumbprints};
use super::jws::{JwsHeader, UnsignedToken};
use super::key_json::ServiceAccount;
use super::private_key::{CertificateSource, KeySource, PrivateKey};
use super::signing_key::SigningKey;
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;

/// A key, a certificate or an assertion is shorter. A path that leads to another file must not fill the memory.
const MAX_FILE_BYTES: usize = 64 * 1024;

pub(crate) struct ClientKey {
    pub(crate) config: PrivateKey,
    read: OnceCell<Arc<ReadyKey>>,
}

/// A key that was read, with what the header of its signatures says of it.
pub(crate) struct ReadyKey {
    algorithm: SigningAlgorithm,
    /// `None` if a function signs.
    key: Option<SigningKey>,
    kid: Option<String>,
    thumbprints: Option<Thumbprints>,
}

impl ReadyKey {
    /// The service account that the key belongs to.
    pub(crate) fn account(&self) -> Option<&ServiceAccount> {
        self.key.as_ref()?.account.as_ref()
    }

    pub(crate) fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// A JWT with these claims, to be signed.
    pub(crate) fn unsigned(&self, claims: &impl Serialize) -> Result<UnsignedToken> {
        let thumbprints = self.thumbprints.as_ref();
        let header = JwsHeader {
            kid: self.kid.as_deref(),
            x5t: thumbprints.map(|of| of.sha1.as_str()),
            x5t_s256: thumbprints.map(|of| of.sha256.as_str()),
            ..JwsHeader::new(self.algorithm.name())
        };
        UnsignedToken::new(&header, claims)
    }

    /// The key to sign with; `None` if a function signs.
    pub(crate) fn key(&self) -> Option<&EncodingKey> {
        self.key.as_ref().map(|key| &key.key)
    }
}

impl ClientKey {
    pub(crate) fn new(config: PrivateKey) -> Self {
        Self { config, read: OnceCell::new() }
    }

    /// The key. Files are read outside the runtime's thread.
    pub(crate) async fn get(self: &Arc<Self>) -> Result<Arc<ReadyKey>> {
        if let Some(ready) = self.read.get() {
            return Ok(Arc::clone(ready));
        }
        let this = Arc::clone(self);
        runtime::blocking(move || this.ready().cloned()).await
    }

    /// The key. The first call blocks if the key is in a file.
    ///
    /// # Errors
    /// `Config`, naming `privateKey.path`, `privateKey.alg` or `privateKey.certificate`.
    pub(crate) fn get_blocking(&self) -> Result<&SigningKey> {
        let unreadable = || Error::new(ErrorKind::Internal, "there is no key to derive another one from");
        self.ready()?.key.as_ref().ok_or_else(unreadable)
    }

    fn ready(&self) -> Result<&Arc<ReadyKey>> {
        self.read.get_or_try_init(|| {
            let PrivateKey { source, kid, certificate, .. } = &self.config;
            let (algorithm, key) = match source {
                KeySource::Text(key) => (key.algorithm, Some(key.clone())),
                KeySource::File(path) => {
                    let key = self.read_key(path)?;
                    (key.algorithm, Some(key))
                }
                KeySource::Function(algorithm) => (*algorithm, None),
            };
            let certificate =
                certificate.as_ref().map(|source| certificate_of(source, key.as_ref())).transpose()?;
            Ok(Arc::new(ReadyKey {
                algorithm,
                kid: kid.clone().or_else(|| key.as_ref()?.kid.clone()),
                key,
                thumbprints: certificate.map(|certificate| certificate.thumbprints()),
            }))
        })
    }

    fn read_key(&self, path: &Path) -> Result<SigningKey> {
        let text = read_text(path, "privateKey.path")?;
        SigningKey::from_text(&text, self.config.algorithm).map_err(|fault| {
            let (field, reason) = fault.at("privateKey.path");
            if field == "privateKey.path" {
                return Error::config(field, format!("names a file that {reason}"));
            }
            Error::config(field, reason)
        })
    }
}

/// The certificate, if it is that of the key. Of a key that a function uses, it is not known.
fn certificate_of(source: &CertificateSource, key: Option<&SigningKey>) -> Result<KeyCertificate> {
    const FIELD: &str = "privateKey.certificate";
    const FILE_FIELD: &str = "privateKey.certificate.path";

    let in_file = |reason| Error::config(FILE_FIELD, format!("names a file that {reason}"));
    let certificate = match source {
        CertificateSource::Text(certificate) => certificate.clone(),
        CertificateSource::File(path) => {
            KeyCertificate::from_pem(read_text(path, FILE_FIELD)?.expose()).map_err(in_file)?
        }
    };
    match key.map_or(Ok(()), |key| certificate.check_key(key)) {
        Ok(()) => Ok(certificate),
        Err(reason) if matches!(source, CertificateSource::File(_)) => Err(in_file(reason)),
        Err(reason) => Err(Error::config(FIELD, reason)),
    }
}

/// The text of a small file.
///
/// # Errors
/// `Config`, naming `field`. The message does not repeat the path, which may be a secret in the wrong place.
pub(crate) fn read_text(path: &Path, field: &str) -> Result<Secret> {
    let unreadable = |reason: &str| Error::config(field, format!("cannot be read: {reason}"));
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE_BYTES));
    let file = File::open(path).map_err(|error| unreadable(&error.kind().to_string()))?;
    file.take(MAX_FILE_BYTES as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(&error.kind().to_string()))?;
    if text.len() > MAX_FILE_BYTES {
        return Err(unreadable("it is larger than 64 KiB"));
    }
    Ok(Secret::new(text.as_str()))
}
