//! Redirects: followed with the same request within the origin, and explained elsewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::LOCATION;
use serde_json::Value;
use url::Url;

use super::failure::place;
use super::{Body, Request, Response};
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::redaction::Redaction;

/// Shorter values stand in a path by accident.
const SHORTEST_SECRET: usize = 6;

/// More of a path helps nobody.
const LONGEST_PATH: usize = 200;

pub(super) fn is_one(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The addresses that a request went to, in their order.
pub(super) struct Trail(Vec<Url>);

impl Trail {
    pub(super) fn from(url: &Url) -> Self {
        Self(vec![url.clone()])
    }

    /// Where the redirect leads, within the origin (RFC 9700 §4.12 is about the others). The request goes on to there.
    ///
    /// # Errors
    /// `Endpoint`, which names the place to configure. That of a login cools down where the redirect may be the
    /// answer to a wrong password.
    pub(super) fn next(&mut self, request: &Request, answer: &Response) -> Result<Url> {
        let target = target(request, answer)?;
        let (from, status) = (&request.url, answer.status);
        let is_round = self.0.iter().any(|known| is_same(known, &target));
        if has_login(request) && (is_round || !self.may_pass_on(status, from, &target)) {
            return Err(not_followed(request, status, &target));
        }
        if is_round && self.0.len() > 1 || self.0.len() > MAX_REDIRECTS {
            return Err(refused(from, "redirects in a loop", status));
        }
        self.0.push(target.clone());
        Ok(target)
    }

    /// Whether a login goes on with its password: to the same endpoint under another spelling, or, once and where the
    /// status asks for the same POST, to another one that is not a page for browsers.
    fn may_pass_on(&self, status: u16, from: &Url, target: &Url) -> bool {
        let is_first = self.0.len() == 1;
        (self.0.len() <= MAX_REDIRECTS && !tells_of_an_error(target) && is_variant(from, target))
            || (matches!(status, 307 | 308) && is_first && !leads_to_a_page(from, target))
    }
}

/// A framework adds a slash, a proxy a prefix; more hops are a loop.
const MAX_REDIRECTS: usize = 3;

/// Where the redirect leads, if that is within the origin.
fn target(request: &Request, answer: &Response) -> Result<Url> {
    let (from, status) = (&request.url, answer.status);
    let target = answer.headers.get(LOCATION).and_then(|value| from.join(&text(value.as_bytes())).ok());
    let Some(target) = target else { return Err(refused(from, "redirects to nowhere", status)) };
    if !target.origin().is_tuple() {
        let what = if sent(request).finds(target.scheme()) {
            "redirects to an address that is no server's".to_owned()
        } else {
            format!("redirects to an address that begins with {}:, which is no server's", target.scheme())
        };
        return Err(refused(from, &what, status));
    }
    let is_elsewhere = target.origin() != from.origin();
    let is_see_other = status == 303;
    let is_moved = is_same_path(from, &target) && !tells_of_an_error(&target);
    if has_login(request) && (is_see_other || (is_elsewhere && !is_moved)) {
        return Err(not_followed(request, status, &target));
    }
    if is_see_other {
        let what = format!("answers with a page to look at (303): {}", named(&target, request));
        return Err(refused(from, &what, status));
    }
    if is_elsewhere {
        let what = format!(
            "redirects to another origin, where no credential is sent; if it is the server's, configure {}",
            named(&target, request)
        );
        return Err(refused(from, &what, status));
    }
    Ok(target)
}

/// The refusal of a redirect that may be what a wrong password is answered with, as login forms do.
fn not_followed(request: &Request, status: u16, target: &Url) -> Error {
    let what = format!(
        "redirects the login ({status}), and evertoken does not send the password there. Some servers refuse a wrong \
         login like this: check the username and the password. If it is the server's login for programs, configure {}",
        named(target, request)
    );
    refused(&request.url, &what, status).with_retry(Retry::CoolDown)
}

/// Whether a password may be in a request: a form of another grant, or of a revocation, has none.
fn has_login(request: &Request) -> bool {
    match &request.body {
        Body::Empty => false,
        Body::Json(json) => !is_refresh(json),
        Body::Form(form) => {
            let fields: Vec<_> = url::form_urlencoded::parse(form.expose().as_bytes()).collect();
            let grant = fields.iter().find(|(name, _)| name == "grant_type").map(|(_, value)| value.as_ref());
            let is_revocation = fields.iter().any(|(name, _)| name == "token_type_hint");
            grant.is_none_or(|grant| grant == "password") && !is_revocation
        }
    }
}

/// Whether a JSON body holds a refresh token and nothing else that could be a credential.
fn is_refresh(json: &Secret) -> bool {
    let fields: serde_json::Map<String, Value> = serde_json::from_str(json.expose()).unwrap_or_default();
    let is_harmless = |name: &String| name == "grant_type" || name == "client_id";
    let is_token = |name: &String| name.to_ascii_lowercase().contains("refresh");
    fields.keys().any(is_token) && fields.keys().all(|name| is_token(name) || is_harmless(name))
}

/// The same address, but for the query.
fn is_same(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin() && one.path() == other.path()
}

fn is_same_path(one: &Url, other: &Url) -> bool {
    one.path().trim_end_matches('/') == other.path().trim_end_matches('/')
}

/// Whether two addresses are the same endpoint: with and without a slash at the end, or a prefix.
fn is_variant(one: &Url, other: &Url) -> bool {
    let [one, other] = [one, other].map(|url| url.path().trim_end_matches('/'));
    let is_prefixed = |long: &str, short: &str| short.len() > 1 && long.ends_with(short);
    is_prefixed(one, other) || is_prefixed(other, one)
}

fn tells_of_an_error(target: &Url) -> bool {
    let query = target.query().unwrap_or_default().to_ascii_lowercase();
    ["error", "fail", "invalid", "denied"].iter().any(|word| query.contains(word))
}

/// Whether a redirect leads to where people log in, or are told what is wrong.
fn leads_to_a_page(from: &Url, target: &Url) -> bool {
    let (from, path) = (from.path().to_ascii_lowercase(), target.path().to_ascii_lowercase());
    let words = ["login", "signin", "sign-in", "sign_in", "logon", "error", "denied"];
    tells_of_an_error(target) || words.iter().any(|word| path.contains(word) && !from.contains(word))
}

pub(super) fn refused(from: &Url, what: &str, status: u16) -> Error {
    Error::new(ErrorKind::Endpoint, format!("{} {what}", place(from)))
        .with_status(status)
        .with_retry(Retry::Never)
}

/// A header's value as Node reads it; servers that write more than ASCII mean UTF-8.
fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

/// The target's origin, and its path unless that repeats something that was sent.
fn named(target: &Url, request: &Request) -> String {
    if !target.origin().is_tuple() {
        return "an address that is no server's".into();
    }
    let sent = sent(request);
    let origin = target.origin().ascii_serialization();
    if sent.finds(&origin) {
        return "the address that it names".into();
    }
    let decoded = percent_decode_str(target.path()).decode_utf8_lossy();
    let repeats = sent.finds(target.path()) || sent.finds(&decoded);
    if repeats || target.path().len() > LONGEST_PATH { format!("{origin}/…") } else { place(target) }
}

/// What may be secret in a request: each value of its headers and its body.
fn sent(request: &Request) -> Redaction {
    let mut values: Vec<String> =
        request.headers.iter().flat_map(|(_, value)| words(value.expose())).collect();
    match &request.body {
        Body::Empty => {}
        Body::Form(form) => {
            let fields = url::form_urlencoded::parse(form.expose().as_bytes());
            values
                .extend(fields.filter(|(name, _)| name != "grant_type").map(|(_, value)| value.into_owned()));
        }
        Body::Json(json) => collect(&serde_json::from_str(json.expose()).unwrap_or_default(), &mut values),
    }
    values.retain(|value| value.len() >= SHORTEST_SECRET);
    let secrets: Vec<_> = values.into_iter().map(Secret::new).collect();
    Redaction::of(&secrets)
}

/// The words of a header's value, and the secret in one of `Basic`.
fn words(value: &str) -> Vec<String> {
    let mut words: Vec<String> = value.split(' ').map(str::to_owned).collect();
    let pair = words.iter().find_map(|word| String::from_utf8(STANDARD.decode(word).ok()?).ok());
    if let Some((_, secret)) = pair.as_deref().and_then(|pair| pair.split_once(':')) {
        let decoded = percent_decode_str(&secret.replace('+', " ")).decode_utf8_lossy().into_owned();
        words.extend([secret.to_owned(), decoded]);
    }
    words
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, into)),
        _ => {}
    }
}
