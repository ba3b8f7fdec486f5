//! The one error: what happened, and whether to try again.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use strum::{EnumString, IntoStaticStr};

/// What happened, from a closed list; the public code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[cfg_attr(test, derive(strum::VariantArray))]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", prefix = "ERR_TOKEN_")]
#[non_exhaustive]
pub enum ErrorKind {
    /// A configuration value is wrong; becomes `ERR_TOKEN_CONFIG`. Never worth a retry.
    Config,
    /// The server rejected the credential; becomes `ERR_TOKEN_CREDENTIALS`. Not repeated before a cool-down.
    Credentials,
    /// No endpoint answered as a token endpoint; becomes `ERR_TOKEN_ENDPOINT`.
    Endpoint,
    /// An answer held no usable token; becomes `ERR_TOKEN_RESPONSE`.
    Response,
    /// The server or the configured limit holds requests back; becomes `ERR_TOKEN_RATE_LIMITED`.
    RateLimited,
    /// No whole answer came in time; becomes `ERR_TOKEN_TIMEOUT`.
    Timeout,
    /// The connection could not be made or broke; becomes `ERR_TOKEN_NETWORK`.
    Network,
    /// The server's certificate was not accepted; becomes `ERR_TOKEN_TLS`.
    Tls,
    /// The store could not be read or written; becomes `ERR_TOKEN_STORAGE`.
    Storage,
    /// A stored record does not open with any configured key; becomes `ERR_TOKEN_DECRYPT`.
    Decrypt,
    /// The service was shut down; becomes `ERR_TOKEN_SHUTDOWN`.
    Shutdown,
    /// A fault of evertoken itself; becomes `ERR_TOKEN_INTERNAL`.
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
    /// Not before this much time has passed; the server said so.
    After(Duration),
    /// After a back-off that grows.
    BackOff,
    /// After a cool-down that grows from a minute to a day: one more wrong credential could lock the account.
    CoolDown,
}

/// What the server said of its refusal. It comes out of an answer, cleaned: printable, short, without a secret. A
/// message is never made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServerError {
    /// Its code: `error` of RFC 6749 §5.2, or what stands for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its sentence: `error_description`, or what stands for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The address of a page about it: `error_uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

/// The result of whatever can fail with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in words that hold no secret: messages are written here, never taken from an answer. What the
/// server said stands beside them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .kind.code())]
pub struct Error {
    kind: ErrorKind,
    message: String,
    field: Option<String>,
    status: Option<u16>,
    retry: Retry,
    was_sent: bool,
    server_error: Option<Box<ServerError>>,
}

impl Error {
    /// An error of this kind. Kinds that heal by themselves back off; the others are not retried.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::Credentials => Retry::CoolDown,
            ErrorKind::Config | ErrorKind::Shutdown | ErrorKind::Tls => Retry::Never,
            _ => Retry::BackOff,
        };
        let message = message.into();
        Self { kind, message, field: None, status: None, retry, was_sent: true, server_error: None }
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

    /// With the HTTP status of the answer.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// With another retry status than the kind's own.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// With what is known of the answer that another error is about.
    #[must_use]
    pub fn with_details_of(mut self, other: &Self) -> Self {
        self.status = other.status;
        self.server_error.clone_from(&other.server_error);
        self
    }

    /// With a sentence that says what to do.
    #[must_use]
    pub fn with_advice(mut self, advice: &str) -> Self {
        self.message = format!("{}. {advice}", self.message);
        self
    }

    /// With what the server said.
    #[must_use]
    pub fn with_server_error(mut self, server_error: ServerError) -> Self {
        self.server_error = Some(Box::new(server_error));
        self
    }

    /// Without what the server said, for what goes further than to the caller and the log.
    #[must_use]
    pub fn without_server_error(mut self) -> Self {
        self.server_error = None;
        self
    }

    /// For a request that never left this machine: nothing in it was spent.
    #[must_use]
    pub fn unsent(mut self) -> Self {
        self.was_sent = false;
        self
    }

    /// Whether the server may have received the request that failed.
    pub fn was_sent(&self) -> bool {
        self.was_sent
    }

    /// What happened.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The public code.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// The sentence for a person.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The configuration field at fault.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The HTTP status of the answer that was refused.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// What the server said.
    pub fn server_error(&self) -> Option<&ServerError> {
        self.server_error.as_deref()
    }

    /// Whether to try again, and when.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// How long the server asked to wait.
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
