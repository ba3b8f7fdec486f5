//! Parses what the function `login` returned, by the rules for the response of a server.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::kept_fields::{self, KeptFields};
use super::refusal::{self, Refusal};
use super::response_context::ResponseContext;
use super::token_response::{self, Granted, REFRESH_NAMES};
use super::{expiry, fields, locate};
use crate::domain::{AccessToken, Secret};
use crate::error::{Error, ErrorKind};
use crate::transport::Response;

/// What the function is called in messages.
pub const LOGIN_FUNCTION: &str = "login()";

/// What the function returned.
#[derive(Clone, Debug)]
pub struct LoginAnswer {
    /// The token.
    pub granted: Granted,
    /// Whether the function says that there is no refresh token any more, with `refreshToken: null`.
    pub drops_refresh_token: bool,
}

/// An answer without a usable token.
#[derive(Clone, Debug)]
pub struct UnusableAnswer {
    /// Why. It names the member that is wrong, without its value.
    pub error: Error,
    /// The refresh token that came with a token that has expired.
    pub refresh_token: Option<Secret>,
}

impl From<Error> for UnusableAnswer {
    fn from(error: Error) -> Self {
        Self { error, refresh_token: None }
    }
}

/// Parses what the function returned, which is JSON. An error in the form of OAuth 2 (RFC 6749 §5.2), as in the body of a
/// response whose status was not checked, is classified like that of a server.
///
/// # Errors
/// `Credentials` if it is an error that rejects the credentials; `Response` for what is not a token.
pub fn read_login_answer(json: &str, context: &ResponseContext<'_>) -> Result<LoginAnswer, UnusableAnswer> {
    let object = match fields::parse(json).unwrap_or(Value::Null) {
        Value::Object(object) => object,
        other => {
            let kind = kind_of(&other);
            return Err(returned(format!("{kind}, not an object such as {{ token }}")).into());
        }
    };
    let (response, object) = (response(&object), &object);
    if let Some(refusal) = refusal::from_object(object, &response, context) {
        return Err(reported(object, &refusal.into_error()).into());
    }
    check_token(object, context)?;
    check_refresh_token(object)?;
    if let Some(name) = expiry::unreadable(object) {
        return Err(returned(format!("`{name}`, which is not a date or a number of seconds")).into());
    }
    let mut granted = token_response::read(&response, context).map_err(unusable)?;
    granted.expiry_warning = granted.expiry_warning.map(without_path);
    add_fields(&mut granted.kept, object.get("fields"))?;
    let drops_refresh_token = granted.refresh_token.is_none()
        && REFRESH_NAMES.iter().any(|name| object.get(*name).is_some_and(Value::is_null));
    Ok(LoginAnswer { granted, drops_refresh_token })
}

/// The response that a server would have sent. Of a member that is there under two names, the function has added the one
/// of its own kind: `{ ...body, token: body.session }`.
fn response(object: &Map<String, Value>) -> Response {
    let mut members = object.clone();
    for (own, standard) in
        [("token", "access_token"), ("tokenType", "token_type"), ("refreshToken", "refresh_token")]
    {
        // Only a refresh token can be dropped.
        let drops = |value: &Value| value.is_null() && own == "refreshToken";
        if let Some(value) = object.get(own).filter(|value| is_own(value) || drops(value)) {
            members.insert(standard.to_owned(), value.clone());
        }
    }
    let json = Zeroizing::new(Value::Object(members).to_string());
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    Response { status: 200, headers, body: Zeroizing::new(json.as_bytes().to_vec()) }
}

