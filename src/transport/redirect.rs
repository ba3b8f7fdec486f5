//! Redirects: followed with the same request within the origin, and explained elsewhere.

use percent_encoding::percent_decode_str;
use reqwest::header::LOCATION;
use serde_json::Value;
use url::Url;

use super::failure::place;
use super::{Body, Request, Response};
use crate::error::{Error, ErrorKind, Result, Retry};

/// Shorter values stand in a path by accident.
const SHORTEST_SECRET: usize = 6;

/// More of a path helps nobody.
const LONGEST_PATH: usize = 200;

pub(super) fn is_one(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Where the redirect leads, within the origin (RFC 9700 §4.12 is about the others).
///
/// # Errors
/// `Endpoint`, which names the place to configure.
pub(super) fn target(request: &Request, answer: &Response) -> Result<Url> {
    let (from, status) = (&request.url, answer.status);
    let target = answer.headers.get(LOCATION).and_then(|value| from.join(&text(value.as_bytes())).ok());
    let Some(target) = target else { return Err(refused(from, "redirects to nowhere", status)) };
    if status == 303 {
        let what = format!("answers with a page to look at (303): {}", named(&target, request));
        return Err(refused(from, &what, status));
    }
    if !target.origin().is_tuple() {
        let what =
            format!("redirects to an address that begins with {}:, which is no server's", target.scheme());
        return Err(refused(from, &what, status));
    }
    if target.origin() != from.origin() {
        let what = format!(
            "redirects to another origin, where no credential is sent; if it is the server's, configure {}",
            named(&target, request)
        );
        return Err(refused(from, &what, status));
    }
    Ok(target)
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
        return format!("{}:…", target.scheme());
    }
    let decoded = percent_decode_str(target.path()).decode_utf8_lossy();
    let repeats = sent(request).iter().any(|value| decoded.contains(value.as_str()));
    if repeats || target.path().len() > LONGEST_PATH {
        return format!("{}/…", target.origin().ascii_serialization());
    }
    place(target)
}

/// What may be secret in a request: each value of its headers and its body.
fn sent(request: &Request) -> Vec<String> {
    let mut values: Vec<String> =
        request.headers.iter().flat_map(|(_, value)| value.expose().split(' ')).map(str::to_owned).collect();
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
    values
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, into)),
        _ => {}
    }
}
