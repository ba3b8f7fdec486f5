//! Why a response contains no token, and what that says about the request.

mod error_text;
mod rejection;
mod words;

use std::time::Duration;

use serde_json::{Map, Value};

use self::error_text::ErrorText;
use super::response_context::ResponseContext;
use super::{body, fields, retry_after, server_error};
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Retry, ServerError};
use crate::transport::Response;

/// A response without a token, classified by what can be tried next.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// 404 or 405: there is no such endpoint at this URL.
    NotHere(Error),
    /// The request format is wrong; another one may work. If only the status says so, the error cools down,
    /// because it may also be a wrong password.
    WrongFormat(Error),
    /// `invalid_client`: another client authentication method may work.
    InvalidClient(Error),
    /// The server did not find client credentials in the request: another client authentication method may work.
    MissingClient(Error),
    /// A 401 without a reason: some servers reject a client authentication method like this, others a
    /// password.
    Unexplained(Error),
    /// It is unclear what was rejected. If the request contains a password, that may be wrong: the first
    /// error says so and cools down. The second error is for other requests and is temporary.
    Ambiguous(Error, Box<Error>),
    /// The credentials are wrong. Sending them again could lock the account.
    Rejected(Error),
    /// Not a token response, such as an HTML page. If it reports an error or is JSON, it may reject the
    /// credentials; its error then cools down.
    NoToken(Error),
    /// A token that has already expired, and the refresh token that came with it.
    ExpiredToken(Error, Secret),
    /// The server or the network failed, or the server asks to try later. This says nothing about the
    /// credentials.
    Failed(Error),
}

impl Refusal {
    /// The error.
    pub fn into_error(self) -> Error {
        match self {
            Self::NotHere(error)
            | Self::WrongFormat(error)
            | Self::InvalidClient(error)
            | Self::MissingClient(error)
            | Self::Unexplained(error)
            | Self::Ambiguous(error, _)
            | Self::Rejected(error)
            | Self::NoToken(error)
            | Self::ExpiredToken(error, _)
            | Self::Failed(error) => error,
        }
    }
}

/// The error codes of RFC 6749 §5.2 and related RFCs. Only these are repeated in a message. Everything else
/// that a server says is in [`ServerError`].
const KNOWN_ERRORS: [&str; 17] = [
    "access_denied",
    "consent_required",
    "interaction_required",
    "invalid_client",
    "invalid_dpop_proof",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "login_required",
    "mfa_required",
    "server_error",
    "slow_down",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
    "use_dpop_nonce",
];

/// The `error` of a response, if it is a known one.
pub(super) fn oauth_error(object: &Map<String, Value>) -> Option<&'static str> {
    let text = object.get("error")?.as_str()?;
    KNOWN_ERRORS.into_iter().find(|known| *known == text)
}

/// Classifies a response with a status other than 2xx.
pub(super) fn from_status(response: &Response, context: &ResponseContext<'_>) -> Refusal {
    let value = body::value(&body::text(response), response, &[]);
    ErrorResponse::of_value(value.as_ref(), response, context).classify()
}

/// Classifies the error of a response with a 2xx status. `None` if it does not report one.
pub(super) fn from_object(
    object: &Map<String, Value>,
    response: &Response,
    context: &ResponseContext<'_>,
) -> Option<Refusal> {
    let classify =
        || ErrorResponse::of_object(object, response, context).classify_reported(body_status(object));
    reports_an_error(object).then(classify)
}

/// Classifies a response with a 2xx status that contains neither a token nor an error. Some servers respond
/// to a wrong password like this. `value` is the body if it is JSON, and `what` says what is wrong with it.
pub(super) fn without_token(
    value: Option<&Value>,
    response: &Response,
    context: &ResponseContext<'_>,
    what: &str,
) -> Refusal {
    let error = ErrorResponse::of_value(value, response, context);
    match value {
        Some(value) => error.classify_silent(value.as_object().and_then(body_status), what),
        None => error.classify_text(what),
    }
}

