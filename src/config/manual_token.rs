//! The `token` option: the token to send if none can be obtained.

use super::credential_text::Charset;
use super::fields::ConfigFields;
use crate::domain::{AccessToken, Secret};
use crate::error::Result;
use crate::secret_source::SecretSource;

/// The token, or where to read it.
#[derive(Clone, Debug)]
pub enum ManualToken {
    /// The token itself.
    Token(AccessToken),
    /// A source that is read whenever the token is needed.
    Source(SecretSource),
}

impl ManualToken {
    /// The token in a text that was read from `source`.
    ///
    /// # Errors
    /// `Config`, naming the source.
    pub fn parse(source: &SecretSource, text: &Secret) -> Result<AccessToken> {
        AccessToken::parse(text.expose())
            .map_err(|fault| source.error(format!("is not a valid token: {fault}")))
    }
}

/// Reads the `token` option.
pub(super) fn read(f: &mut ConfigFields<'_>) -> Option<ManualToken> {
    let source = f.secret("token", Charset::Token)?;
    let Some(text) = source.as_text() else { return Some(ManualToken::Source(source)) };
    AccessToken::parse(text.expose())
        .map(ManualToken::Token)
        .map_err(|fault| f.error("token", format!("is not a valid token: {fault}")))
        .ok()
}
