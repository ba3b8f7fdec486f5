//! From the bytes of an answer to a token or a refusal.

use std::time::Duration;

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::expiry::{self, Moments};
use super::fields::{self, Fields, at_path};
use super::jwt;
use super::redaction::Redaction;
use super::refusal::{self, Refusal};
use crate::config::LoginShape;
use crate::domain::{AccessToken, Scheme, Secret, Timestamp};
use crate::error::{Error, ErrorKind};
use crate::transport::Response;

const TOKEN_NAMES: &[&str] = &["access_token", "access", "token", "auth_token", "jwt", "accessToken", "key"];
const REFRESH_NAMES: &[&str] = &["refresh_token", "refresh", "refreshToken"];

/// Longer refresh tokens are no more likely than longer access tokens.
const MAX_REFRESH_BYTES: usize = 64 * 1024;

/// A token, as an answer gave it.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The token.
    pub access_token: AccessToken,
    /// The word before it.
    pub scheme: Scheme,
    /// The refresh token; none also where the answer leaves it out, which keeps the old one (RFC 6749 §6).
    pub refresh_token: Option<Secret>,
    /// The name the refresh token came by.
    pub refresh_name: Option<&'static str>,
    /// How long it lives from now, where that is known.
    pub lifetime: Option<Duration>,
    /// What of the configured scope the answer leaves out, where it names one (RFC 6749 §5.1).
    pub withheld: Vec<String>,
}

/// What a reader must know besides the answer.
pub struct Reading<'a> {
    /// How the answer is laid out, when that is configured.
    pub login: &'a LoginShape,
    /// The word before the token, when that is configured.
    pub scheme: Option<&'a Scheme>,
    /// Whether a token may be bound to a key (`DPoP`, RFC 9449 §5).
    pub dpop: bool,
    /// The scope that was asked for.
    pub scope: Option<&'a str>,
    /// The configured secrets: a server that echoes one gave no token.
    pub secrets: Vec<&'a Secret>,
    /// What else was sent that nothing may repeat.
    pub sent: Vec<&'a Secret>,
    /// The address, for messages.
    pub place: String,
    /// When the answer came.
    pub now: Timestamp,
}

impl Reading<'_> {
    /// What is taken out of whatever is shown of the answer.
    pub(super) fn redacted(&self) -> Redaction {
        Redaction::of(self.secrets.iter().chain(&self.sent).copied())
    }
}

/// Reads an answer.
pub fn read(response: &Response, reading: &Reading<'_>) -> Result<Granted, Refusal> {
    if !(200..300).contains(&response.status) {
        return Err(refusal::from_status(response, reading));
    }
    match body_value(response) {
        Some(Value::Object(object)) => {
            if let Some(refusal) = refusal::from_object(&object, response, reading) {
                return Err(refusal);
            }
            from_object(object, response, reading)
        }
        Some(other) => from_header(response, reading)
            .ok_or_else(|| refusal::without_token(&other, response, reading, "holds no object")),
        None => from_header(response, reading).ok_or_else(|| no_token(response, reading, "is not JSON")),
    }
}

/// The body as a value: JSON with or without a byte order mark, or a form where the header says so.
pub(super) fn body_value(response: &Response) -> Option<Value> {
    let body = response.body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&response.body);
    let content_type = response.header("content-type").unwrap_or_default();
    if content_type.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        let pairs = form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), Value::from(value)));
        return Some(Value::Object(pairs.collect()));
    }
    fields::parse(body)
}

fn from_object(
    object: Map<String, Value>,
    response: &Response,
    reading: &Reading<'_>,
) -> Result<Granted, Refusal> {
    let names = visible_names(&object, &reading.secrets);
    let whole = Value::Object(object.clone());
    let fields = Fields::of(object);
    let access_token = match &reading.login.token_path {
        Some(path) => at_path(&whole, path).and_then(|value| token(value, reading)),
        None => fields.get(TOKEN_NAMES).find_map(|value| token(value, reading)),
    };
    let Some(access_token) = access_token else {
        let what = format!("holds no usable token; it has the fields {names}");
        let absent = || refusal::without_token(&whole, response, reading, &what);
        return from_header(response, reading).ok_or_else(absent);
    };
    let scheme = match reading.scheme {
        Some(scheme) => scheme.clone(),
        None => scheme_of(&fields, reading.dpop)
            .ok_or_else(|| no_token(response, reading, "names a token_type that is not understood"))?,
    };
    let (refresh_name, refresh_token) = match &reading.login.refresh_token_path {
        Some(path) => (None, at_path(&whole, path).and_then(refresh_token)),
        None => fields
            .named(REFRESH_NAMES)
            .find_map(|(name, value)| Some((Some(name), Some(refresh_token(value)?))))
            .unwrap_or_default(),
    };
    let dates = jwt::dates(&access_token);
    let moments = Moments { now: reading.now, server: response.header("date").and_then(Timestamp::parse) };
    let lifetime = match &reading.login.expires_path {
        Some(path) => at_path(&whole, path).and_then(|value| expiry::at_path(value, dates, moments)),
        None => None,
    };
    let lifetime = lifetime.or_else(|| expiry::lifetime(&fields, dates, moments));
    if lifetime.is_some_and(|life| life.is_zero()) {
        let error = no_token(response, reading, "holds a token that is already over").into_error();
        return Err(match refresh_token {
            Some(refresh_token) => Refusal::Over(error, refresh_token),
            None => Refusal::NoToken(error),
        });
    }
    let withheld = withheld(&fields, reading.scope.unwrap_or_default());
    Ok(Granted { access_token, scheme, refresh_token, refresh_name, lifetime, withheld })
}