/// A response without a token.
struct ErrorResponse<'a> {
    response: &'a Response,
    context: &'a ResponseContext<'a>,
    text: ErrorText,
    /// Its `error`, if it is a known one.
    code: Option<&'static str>,
    server_error: Option<ServerError>,
}

impl<'a> ErrorResponse<'a> {
    fn of_object(
        object: &Map<String, Value>,
        response: &'a Response,
        context: &'a ResponseContext<'a>,
    ) -> Self {
        let server_error = server_error::of_object(object, &context.redaction());
        Self {
            response,
            context,
            text: ErrorText::of_object(object),
            code: oauth_error(object),
            server_error,
        }
    }

    /// `value` is the parsed body, if there is one.
    fn of_value(value: Option<&Value>, response: &'a Response, context: &'a ResponseContext<'a>) -> Self {
        if let Some(Value::Object(object)) = value {
            return Self::of_object(object, response, context);
        }
        let text = value.map_or_else(|| ErrorText::of_body(response), ErrorText::of_value);
        let server_error = server_error::of_body(response, value, &context.redaction());
        Self { response, context, text, code: None, server_error }
    }

    fn classify(&self) -> Refusal {
        if let Some(refusal) = self.by_words() {
            return refusal;
        }
        let (status, text) = (self.response.status, &self.text);
        match status {
            300..400 => Refusal::Failed(
                self.error(ErrorKind::Endpoint, "responded with a redirect").with_retry(Retry::Never),
            ),
            429 => self.limited(),
            408 | 425 | 500.. => {
                Refusal::Failed(self.error(ErrorKind::Response, "failed").with_retry(self.wait()))
            }
            _ if text.is_temporary() || self.requested_wait().is_some() => self.temporary(),
            404 | 405 => Refusal::NotHere(self.error(ErrorKind::Endpoint, "is not a token endpoint")),
            415 => self.wrong_format(),
            _ => self.by_code().unwrap_or_else(|| self.by_text()),
        }
    }

    /// An explicit rejection takes precedence over the status and over everything else in the body: a wrong
    /// password that is mistaken for another error would be sent again and could lock the account.
    fn by_words(&self) -> Option<Refusal> {
        let text = &self.text;
        if text.rejects_a_credential() {
            return Some(if text.has_client_code() { self.invalid_client() } else { self.rejected() });
        }
        // With these statuses it adds nothing.
        let is_of_the_status = matches!(self.response.status, 401 | 403 | 404 | 405);
        let is_unauthorized = !is_of_the_status && self.code.is_none() && text.says_unauthorized();
        (is_unauthorized && !text.is_temporary()).then(|| self.rejected())
    }

    /// Classifies by the error code of RFC 6749 §5.2 and related RFCs. `invalid_request` and unknown codes
    /// can mean anything.
    fn by_code(&self) -> Option<Refusal> {
        Some(match self.code? {
            "invalid_client" => self.invalid_client(),
            // About the proof and not the credentials; a new nonce or a correct clock can help. A nonce is
            // retried only once, because every request also sends the credentials.
            "use_dpop_nonce" => Refusal::Failed(
                self.error(ErrorKind::Response, "requires a new DPoP nonce for each request")
                    .with_retry(Retry::CoolDown),
            ),
            "invalid_dpop_proof" => {
                Refusal::Failed(self.error(ErrorKind::Response, "rejected the DPoP proof"))
            }
            "unsupported_grant_type" => self.wrong_format(),
            "invalid_scope" => {
                self.misconfigured("rejected the request because of its `scope`, which is wrong or missing")
            }
            "invalid_target" => {
                self.misconfigured("rejected the request because of its `resource` or `audience`")
            }
            "unauthorized_client" => self.misconfigured("does not allow this client to use this grant"),
            "invalid_request" => return None,
            _ => self.rejected(),
        })
    }

