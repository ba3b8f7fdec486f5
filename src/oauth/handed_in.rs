//! Tokens that a program obtained itself and hands in: with the names of a token response (RFC 6749 §5.1), or those of
//! JavaScript.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Expiry;
use super::fields::{ResponseFields, number};
use super::jwt::{self, TokenClaims};
use super::kept_fields;
use super::refresh_expiry::RefreshExpiry;
use super::time_value::{FIRST_DATE_SECONDS, ParsedValue, epoch_seconds, parse_value, seconds};
use super::token_response::{MAX_REFRESH_BYTES, scheme_named};
use crate::config::Config;
use crate::domain::{AccessToken, AnswerFields, MAX_LIFETIME, Secret, Timestamp, TokenType};
use crate::error::{Error, Result};

const ACCESS_TOKEN: &[&str] = &["accessToken", "access_token"];
const REFRESH_TOKEN: &[&str] = &["refreshToken", "refresh_token"];
const TOKEN_TYPE: &[&str] = &["tokenType", "token_type"];
const SCOPE: &[&str] = &["scope"];
const EXPIRES_AT: &[&str] = &["expiresAt", "expires_at", "accessTokenExpiresAt"];
const EXPIRES_IN: &[&str] = &["expiresInSeconds", "expires_in", "expiresIn"];
const REFRESH_EXPIRES_AT: &[&str] = &["refreshTokenExpiresAt", "refresh_token_expires_at"];
const REFRESH_EXPIRES_IN: &[&str] = &[
    "refreshTokenExpiresInSeconds",
    "refresh_token_expires_in",
    "refreshTokenExpiresIn",
    "refresh_expires_in",
    "x_refresh_token_expires_in",
];

/// Tokens that were handed in: at least one of the two.
#[derive(Clone, Debug)]
pub struct HandedIn {
    /// The access token, unless it has expired.
    pub access_token: Option<AccessToken>,
    /// The token type to send before it.
    pub scheme: TokenType,
    /// When the access token expires.
    pub expiry: Expiry,
    /// The refresh token.
    pub refresh_token: Option<Secret>,
    /// When the refresh token expires, if that is known.
    pub refresh_expiry: Option<RefreshExpiry>,
    /// The configured fields that came with them.
    pub fields: AnswerFields,
}

/// Reads what was handed in at `now`. Members that are not about the tokens are ignored.
///
/// # Errors
/// `Config`, with the name of the member that is wrong, or `tokens` if there is neither of the two.
pub fn read_handed_in(value: &Value, config: &Config, now: Timestamp) -> Result<HandedIn> {
    let Value::Object(map) = value else { return Err(Error::config("tokens", "must be an object")) };
    let tokens = Members { map, config, now };
    let access_token = tokens.access_token()?;
    let (refresh_name, refresh_token) = tokens.refresh_token()?.unzip();
    tokens.check_scope()?;
    let Some(access_token) = access_token else {
        let refresh_token = Some(refresh_token.ok_or_else(|| {
            Error::config(
                "tokens",
                "must contain accessToken or refreshToken (or access_token, refresh_token)",
            )
        })?);
        return tokens.with(None, refresh_token);
    };
    if let (Some(name), Some(refresh_token)) = (refresh_name, &refresh_token)
        && refresh_token.matches(access_token.secret())
    {
        return Err(Error::config(name, "is the access token"));
    }
    tokens.with(Some(access_token), refresh_token)
}

/// The members of the object that was handed in.
struct Members<'m> {
    map: &'m Map<String, Value>,
    config: &'m Config,
    now: Timestamp,
}

