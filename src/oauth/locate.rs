//! Where the token stands in an answer.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::fields::{HOLDERS, at_path};
use super::{body, cookie};
use crate::config::{LoginOptions, ResponsePath};
use crate::domain::TokenType;
use crate::transport::Response;

/// The names of a token, in the order in which they are looked for.
pub(super) const TOKEN_NAMES: &[&str] =
    &["access_token", "access", "token", "auth_token", "jwt", "accessToken", "key"];

/// The same where the login's token is an ID token, as Google Identity Toolkit has it: `idToken` at the login, and
/// `id_token` next to `access_token` at the refresh.
const ID_TOKEN_NAMES: &[&str] =
    &["id_token", "idToken", "access_token", "access", "token", "auth_token", "jwt", "accessToken", "key"];

/// How deep the usual places are: `data.tokens.access.token`.
const DEEPEST: usize = 3;

/// A value, and what stands around it.
pub(super) struct Located<'a> {
    /// The value, where it is part of the body.
    pub value: Option<&'a Value>,
    /// The text, where it is none of the body's values.
    plain: Option<Cow<'a, str>>,
    /// The objects around it, the nearest first.
    pub chain: Vec<&'a Map<String, Value>>,
    /// When the cookie ends that it came in.
    pub cookie_expires: Option<(&'static str, Value)>,
}

impl<'a> Located<'a> {
    fn plain(text: impl Into<Cow<'a, str>>) -> Self {
        Self { value: None, plain: Some(text.into()), chain: Vec::new(), cookie_expires: None }
    }

    fn value(value: &'a Value, chain: Vec<&'a Map<String, Value>>) -> Self {
        Self { value: Some(value), plain: None, chain, cookie_expires: None }
    }

    /// The text that stands there.
    pub(super) fn text(&self) -> Option<&str> {
        self.value.map_or(self.plain.as_deref(), Value::as_str)
    }

    /// What stands there.
    pub(super) fn into_value(self) -> Option<Value> {
        self.value.cloned().or(self.plain.map(|text| Value::from(text.into_owned())))
    }
}

/// The names to look for in an answer that the configuration does not describe.
pub(super) fn names(login: &LoginOptions, is_refresh: bool) -> &'static [&'static str] {
    let last = login.token_path.as_ref().and_then(ResponsePath::last_name);
    let is_id_token = matches!(last, Some("id_token" | "idToken"));
    if is_refresh && is_id_token { ID_TOKEN_NAMES } else { TOKEN_NAMES }
}

/// What stands at a path of the configuration.
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

/// The whole answer, where it is a text, unless that is a page, JSON that breaks off or the word of a verdict.
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
        // A number under the label of JSON is one, and a plain text of digits is a text.
        Some(Value::Number(_)) if !body::media_type(response).contains("json") => Located::plain(plain),
        None if !plain.starts_with(['<', '{', '[', '"']) => Located::plain(plain),
        _ => return None,
    };
    let is_verdict = |text: &str| VERDICTS.iter().any(|verdict| text.trim().eq_ignore_ascii_case(verdict));
    located.text().is_some_and(|text| !is_verdict(text)).then_some(located)
}

/// The `Authorization` header of an answer, as some frameworks hand the token out.
pub(super) fn authorization(response: &Response) -> Option<Located<'_>> {
    let mut values = response.headers.get_all("authorization").iter();
    let (value, None) = (values.next()?.to_str().ok()?.trim(), values.next()) else {
        return None;
    };
    let is_understood = value.split_once(' ').is_none_or(|(word, _)| TokenType::bearer_like(word).is_some());
    is_understood.then(|| Located::plain(value))
}

/// The first value under a usual name that `accept` takes: in the object itself, then in its usual parts.
pub(super) fn usual<'a, T>(
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
    if found.is_some() || around.len() == DEEPEST {
        return found;
    }
    HOLDERS.iter().find_map(|name| find_within(object.get(*name)?.as_object()?, names, &chain, accept))
}