    fn by_text(&self) -> Refusal {
        let (status, text) = (self.response.status, &self.text);
        let is_of_the_request = matches!(status, 400 | 422) || self.code == Some("invalid_request");
        match status {
            423 if text.locks_an_account() => self.rejected(),
            // About the message or the time, and not about the credentials.
            402 | 406 | 407 | 409..=414 | 416..=418 | 421 | 423 | 424 | 426 | 428 | 431 | 444 | 451 | 498 => {
                self.temporary()
            }
            _ if text.is_for_browsers() || status == 419 => self.for_browsers(),
            // A firewall or a proxy.
            403 if text.is_page() => self.temporary(),
            403 if text.gives_no_reason() => self.ambiguous(),
            _ if text.lacks_the_client() => self.missing_client(),
            _ if text.rejects_the_client() => self.invalid_client(),
            _ if is_of_the_request && text.reports_an_invalid_request() => self.wrong_format(),
            _ if self.code == Some("invalid_request") => self.wrong_format(),
            422 if text.gives_no_reason() => self.maybe_wrong_format(),
            401 if text.gives_no_reason() => {
                Refusal::Unexplained(self.error(ErrorKind::Credentials, "rejected the credentials"))
            }
            400 | 403 if text.is_not_json() => self.ambiguous(),
            _ => self.rejected(),
        }
    }

    /// An error in a response with a success status. `status` is the one in the body.
    fn classify_reported(&self, status: Option<u16>) -> Refusal {
        let text = &self.text;
        let is_rejected = text.rejects_a_credential();
        if text.is_temporary() {
            return self.temporary();
        }
        match self.by_code() {
            Some(refusal) => refusal,
            None if !is_rejected
                && (self.code == Some("invalid_request") || text.reports_an_invalid_request()) =>
            {
                if text.lacks_the_client() { self.missing_client() } else { self.wrong_format() }
            }
            None if text.has_client_code() || (!is_rejected && text.rejects_the_client()) => {
                self.invalid_client()
            }
            None => self.classify_silent(status, "reports an error despite its success status"),
        }
    }

    fn classify_silent(&self, status: Option<u16>, what: &str) -> Refusal {
        let is_rejected = self.text.rejects_a_credential();
        match status {
            Some(429) if !is_rejected => self.limited(),
            Some(500..) if !is_rejected => self.temporary(),
            _ if self.text.is_temporary() => self.temporary(),
            Some(404 | 405) if !is_rejected => {
                Refusal::NotHere(self.error(ErrorKind::Endpoint, "is not a token endpoint"))
            }
            _ => Refusal::NoToken(
                self.with(Error::new(
                    ErrorKind::Response,
                    format!("the response of {} {what}{}", self.context.place, self.named()),
                ))
                .with_retry(Retry::CoolDown),
            ),
        }
    }

    /// A text or a page with a success status. Pages contain all kinds of words, so only a text can say that
    /// the error is temporary.
    fn classify_text(&self, what: &str) -> Refusal {
        let text = &self.text;
        if text.is_temporary() && !text.is_page() {
            return self.temporary();
        }
        let message = format!("the response of {} {what}", self.context.place);
        let error = self.with(Error::new(ErrorKind::Response, message));
        let retry = if text.rejects_a_credential() { Retry::CoolDown } else { Retry::BackOff };
        Refusal::NoToken(error.with_retry(retry))
    }

    fn rejected(&self) -> Refusal {
        Refusal::Rejected(self.error(ErrorKind::Credentials, "rejected the credentials"))
    }

    /// A configuration error, and not a wrong secret. A corrected configuration need not wait.
    fn misconfigured(&self, what: &str) -> Refusal {
        Refusal::Rejected(self.error(ErrorKind::Credentials, what).with_retry(Retry::Never))
    }

