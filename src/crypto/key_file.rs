//! The client's private key, ready to sign requests.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use once_cell::sync::OnceCell;
use serde::Serialize;
use zeroize::Zeroizing;

use super::certificate::{KeyCertificate, Thumbprints};
use super::jws::{JwsHeader, UnsignedToken};
use super::key_json::ServiceAccount;
use super::private_key::{CertificateSource, KeySource, PrivateKey};
use super::signing_key::SigningKey;
use crate::domain::Secret;
use crate::error::{Error, Result};
use crate::runtime;

/// A key, a certificate or an assertion is shorter. A path that leads to another file must not fill the memory.
const MAX_FILE_BYTES: usize = 64 * 1024;

pub(crate) struct ClientKey {
    pub(crate) config: PrivateKey,
    read: OnceCell<Arc<ReadyKey>>,
}

/// A key that was read, with what the header of its signatures says of it.
pub(crate) struct ReadyKey {
    key: SigningKey,
    kid: Option<String>,
    thumbprints: Option<Thumbprints>,
}

impl ReadyKey {
    /// The service account that the key belongs to.
    pub(crate) fn account(&self) -> Option<&ServiceAccount> {
        self.key.account.as_ref()
    }

    /// A JWT with these claims.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Result<Secret> {
        let thumbprints = self.thumbprints.as_ref();
        let header = JwsHeader {
            kid: self.kid.as_deref(),
            x5t: thumbprints.map(|of| of.sha1.as_str()),
            x5t_s256: thumbprints.map(|of| of.sha256.as_str()),
            ..JwsHeader::new(self.key.algorithm.name())
        };
        UnsignedToken::new(&header, claims)?.sign(self.key.algorithm, &self.key.key)
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
        self.ready().map(|ready| &ready.key)
    }

    fn ready(&self) -> Result<&Arc<ReadyKey>> {
        self.read.get_or_try_init(|| {
            let PrivateKey { source, kid, certificate, .. } = &self.config;
            let key = match source {
                KeySource::Text(key) => key.clone(),
                KeySource::File(path) => self.read_key(path)?,
            };
            let certificate = certificate.as_ref().map(|source| certificate_of(source, &key)).transpose()?;
            let thumbprints = certificate.map(|certificate| certificate.thumbprints());
            Ok(Arc::new(ReadyKey { kid: kid.clone().or_else(|| key.kid.clone()), key, thumbprints }))
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

fn certificate_of(source: &CertificateSource, key: &SigningKey) -> Result<KeyCertificate> {
    match source {
        CertificateSource::Text(certificate) => {
            let wrong = |reason| Error::config("privateKey.certificate", reason);
            certificate.check_key(key).map_err(wrong)?;
            Ok(certificate.clone())
        }
        CertificateSource::File(path) => {
            const FIELD: &str = "privateKey.certificate.path";
            let text = read_text(path, FIELD)?;
            let wrong = |reason| Error::config(FIELD, format!("names a file that {reason}"));
            let certificate = KeyCertificate::from_pem(text.expose()).map_err(wrong)?;
            certificate.check_key(key).map_err(wrong)?;
            Ok(certificate)
        }
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