/// The `Authorization` header of an answer, as some frameworks hand the token out.
fn from_header(response: &Response, reading: &Reading<'_>) -> Option<Granted> {
    let mut values = response.headers.get_all("authorization").iter();
    let (value, None) = (values.next()?.to_str().ok()?.trim(), values.next()) else {
        return None;
    };
    let (named, text) = match value.split_once(' ') {
        Some((word, rest)) => (Some(known_scheme(word)?), rest),
        None => (None, value),
    };
    let access_token = token(&Value::from(text), reading)?;
    let scheme = reading.scheme.cloned().or(named).unwrap_or_else(Scheme::bearer);
    let moments = Moments { now: reading.now, server: response.header("date").and_then(Timestamp::parse) };
    let lifetime = expiry::lifetime(&Fields::of(Map::new()), jwt::dates(&access_token), moments);
    let (refresh_token, refresh_name, withheld) = (None, None, Vec::new());
    Some(Granted { access_token, scheme, refresh_token, refresh_name, lifetime, withheld })
}

fn token(value: &Value, reading: &Reading<'_>) -> Option<AccessToken> {
    let token = AccessToken::parse(value.as_str()?).ok()?;
    let echoed = reading.secrets.iter().any(|secret| secret.matches(token.secret()));
    (!echoed).then_some(token)
}

/// A refresh token is visible ASCII (RFC 6749 appendix A.17); an impossible one is as good as none.
fn refresh_token(value: &Value) -> Option<Secret> {
    let text = value.as_str()?;
    let fits = !text.is_empty()
        && text.len() <= MAX_REFRESH_BYTES
        && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    fits.then(|| Secret::new(text))
}

/// The words of `asked` that the answer's `scope`, a text or a list, does not have. Some words ask for another
/// token or stand for others, and no server repeats them.
fn withheld(fields: &Fields, asked: &str) -> Vec<String> {
    let granted: Vec<&str> = match fields.get(&["scope"]).next() {
        Some(Value::String(text)) => text.split([' ', ',']).collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => return Vec::new(),
    };
    let is_repeated =
        |word: &&str| !matches!(*word, "openid" | "offline_access") && !word.ends_with("/.default");
    asked
        .split_ascii_whitespace()
        .filter(is_repeated)
        .filter(|word| !granted.contains(word))
        .map(str::to_owned)
        .collect()
}

/// The scheme that `token_type` names: `Bearer` where it says nothing, none where it is not understood, in
/// which case the token must not be used (RFC 6749 §7.1).
fn scheme_of(fields: &Fields, dpop: bool) -> Option<Scheme> {
    match fields.get(&["token_type", "tokenType"]).find(|value| !value.is_null()) {
        None => Some(Scheme::bearer()),
        Some(Value::String(text)) if text.trim().is_empty() => Some(Scheme::bearer()),
        Some(Value::String(text)) if dpop && text.trim().eq_ignore_ascii_case("DPoP") => Some(Scheme::dpop()),
        Some(Value::String(text)) => known_scheme(text.trim()),
        Some(_) => None,
    }
}

/// Schemes that take the token as it is (RFC 6750, and two frameworks' own).
fn known_scheme(word: &str) -> Option<Scheme> {
    ["Bearer", "Token", "JWT"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(word))
        .and_then(Scheme::parse)
}

fn no_token(response: &Response, reading: &Reading<'_>, what: &str) -> Refusal {
    let message = format!("the answer of {} {what}", reading.place);
    Refusal::NoToken(Error::new(ErrorKind::Response, message).with_status(response.status))
}

/// The names of an answer's fields, for the person who has to set `login.tokenPath`: names only, and of
/// those only plain ones.
fn visible_names(object: &Map<String, Value>, secrets: &[&Secret]) -> String {
    let plain = |name: &&String| {
        name.len() <= 40
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            && !secrets.iter().any(|secret| name.contains(secret.expose()))
    };
    let names: Vec<_> = object.keys().filter(plain).take(8).map(String::as_str).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests;
