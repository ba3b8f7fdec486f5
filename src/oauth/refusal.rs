//! Why an answer gave no token, and what that says about the request.

mod complaint;
mod rejection;
mod words;

use std::time::Duration;

use serde_json::{Map, Value};

use self::complaint::Complaint;
use super::token_response::ResponseContext;
use super::{body, fields, retry_after, server_error};
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Retry, ServerError};
use crate::transport::Response;

/// An answer without a token, sorted by what may be tried next.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// 404 or 405: nothing of the kind is at this address.
    NotHere(Error),
    /// The request's form is wrong: another format may be right. Where nothing but the status says so, the error cools
    /// down: it may be a wrong password as well.
    WrongFormat(Error),
    /// `invalid_client`: another client authentication may be right.
    InvalidClient(Error),
    /// The server does not find the client in the request: another client authentication may be right.
    MissingClient(Error),
    /// A 401 that says no more: some servers refuse a client authentication in this way, and some a password.
    Unexplained(Error),
    /// Nothing tells what was refused. With a password in the request it may be the password that is meant: the first
    /// error says so, and cools down. The second one is for any other request, and passes.
    Untellable(Error, Box<Error>),
    /// The credential is wrong: whatever is sent next is one more step to a locked account.
    Rejected(Error),
    /// An answer that is no token response, such as a page of HTML. Where it reports an error, or is JSON, it may
    /// reject the credential: its error then cools down.
    NoToken(Error),
    /// A token that is over already, and the refresh token that came with it.
    ExpiredToken(Error, Secret),
    /// The server or the network failed, or the server asks to come back later; nothing was said of the credential.
    Failed(Error),
}

impl Refusal {
    /// The error that is behind it.
    pub fn into_error(self) -> Error {
        match self {
            Self::NotHere(error)
            | Self::WrongFormat(error)
            | Self::InvalidClient(error)
            | Self::MissingClient(error)
            | Self::Unexplained(error)
            | Self::Untellable(error, _)
            | Self::Rejected(error)
            | Self::NoToken(error)
            | Self::ExpiredToken(error, _)
            | Self::Failed(error) => error,
        }
    }
}

/// The error codes of RFC 6749 §5.2 and its family: only these are repeated in a message. What else a server says
/// is in [`ServerError`].
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

/// The `error` of an answer, where it is one that is known.
pub(super) fn oauth_error(object: &Map<String, Value>) -> Option<&'static str> {
    let text = object.get("error")?.as_str()?;
    KNOWN_ERRORS.into_iter().find(|known| *known == text)
}

/// Sorts an answer whose status is not 2xx.
pub(super) fn from_status(response: &Response, reading: &ResponseContext<'_>) -> Refusal {
    let value = body::value(&body::text(response), response, &[]);
    RefusedResponse::of_value(value.as_ref(), response, reading).sort()
}

/// Sorts the error of an answer whose status is 2xx all the same; nothing where it reports none.
pub(super) fn from_object(
    object: &Map<String, Value>,
    response: &Response,
    reading: &ResponseContext<'_>,
) -> Option<Refusal> {
    let sort = || RefusedResponse::of_object(object, response, reading).sort_reported(body_status(object));
    reports_an_error(object).then(sort)
}

/// An answer under a status of 2xx in which there is neither a token nor an error: servers answer a wrong password
/// like this, too. `value` is the body where that is JSON, and `what` says what is wrong with it.
pub(super) fn without_token(
    value: Option<&Value>,
    response: &Response,
    reading: &ResponseContext<'_>,
    what: &str,
) -> Refusal {
    let case = RefusedResponse::of_value(value, response, reading);
    match value {
        Some(value) => case.sort_silent(value.as_object().and_then(body_status), what),
        None => case.sort_text(what),
    }
}

/// One answer that gave no token.
struct RefusedResponse<'a> {
    response: &'a Response,
    reading: &'a ResponseContext<'a>,
    complaint: Complaint,
    /// Its `error`, where that is one that is known.
    code: Option<&'static str>,
    said: Option<ServerError>,
}

impl<'a> RefusedResponse<'a> {
    fn of_object(
        object: &Map<String, Value>,
        response: &'a Response,
        reading: &'a ResponseContext<'a>,
    ) -> Self {
        let said = server_error::of_object(object, &reading.redaction());
        Self { response, reading, complaint: Complaint::of_object(object), code: oauth_error(object), said }
    }

    /// `value` is the body, where that can be read as one.
    fn of_value(value: Option<&Value>, response: &'a Response, reading: &'a ResponseContext<'a>) -> Self {
        if let Some(Value::Object(object)) = value {
            return Self::of_object(object, response, reading);
        }
        let complaint = value.map_or_else(|| Complaint::of_body(response), Complaint::of_value);
        let said = server_error::of_body(response, value, &reading.redaction());
        Self { response, reading, complaint, code: None, said }
    }

