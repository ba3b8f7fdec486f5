//! Redirects: followed with the same request within the origin, and refused with an explanation otherwise.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::LOCATION;
use serde_json::Value;
use url::Url;

use super::{Body, Request, Response};
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::redaction::{Redaction, display_url};

/// Shorter values occur in a path by coincidence.
const MIN_SECRET: usize = 6;

/// Longer paths are not shown.
const MAX_PATH: usize = 200;

pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The URLs that a request was sent to, in order.
pub(super) struct RedirectChain(Vec<Url>);

impl RedirectChain {
    pub(super) fn new(url: &Url) -> Self {
        Self(vec![url.clone()])
    }

    /// The URL to send the request to next, within the origin (RFC 9700 §4.12 explains why not elsewhere).
    ///
    /// # Errors
    /// `Endpoint`, with the URL to configure. That of a login cools down if the redirect may be the response
    /// to a wrong password.
    pub(super) fn follow(&mut self, request: &Request, response: &Response) -> Result<Url> {
        let target = target(request, response)?;
        let (from, status) = (&request.url, response.status);
        let is_loop = self.0.iter().any(|known| is_same(known, &target));
        if has_login(request) && (is_loop || !self.may_resend_login(status, from, &target)) {
            return Err(not_followed(request, status, &target));
        }
        if is_loop && self.0.len() > 1 || self.0.len() > MAX_REDIRECTS {
            return Err(refused(from, "redirects in a loop", status));
        }
        self.0.push(target.clone());
        Ok(target)
    }

    /// Whether a login, with its password, may follow the redirect: to the same endpoint in another spelling,
    /// or, once and if the status preserves the POST, to another endpoint that is not a page for browsers.
    fn may_resend_login(&self, status: u16, from: &Url, target: &Url) -> bool {
        let is_first = self.0.len() == 1;
        (self.0.len() <= MAX_REDIRECTS && !has_error_query(target) && is_variant(from, target))
            || (matches!(status, 307 | 308) && is_first && !leads_to_a_page(from, target))
    }
}

/// A framework may add a slash and a proxy a prefix; more hops are a loop.
const MAX_REDIRECTS: usize = 3;

/// The redirect's target, if it is within the origin.
fn target(request: &Request, response: &Response) -> Result<Url> {
    let (from, status) = (&request.url, response.status);
    let target = response.headers.get(LOCATION).and_then(|value| from.join(&text(value.as_bytes())).ok());
    let Some(target) = target else {
        return Err(refused(from, "redirects without a valid Location header", status));
    };
    if !target.origin().is_tuple() {
        let what = if sent(request).finds(target.scheme()) {
            "redirects to a URL that is not an HTTP address".to_owned()
        } else {
            format!("redirects to a {}: URL, which is not an HTTP address", target.scheme())
        };
        return Err(refused(from, &what, status));
    }
    let is_elsewhere = target.origin() != from.origin();
    let is_see_other = status == 303;
    let is_moved = is_same_path(from, &target) && !has_error_query(&target);
    if has_login(request) && (is_see_other || (is_elsewhere && !is_moved)) {
        return Err(not_followed(request, status, &target));
    }
    if is_see_other {
        let what = format!(
            "redirects with 303 See Other, which evertoken does not follow: {}",
            named(&target, request)
        );
        return Err(refused(from, &what, status));
    }
    if is_elsewhere {
        let what = format!(
            "redirects to another origin, and evertoken does not send credentials there. If that origin belongs to the \
             server, configure {}",
            named(&target, request)
        );
        return Err(refused(from, &what, status));
    }
    Ok(target)
}

/// The error for a redirect that may be the response to a wrong password, as login forms send it.
fn not_followed(request: &Request, status: u16, target: &Url) -> Error {
    let what = format!(
        "redirects the login ({status}), and evertoken does not send the password there. This may be how the \
         server responds to a wrong login: check the username and password. If the target is the login API, configure {}",
        named(target, request)
    );
    refused(&request.url, &what, status).with_retry(Retry::CoolDown)
}

/// Whether a request may contain a password. A form of another grant or of a revocation does not.
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

/// Whether a JSON body contains a refresh token and no other field that could be a credential.
fn is_refresh(json: &Secret) -> bool {
    let fields: serde_json::Map<String, Value> = serde_json::from_str(json.expose()).unwrap_or_default();
    let is_harmless = |name: &String| name == "grant_type" || name == "client_id";
    let is_token = |name: &String| name.to_ascii_lowercase().contains("refresh");
    fields.keys().any(is_token) && fields.keys().all(|name| is_token(name) || is_harmless(name))
}

/// Whether two URLs are the same apart from the query.
fn is_same(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin() && one.path() == other.path()
}

fn is_same_path(one: &Url, other: &Url) -> bool {
    one.path().trim_end_matches('/') == other.path().trim_end_matches('/')
}

/// Whether two URLs are variants of the same endpoint: with and without a trailing slash or a path prefix.
fn is_variant(one: &Url, other: &Url) -> bool {
    let [one, other] = [one, other].map(|url| url.path().trim_end_matches('/'));
    let is_prefixed = |long: &str, short: &str| short.len() > 1 && long.ends_with(short);
    is_prefixed(one, other) || is_prefixed(other, one)
}

fn has_error_query(target: &Url) -> bool {
    let query = target.query().unwrap_or_default().to_ascii_lowercase();
    ["error", "fail", "invalid", "denied"].iter().any(|word| query.contains(word))
}

/// Whether a redirect leads to a login page or an error page.
fn leads_to_a_page(from: &Url, target: &Url) -> bool {
    let (from, path) = (from.path().to_ascii_lowercase(), target.path().to_ascii_lowercase());
    let words = ["login", "signin", "sign-in", "sign_in", "logon", "error", "denied"];
    has_error_query(target) || words.iter().any(|word| path.contains(word) && !from.contains(word))
}

pub(super) fn refused(from: &Url, what: &str, status: u16) -> Error {
    Error::new(ErrorKind::Endpoint, format!("{} {what}", display_url(from)))
        .with_status(status)
        .with_retry(Retry::Never)
}

/// Decodes a header's value as Node does: as UTF-8 if possible.
fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

/// The target's origin, and its path unless that contains something that was sent.
fn named(target: &Url, request: &Request) -> String {
    if !target.origin().is_tuple() {
        return "a URL that is not an HTTP address".into();
    }
    let sent = sent(request);
    let origin = target.origin().ascii_serialization();
    if sent.finds(&origin) {
        return "the redirect's target".into();
    }
    let decoded = percent_decode_str(target.path()).decode_utf8_lossy();
    let repeats = sent.finds(target.path()) || sent.finds(&decoded);
    if repeats || target.path().len() > MAX_PATH { format!("{origin}/…") } else { display_url(target) }
}

/// What may be secret in a request: every value of its headers and its body.
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
    values.retain(|value| value.len() >= MIN_SECRET);
    let secrets: Vec<_> = values.into_iter().map(Secret::new).collect();
    Redaction::of(&secrets)
}

/// The words of a header's value, and the secret in a `Basic` one.
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