    fn ambiguous(&self) -> Refusal {
        let rejected = self.error(ErrorKind::Credentials, "rejected the request without giving a reason");
        let temporary = self.error(ErrorKind::Response, "refused the request without giving a reason");
        Refusal::Ambiguous(rejected, Box::new(temporary))
    }

    fn invalid_client(&self) -> Refusal {
        Refusal::InvalidClient(self.error(ErrorKind::Credentials, "rejected the client"))
    }

    fn missing_client(&self) -> Refusal {
        let what = "did not find client credentials in the request";
        Refusal::MissingClient(self.error(ErrorKind::Endpoint, what).with_retry(Retry::Never))
    }

    fn wrong_format(&self) -> Refusal {
        Refusal::WrongFormat(self.error(ErrorKind::Endpoint, "does not accept this request format"))
    }

    /// Only the status says that the format is wrong.
    fn maybe_wrong_format(&self) -> Refusal {
        let error = self.error(ErrorKind::Endpoint, "does not accept this request format");
        Refusal::WrongFormat(error.with_retry(Retry::CoolDown))
    }

    fn for_browsers(&self) -> Refusal {
        let what = "expects a browser form (CSRF): set authUrl to the login or token endpoint of the API";
        Refusal::Failed(self.error(ErrorKind::Endpoint, what).with_retry(Retry::Never))
    }

    fn limited(&self) -> Refusal {
        let error = self.error(ErrorKind::RateLimited, "is limiting requests");
        Refusal::Failed(error.with_retry(self.wait()))
    }

    /// A temporary refusal. If the account is locked, the pauses are those of rejected credentials, because
    /// another attempt could prolong the lock.
    fn temporary(&self) -> Refusal {
        if self.text.locks_temporarily() && self.wait() == Retry::BackOff {
            let error = self.error(ErrorKind::RateLimited, "temporarily locked the account");
            return Refusal::Failed(error.with_retry(Retry::CoolDown));
        }
        if self.text.limits_the_rate() {
            return self.limited();
        }
        let error = self.error(ErrorKind::Response, "temporarily refused the request");
        Refusal::Failed(error.with_retry(self.wait()))
    }

    fn wait(&self) -> Retry {
        self.requested_wait().map_or(Retry::BackOff, Retry::After)
    }

    /// How long the server asks to wait. `None` for zero, dates in the past and invalid values.
    fn requested_wait(&self) -> Option<Duration> {
        retry_after::read(self.response, self.context.now)
    }

    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        let (place, status) = (&self.context.place, self.response.status);
        self.with(Error::new(kind, format!("{place} {what}: {status}{}", self.named())))
    }

    fn with(&self, error: Error) -> Error {
        let error = error.with_status(self.response.status);
        match &self.server_error {
            Some(server_error) => error.with_server_error(server_error.clone()),
            None => error,
        }
    }

    fn named(&self) -> String {
        self.code.map_or_else(String::new, |code| format!(" ({code})"))
    }
}

/// Whether an object with a success status reports an error. Values that mean none (`"error": 0`, `{}`, `""`)
/// are not errors.
fn reports_an_error(object: &Map<String, Value>) -> bool {
    let is_false = |key: &str| match object.get(key) {
        Some(Value::Bool(value)) => !value,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("false"),
        _ => false,
    };
    let status = object.get("status").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    ["error", "errors"].iter().any(|key| object.get(*key).is_some_and(|value| !fields::is_nothing(value)))
        || ["success", "ok"].iter().any(|key| is_false(key))
        || ["error", "fail", "failed", "failure"].contains(&status.as_str())
}

/// The status in an object, as some programs send it that respond to everything with 200.
fn body_status(object: &Map<String, Value>) -> Option<u16> {
    ["status", "code", "statusCode", "status_code"]
        .iter()
        .filter_map(|key| match object.get(*key)? {
            Value::Number(number) => u16::try_from(number.as_u64()?).ok(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        })
        .find(|status| (400..600).contains(status))
}

#[cfg(test)]
mod tests;