    fn sort(&self) -> Refusal {
        if let Some(refusal) = self.by_words() {
            return refusal;
        }
        let (status, complaint) = (self.response.status, &self.complaint);
        match status {
            300..400 => {
                Refusal::Failed(self.error(ErrorKind::Endpoint, "redirects").with_retry(Retry::Never))
            }
            429 => self.limited(),
            408 | 425 | 500.. => {
                Refusal::Failed(self.error(ErrorKind::Response, "failed").with_retry(self.wait()))
            }
            _ if complaint.passes() || self.asked_to_wait().is_some() => self.temporary(),
            404 | 405 => Refusal::NotHere(self.error(ErrorKind::Endpoint, "does not offer a token endpoint")),
            415 => self.wrong_format(),
            _ => self.by_code().unwrap_or_else(|| self.by_text()),
        }
    }

    /// Explicit words win over the status, and over whatever else the body holds: a wrong password that is taken for
    /// anything else is sent again, and can lock the account.
    fn by_words(&self) -> Option<Refusal> {
        let complaint = &self.complaint;
        if complaint.rejects_a_credential() {
            return Some(if complaint.has_client_code() { self.invalid_client() } else { self.rejected() });
        }
        // Under 401 and 403 it says no more than the status.
        let is_of_the_status = matches!(self.response.status, 401 | 403 | 404 | 405);
        let is_unauthorized = !is_of_the_status && self.code.is_none() && complaint.calls_it_unauthorized();
        (is_unauthorized && !complaint.passes()).then(|| self.rejected())
    }

    /// What the code of RFC 6749 §5.2 and its family says; `invalid_request` is said of everything, and so is a code of
    /// the server's own.
    fn by_code(&self) -> Option<Refusal> {
        Some(match self.code? {
            "invalid_client" => self.invalid_client(),
            // Of the proof, and not of a credential: nonces and clocks pass. A nonce is asked for once more at most:
            // every further request sends the credential, too.
            "use_dpop_nonce" => Refusal::Failed(
                self.error(ErrorKind::Response, "asks for another DPoP nonce each time")
                    .with_retry(Retry::CoolDown),
            ),
            "invalid_dpop_proof" => {
                Refusal::Failed(self.error(ErrorKind::Response, "did not accept the proof of possession"))
            }
            "unsupported_grant_type" => self.wrong_format(),
            "invalid_scope" => self.misconfigured("rejected the request for its `scope`, set or left out"),
            "invalid_target" => self.misconfigured("rejected the request for its `resource` or `audience`"),
            "unauthorized_client" => self.misconfigured("does not allow this client to use this grant"),
            "invalid_request" => return None,
            _ => self.rejected(),
        })
    }

    fn by_text(&self) -> Refusal {
        let (status, complaint) = (self.response.status, &self.complaint);
        let is_of_the_request = matches!(status, 400 | 422) || self.code == Some("invalid_request");
        match status {
            423 if complaint.locks_an_account() => self.rejected(),
            // About the message or the moment, and not about who sent it.
            402 | 406 | 407 | 409..=414 | 416..=418 | 421 | 423 | 424 | 426 | 428 | 431 | 444 | 451 | 498 => {
                self.temporary()
            }
            _ if complaint.is_for_browsers() || status == 419 => self.for_browsers(),
            // A firewall, or a proxy.
            403 if complaint.is_page() => self.temporary(),
            403 if complaint.says_nothing() => self.ambiguous(),
            _ if complaint.misses_the_client() => self.missing_client(),
            _ if complaint.rejects_the_client() => self.invalid_client(),
            _ if is_of_the_request && complaint.names_a_wrong_request() => self.wrong_format(),
            _ if self.code == Some("invalid_request") => self.wrong_format(),
            422 if complaint.says_nothing() => self.maybe_wrong_format(),
            401 if complaint.says_nothing() => {
                Refusal::Unexplained(self.error(ErrorKind::Credentials, "rejected the credentials"))
            }
            400 | 403 if complaint.is_no_api() => self.ambiguous(),
            _ => self.rejected(),
        }
    }

    /// An error that is reported under a status of success; `status` is the one in the body.
    fn sort_reported(&self, status: Option<u16>) -> Refusal {
        let complaint = &self.complaint;
        let is_rejected = complaint.rejects_a_credential();
        if complaint.passes() {
            return self.temporary();
        }
        match self.by_code() {
            Some(refusal) => refusal,
            None if !is_rejected
                && (self.code == Some("invalid_request") || complaint.names_a_wrong_request()) =>
            {
                if complaint.misses_the_client() { self.missing_client() } else { self.wrong_format() }
            }
            None if complaint.has_client_code() || (!is_rejected && complaint.rejects_the_client()) => {
                self.invalid_client()
            }
            None => self.sort_silent(status, "reports an error under a status of success"),
        }
    }

