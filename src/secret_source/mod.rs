//! Where a secret comes from: a text in the configuration, or a file or a function that is read when it is needed.

mod file;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::functions::UserFunctions;
use crate::runtime;

/// A secret is shorter. What leads elsewhere must not fill the memory.
const MAX_SECRET_BYTES: usize = 64 * 1024;

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
    Function,
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

    /// The function of the user's program at this field.
    pub fn of_function(field: impl Into<String>) -> Self {
        Self { field: field.into(), place: SecretPlace::Function }
    }

    /// What its errors name.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The secret, if the configuration contains it. Any other may differ each time it is read.
    pub fn as_text(&self) -> Option<&Secret> {
        match &self.place {
            SecretPlace::Text(text) => Some(text),
            SecretPlace::File(_) | SecretPlace::Function => None,
        }
    }

    /// Whether reading it runs code of the user's program.
    pub fn is_function(&self) -> bool {
        matches!(self.place, SecretPlace::Function)
    }

    /// The secret as it is now, within `timeout`, without one line end after it. Files are read outside the runtime's
    /// thread.
    ///
    /// # Errors
    /// `Config`, naming the field; `Timeout` for a function that does not return; the kind of a `TokenError` that it
    /// threw. All of them back off: what is wrong may be put right at any time. The message contains neither the path,
    /// which may be a secret that was set in the wrong place, nor anything of the content.
    pub async fn read(&self, functions: Option<&dyn UserFunctions>, timeout: Duration) -> Result<Secret> {
        match &self.place {
            SecretPlace::Text(text) => Ok(text.clone()),
            SecretPlace::File(path) => self.read_file(Arc::clone(path), timeout).await,
            SecretPlace::Function => self.call(functions, timeout).await,
        }
    }

    async fn read_file(&self, path: Arc<Path>, timeout: Duration) -> Result<Secret> {
        let reading = runtime::blocking(move || Ok(file::read(&path)));
        match tokio::time::timeout(timeout, reading).await {
            Ok(read) => read?.map_err(|fault| self.error(fault)),
            Err(_) => Err(self.error(format!("could not be read within {} ms", timeout.as_millis()))),
        }
    }

    async fn call(&self, functions: Option<&dyn UserFunctions>, timeout: Duration) -> Result<Secret> {
        let missing = || Error::new(ErrorKind::Internal, "a function was not passed to evertoken");
        let functions = functions.ok_or_else(missing)?;
        let json =
            functions.call(&self.field, json!({}), timeout).await.map_err(|error| self.thrown(error))?;
        let fault = match serde_json::from_str(&json) {
            Ok(Value::String(text)) => {
                let text = Secret::new(text);
                match cut(text.expose()) {
                    Ok(text) => return Ok(text),
                    Err(InvalidSecret::Empty) => "returned an empty string".to_owned(),
                    Err(InvalidSecret::TooLong) => {
                        format!("returned a string that is longer than {} KiB", MAX_SECRET_BYTES / 1024)
                    }
                }
            }
            Ok(Value::Null) => "returned nothing".to_owned(),
            Ok(Value::Bool(_)) => "returned a boolean, not a string".to_owned(),
            Ok(Value::Number(_)) => "returned a number, not a string".to_owned(),
            Ok(Value::Array(_)) => "returned an array, not a string".to_owned(),
            Ok(Value::Object(_)) | Err(_) => "returned an object, not a string".to_owned(),
        };
        Err(self.error(format!("is a function that {fault}")))
    }

    /// The error of a function that threw. It says nothing about the credential, as one of a login would.
    fn thrown(&self, error: Error) -> Error {
        let error = if error.kind() == ErrorKind::Response {
            let wait = error.retry();
            Error::new(ErrorKind::Config, error.message()).with_retry(wait).with_thrown(error.thrown())
        } else {
            error
        };
        let retry = if error.retry_after().is_some() { error.retry() } else { Retry::BackOff };
        error.with_field(&self.field).with_retry(retry)
    }

    /// An error of this secret.
    pub fn error(&self, fault: impl fmt::Display) -> Error {
        Error::config(&self.field, fault).with_retry(Retry::BackOff)
    }
}

/// Why a text is not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InvalidSecret {
    Empty,
    TooLong,
}