fn check_token(object: &Map<String, Value>, context: &ResponseContext<'_>) -> Result<(), Error> {
    let own = object.get_key_value("token").filter(|(_, value)| is_own(value));
    let usual = locate::TOKEN_NAMES.iter().filter_map(|name| object.get_key_value(*name));
    let mut first_fault = None;
    for (name, value) in own.into_iter().chain(usual.filter(|_| own.is_none())) {
        let fault = match value {
            Value::Null => continue,
            // It may be in there, as in `token: { access_token }`.
            Value::Object(_) => return Ok(()),
            Value::String(text) => match AccessToken::parse_with_type(text) {
                Ok(_) => return Ok(()),
                Err(fault) => format!("`{name}`, which is not usable: {fault}"),
            },
            other => format!("`{name}`, which is {}, not a string", kind_of(other)),
        };
        first_fault = first_fault.or(Some(fault));
    }
    match first_fault {
        Some(fault) => Err(returned(fault)),
        None if object.get("data").is_some_and(Value::is_object) || object.contains_key("tokens") => Ok(()),
        None => {
            let names = token_response::visible_names(object, &context.redaction());
            Err(returned(format!("an object without token; its members are: {names}")))
        }
    }
}

/// Whether it is a value of its own, and not an object around others.
fn is_own(value: &Value) -> bool {
    !value.is_null() && !value.is_object()
}

/// A refresh token that cannot be kept is lost, and a server that rotates it does not issue it again.
fn check_refresh_token(object: &Map<String, Value>) -> Result<(), Error> {
    for name in REFRESH_NAMES {
        let is_usable = match object.get(*name) {
            None | Some(Value::Null | Value::Object(_)) => true,
            Some(Value::String(text)) => token_response::refresh_token(text).is_some(),
            Some(_) => false,
        };
        if !is_usable {
            let fault = "which is not a string of visible ASCII characters";
            return Err(returned(format!("`{name}`, {fault}")));
        }
    }
    Ok(())
}

/// The members of `fields` are kept without being configured: the function has chosen them.
fn add_fields(kept: &mut KeptFields, fields: Option<&Value>) -> Result<(), Error> {
    let named = match fields {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(named)) => named,
        Some(other) => {
            return Err(returned(format!("`fields`, which is {}, not an object", kind_of(other))));
        }
    };
    for (name, value) in named.iter().filter(|(_, value)| !value.is_null()) {
        let text = kept_fields::text_of(value.clone()).map_err(|error| {
            returned(format!("an entry of `fields` that cannot be kept: it {}", error.as_str()))
        })?;
        kept.faults.retain(|(faulty, _)| faulty != name);
        kept.fields.insert(name.clone(), text);
    }
    Ok(())
}

/// A warning about an expiry without its advice to set a path, which a function does not have.
fn without_path(warning: String) -> String {
    match warning.split_once(". Set login.expiresPath") {
        Some((what, _)) => format!("{what}. Return expiresAt, preferably as a Date"),
        None => warning,
    }
}

/// The error for an answer that is itself an error.
fn reported(object: &Map<String, Value>, classified: &Error) -> Error {
    let code = refusal::oauth_error(object).map_or_else(String::new, |code| format!(" ({code})"));
    let what = match classified.kind() {
        ErrorKind::Credentials => "an error that rejects the credentials",
        _ => "an error instead of a token",
    };
    let error = Error::new(classified.kind(), format!("{LOGIN_FUNCTION} returned {what}{code}"))
        .with_retry(classified.retry());
    match classified.server_error() {
        Some(server_error) => error.with_server_error(server_error.clone()),
        None => error,
    }
}

/// The error of an answer that the rules for a server's response refuse. It has no status: there was no response.
fn unusable(refusal: Refusal) -> UnusableAnswer {
    let refresh_token = match &refusal {
        Refusal::ExpiredToken(_, refresh_token) => Some(refresh_token.clone()),
        _ => None,
    };
    let error = refusal.into_error();
    let error = Error::new(ErrorKind::Response, error.message());
    UnusableAnswer { error, refresh_token }
}

