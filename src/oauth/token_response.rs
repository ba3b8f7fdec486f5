//! From the bytes of an answer to a token or a refusal.

use serde_json::{Map, Value};

use super::expiry::{self, Expiry, Moments, Path, Sources};
use super::fields::ResponseFields;
use super::kept_fields::{self, KeptFields};
use super::locate::{self, Located};
use super::refusal::{self, Refusal};
use super::{body, jwt};
use crate::config::{LoginOptions, ResponseField, ResponsePath};
use crate::domain::{AccessToken, Secret, Timestamp, TokenType};
use crate::error::{Error, ErrorKind};
use crate::redaction::Redaction;
use crate::transport::Response;

const REFRESH_NAMES: &[&str] = &["refresh_token", "refresh", "refreshToken"];

const TYPE_NAMES: &[&str] = &["token_type", "tokenType"];

/// Longer refresh tokens are no more likely than longer access tokens.
const MAX_REFRESH_BYTES: usize = 64 * 1024;

/// A token, as an answer gave it.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The token.
    pub access_token: AccessToken,
    /// The word before it.
    pub scheme: TokenType,
    /// The refresh token; none also where the answer leaves it out, which keeps the old one (RFC 6749 §6).
    pub refresh_token: Option<Secret>,
    /// The name the refresh token came by.
    pub refresh_name: Option<&'static str>,
    /// When the token ends.
    pub expiry: Expiry,
    /// Why that may be wrong, what is assumed instead, and what to set: for the log, once per text. It contains names
    /// of fields and no values.
    pub expiry_warning: Option<String>,
    /// What of the configured scope the answer leaves out, where it names one (RFC 6749 §5.1).
    pub withheld: Vec<String>,
    /// What else of the answer is kept.
    pub kept: KeptFields,
}

/// What a reader must know besides the answer.
pub struct ResponseContext<'a> {
    /// How the answer is laid out, when that is configured.
    pub login: &'a LoginOptions,
    /// Whether a refresh token was spent: the answer may be laid out in another way than that of a login.
    pub is_refresh: bool,
    /// The word before the token, when that is configured.
    pub scheme: Option<&'a TokenType>,
    /// Whether a token may be bound to a key (`DPoP`, RFC 9449 §5).
    pub dpop: bool,
    /// Whether a token without an expiry, or with one of zero, does not end.
    pub never_expires: bool,
    /// What else of the answer is kept.
    pub kept: &'a [ResponseField],
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

impl ResponseContext<'_> {
    /// What is taken out of whatever is shown of the answer.
    pub(super) fn redaction(&self) -> Redaction {
        Redaction::of(self.secrets.iter().chain(&self.sent).copied())
    }
}

/// Reads an answer.
pub fn read(response: &Response, reading: &ResponseContext<'_>) -> Result<Granted, Refusal> {
    if !(200..300).contains(&response.status) {
        return Err(refusal::from_status(response, reading));
    }
    let text = body::text(response);
    let value = body::value(&text, response, locate::TOKEN_NAMES);
    let whole = value.as_ref();
    if let Some(Value::Object(object)) = whole
        && let Some(refusal) = refusal::from_object(object, response, reading)
    {
        return Err(refusal);
    }
    let answer = SuccessResponse { response, text: &text, whole, reading };
    let found = answer.token().ok_or_else(|| answer.without_token())?;
    answer.to_grant(found)
}

/// An answer that did not refuse the request.
struct SuccessResponse<'a> {
    response: &'a Response,
    text: &'a str,
    whole: Option<&'a Value>,
    reading: &'a ResponseContext<'a>,
}

/// A token, and where it stands.
struct FoundToken<'a> {
    access_token: AccessToken,
    /// The scheme before it, where there is one.
    scheme: Option<TokenType>,
    located: Located<'a>,
}