impl<'m> Members<'m> {
    /// The value under one of these names, with the name. `null` is as good as nothing.
    fn get(&self, names: &[&'static str]) -> Result<Option<(&'static str, &'m Value)>> {
        let mut found = names
            .iter()
            .filter_map(|name| Some((*name, self.map.get(*name).filter(|value| !value.is_null())?)));
        let first = found.next();
        let other = first.and_then(|(_, value)| found.find(|(_, other)| *other != value));
        match (first, other) {
            (Some((first, _)), Some((other, _))) => {
                Err(Error::config(other, format!("differs from {first}: remove one of the two")))
            }
            _ => Ok(first),
        }
    }

    fn text(&self, names: &[&'static str]) -> Result<Option<(&'static str, &'m str)>> {
        let Some((name, value)) = self.get(names)? else { return Ok(None) };
        let text = value.as_str().filter(|text| !text.trim().is_empty());
        text.map(|text| Some((name, text))).ok_or_else(|| Error::config(name, "must be a non-empty string"))
    }

    fn access_token(&self) -> Result<Option<AccessToken>> {
        let Some((name, text)) = self.text(ACCESS_TOKEN)? else { return Ok(None) };
        let token = AccessToken::parse(text)
            .map_err(|fault| Error::config(name, format!("is not a valid token: {fault}")))?;
        if self.config.secrets().any(|secret| secret.matches(token.secret())) {
            return Err(Error::config(name, "is a configured secret, not an access token"));
        }
        Ok(Some(token))
    }

    /// A server may issue the same refresh token again, which may be the configured one.
    fn refresh_token(&self) -> Result<Option<(&'static str, Secret)>> {
        let Some((name, text)) = self.text(REFRESH_TOKEN)? else { return Ok(None) };
        let token = Secret::new(text);
        if token.len() > MAX_REFRESH_BYTES {
            return Err(Error::config(name, "is longer than 64 KiB"));
        }
        if !token.is_visible_ascii() {
            return Err(Error::config(name, "contains a control character or a non-ASCII character"));
        }
        if self.config.credentials.lasting_secrets().any(|secret| secret.matches(&token)) {
            return Err(Error::config(name, "is a configured secret, not a refresh token"));
        }
        Ok(Some((name, token)))
    }

    fn check_scope(&self) -> Result<()> {
        let Some((name, value)) = self.get(SCOPE)? else { return Ok(()) };
        let is_list = value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
        if value.is_string() || is_list {
            return Ok(());
        }
        Err(Error::config(name, "must be a string or an array of strings"))
    }

    fn with(&self, access_token: Option<AccessToken>, refresh_token: Option<Secret>) -> Result<HandedIn> {
        let scheme = self.scheme()?;
        let expiry = self.expiry(access_token.as_ref())?;
        let refresh_expiry = self.refresh_expiry(refresh_token.as_ref())?;
        let (expiry, access_token) = match expiry {
            Ok(expiry) => (expiry, access_token),
            Err(name) if refresh_token.is_none() => return Err(Error::config(name, "is in the past")),
            Err(_) => (Expiry::Unknown, None),
        };
        let fields = ResponseFields { levels: vec![self.map] };
        let fields = kept_fields::find(&self.config.fields, &fields, &|_| None).fields;
        Ok(HandedIn { access_token, scheme, expiry, refresh_token, refresh_expiry, fields })
    }

    fn scheme(&self) -> Result<TokenType> {
        let named = self.text(TOKEN_TYPE)?;
        if let Some((name, word)) = named {
            let known = scheme_named(word.trim(), true);
            if known.as_ref().is_some_and(TokenType::is_dpop) {
                return Err(Error::config(
                    name,
                    "is DPoP: evertoken does not have the key that the token is bound to",
                ));
            }
            if let (None, Some(known)) = (&self.config.scheme, known) {
                return Ok(known);
            }
            if self.config.scheme.is_none() {
                let unknown = "is unknown: leave it out, or set scheme to the word to send before the token";
                return Err(Error::config(name, unknown));
            }
        }
        Ok(self.config.scheme.clone().unwrap_or_else(TokenType::bearer))
    }

    /// The expiry of the access token, or the name of the member by which it has expired.
    fn expiry(&self, access_token: Option<&AccessToken>) -> Result<Result<Expiry, &'static str>> {
        let never_expires = self.config.policy.never_expires;
        let mut lives = Vec::new();
        let mut is_endless = false;
        if let Some((name, value)) = self.get(EXPIRES_IN)? {
            match number(value) {
                Some(life) if life > 0.0 => lives.push((name, life)),
                Some(life) if never_expires && life.abs() < f64::EPSILON => is_endless = true,
                _ => return Err(Error::config(name, "must be a number of seconds greater than 0")),
            }
        }
        if let Some((name, until)) = self.date(EXPIRES_AT)? {
            lives.push((name, until - seconds(self.now)));
        }
        if let Some(TokenClaims::Dates(dates)) = access_token.map(|token| jwt::claims(token.secret())) {
            lives.push((ACCESS_TOKEN[0], dates.expires - seconds(self.now)));
        }
        let earliest = lives.into_iter().min_by(|(_, one), (_, other)| one.total_cmp(other));
        Ok(match earliest {
            Some((name, life)) if life <= 0.0 => Err(name),
            Some((_, life)) if life <= MAX_LIFETIME.as_secs_f64() => {
                Ok(Expiry::In(Duration::from_secs_f64(life)))
            }
            None if !is_endless && !never_expires => Ok(Expiry::Unknown),
            Some(_) if !never_expires => Ok(Expiry::Unknown),
            _ => Ok(Expiry::Never),
        })
    }

    fn refresh_expiry(&self, refresh_token: Option<&Secret>) -> Result<Option<RefreshExpiry>> {
        let mut lives = Vec::new();
        let mut is_endless = false;
        if let Some((name, value)) = self.get(REFRESH_EXPIRES_IN)? {
            match number(value) {
                Some(life) if life > 0.0 => lives.push((name, life)),
                // Keycloak's offline tokens.
                Some(life) if life.abs() < f64::EPSILON => is_endless = true,
                _ => return Err(Error::config(name, "must be a number of seconds")),
            }
        }
        if let Some((name, until)) = self.date(REFRESH_EXPIRES_AT)? {
            lives.push((name, until - seconds(self.now)));
        }
        let Some(refresh_token) = refresh_token else { return Ok(None) };
        if let TokenClaims::Dates(dates) = jwt::claims(refresh_token) {
            lives.push((REFRESH_TOKEN[0], dates.expires - seconds(self.now)));
        }
        let earliest = lives.into_iter().min_by(|(_, one), (_, other)| one.total_cmp(other));
        match earliest {
            Some((name, life)) if life <= 0.0 => {
                Err(Error::config(name, "is in the past: the refresh token has expired"))
            }
            Some((_, life)) if life <= MAX_LIFETIME.as_secs_f64() => {
                Ok(Some(RefreshExpiry::In(Duration::from_secs_f64(life))))
            }
            None if !is_endless => Ok(None),
            _ => Ok(Some(RefreshExpiry::Never)),
        }
    }

    /// A date, in seconds since 1970.
    fn date(&self, names: &[&'static str]) -> Result<Option<(&'static str, f64)>> {
        let Some((name, value)) = self.get(names)? else { return Ok(None) };
        let date = match parse_value(value) {
            ParsedValue::Date(date) => Some(seconds(date)),
            ParsedValue::Number(number) => Some(epoch_seconds(number)),
            _ => None,
        };
        let date = date.filter(|date| *date >= FIRST_DATE_SECONDS);
        date.map(|date| Some((name, date))).ok_or_else(|| {
            Error::config(name, "must be a Date, an ISO 8601 text, or a number of seconds since 1970")
        })
    }
}