fn returned(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Response, format!("{LOGIN_FUNCTION} returned {what}"))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::config::{LoginOptions, ResponseField};
    use crate::domain::Timestamp;
    use crate::error::Retry;
    use crate::oauth::Expiry;

    fn read_with(kept: &[ResponseField], answer: &Value) -> Result<LoginAnswer, UnusableAnswer> {
        let login = LoginOptions::default();
        let context = ResponseContext {
            login: &login,
            is_refresh: false,
            scheme: None,
            dpop: false,
            never_expires: false,
            kept,
            scope: None,
            secrets: Vec::new(),
            sent: Vec::new(),
            place: LOGIN_FUNCTION.to_owned(),
            now: Timestamp::from_second(1_800_000_000.0),
        };
        read_login_answer(&answer.to_string(), &context)
    }

    fn read(answer: &Value) -> LoginAnswer {
        read_with(&[], answer).unwrap()
    }

    fn fault(answer: &Value) -> Error {
        read_with(&[], answer).unwrap_err().error
    }

    fn lifetime(answer: &Value) -> Expiry {
        read(answer).granted.expiry
    }

    #[test]
    fn an_answer_is_read_in_camel_case_and_as_servers_write_it() {
        for answer in [
            json!({ "token": "abc", "tokenType": "Token", "refreshToken": "r", "expiresInSeconds": 600 }),
            json!({ "access_token": "abc", "token_type": "Token", "refresh_token": "r", "expires_in": 600 }),
            json!({ "accessToken": "abc", "tokenType": "Token", "refreshToken": "r", "expiresIn": "600" }),
        ] {
            let granted = read(&answer).granted;
            assert_eq!(granted.access_token.secret().expose(), "abc");
            assert_eq!(granted.scheme.as_str(), "Token");
            assert_eq!(granted.refresh_token.unwrap().expose(), "r");
            assert_eq!(granted.expiry, Expiry::In(Duration::from_secs(600)), "{answer}");
        }
    }

    #[test]
    fn what_the_function_adds_to_the_body_of_a_response_comes_first() {
        let granted = read(&json!({
            "access_token": "body", "token_type": "Bearer", "refresh_token": "body", "expires_in": 600,
            "token": "own", "tokenType": "Token", "refreshToken": "own",
        }))
        .granted;
        assert_eq!(granted.access_token.secret().expose(), "own");
        assert_eq!(granted.scheme.as_str(), "Token");
        assert_eq!(granted.refresh_token.unwrap().expose(), "own");
        let dropped = read(&json!({ "access_token": "body", "refresh_token": "body", "refreshToken": null }));
        assert!(dropped.drops_refresh_token);
        let error = fault(&json!({ "access_token": "body", "token": "" }));
        assert!(error.message().contains("`token`, which is not usable"), "{error}");
        let granted = read(&json!({ "access_token": "body", "token": null, "tokenType": null })).granted;
        assert_eq!(granted.access_token.secret().expose(), "body");
    }

    #[test]
    fn an_expiry_is_a_date_or_a_number_of_seconds_and_the_earlier_counts() {
        let ten_minutes = Expiry::In(Duration::from_secs(600));
        for expiry in [json!("2027-01-15T08:10:00.000Z"), json!(1_800_000_600), json!(1_800_000_600_000_u64)]
        {
            assert_eq!(lifetime(&json!({ "token": "abc", "expiresAt": expiry })), ten_minutes, "{expiry}");
        }
        for (at, seconds) in [(1_800_000_600, 900), (1_800_000_900, 600)] {
            let both = json!({ "token": "abc", "expiresAt": at, "expiresInSeconds": seconds });
            assert_eq!(lifetime(&both), ten_minutes, "{both}");
        }
        assert_eq!(lifetime(&json!({ "token": "abc" })), Expiry::Unknown);
        assert_eq!(lifetime(&json!({ "token": "abc", "expiresAt": null })), Expiry::Unknown);
    }

    #[test]
    fn the_advice_about_a_doubtful_expiry_is_for_a_function() {
        for answer in [
            json!({ "token": "abc", "expiresInSeconds": 3_600_000 }),
            json!({ "token": "abc", "session_expiry_hours": 3 }),
        ] {
            let warning = read(&answer).granted.expiry_warning.unwrap();
            assert!(warning.starts_with("login(): `"), "{warning}");
            assert!(warning.ends_with(". Return expiresAt, preferably as a Date"), "{warning}");
        }
    }

    #[test]
    fn what_is_not_an_answer_is_named() {
        for (answer, message) in [
            (json!(null), "returned nothing, not an object"),
            (json!(7), "returned a number, not an object"),
            (json!("abc"), "returned a string, not an object"),
            (json!([]), "returned an array, not an object"),
            (json!({}), "returned an object without token; its members are: none"),
            (json!({ "jot": "abc" }), "returned an object without token; its members are: jot"),
            (json!({ "token": "" }), "returned `token`, which is not usable: the token is empty"),
            (json!({ "token": "a\nb" }), "returned `token`, which is not usable: the token contains"),
            (json!({ "token": null }), "returned an object without token; its members are: token"),
            (json!({ "token": 7 }), "returned `token`, which is a number, not a string"),
            (
                json!({ "token": "abc", "expiresAt": "Invalid Date" }),
                "returned `expiresAt`, which is not a date",
            ),
            (json!({ "token": "abc", "expires_in": "NaN" }), "returned `expires_in`, which is not a date"),
            (json!({ "token": "abc", "expiresInSeconds": 0 }), "expires in 0 seconds"),
            (json!({ "token": "abc", "expiresAt": 1_700_000_000 }), "has already expired"),
            (json!({ "token": "abc", "refreshToken": 7 }), "returned `refreshToken`, which is not a string"),
            (
                json!({ "token": "abc", "refreshToken": "a\nb" }),
                "returned `refreshToken`, which is not a string",
            ),
            (json!({ "token": "abc", "tokenType": 7 }), "unknown token_type"),
            (json!({ "token": "abc", "fields": 7 }), "returned `fields`, which is a number"),
            (json!({ "token": "abc", "fields": { "a": [] } }), "returned an entry of `fields`"),
        ] {
            let error = fault(&answer);
            assert!(error.message().contains("login()"), "{error}");
            assert!(error.message().contains(message), "{answer}: {error}");
            assert_eq!((error.kind(), error.status()), (ErrorKind::Response, None), "{answer}");
            assert_eq!(error.retry(), Retry::BackOff, "{answer}");
        }
    }

    #[test]
    fn an_error_of_the_server_that_is_returned_is_classified() {
        let error = fault(&json!({ "error": "invalid_grant", "error_description": "Wrong badge" }));
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Credentials, Retry::CoolDown));
        assert_eq!(error.message(), "login() returned an error that rejects the credentials (invalid_grant)");
        assert_eq!(error.server_error().unwrap().description.as_deref(), Some("Wrong badge"));
        let error = fault(&json!({ "error": "temporarily_unavailable" }));
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Response, Retry::BackOff));
    }

    #[test]
    fn a_refresh_token_of_null_drops_the_earlier_one_and_a_missing_one_does_not() {
        assert!(read(&json!({ "token": "abc", "refreshToken": null })).drops_refresh_token);
        assert!(!read(&json!({ "token": "abc" })).drops_refresh_token);
        assert!(!read(&json!({ "token": "abc", "refreshToken": "r" })).drops_refresh_token);
    }

    #[test]
    fn a_refresh_token_that_comes_with_an_expired_token_is_returned() {
        let answer = json!({ "token": "abc", "expiresAt": 1_700_000_000, "refreshToken": "next" });
        let unusable = read_with(&[], &answer).unwrap_err();
        assert_eq!(unusable.refresh_token.unwrap().expose(), "next");
    }

    #[test]
    fn fields_are_kept_as_text_whether_they_are_configured_or_not() {
        let answer = json!({ "token": "abc", "fields": { "region": "eu", "tenant": 7, "none": null } });
        let granted = read(&answer).granted;
        let kept: Vec<_> = granted.kept.fields.values().map(|(name, value)| (name, value.expose())).collect();
        assert_eq!(kept, [("region", "eu"), ("tenant", "7")]);
    }
}