impl<'a> SuccessResponse<'a> {
    /// The token: where the configuration says, else at the usual places, which are also those of a refresh.
    fn token(&self) -> Option<FoundToken<'a>> {
        let ResponseContext { login, is_refresh, .. } = self.reading;
        let names = locate::names(login, *is_refresh);
        let at_path = login.token_path.as_ref().and_then(|path| {
            let located = self.at(path)?;
            self.parse_token(located).or_else(|| {
                let object = self.at(path)?.value?.as_object()?;
                self.usual(object, names)
            })
        });
        let is_open = login.token_path.is_none() || *is_refresh;
        let usual = || self.usual(self.whole?.as_object()?, names);
        at_path
            .or_else(|| if is_open { usual() } else { None })
            .or_else(|| self.parse_token(locate::authorization(self.response)?))
    }

    fn usual(
        &self,
        object: &'a Map<String, Value>,
        names: &'static [&'static str],
    ) -> Option<FoundToken<'a>> {
        locate::usual(object, names, &mut |located| self.parse_token(located))
    }

    /// What stands at a configured path.
    fn at(&self, path: &ResponsePath) -> Option<Located<'a>> {
        locate::at(path, self.whole, self.text, self.response)
    }

    /// The token in a text, unless it echoes a credential that was sent.
    fn parse_token(&self, located: Located<'a>) -> Option<FoundToken<'a>> {
        let (access_token, scheme) = AccessToken::parse_with_type(located.text()?).ok()?;
        let is_understood = self.reading.dpop || !scheme.as_ref().is_some_and(TokenType::is_dpop);
        let is_echoed = self.reading.secrets.iter().any(|secret| secret.matches(access_token.secret()));
        (is_understood && !is_echoed).then_some(FoundToken { access_token, scheme, located })
    }

    fn to_grant(&self, found: FoundToken<'a>) -> Result<Granted, Refusal> {
        let reading = self.reading;
        let FoundToken { access_token, scheme, located } = found;
        let fields = ResponseFields::from_chain(located.chain, self.whole);
        let scheme = match reading.scheme {
            Some(configured) => configured.clone(),
            None => self.scheme(scheme, &fields, &access_token)?,
        };
        let (refresh_name, refresh_token) = self.refresh_token(&fields);
        let found = self.expiry(fields.clone(), &access_token, located.cookie_expires);
        if let Some(ended) = found.ended {
            let error = self.reject(&describe_expiry(&ended)).into_error();
            return Err(match refresh_token {
                Some(refresh_token) => Refusal::ExpiredToken(error, refresh_token),
                None => Refusal::NoToken(error),
            });
        }
        let expiry_warning = found.warning_text(&reading.place);
        let withheld = withheld_scopes(&fields, reading.scope.unwrap_or_default());
        let expiry = found.expiry;
        let kept = kept_fields::find(reading.kept, &fields, &|path| self.at(path)?.into_value());
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

    /// The scheme: the one `before` the token, else the one that `token_type` names, which is understood in any case.
    fn scheme(
        &self,
        before: Option<TokenType>,
        fields: &ResponseFields<'a>,
        token: &AccessToken,
    ) -> Result<TokenType, Refusal> {
        let told = scheme_of(fields, self.reading.dpop).map_err(|word| {
            let (_, refresh_token) = self.refresh_token(fields);
            let given = [token.secret()].into_iter().chain(&refresh_token);
            let known = self.reading.secrets.iter().chain(&self.reading.sent).copied();
            let word = word.filter(|word| !is_repeated(fields, word));
            self.reject(&describe_token_type(word, &Redaction::of(known.chain(given))))
        })?;
        Ok(before.unwrap_or(told))
    }

    /// The refresh token, and the name it came by: at the configured path, else at the usual places, unless the
    /// path describes this very answer.
    fn refresh_token(&self, fields: &ResponseFields<'a>) -> (Option<&'static str>, Option<Secret>) {
        let path = self.reading.login.refresh_token_path.as_ref();
        let at_path = path.and_then(|path| self.at(path)).and_then(|located| refresh_token(located.text()?));
        if at_path.is_some() || (path.is_some() && !self.reading.is_refresh) {
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
        let ResponseContext { login, is_refresh, never_expires, now, .. } = *self.reading;
        let path = login.expires_path.as_ref().map(|path| Path {
            name: path.last_name(),
            value: self.at(path).and_then(Located::into_value),
            is_binding: !is_refresh,
        });
        let server = self.response.header("date").and_then(Timestamp::parse);
        let redaction = self.reading.redaction();
        let is_tellable = |name: &str| is_plain_name(name, &redaction);
        let claims = jwt::claims(token);
        let sources = Sources { path, fields, claims, cookie, never_expires, is_tellable: &is_tellable };
        expiry::find(&sources, Moments { now, server })
    }

    /// The refusal of an answer without a token, which may be what is said of a wrong password.
    fn without_token(&self) -> Refusal {
        refusal::without_token(self.whole, self.response, self.reading, &self.describe_absence())
    }

    /// Why there is no token, and the names to choose `login.tokenPath` from.
    fn describe_absence(&self) -> String {
        let at_path = self.reading.login.token_path.as_ref().map_or("", |_| " at login.tokenPath");
        match self.whole {
            Some(Value::Object(object)) => {
                let names = visible_names(object, &self.reading.redaction());
                format!("holds no usable token{at_path}; it has the fields {names}")
            }
            _ if !at_path.is_empty() => format!("holds no usable token{at_path}"),
            Some(_) => "is not an object".into(),
            None => "is not JSON".into(),
        }
    }

    fn reject(&self, what: &str) -> Refusal {
        let message = format!("the answer of {} {what}", self.reading.place);
        Refusal::NoToken(Error::new(ErrorKind::Response, message).with_status(self.response.status))
    }
}

/// What the message says of a token that has expired.
fn describe_expiry(ended: &expiry::Ended) -> String {
    let source = &ended.source;
    if ended.is_zero {
        return format!(
            "says that the token expires in 0 seconds ({source}). If that means that the token does not expire, set \
             neverExpires: true; defaultLifetimeSeconds is only used where an answer gives no expiry"
        );
    }
    format!("holds a token that has already expired ({source})")
}

/// What the message says of a `token_type` that is not understood. It repeats the word only where that is short and
/// plain and contains no secret.
fn describe_token_type(word: Option<&str>, redaction: &Redaction) -> String {
    const LONGEST: usize = 40;
    let is_plain = |word: &&str| {
        word.len() <= LONGEST
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b" _-.:/".contains(&b))
            && !redaction.finds(word)
    };
    let word = word.filter(is_plain).map_or_else(String::new, |word| format!(" (\"{word}\")"));
    format!(
        "names a token_type{word} that is not understood. If the API takes the token, set scheme to the word that \
         belongs before it, such as Bearer"
    )
}

/// Whether another field of the answer has this word in it, as one with a token would.
fn is_repeated(fields: &ResponseFields<'_>, word: &str) -> bool {
    let texts = fields.levels.iter().flat_map(|level| level.iter());
    let others = texts.filter(|(name, _)| !TYPE_NAMES.contains(&name.as_str()));
    others.filter_map(|(_, value)| value.as_str()).any(|text| text.contains(word))
}

/// A refresh token is visible ASCII (RFC 6749 appendix A.17); an impossible one is as good as none.
fn refresh_token(text: &str) -> Option<Secret> {
    let fits = !text.is_empty()
        && text.len() <= MAX_REFRESH_BYTES
        && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    fits.then(|| Secret::new(text))
}

/// The words of `asked` that the answer's `scope`, a text or a list, does not have. Some words ask for another
/// token or stand for others, and no server repeats them.
fn withheld_scopes(fields: &ResponseFields<'_>, asked: &str) -> Vec<String> {
    let granted: Vec<&str> = match fields.get(&["scope", "scopes"]).find(|value| !value.is_null()) {
        Some(Value::String(text)) => scopes(text).collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).flat_map(scopes).collect(),
        _ => return Vec::new(),
    };
    let is_repeated =
        |word: &&str| !matches!(*word, "openid" | "offline_access") && !word.ends_with("/.default");
    scopes(asked).filter(is_repeated).filter(|word| !granted.contains(word)).map(str::to_owned).collect()
}

