//! Where the token is in a response.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::fields::{HOLDERS, at_path};
use super::{body, cookie};
use crate::config::{LoginOptions, ResponsePath};
use crate::domain::TokenType;
use crate::transport::Response;

/// The names of a token, in the order in which they are tried.
pub(super) const TOKEN_NAMES: &[&str] =
    &["access_token", "access", "token", "auth_token", "jwt", "accessToken", "key"];

/// The names if the login's token is an ID token, as in Google Identity Toolkit: its login returns `idToken`,
/// and its refresh returns `id_token` next to `access_token`.
const ID_TOKEN_NAMES: &[&str] =
    &["id_token", "idToken", "access_token", "access", "token", "auth_token", "jwt", "accessToken", "key"];

/// The depth of common locations, such as `data.tokens.access.token`.
const MAX_DEPTH: usize = 3;

/// A value, and the objects around it.
pub(super) struct Located<'a> {
    /// The value, if it is a JSON value of the body.
    pub value: Option<&'a Value>,
    /// The text, if it is not.
    plain: Option<Cow<'a, str>>,
    /// The objects around it, the nearest first.
    pub chain: Vec<&'a Map<String, Value>>,
    /// The expiry of the cookie, if it is from one.
    pub cookie_expires: Option<(&'static str, Value)>,
}

impl<'a> Located<'a> {
    fn plain(text: impl Into<Cow<'a, str>>) -> Self {
        Self { value: None, plain: Some(text.into()), chain: Vec::new(), cookie_expires: None }
    }

    fn value(value: &'a Value, chain: Vec<&'a Map<String, Value>>) -> Self {
        Self { value: Some(value), plain: None, chain, cookie_expires: None }
    }

    /// The text of the value.
    pub(super) fn text(&self) -> Option<&str> {
        self.value.map_or(self.plain.as_deref(), Value::as_str)
    }

    /// The value.
    pub(super) fn into_value(self) -> Option<Value> {
        self.value.cloned().or(self.plain.map(|text| Value::from(text.into_owned())))
    }
}

/// The names to look for in a response that the configuration does not describe.
pub(super) fn names(login: &LoginOptions, is_refresh: bool) -> &'static [&'static str] {
    let last = login.token_path.as_ref().and_then(ResponsePath::last_name);
    let is_id_token = matches!(last, Some("id_token" | "idToken"));
    if is_refresh && is_id_token { ID_TOKEN_NAMES } else { TOKEN_NAMES }
}

/// The value at a configured path.
pub(super) fn at<'a>(
    path: &ResponsePath,
    whole: Option<&'a Value>,
    text: &'a str,
    response: &'a Response,
) -> Option<Located<'a>> {
    match path {
        ResponsePath::Member(names) => {
            let (value, chain) = at_path(whole?, names)?;
            Some(Located::value(value, chain))
        }
        ResponsePath::Whole => whole_text(whole, text, response),
        ResponsePath::Header(name) => {
            let mut values = response.headers.get_all(name).iter();
            let first = values.next()?;
            values.all(|other| other == first).then(|| Located::plain(first.to_str().unwrap_or_default()))
        }
        ResponsePath::Cookie(name) => {
            let cookie = cookie::named(response, name)?;
            Some(Located { cookie_expires: cookie.expires, ..Located::plain(cookie.value) })
        }
    }
}

/// The whole response as the token, unless it is a page, incomplete JSON, or a word such as "ok" or "denied".
fn whole_text<'a>(whole: Option<&'a Value>, text: &'a str, response: &'a Response) -> Option<Located<'a>> {
    const VERDICTS: [&str; 11] = [
        "ok",
        "true",
        "false",
        "success",
        "error",
        "fail",
        "failed",
        "invalid",
        "unauthorized",
        "forbidden",
        "denied",
    ];
    let plain = text.trim();
    let located = match whole {
        Some(value @ Value::String(_)) => Located::value(value, Vec::new()),
        // A number in a JSON response is a number; in plain text, digits are text.
        Some(Value::Number(_)) if !body::media_type(response).contains("json") => Located::plain(plain),
        None if !plain.starts_with(['<', '{', '[', '"']) => Located::plain(plain),
        _ => return None,
    };
    let is_verdict = |text: &str| VERDICTS.iter().any(|verdict| text.trim().eq_ignore_ascii_case(verdict));
    located.text().is_some_and(|text| !is_verdict(text)).then_some(located)
}

/// The `Authorization` header of a response, in which some frameworks return the token.
pub(super) fn authorization(response: &Response) -> Option<Located<'_>> {
    let mut values = response.headers.get_all("authorization").iter();
    let (value, None) = (values.next()?.to_str().ok()?.trim(), values.next()) else {
        return None;
    };
    let is_understood = value.split_once(' ').is_none_or(|(word, _)| TokenType::bearer_like(word).is_some());
    is_understood.then(|| Located::plain(value))
}

/// The first value with a common name that `accept` accepts: in the object itself, then in its [`HOLDERS`].
pub(super) fn find_common<'a, T>(
    object: &'a Map<String, Value>,
    names: &'static [&'static str],
    accept: &mut dyn FnMut(Located<'a>) -> Option<T>,
) -> Option<T> {
    find_within(object, names, &[], accept)
}

fn find_within<'a, T>(
    object: &'a Map<String, Value>,
    names: &'static [&'static str],
    around: &[&'a Map<String, Value>],
    accept: &mut dyn FnMut(Located<'a>) -> Option<T>,
) -> Option<T> {
    let chain: Vec<_> = std::iter::once(object).chain(around.iter().copied()).collect();
    let here = names.iter().filter_map(|name| object.get(*name));
    let found = here.into_iter().find_map(|value| accept(Located::value(value, chain.clone())));
    if found.is_some() || around.len() == MAX_DEPTH {
        return found;
    }
    HOLDERS.iter().find_map(|name| find_within(object.get(*name)?.as_object()?, names, &chain, accept))
}
