//! Parses a response to a token or a refusal.

use serde_json::{Map, Value};

use super::expiry::{self, Expiry, Moments, Path, Sources};
use super::fields::ResponseFields;
use super::kept_fields::{self, KeptFields};
use super::locate::{self, Located};
use super::refusal::{self, Refusal};
use super::response_context::ResponseContext;
use super::{body, jwt};
use crate::config::ResponsePath;
use crate::domain::{AccessToken, Secret, Timestamp, TokenType};
use crate::error::{Error, ErrorKind};
use crate::redaction::Redaction;
use crate::transport::Response;

pub(super) const REFRESH_NAMES: &[&str] = &["refresh_token", "refresh", "refreshToken"];

const TYPE_NAMES: &[&str] = &["token_type", "tokenType"];

/// The same limit as for access tokens.
const MAX_REFRESH_BYTES: usize = 64 * 1024;

/// A token from a response.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The token.
    pub access_token: AccessToken,
    /// The token type to send before it.
    pub scheme: TokenType,
    /// The refresh token. If the response contains none, the old one remains valid (RFC 6749 §6).
    pub refresh_token: Option<Secret>,
    /// The name of the refresh token in the response.
    pub refresh_name: Option<&'static str>,
    /// When the token expires.
    pub expiry: Expiry,
    /// Why the expiry may be wrong, what is assumed instead, and what to set. Logged once per text. Contains
    /// field names but no values.
    pub expiry_warning: Option<String>,
    /// The scopes that were requested but not granted, if the response names its scope (RFC 6749 §5.1).
    pub withheld: Vec<String>,
    /// The kept fields of the response.
    pub kept: KeptFields,
}

/// Parses a response.
pub fn read(response: &Response, context: &ResponseContext<'_>) -> Result<Granted, Refusal> {
    if !(200..300).contains(&response.status) {
        return Err(refusal::from_status(response, context));
    }
    let text = body::text(response);
    let value = body::value(&text, response, locate::TOKEN_NAMES);
    let whole = value.as_ref();
    if let Some(Value::Object(object)) = whole
        && let Some(refusal) = refusal::from_object(object, response, context)
    {
        return Err(refusal);
    }
    let success = SuccessResponse { response, text: &text, whole, context };
    let found = success.token().ok_or_else(|| success.without_token())?;
    success.to_grant(found)
}

/// A response with a success status and without an error.
struct SuccessResponse<'a> {
    response: &'a Response,
    text: &'a str,
    whole: Option<&'a Value>,
    context: &'a ResponseContext<'a>,
}

/// A token, and where it was found.
struct FoundToken<'a> {
    access_token: AccessToken,
    /// The token type in the same text, if there is one.
    scheme: Option<TokenType>,
    located: Located<'a>,
}