/// The words of a scope, with spaces between them (RFC 6749 §3.3) or with commas, as some servers have it.
fn scopes(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

/// The scheme that `token_type` names: `Bearer` where it says nothing. Where it is not understood the token must
/// not be used (RFC 6749 §7.1).
///
/// # Errors
/// The word that is not understood, where it is one.
fn scheme_of<'v>(fields: &ResponseFields<'v>, dpop: bool) -> Result<TokenType, Option<&'v str>> {
    match fields.get(TYPE_NAMES).find(|value| !value.is_null()) {
        None => Ok(TokenType::bearer()),
        Some(Value::String(text)) => scheme_named(text.trim(), dpop).ok_or(Some(text.trim())),
        Some(_) => Err(None),
    }
}

/// The scheme that a word means: some servers write `BearerToken` or `Access Token` for `Bearer`.
fn scheme_named(word: &str, dpop: bool) -> Option<TokenType> {
    let letters: String = word.chars().filter(char::is_ascii_alphabetic).collect();
    let letters = letters.to_ascii_lowercase();
    let means_bearer = word.is_empty() || letters.starts_with("bearer") || letters.ends_with("accesstoken");
    let understood = TokenType::bearer_like(word).filter(|scheme| dpop || !scheme.is_dpop());
    understood.or_else(|| means_bearer.then(TokenType::bearer))
}

/// The names of an answer's fields: names only, and of those only plain ones.
fn visible_names(object: &Map<String, Value>, redaction: &Redaction) -> String {
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
