//! The error: what happened, and whether to try again.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use strum::{EnumString, IntoStaticStr};

/// What happened, from a closed list. The public code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[cfg_attr(test, derive(strum::VariantArray))]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", prefix = "ERR_TOKEN_")]
#[non_exhaustive]
pub enum ErrorKind {
    /// A configuration value is wrong; becomes `ERR_TOKEN_CONFIG`. Never worth a retry.
    Config,
    /// The server rejected the credential; becomes `ERR_TOKEN_CREDENTIALS`. Not tried again before a cool-down.
    Credentials,
    /// No endpoint responded as a token endpoint; becomes `ERR_TOKEN_ENDPOINT`.
    Endpoint,
    /// A response contained no usable token; becomes `ERR_TOKEN_RESPONSE`.
    Response,
    /// The server or the configured limit limits requests; becomes `ERR_TOKEN_RATE_LIMITED`.
    RateLimited,
    /// No complete response came in time; becomes `ERR_TOKEN_TIMEOUT`.
    Timeout,
    /// The connection failed; becomes `ERR_TOKEN_NETWORK`.
    Network,
    /// The server's certificate was not accepted; becomes `ERR_TOKEN_TLS`.
    Tls,
    /// The store could not be read or written; becomes `ERR_TOKEN_STORAGE`.
    Storage,
    /// No configured key opens a stored record; becomes `ERR_TOKEN_DECRYPT`.
    Decrypt,
    /// The service was shut down; becomes `ERR_TOKEN_SHUTDOWN`.
    Shutdown,
    /// A bug in evertoken; becomes `ERR_TOKEN_INTERNAL`.
    Internal,
}

impl ErrorKind {
    /// The kind with this public code.
    pub fn of_code(code: &str) -> Option<Self> {
        code.strip_prefix("ERR_TOKEN_")?.parse().ok()
    }

    /// The public code.
    pub fn code(self) -> &'static str {
        self.into()
    }
}

/// Whether the same request is worth another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not until something changes.
    Never,
    /// Not before this much time has passed: the server requested it.
    After(Duration),
    /// After a back-off that grows.
    BackOff,
    /// After a cool-down that grows from a minute to a day: another wrong credential could lock the account.
    CoolDown,
}

/// The server's explanation of its refusal. It comes from a response, cleaned: printable, short, and without secrets.
/// It never becomes part of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServerError {
    /// The code: `error` of RFC 6749 §5.2, or its equivalent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The sentence: `error_description`, or its equivalent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The URL of a page about it: `error_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

/// The result of an operation that can fail with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in words without secrets: the messages are written by evertoken, and never taken from a response.
/// The server's own words are separate from them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .kind.code())]
pub struct Error {
    kind: ErrorKind,
    message: String,
    field: Option<String>,
    status: Option<u16>,
    retry: Retry,
    was_sent: bool,
    may_have_happened: bool,
    explanation: Option<Box<ServerError>>,
    thrown: Option<u32>,
}

impl Error {
    /// An error of this kind, with the retry status that is usual for it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::Credentials => Retry::CoolDown,
            ErrorKind::Config | ErrorKind::Shutdown | ErrorKind::Tls => Retry::Never,
            _ => Retry::BackOff,
        };
        let message = message.into();
        Self {
            kind,
            message,
            field: None,
            status: None,
            retry,
            was_sent: true,
            may_have_happened: false,
            explanation: None,
            thrown: None,
        }
    }

    /// A configuration error that names the field.
    pub fn config(field: impl Into<String>, message: impl fmt::Display) -> Self {
        let field = field.into();
        let mut error = Self::new(ErrorKind::Config, format!("{field} {message}"));
        error.field = Some(field);
        error
    }

    /// The error of a service that was shut down.
    pub fn shutdown() -> Self {
        Self::new(ErrorKind::Shutdown, "the token service was shut down")
    }

    /// With the HTTP status of the response.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// With another retry status than that of its kind.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// With the details of the response from another error about it.
    #[must_use]
    pub fn with_details_of(mut self, other: &Self) -> Self {
        self.status = other.status;
        self.explanation.clone_from(&other.explanation);
        self
    }

    /// With a sentence that says what to do.
    #[must_use]
    pub fn with_advice(mut self, advice: &str) -> Self {
        self.message = format!("{}. {advice}", self.message);
        self
    }

    /// With the server's explanation.
    #[must_use]
    pub fn with_server_error(mut self, server_error: ServerError) -> Self {
        self.explanation = Some(Box::new(server_error));
        self
    }

    /// For a failure of a function of the user's program, which JavaScript keeps under this number.
    #[must_use]
    pub fn with_thrown(mut self, number: Option<u32>) -> Self {
        self.thrown = number;
        self
    }

    /// The number under which JavaScript keeps what was thrown.
    pub fn thrown(&self) -> Option<u32> {
        self.thrown
    }

    /// Without the server's explanation, for receivers other than the caller and the log.
    #[must_use]
    pub fn without_server_error(mut self) -> Self {
        self.explanation = None;
        self
    }

    /// For a request that was never sent, so that nothing in it was spent.
    #[must_use]
    pub fn unsent(mut self) -> Self {
        self.was_sent = false;
        self
    }

    /// Whether the server may have received the request that failed.
    pub fn was_sent(&self) -> bool {
        self.was_sent
    }

    /// For a change of a store whose answer did not come.
    #[must_use]
    pub fn uncertain(mut self) -> Self {
        self.may_have_happened = true;
        self
    }

    /// Whether the change that failed may have happened nevertheless, or may still happen.
    pub fn may_have_happened(&self) -> bool {
        self.may_have_happened
    }

    /// What happened.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The public code.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// The sentence for users.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The configuration field that is wrong.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The HTTP status of the refused response.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The server's explanation.
    pub fn server_error(&self) -> Option<&ServerError> {
        self.explanation.as_deref()
    }

    /// Whether to try again, and when.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// How long the server requested to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.retry {
            Retry::After(wait) => Some(wait),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    #[test]
    fn each_kind_has_a_code_that_is_read_back() {
        for kind in ErrorKind::VARIANTS {
            assert_eq!(ErrorKind::of_code(kind.code()), Some(*kind));
        }
        assert_eq!(ErrorKind::RateLimited.code(), "ERR_TOKEN_RATE_LIMITED");
        for other in ["", "RATE_LIMITED", "ERR_TOKEN_", "ERR_TOKEN_rate_limited", "ERR_TOKEN_OTHER"] {
            assert_eq!(ErrorKind::of_code(other), None, "{other}");
        }
    }

    #[test]
    fn an_error_prints_its_code_and_its_message() {
        assert_eq!(Error::config("scope", "is wrong").to_string(), "ERR_TOKEN_CONFIG: scope is wrong");
    }
}
