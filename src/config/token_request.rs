//! Additions to a token request: `parameters`, `grantType` and `requestFormat`.

use serde_json::Value;

use super::credential_text::{Charset, Inspection, inspect};
use super::fields::{ConfigErrors, ConfigFields};
use super::{Config, GrantType, LoginCredentials};
use crate::domain::Secret;

/// A parameter of every token request, from the `parameters` option.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its values. A form repeats the name for each.
    pub values: Vec<Secret>,
    /// Whether it was configured as an array and is therefore an array in JSON.
    pub is_list: bool,
}

/// The encoding of a grant's requests: the `requestFormat` option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestFormat {
    /// `application/x-www-form-urlencoded` (RFC 6749, appendix B).
    #[default]
    Form,
    /// A JSON object with the same members.
    Json,
}

/// The parameters that evertoken sets itself, and what to do instead.
const OWN_PARAMETERS: [(&str, &str); 11] = [
    ("grant_type", "set grantType instead"),
    ("client_id", "set clientId instead"),
    ("client_secret", "set clientSecret instead"),
    ("refresh_token", "set refreshToken instead"),
    ("scope", "set scope instead"),
    ("audience", "set audience instead"),
    ("resource", "set resource instead"),
    ("username", "set username instead"),
    ("password", "set password instead"),
    ("client_assertion", "set privateKey or clientAssertion instead"),
    ("client_assertion_type", "set privateKey or clientAssertion instead"),
];

/// The parameters that a grant sets, and what to do instead.
const GRANT_PARAMETERS: [(&str, GrantType, &str); 4] = [
    ("assertion", GrantType::JwtBearer, "set assertion instead"),
    ("subject_token", GrantType::TokenExchange, "set subjectToken instead"),
    ("subject_token_type", GrantType::TokenExchange, "set subjectTokenType instead"),
    ("requested_token_type", GrantType::TokenExchange, "set requestedTokenType instead"),
];

pub(super) fn read_parameters(f: &mut ConfigFields<'_>) -> Vec<Parameter> {
    let map = f.map("parameters").unwrap_or_default();
    map.into_iter().filter_map(|(name, value)| parameter(name, value, f)).collect()
}

fn parameter(name: String, value: Value, f: &ConfigFields<'_>) -> Option<Parameter> {
    let path = format!("parameters.{name}");
    if name.trim().is_empty() {
        f.error("parameters", "contains a parameter without a name");
        return None;
    }
    if name.chars().any(char::is_control) {
        f.error(&path.escape_debug().to_string(), "must not have a control character in its name");
        return None;
    }
    if let Some((_, instead)) = OWN_PARAMETERS.iter().find(|(own, _)| *own == name) {
        f.error(&path, format!("is set by evertoken: {instead}"));
        return None;
    }
    let is_list = value.is_array();
    let values = match value {
        Value::Array(items) if !items.is_empty() => items,
        one => vec![one],
    };
    let values: Option<Vec<_>> = values.into_iter().map(|value| text(&name, value, f)).collect();
    if values.is_none() {
        f.error(&path, "must be a string or an array of strings, without control characters");
    }
    Some(Parameter { name, values: values?, is_list })
}

/// The value, without trailing line breaks.
fn text(name: &str, value: Value, f: &ConfigFields<'_>) -> Option<Secret> {
    let Value::String(mut text) = value else { return None };
    let Inspection { len, warnings } = inspect(&text, Charset::Any);
    text.truncate(len);
    for warning in warnings {
        f.warn("parameters", format!("contains \"{name}\", which {warning}"));
    }
    let text = Secret::new(text);
    (!text.has_control_characters()).then_some(text)
}

/// `grantType`: a name or a URL (RFC 6749 appendix A.10).
pub(super) fn read_grant_type(f: &mut ConfigFields<'_>) -> Option<String> {
    let text = f.text("grantType")?;
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        f.error("grantType", "must be one word of visible ASCII characters, such as account_credentials");
    } else if text == "refresh_token" {
        f.error(
            "grantType",
            "must not be refresh_token: evertoken sends that automatically when it has a refresh token",
        );
    }
    Some(text)
}

pub(super) fn read_format(f: &mut ConfigFields<'_>) -> Option<RequestFormat> {
    f.one_of("requestFormat", &[("form", RequestFormat::Form), ("json", RequestFormat::Json)])
}

/// Checks for conflicts with other fields.
pub(super) fn check(config: &Config, errors: &ConfigErrors) {
    check_grant(config, errors);
    check_parameters(config, errors);
}

/// `grantType` and `requestFormat` apply only to OAuth grants.
fn check_grant(config: &Config, errors: &ConfigErrors) {
    let given =
        [("grantType", config.grant_type.is_some()), ("requestFormat", config.request_format.is_some())];
    for (field, _) in given.into_iter().filter(|(_, is_set)| *is_set && config.is_login()) {
        let message = match (&config.login.body, config.grant) {
            (Some(_), _) => {
                "applies only to OAuth grants, but login.body defines a login request: remove one of the two"
            }
            (None, Some(GrantType::Login)) => {
                "applies only to OAuth grants, but grant is \"login\": set grant to \"client_credentials\" or \"password\""
            }
            _ => {
                "applies only to OAuth grants, but email or username with password means a login: set grant to \
                 \"client_credentials\" or \"password\""
            }
        };
        errors.add(field, message);
    }
    let is_open = config.grant.is_none() && config.has_client() && config.has_login();
    if config.grant_type.is_some() && is_open && !config.is_login() {
        let message = "requires grant, because both client and user credentials are set: set grant to \
                       \"client_credentials\" or \"password\"";
        errors.add("grantType", message);
    }
}

/// Every token request contains the parameters, so every request must be able to.
fn check_parameters(config: &Config, errors: &ConfigErrors) {
    let login = &config.login;
    for Parameter { name, .. } in &config.parameters {
        let path = format!("parameters.{name}");
        let is_set = |(own, grant, _): &&(&str, GrantType, _)| own == name && config.grant == Some(*grant);
        if let Some((.., instead)) = GRANT_PARAMETERS.iter().find(is_set) {
            errors.add(&path, format!("is set by evertoken: {instead}"));
        }
        if login.refresh_token_field.as_ref() == Some(name) {
            errors.add(
                &path,
                "has the same name as login.refreshTokenField, which is reserved for the refresh token",
            );
        }
        if !config.is_login() {
            continue;
        }
        match &login.body {
            Some(body) if body.contains_key(name) => {
                errors.add(&path, "is also in login.body: remove one of the two");
            }
            None if login.credentials != LoginCredentials::Body => {
                errors.add(
                    &path,
                    "cannot be sent: with these login.credentials and without login.body, the request has no body. Set \
                     login.body, or use headers",
                );
            }
            None if name == "email" && config.credentials.email.is_some() => {
                errors.add(&path, "is set by evertoken: set email instead");
            }
            _ => {}
        }
    }
}