impl<'a> SuccessResponse<'a> {
    /// The token: at the configured path, or else at the common locations, which are also tried after a
    /// refresh.
    fn token(&self) -> Option<FoundToken<'a>> {
        let ResponseContext { login, is_refresh, .. } = self.context;
        let names = locate::names(login, *is_refresh);
        let at_path = login.token_path.as_ref().and_then(|path| {
            let located = self.at(path)?;
            self.parse_token(located).or_else(|| {
                let object = self.at(path)?.value?.as_object()?;
                self.find_common(object, names)
            })
        });
        let is_open = login.token_path.is_none() || *is_refresh;
        let common = || self.find_common(self.whole?.as_object()?, names);
        at_path
            .or_else(|| if is_open { common() } else { None })
            .or_else(|| self.parse_token(locate::authorization(self.response)?))
    }

    fn find_common(
        &self,
        object: &'a Map<String, Value>,
        names: &'static [&'static str],
    ) -> Option<FoundToken<'a>> {
        locate::find_common(object, names, &mut |located| self.parse_token(located))
    }

    /// The value at a configured path.
    fn at(&self, path: &ResponsePath) -> Option<Located<'a>> {
        locate::at(path, self.whole, self.text, self.response)
    }

    /// Parses a token, unless it echoes a credential.
    fn parse_token(&self, located: Located<'a>) -> Option<FoundToken<'a>> {
        let (access_token, scheme) = AccessToken::parse_with_type(located.text()?).ok()?;
        let is_understood = self.context.dpop || !scheme.as_ref().is_some_and(TokenType::is_dpop);
        let is_echoed = self.context.secrets.iter().any(|secret| secret.matches(access_token.secret()));
        (is_understood && !is_echoed).then_some(FoundToken { access_token, scheme, located })
    }

    fn to_grant(&self, found: FoundToken<'a>) -> Result<Granted, Refusal> {
        let context = self.context;
        let FoundToken { access_token, scheme, located } = found;
        let fields = ResponseFields::from_chain(located.chain, self.whole);
        let scheme = match context.scheme {
            Some(configured) => configured.clone(),
            None => self.scheme(scheme, &fields, &access_token)?,
        };
        let (refresh_name, refresh_token) = self.refresh_token(&fields);
        let found = self.expiry(fields.clone(), &access_token, located.cookie_expires);
        if let Some(expired) = found.expired {
            let error = self.reject(&describe_expiry(&expired)).into_error();
            return Err(match refresh_token {
                Some(refresh_token) => Refusal::ExpiredToken(error, refresh_token),
                None => Refusal::NoToken(error),
            });
        }
        let expiry_warning = found.warning_text(&context.place);
        let withheld = withheld_scopes(&fields, context.scope.unwrap_or_default());
        let expiry = found.expiry;
        let kept = kept_fields::find(context.kept, &fields, &|path| self.at(path)?.into_value());
        Ok(Granted {
            access_token,
            scheme,
            refresh_token,
            refresh_name,
            expiry,
            expiry_warning,
            withheld,
            kept,
        })
    }

    /// The token type: the one in the same text as the token, or else `token_type`, which must be valid in
    /// any case.
    fn scheme(
        &self,
        own_type: Option<TokenType>,
        fields: &ResponseFields<'a>,
        token: &AccessToken,
    ) -> Result<TokenType, Refusal> {
        let named = scheme_of(fields, self.context.dpop).map_err(|word| {
            let (_, refresh_token) = self.refresh_token(fields);
            let given = [token.secret()].into_iter().chain(&refresh_token);
            let known = self.context.secrets.iter().chain(&self.context.sent).copied();
            let word = word.filter(|word| !is_repeated(fields, word));
            self.reject(&describe_token_type(word, &Redaction::of(known.chain(given))))
        })?;
        Ok(own_type.unwrap_or(named))
    }

    /// The refresh token and its name: at the configured path, or else at the common locations, unless the
    /// path describes this response.
    fn refresh_token(&self, fields: &ResponseFields<'a>) -> (Option<&'static str>, Option<Secret>) {
        let path = self.context.login.refresh_token_path.as_ref();
        let at_path = path.and_then(|path| self.at(path)).and_then(|located| refresh_token(located.text()?));
        if at_path.is_some() || (path.is_some() && !self.context.is_refresh) {
            let last = path.and_then(ResponsePath::last_name).filter(|_| at_path.is_some());
            return (REFRESH_NAMES.iter().find(|name| Some(**name) == last).copied(), at_path);
        }
        let text = |value: &'a Value| match value {
            Value::Object(map) => {
                ["token"].iter().chain(REFRESH_NAMES).find_map(|name| map.get(*name)?.as_str())
            }
            value => value.as_str(),
        };
        fields
            .named(REFRESH_NAMES)
            .find_map(|(name, value)| Some((name, refresh_token(text(value)?)?)))
            .map_or((None, None), |(name, token)| (Some(name), Some(token)))
    }

    fn expiry(
        &self,
        fields: ResponseFields<'a>,
        token: &AccessToken,
        cookie: Option<(&'static str, Value)>,
    ) -> expiry::FoundExpiry {
        let ResponseContext { login, is_refresh, never_expires, now, .. } = *self.context;
        let path = login.expires_path.as_ref().map(|path| Path {
            name: path.last_name(),
            value: self.at(path).and_then(Located::into_value),
            describes_response: !is_refresh,
        });
        let server = self.response.header("date").and_then(Timestamp::parse);
        let redaction = self.context.redaction();
        let may_show_name = |name: &str| is_plain_name(name, &redaction);
        let claims = jwt::claims(token);
        let sources = Sources { path, fields, claims, cookie, never_expires, may_show_name: &may_show_name };
        expiry::find(&sources, Moments { now, server })
    }

    /// The refusal for a response without a token, which may be the response to a wrong password.
    fn without_token(&self) -> Refusal {
        refusal::without_token(self.whole, self.response, self.context, &self.describe_absence())
    }

    /// Why there is no token, with the field names to choose `login.tokenPath` from.
    fn describe_absence(&self) -> String {
        let at_path = self.context.login.token_path.as_ref().map_or("", |_| " at login.tokenPath");
        match self.whole {
            Some(Value::Object(object)) => {
                let names = visible_names(object, &self.context.redaction());
                format!("contains no usable token{at_path}; its fields are {names}")
            }
            _ if !at_path.is_empty() => format!("contains no usable token{at_path}"),
            Some(_) => "is not an object".into(),
            None => "is not JSON".into(),
        }
    }

    fn reject(&self, what: &str) -> Refusal {
        let message = format!("the response of {} {what}", self.context.place);
        Refusal::NoToken(Error::new(ErrorKind::Response, message).with_status(self.response.status))
    }
}

