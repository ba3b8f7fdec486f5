//! Assertions, tokens and signatures that others make: read for each request.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{AssertionSource, SubjectToken, SubjectTokenSource};
use crate::crypto::{ReadyKey, UnsignedToken, read_signature, read_text};
use crate::domain::{Secret, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::functions::UserFunctions;
use crate::oauth;
use crate::runtime;

/// What somebody else presents through this service.
pub(super) struct PresentedParts {
    pub(super) functions: Option<Arc<dyn UserFunctions>>,
}

/// What an assertion is for.
pub(super) struct AssertionTarget<'a> {
    /// The field of the configuration.
    pub(super) field: &'static str,
    pub(super) client_id: Option<&'a str>,
    pub(super) audience: &'a str,
    /// The time by the server's clock.
    pub(super) now: Timestamp,
}

impl PresentedParts {
    /// The assertion from `source`.
    ///
    /// # Errors
    /// `Config`: it cannot be read, is not a JWT, or has expired. What a function threw.
    pub(super) async fn assertion(
        &self,
        source: &AssertionSource,
        target: &AssertionTarget<'_>,
        longest: Duration,
    ) -> Result<Secret> {
        match source {
            AssertionSource::File(path) => {
                let field = format!("{}.path", target.field);
                let text = read_file(path, &field).await?;
                oauth::read_assertion(&text, target.now)
                    .map_err(|reason| Error::config(field, format!("names a file whose assertion {reason}")))
            }
            AssertionSource::Function => {
                let argument = json!({ "clientId": target.client_id, "audience": target.audience });
                let text = self.call(target.field, argument, longest).await?;
                oauth::read_assertion(&text, target.now).map_err(|reason| {
                    Error::config(target.field, format!("returned an assertion that {reason}"))
                })
            }
        }
    }

    /// The token of a token exchange, without the white space around it.
    ///
    /// # Errors
    /// `Config`: it cannot be read, or is empty. What a function threw.
    pub(super) async fn subject_token(
        &self,
        subject: Option<&SubjectToken>,
        longest: Duration,
    ) -> Result<Secret> {
        const FIELD: &str = "subjectToken";
        const FILE_FIELD: &str = "subjectToken.path";

        let (text, field, source) = match subject.map(|subject| &subject.source) {
            Some(SubjectTokenSource::Text(token)) => return Ok(token.clone()),
            Some(SubjectTokenSource::File(path)) => {
                (read_file(path, FILE_FIELD).await?, FILE_FIELD, "names a file that contains")
            }
            Some(SubjectTokenSource::Function) => {
                (self.call(FIELD, json!({}), longest).await?, FIELD, "returned")
            }
            None => return Err(Error::config(FIELD, "is missing")),
        };
        let token = Secret::new(text.expose().trim());
        if token.is_empty() {
            return Err(Error::config(field, format!("{source} no token")));
        }
        if token.has_control_characters() {
            return Err(Error::config(field, format!("{source} more than a token: several lines")));
        }
        Ok(token)
    }

    /// The token, signed by the key or by the function that has it.
    ///
    /// # Errors
    /// `Config`: what the function returned is not a signature. What it threw.
    pub(super) async fn sign(
        &self,
        key: &ReadyKey,
        token: UnsignedToken,
        longest: Duration,
    ) -> Result<Secret> {
        const FIELD: &str = "privateKey.sign";

        let algorithm = key.algorithm();
        if let Some(key) = key.key() {
            return token.sign(algorithm, key);
        }
        let argument = json!({ "input": token.input(), "alg": algorithm.name() });
        let text = self.call(FIELD, argument, longest).await?;
        let signature =
            read_signature(algorithm, text.expose()).map_err(|reason| Error::config(FIELD, reason))?;
        Ok(token.with_signature(&signature))
    }

    /// The text that the function at `field` returns.
    async fn call(&self, field: &str, argument: Value, longest: Duration) -> Result<Secret> {
        let Some(functions) = &self.functions else {
            let message = format!("the function {field} was not passed to evertoken");
            return Err(Error::new(ErrorKind::Internal, message));
        };
        let json = functions.call(field, argument, longest).await?;
        let text: Option<String> = serde_json::from_str(&json).unwrap_or_default();
        text.map(Secret::new)
            .ok_or_else(|| Error::config(field, "must return a string, but returned something else"))
    }
}

async fn read_file(path: &Path, field: &str) -> Result<Secret> {
    let (path, field): (PathBuf, _) = (path.to_owned(), field.to_owned());
    runtime::blocking(move || read_text(&path, &field)).await
}