/// The secret in a text, without the line end that editors and `echo` put there.
fn cut(text: &str) -> Result<Secret, InvalidSecret> {
    if text.len() > MAX_SECRET_BYTES {
        return Err(InvalidSecret::TooLong);
    }
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if text.trim().is_empty() { Err(InvalidSecret::Empty) } else { Ok(Secret::new(text)) }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use zeroize::Zeroizing;

    use super::*;
    use crate::functions::read_outcome;

    const TIMEOUT: Duration = Duration::from_secs(5);

    /// A function with this outcome.
    struct Returns(&'static str);

    #[async_trait]
    impl UserFunctions for Returns {
        async fn call(&self, field: &str, _: Value, _: Duration) -> Result<Zeroizing<String>> {
            read_outcome(field, self.0)
        }
    }

    #[tokio::test]
    async fn a_file_is_read_each_time_and_its_errors_name_the_field() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let source = SecretSource::of_file("OAUTH_CLIENT_SECRET_FILE", &path);
        let error = source.read(None, TIMEOUT).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Config, Retry::BackOff));
        assert_eq!(error.field(), Some("OAUTH_CLIENT_SECRET_FILE"));
        assert_eq!(error.message(), "OAUTH_CLIENT_SECRET_FILE names a file that does not exist");
        for text in ["first", "second"] {
            std::fs::write(&path, format!("{text}\n")).unwrap();
            assert!(source.read(None, TIMEOUT).await.unwrap().matches(&Secret::new(text)));
        }
        assert!(source.as_text().is_none());
    }

    #[tokio::test]
    async fn a_function_returns_a_secret_or_is_an_error_that_names_the_field() {
        let source = SecretSource::of_function("clientSecret.0");
        let read = async |outcome| source.read(Some(&Returns(outcome)), TIMEOUT).await;
        assert!(read(r#"{"ok":"s3cret\n"}"#).await.unwrap().matches(&Secret::new("s3cret")));
        for (outcome, message) in [
            (r#"{"ok":null}"#, "clientSecret.0 is a function that returned nothing"),
            (r#"{"ok":""}"#, "clientSecret.0 is a function that returned an empty string"),
            (r#"{"ok":" \n"}"#, "clientSecret.0 is a function that returned an empty string"),
            (r#"{"ok":7}"#, "clientSecret.0 is a function that returned a number, not a string"),
            (r#"{"ok":true}"#, "clientSecret.0 is a function that returned a boolean, not a string"),
            (r#"{"ok":["hunter2"]}"#, "clientSecret.0 is a function that returned an array, not a string"),
            (
                r#"{"ok":{"a":"hunter2"}}"#,
                "clientSecret.0 is a function that returned an object, not a string",
            ),
            (r#"{"error":{"what":"threw Error"}}"#, "clientSecret.0() threw Error"),
        ] {
            let error = read(outcome).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.field()),
                (ErrorKind::Config, Some("clientSecret.0")),
                "{outcome}"
            );
            assert_eq!((error.message(), error.retry()), (message, Retry::BackOff));
        }
        let long: &str = Box::leak(format!(r#"{{"ok":"{}"}}"#, "x".repeat(MAX_SECRET_BYTES + 1)).into());
        assert!(read(long).await.unwrap_err().message().ends_with("longer than 64 KiB"));
    }

    #[tokio::test]
    async fn what_a_function_throws_says_nothing_about_the_credential() {
        let source = SecretSource::of_function("password");
        let thrown = r#"{"error":{"what":"threw TokenError","code":"ERR_TOKEN_CREDENTIALS"}}"#;
        let error = source.read(Some(&Returns(thrown)), TIMEOUT).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Credentials, Retry::BackOff));
        let thrown = r#"{"error":{"what":"threw Error","retryAfterSeconds":7}}"#;
        let error = source.read(Some(&Returns(thrown)), TIMEOUT).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Config, Retry::After(Duration::from_secs(7))));
        let none = source.read(None, TIMEOUT).await.unwrap_err();
        assert_eq!(none.kind(), ErrorKind::Internal);
    }

    #[test]
    fn a_source_does_not_print_its_secret() {
        let source = SecretSource::of_text("clientSecret", Secret::new("hunter2"));
        assert!(!format!("{source:?}").contains("hunter2"));
    }
}
