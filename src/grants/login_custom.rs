//! A login endpoint that expects the configured body.

use serde_json::{Map, Value};
use url::Url;

use super::login_basic;
use crate::config::{Config, Credentials, Placeholder};
use crate::domain::Secret;
use crate::oauth::{self, Form, UnsignedRequest};

pub(super) fn request(url: &Url, config: &Config) -> UnsignedRequest {
    let template = config.login.body.clone().unwrap_or_default();
    let fixed = template.values().flat_map(fixed).collect();
    let draft = login_basic::authenticate(from_template(url, config, template), config);
    UnsignedRequest { hidden: fixed, ..draft }
}

/// The fixed values in a template, such as an API key. Short ones are excluded, because they are words such
/// as `web`.
fn fixed(value: &Value) -> Vec<Secret> {
    const MIN_LENGTH: usize = 8;

    match value {
        Value::String(text) if text.len() >= MIN_LENGTH && !text.contains('{') => {
            vec![Secret::new(text.as_str())]
        }
        Value::Array(list) => list.iter().flat_map(fixed).collect(),
        Value::Object(map) => map.values().flat_map(fixed).collect(),
        _ => Vec::new(),
    }
}

fn from_template(url: &Url, config: &Config, template: Map<String, Value>) -> UnsignedRequest {
    let body: Map<_, _> =
        template.into_iter().map(|(key, value)| (key, fill_all(value, &config.credentials))).collect();
    if !config.login.form {
        return oauth::json(url, body, &config.parameters);
    }
    body.iter()
        .fold(Form::new(url), |form, (key, value)| form.field(key, &flat(value)))
        .parameters(&config.parameters)
        .into_request()
}

/// Replaces the placeholders in all strings of a value. Inserted values are not scanned again: a password may
/// contain `{email}`.
fn fill_all(value: Value, credentials: &Credentials) -> Value {
    match value {
        Value::String(text) => Value::String(fill(&text, credentials)),
        Value::Array(list) => list.into_iter().map(|item| fill_all(item, credentials)).collect(),
        Value::Object(map) => map.into_iter().map(|(key, item)| (key, fill_all(item, credentials))).collect(),
        other => other,
    }
}

fn fill(template: &str, credentials: &Credentials) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let (before, tail) = rest.split_at(at);
        text.push_str(before);
        let (replacement, length) = match Placeholder::ALL.iter().find(|one| tail.starts_with(one.as_str())) {
            Some(one) => (value(*one, credentials).unwrap_or_default(), one.as_str().len()),
            None => ("{", 1),
        };
        text.push_str(replacement);
        rest = &tail[length..];
    }
    text + rest
}

fn value(placeholder: Placeholder, credentials: &Credentials) -> Option<&str> {
    match placeholder {
        Placeholder::Email => credentials.email.as_deref().or(credentials.username.as_deref()),
        Placeholder::Username => credentials.username(),
        Placeholder::Password => credentials.password.as_ref().map(Secret::expose),
        Placeholder::ClientId => credentials.client_id.as_deref(),
        Placeholder::ClientSecret => credentials.client_secret.as_ref().map(Secret::expose),
    }
}

fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
