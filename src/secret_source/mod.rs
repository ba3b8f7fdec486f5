//! Where a secret comes from: a text in the configuration, or a file that is read when the secret is needed.

mod file;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::Secret;
use crate::error::{Error, Result};
use crate::runtime;

/// A configured secret.
#[derive(Clone, Debug)]
pub struct SecretSource {
    /// What an error names: the field, or the environment variable that names the file.
    field: String,
    place: SecretPlace,
}

#[derive(Clone, Debug)]
enum SecretPlace {
    Text(Secret),
    File(Arc<Path>),
}

impl SecretSource {
    /// The secret itself.
    pub fn of_text(field: impl Into<String>, text: Secret) -> Self {
        Self { field: field.into(), place: SecretPlace::Text(text) }
    }

    /// The file at this path. `field` is what its errors name.
    pub fn of_file(field: impl Into<String>, path: impl AsRef<Path>) -> Self {
        Self { field: field.into(), place: SecretPlace::File(path.as_ref().into()) }
    }

    /// What its errors name.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The secret, if the configuration contains it. Any other may differ each time it is read.
    pub fn as_text(&self) -> Option<&Secret> {
        match &self.place {
            SecretPlace::Text(text) => Some(text),
            SecretPlace::File(_) => None,
        }
    }

    /// The secret as it is now, within `timeout`. Files are read outside the runtime's thread.
    ///
    /// # Errors
    /// `Config`, naming the field, which backs off: what is wrong may be put right at any time. The message contains
    /// neither the path, which may be a secret that was set in the wrong place, nor anything of the content.
    pub async fn read(&self, timeout: Duration) -> Result<Secret> {
        let path = match &self.place {
            SecretPlace::Text(text) => return Ok(text.clone()),
            SecretPlace::File(path) => Arc::clone(path),
        };
        let reading = runtime::blocking(move || Ok(file::read(&path)));
        match tokio::time::timeout(timeout, reading).await {
            Ok(read) => read?.map_err(|fault| self.error(fault)),
            Err(_) => Err(self.error(format!("could not be read within {} ms", timeout.as_millis()))),
        }
    }

    /// The same on this thread, which it blocks.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub fn read_blocking(&self) -> Result<Secret> {
        match &self.place {
            SecretPlace::Text(text) => Ok(text.clone()),
            SecretPlace::File(path) => file::read(path).map_err(|fault| self.error(fault)),
        }
    }

    /// An error of this secret.
    pub fn error(&self, fault: impl std::fmt::Display) -> Error {
        Error::config(&self.field, fault).with_retry(crate::error::Retry::BackOff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a test has a runtime of its own")]
    async fn a_file_is_read_each_time_and_its_errors_name_the_field() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let source = SecretSource::of_file("OAUTH_CLIENT_SECRET_FILE", &path);
        let timeout = Duration::from_secs(5);
        let error = source.read(timeout).await.unwrap_err();
        assert_eq!(error.field(), Some("OAUTH_CLIENT_SECRET_FILE"));
        assert_eq!(error.message(), "OAUTH_CLIENT_SECRET_FILE names a file that does not exist");
        for text in ["first", "second"] {
            std::fs::write(&path, format!("{text}\n")).unwrap();
            assert!(source.read(timeout).await.unwrap().matches(&Secret::new(text)));
            assert!(source.read_blocking().unwrap().matches(&Secret::new(text)));
        }
        assert!(source.as_text().is_none());
    }

    #[test]
    fn a_source_does_not_print_its_secret() {
        let source = SecretSource::of_text("clientSecret", Secret::new("hunter2"));
        assert!(!format!("{source:?}").contains("hunter2"));
    }
}
