//! The client's private key, ready to sign requests.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use once_cell::sync::OnceCell;
use zeroize::Zeroizing;

use super::signing_key::{KeySource, PrivateKey, SigningKey, SigningKeyError};
use crate::domain::Secret;
use crate::error::{Error, Result};
use crate::runtime;

/// A key is shorter. A path that leads to another file must not fill the memory.
const MAX_FILE_BYTES: usize = 64 * 1024;

pub(crate) struct ClientKey {
    pub(crate) config: PrivateKey,
    read: OnceCell<SigningKey>,
}

impl ClientKey {
    pub(crate) fn new(config: PrivateKey) -> Self {
        Self { config, read: OnceCell::new() }
    }

    /// The key. A file is read outside the runtime's thread.
    pub(crate) async fn get(self: &Arc<Self>) -> Result<SigningKey> {
        let this = Arc::clone(self);
        match &self.config.source {
            KeySource::Pem(key) => Ok(key.clone()),
            KeySource::File(_) => runtime::blocking(move || this.get_blocking().cloned()).await,
        }
    }

    /// The key. The first call blocks if the key is in a file.
    ///
    /// # Errors
    /// `Config`, naming `privateKey.path` or `privateKey.alg`.
    pub(crate) fn get_blocking(&self) -> Result<&SigningKey> {
        match &self.config.source {
            KeySource::Pem(key) => Ok(key),
            KeySource::File(path) => self.read.get_or_try_init(|| self.read(path)),
        }
    }

    fn read(&self, path: &Path) -> Result<SigningKey> {
        // The message does not repeat the path, which may be a key in the wrong form.
        let unreadable = |reason: &str| Error::config("privateKey.path", format!("cannot be read: {reason}"));
        let mut text = Zeroizing::new(String::with_capacity(MAX_FILE_BYTES));
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES as u64).read_to_string(&mut text))
            .map_err(|error| unreadable(&error.kind().to_string()))?;
        SigningKey::from_pem(&Secret::new(text.as_str()), self.config.algorithm).map_err(
            |fault| match fault {
                SigningKeyError::Key(fault) => {
                    Error::config("privateKey.path", format!("names a file that {fault}"))
                }
                SigningKeyError::Algorithm(fault) => Error::config("privateKey.alg", fault),
            },
        )
    }
}
