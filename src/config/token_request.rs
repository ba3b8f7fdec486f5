//! What else a token request holds: `parameters`, `grantType` and `requestFormat`.

use serde_json::Value;

use super::fields::{ConfigErrors, ConfigFields};
use super::spoilt::{Alphabet, Inspection, inspect};
use super::{Config, GrantType, LoginCredentials};
use crate::domain::Secret;

/// A parameter of every token request, from `parameters` of the configuration.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its values: a form repeats the name for each.
    pub values: Vec<Secret>,
    /// Whether it was given as a list, and so is one in JSON.
    pub is_list: bool,
}

/// How the requests of a grant are written: `requestFormat` of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestFormat {
    /// `application/x-www-form-urlencoded`, RFC 6749 appendix B.
    #[default]
    Form,
    /// A JSON object with the same members.
    Json,
}

/// The parameters that evertoken writes itself, and what to do instead.
const OWN_PARAMETERS: [(&str, &str); 11] = [
    ("grant_type", "set grantType instead"),
    ("client_id", "set clientId instead"),
    ("client_secret", "set clientSecret instead"),
    ("refresh_token", "leave it out: the refresh token comes from the server's answers"),
    ("scope", "set scope instead"),
    ("audience", "set audience instead"),
    ("resource", "set resource instead"),
    ("username", "set username instead"),
    ("password", "set password instead"),
    ("client_assertion", "set privateKey instead"),
    ("client_assertion_type", "set privateKey instead"),
];

pub(super) fn read_parameters(f: &mut ConfigFields<'_>) -> Vec<Parameter> {
    let map = f.map("parameters").unwrap_or_default();
    map.into_iter().filter_map(|(name, value)| parameter(name, value, f)).collect()
}

fn parameter(name: String, value: Value, f: &ConfigFields<'_>) -> Option<Parameter> {
    let path = format!("parameters.{name}");
    if name.trim().is_empty() {
        f.error("parameters", "has a parameter without a name");
        return None;
    }
    if name.chars().any(char::is_control) {
        f.error(&path.escape_debug().to_string(), "must not have a control character in its name");
        return None;
    }
    if let Some((_, instead)) = OWN_PARAMETERS.iter().find(|(own, _)| *own == name) {
        f.error(&path, format!("is written by evertoken: {instead}"));
        return None;
    }
    let is_list = value.is_array();
    let values = match value {
        Value::Array(items) if !items.is_empty() => items,
        one => vec![one],
    };
    let values: Option<Vec<_>> = values.into_iter().map(|value| text(&name, value, f)).collect();
    if values.is_none() {
        f.error(&path, "must be a text or a list of texts, without control characters");
    }
    Some(Parameter { name, values: values?, is_list })
}

/// The value, without line ends at its end.
fn text(name: &str, value: Value, f: &ConfigFields<'_>) -> Option<Secret> {
    let Value::String(mut text) = value else { return None };
    let Inspection { len, remarks } = inspect(&text, Alphabet::Any);
    text.truncate(len);
    for remark in remarks {
        f.warn("parameters", format!("holds \"{name}\", which {remark}"));
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
        f.error("grantType", "is refresh_token, which evertoken sends by itself when it has a refresh token");
    }
    Some(text)
}

pub(super) fn read_format(f: &mut ConfigFields<'_>) -> Option<RequestFormat> {
    f.one_of("requestFormat", &[("form", RequestFormat::Form), ("json", RequestFormat::Json)])
}

/// The conflicts of these fields with others.
pub(super) fn check(config: &Config, faults: &ConfigErrors) {
    check_grant(config, faults);
    check_places_of_parameters(config, faults);
}

/// `grantType` and `requestFormat` are for grants: a login endpoint has a form of its own.
fn check_grant(config: &Config, faults: &ConfigErrors) {
    let given =
        [("grantType", config.grant_type.is_some()), ("requestFormat", config.request_format.is_some())];
    for (field, _) in given.into_iter().filter(|(_, is_given)| *is_given && config.is_login()) {
        let fault = match (&config.login.body, config.grant) {
            (Some(_), _) => {
                "is for grants, and login.body is the request of a login: leave one of the two out"
            }
            (None, Some(GrantType::Login)) => {
                "is for grants, and grant is \"login\": set grant to \"client_credentials\" or \"password\""
            }
            _ => {
                "is for grants, and email or username with password is for a login: set grant to \
                 \"client_credentials\" or \"password\""
            }
        };
        faults.add(field, fault);
    }
    let is_open = config.grant.is_none() && config.has_client() && config.has_login();
    if config.grant_type.is_some() && is_open && !config.is_login() {
        let fault = "needs grant when there is both a client and a user: set grant to \"client_credentials\" or \"password\"";
        faults.add("grantType", fault);
    }
}

/// Every token request has the parameters, so every one must have a place for them.
fn check_places_of_parameters(config: &Config, faults: &ConfigErrors) {
    let login = &config.login;
    for Parameter { name, .. } in &config.parameters {
        let path = format!("parameters.{name}");
        if login.refresh_token_field.as_ref() == Some(name) {
            faults.add(&path, "has the name in login.refreshTokenField, which is for the refresh token");
        }
        if !config.is_login() {
            continue;
        }
        match &login.body {
            Some(body) if body.contains_key(name) => {
                faults.add(&path, "is in login.body, too: leave one of the two out");
            }
            None if login.credentials == LoginCredentials::Basic => {
                faults.add(
                    &path,
                    "has no place: with login.credentials \"basic\" and no login.body the request has no body. Set \
                     login.body, or use headers",
                );
            }
            None if name == "email" && config.credentials.email.is_some() => {
                faults.add(&path, "is written by evertoken: set email instead");
            }
            _ => {}
        }
    }
}
