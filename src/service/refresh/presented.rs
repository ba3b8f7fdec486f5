//! Assertions and tokens that others make: read for each request.

use std::path::PathBuf;

use crate::config::{AssertionSource, SubjectToken, SubjectTokenSource};
use crate::crypto::read_text;
use crate::domain::{Secret, Timestamp};
use crate::error::{Error, Result};
use crate::oauth;
use crate::runtime;

/// The assertion at `field`. `now` is the time by the server's clock.
///
/// # Errors
/// `Config`: it cannot be read, is not a JWT, or has expired.
pub(super) async fn given_assertion(source: &AssertionSource, field: &str, now: Timestamp) -> Result<Secret> {
    let AssertionSource::File(path) = source;
    let field = format!("{field}.path");
    let text = read_file(path.clone(), field.clone()).await?;
    oauth::read_assertion(&text, now)
        .map_err(|reason| Error::config(field, format!("names a file whose assertion {reason}")))
}

/// The token of a token exchange, without the white space around it.
///
/// # Errors
/// `Config`: it cannot be read, or is empty.
pub(super) async fn subject_token(subject: Option<&SubjectToken>) -> Result<Secret> {
    const FIELD: &str = "subjectToken.path";
    let path = match subject.map(|subject| &subject.source) {
        Some(SubjectTokenSource::Text(token)) => return Ok(token.clone()),
        Some(SubjectTokenSource::File(path)) => path,
        None => return Err(Error::config("subjectToken", "is missing")),
    };
    let text = read_file(path.clone(), FIELD.to_owned()).await?;
    let token = Secret::new(text.expose().trim());
    if token.is_empty() {
        return Err(Error::config(FIELD, "names a file that is empty"));
    }
    if token.has_control_characters() {
        return Err(Error::config(
            FIELD,
            "names a file that contains more than a token: it has several lines",
        ));
    }
    Ok(token)
}

async fn read_file(path: PathBuf, field: String) -> Result<Secret> {
    runtime::blocking(move || read_text(&path, &field)).await
}
