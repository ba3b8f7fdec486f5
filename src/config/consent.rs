//! A refresh token that was handed in: `refreshToken`, and `grant: "refresh_token"`.

use super::credential_text::Charset;
use super::fields::{ConfigErrors, ConfigFields};
use super::{Config, GrantType, RefreshFormat};
use crate::domain::Secret;

/// Visible ASCII characters and spaces (RFC 6749, appendix A.17).
pub(super) fn read_refresh_token(f: &mut ConfigFields<'_>) -> Option<Secret> {
    let token = Secret::new(f.credential("refreshToken", Charset::Visible)?);
    if !token.is_visible_ascii() {
        f.error("refreshToken", "contains a control character or a non-ASCII character: copy it again");
    }
    Some(token)
}

/// A refresh token alone says how a token is obtained.
pub(super) fn imply_grant(config: &mut Config) {
    let has_password = config.credentials.password.is_some();
    if config.grant.is_none() && config.credentials.refresh_token.is_some() && !has_password {
        config.grant = Some(GrantType::RefreshToken);
    }
}

/// Checks the combination with other fields.
pub(super) fn check(config: &Config, errors: &ConfigErrors) {
    let credentials = &config.credentials;
    match config.grant {
        None if credentials.refresh_token.is_some() => errors.add(
            "refreshToken",
            "cannot be combined with password, unless grant is set: keep refreshToken (OAUTH_REFRESH_TOKEN) to act for \
             someone who consented, or keep email or username and password to log in, and remove the other",
        ),
        Some(grant) if grant != GrantType::RefreshToken && credentials.refresh_token.is_some() => errors.add(
            "refreshToken",
            "is used only with grant \"refresh_token\": remove refreshToken (OAUTH_REFRESH_TOKEN) to keep the grant, or \
             remove grant",
        ),
        Some(GrantType::RefreshToken) => check_consent(config, errors),
        _ => {}
    }
}

fn check_consent(config: &Config, errors: &ConfigErrors) {
    let is_form = match config.refresh.format {
        Some(format) => format == RefreshFormat::Form,
        None => config.refresh.url.is_none(),
    };
    if is_form && config.credentials.client_id.is_none() {
        errors.add(
            "clientId",
            "is missing: a refresh token is valid only for the client that it was issued to (OAUTH_CLIENT_ID)",
        );
    }
    if config.grant_type.is_some() {
        errors.add(
            "grantType",
            "has no effect with a refresh token, which is sent as refresh_token: remove it",
        );
    }
    if config.clear_on_start {
        errors.warn(
            "clearOnStart",
            "deletes the refresh token that replaced the configured one at each start: with a server that rotates \
             refresh tokens, the consent ends",
        );
    }
}