    fn sort_silent(&self, status: Option<u16>, what: &str) -> Refusal {
        let is_rejected = self.complaint.rejects_a_credential();
        match status {
            Some(429) if !is_rejected => self.limited(),
            Some(500..) if !is_rejected => self.temporary(),
            _ if self.complaint.passes() => self.temporary(),
            Some(404 | 405) if !is_rejected => {
                Refusal::NotHere(self.error(ErrorKind::Endpoint, "does not offer a token endpoint"))
            }
            _ => Refusal::NoToken(
                self.with(Error::new(
                    ErrorKind::Response,
                    format!("the answer of {} {what}{}", self.reading.place, self.named()),
                ))
                .with_retry(Retry::CoolDown),
            ),
        }
    }

    /// A text or a page under a status of success. Pages hold every word: only a text says that it passes.
    fn sort_text(&self, what: &str) -> Refusal {
        let complaint = &self.complaint;
        if complaint.passes() && !complaint.is_page() {
            return self.temporary();
        }
        let message = format!("the answer of {} {what}", self.reading.place);
        let error = self.with(Error::new(ErrorKind::Response, message));
        let retry = if complaint.rejects_a_credential() { Retry::CoolDown } else { Retry::BackOff };
        Refusal::NoToken(error.with_retry(retry))
    }

    fn rejected(&self) -> Refusal {
        Refusal::Rejected(self.error(ErrorKind::Credentials, "rejected the credentials"))
    }

    /// About the configuration, and not about the secret: a corrected one need not wait.
    fn misconfigured(&self, what: &str) -> Refusal {
        Refusal::Rejected(self.error(ErrorKind::Credentials, what).with_retry(Retry::Never))
    }

    fn ambiguous(&self) -> Refusal {
        let rejected = self.error(ErrorKind::Credentials, "rejected the request and does not say why");
        let passing = self.error(ErrorKind::Response, "refuses the request and does not say why");
        Refusal::Untellable(rejected, Box::new(passing))
    }

    fn invalid_client(&self) -> Refusal {
        Refusal::InvalidClient(self.error(ErrorKind::Credentials, "rejected the client"))
    }

    fn missing_client(&self) -> Refusal {
        let what = "does not find the client in the request";
        Refusal::MissingClient(self.error(ErrorKind::Endpoint, what).with_retry(Retry::Never))
    }

    fn wrong_format(&self) -> Refusal {
        Refusal::WrongFormat(self.error(ErrorKind::Endpoint, "does not accept this form of request"))
    }

    /// Nothing but the status speaks of the form.
    fn maybe_wrong_format(&self) -> Refusal {
        let error = self.error(ErrorKind::Endpoint, "does not accept this form of request");
        Refusal::WrongFormat(error.with_retry(Retry::CoolDown))
    }

    fn for_browsers(&self) -> Refusal {
        let what = "expects a browser's form (CSRF): set authUrl to the login or token endpoint of the API";
        Refusal::Failed(self.error(ErrorKind::Endpoint, what).with_retry(Retry::Never))
    }

    fn limited(&self) -> Refusal {
        let error = self.error(ErrorKind::RateLimited, "limits the rate of requests");
        Refusal::Failed(error.with_retry(self.wait()))
    }

    /// A refusal that passes by itself. Where an account is locked, the pauses are those of a rejected credential: one
    /// more try could prolong it.
    fn temporary(&self) -> Refusal {
        if self.complaint.locks_for_a_time() && self.wait() == Retry::BackOff {
            let error = self.error(ErrorKind::RateLimited, "has locked the account for a time");
            return Refusal::Failed(error.with_retry(Retry::CoolDown));
        }
        if self.complaint.limits_the_rate() {
            return self.limited();
        }
        let error = self.error(ErrorKind::Response, "refuses the request for now");
        Refusal::Failed(error.with_retry(self.wait()))
    }

    fn wait(&self) -> Retry {
        self.asked_to_wait().map_or(Retry::BackOff, Retry::After)
    }

    /// How long the server asks to wait. Zero, a moment in the past and nonsense ask for nothing.
    fn asked_to_wait(&self) -> Option<Duration> {
        retry_after::read(self.response, self.reading.now)
    }

    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        let (place, status) = (&self.reading.place, self.response.status);
        self.with(Error::new(kind, format!("{place} {what}: {status}{}", self.named())))
    }

    fn with(&self, error: Error) -> Error {
        let error = error.with_status(self.response.status);
        match &self.said {
            Some(said) => error.with_server_error(said.clone()),
            None => error,
        }
    }

    fn named(&self) -> String {
        self.code.map_or_else(String::new, |code| format!(" ({code})"))
    }
}

/// Whether an object under a status of success says that something went wrong. What says nothing (`"error": 0`, `{}`,
/// `""`) is not an error.
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

/// The status that is written into an object, as programs do that answer everything with 200.
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