/// The message about an expired token.
fn describe_expiry(expired: &expiry::Expired) -> String {
    let source = &expired.source;
    if expired.is_zero {
        return format!(
            "says that the token expires in 0 seconds ({source}). If the server means that the token does not expire, \
             set neverExpires: true. defaultLifetimeSeconds applies only if a response contains no expiry"
        );
    }
    format!("contains a token that has already expired ({source})")
}

/// The message about an unknown `token_type`. Includes the word only if it is short and plain and contains no
/// secret.
fn describe_token_type(word: Option<&str>, redaction: &Redaction) -> String {
    const MAX_LENGTH: usize = 40;
    let is_plain = |word: &&str| {
        word.len() <= MAX_LENGTH
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b" _-.:/".contains(&b))
            && !redaction.finds(word)
    };
    let word = word.filter(is_plain).map_or_else(String::new, |word| format!(" (\"{word}\")"));
    format!(
        "has an unknown token_type{word}. If the API accepts the token, set scheme to the word to send before it, such \
         as Bearer"
    )
}

/// Whether another field of the response contains this word, which may then be part of a secret.
fn is_repeated(fields: &ResponseFields<'_>, word: &str) -> bool {
    let texts = fields.levels.iter().flat_map(|level| level.iter());
    let others = texts.filter(|(name, _)| !TYPE_NAMES.contains(&name.as_str()));
    others.filter_map(|(_, value)| value.as_str()).any(|text| text.contains(word))
}

/// A refresh token is visible ASCII (RFC 6749, appendix A.17). An invalid one is ignored.
pub(super) fn refresh_token(text: &str) -> Option<Secret> {
    let fits = !text.is_empty()
        && text.len() <= MAX_REFRESH_BYTES
        && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    fits.then(|| Secret::new(text))
}

/// The `requested` scopes that the response's `scope`, a string or an array, does not contain. Some scopes
/// request another token or stand for others, and no server repeats them.
fn withheld_scopes(fields: &ResponseFields<'_>, requested: &str) -> Vec<String> {
    let granted: Vec<&str> = match fields.get(&["scope", "scopes"]).find(|value| !value.is_null()) {
        Some(Value::String(text)) => scopes(text).collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).flat_map(scopes).collect(),
        _ => return Vec::new(),
    };
    let is_repeated =
        |word: &&str| !matches!(*word, "openid" | "offline_access") && !word.ends_with("/.default");
    scopes(requested).filter(is_repeated).filter(|word| !granted.contains(word)).map(str::to_owned).collect()
}

/// The words of a scope, separated by spaces (RFC 6749 §3.3) or, on some servers, by commas.
fn scopes(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

/// The token type that `token_type` names; `Bearer` by default. A token with an unknown type must not be used
/// (RFC 6749 §7.1).
///
/// # Errors
/// The unknown type, if it is a string.
fn scheme_of<'v>(fields: &ResponseFields<'v>, dpop: bool) -> Result<TokenType, Option<&'v str>> {
    match fields.get(TYPE_NAMES).find(|value| !value.is_null()) {
        None => Ok(TokenType::bearer()),
        Some(Value::String(text)) => scheme_named(text.trim(), dpop).ok_or(Some(text.trim())),
        Some(_) => Err(None),
    }
}

/// The token type that a word means: some servers write `BearerToken` or `Access Token` for `Bearer`.
fn scheme_named(word: &str, dpop: bool) -> Option<TokenType> {
    let letters: String = word.chars().filter(char::is_ascii_alphabetic).collect();
    let letters = letters.to_ascii_lowercase();
    let means_bearer = word.is_empty() || letters.starts_with("bearer") || letters.ends_with("accesstoken");
    let understood = TokenType::bearer_like(word).filter(|scheme| dpop || !scheme.is_dpop());
    understood.or_else(|| means_bearer.then(TokenType::bearer))
}

/// The plain names of a response's fields.
pub(super) fn visible_names(object: &Map<String, Value>, redaction: &Redaction) -> String {
    let names = object.keys().filter(|name| is_plain_name(name, redaction)).take(8);
    let names: Vec<_> = names.map(String::as_str).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn is_plain_name(name: &str, redaction: &Redaction) -> bool {
    name.len() <= 40
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && !redaction.finds(name)
}

#[cfg(test)]
mod tests;
