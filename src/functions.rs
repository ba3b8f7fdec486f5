//! Functions of the user's program, which the configuration holds in place of plain data.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result, Retry};
use crate::oauth::MAX_RETRY_AFTER;

/// The functions of one service.
#[async_trait]
pub trait UserFunctions: Send + Sync + 'static {
    /// Calls the function at `field` of the configuration, such as `login`, with one argument, and waits for its result as
    /// JSON: `null` if it returns nothing.
    ///
    /// The function has an `AbortSignal`, which is aborted after `longest` and when the future is dropped.
    ///
    /// # Errors
    /// `Timeout` after `longest`; `Config` if the thread that provided the function has ended; and those of
    /// [`read_outcome`].
    async fn call(&self, field: &str, argument: Value, longest: Duration) -> Result<Zeroizing<String>>;
}

/// Why a function has no result, as JavaScript describes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    /// What it did, to follow its name in a message: it contains no part of what was thrown except class and code.
    what: String,
    /// The code of a `TokenError`.
    code: Option<String>,
    status: Option<u16>,
    retry_after_seconds: Option<f64>,
    /// The number under which JavaScript keeps what was thrown.
    thrown: Option<u32>,
}

/// The result of a call as JSON. `outcome` is JSON, too: `{"ok": …}` without white space, or `{"error": {…}}`.
///
/// # Errors
/// The kind is that of a `TokenError` that was thrown, if it says something about the request, and else `Response`.
/// `Credentials` cools down; every other kind backs off, at least for the time that the error asks for.
pub fn read_outcome(field: &str, outcome: &str) -> Result<Zeroizing<String>> {
    #[derive(Deserialize)]
    struct Failed {
        error: Failure,
    }

    if let Some(result) = outcome.strip_prefix(r#"{"ok":"#).and_then(|rest| rest.strip_suffix('}')) {
        return Ok(Zeroizing::new(result.to_owned()));
    }
    let Ok(Failed { error }) = serde_json::from_str(outcome) else {
        return Err(Error::new(ErrorKind::Internal, "could not read the result of a function"));
    };
    Err(error.into_error(field))
}

impl Failure {
    fn into_error(self, field: &str) -> Error {
        let kind = self.code.as_deref().and_then(ErrorKind::of_code).filter(|kind| is_about_request(*kind));
        let mut error = Error::new(kind.unwrap_or(ErrorKind::Response), format!("{field}() {}", self.what))
            .with_thrown(self.thrown);
        let wait = self.retry_after_seconds.filter(|seconds| *seconds > 0.0);
        let wait = wait.map(|seconds| Duration::from_secs_f64(seconds.min(MAX_RETRY_AFTER.as_secs_f64())));
        error = match (error.kind(), wait) {
            // It cools down for as long as evertoken decides: each attempt may bring the account closer to its lock.
            (ErrorKind::Credentials, _) => error,
            (_, Some(wait)) => error.with_retry(Retry::After(wait)),
            (_, None) => error.with_retry(Retry::BackOff),
        };
        match self.status {
            Some(status) => error.with_status(status),
            None => error,
        }
    }
}

/// Whether an error of another service has this meaning for the one whose function threw it. A service that was shut
/// down, a store or a record are that other one's.
fn is_about_request(kind: ErrorKind) -> bool {
    !matches!(kind, ErrorKind::Shutdown | ErrorKind::Storage | ErrorKind::Decrypt | ErrorKind::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(outcome: &str) -> Error {
        read_outcome("login", outcome).unwrap_err()
    }

    #[test]
    fn a_result_is_passed_on_as_json() {
        for (outcome, expected) in [
            (r#"{"ok":null}"#, "null"),
            (r#"{"ok":{"token":"a}"}}"#, r#"{"token":"a}"}"#),
            (r#"{"ok":"a secret"}"#, r#""a secret""#),
        ] {
            assert_eq!(*read_outcome("login", outcome).unwrap(), expected);
        }
    }

    #[test]
    fn what_was_thrown_has_a_kind_and_names_the_field() {
        let error = failure(r#"{"error":{"what":"threw a string","thrown":7}}"#);
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Response, Retry::BackOff));
        assert_eq!(error.thrown(), Some(7));
        assert_eq!(error.message(), "login() threw a string");
        let error = failure(r#"{"error":{"what":"threw TokenError","code":"ERR_TOKEN_CREDENTIALS"}}"#);
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Credentials, Retry::CoolDown));
    }

    #[test]
    fn a_service_does_not_take_over_the_end_or_the_store_of_another() {
        for code in ["SHUTDOWN", "STORAGE", "DECRYPT", "INTERNAL", "NONSENSE"] {
            let error = failure(&format!(r#"{{"error":{{"what":"threw","code":"ERR_TOKEN_{code}"}}}}"#));
            assert_eq!(error.kind(), ErrorKind::Response, "{code}");
        }
    }

    #[test]
    fn a_wait_is_respected_up_to_an_hour_and_does_not_shorten_a_cool_down() {
        let after = |code: &str, seconds: f64| {
            failure(&format!(
                r#"{{"error":{{"what":"threw","code":"{code}","retryAfterSeconds":{seconds}}}}}"#
            ))
        };
        assert_eq!(after("", 7.0).retry(), Retry::After(Duration::from_secs(7)));
        assert_eq!(after("ERR_TOKEN_RATE_LIMITED", 1e30).retry(), Retry::After(MAX_RETRY_AFTER));
        assert_eq!(after("ERR_TOKEN_CONFIG", -1.0).retry(), Retry::BackOff);
        assert_eq!(after("ERR_TOKEN_CREDENTIALS", 1.0).retry(), Retry::CoolDown);
    }

    #[test]
    fn an_outcome_that_cannot_be_read_is_an_error_without_its_text() {
        for outcome in ["", "{}", "null", r#"{"ok":1"#, r#"{"hunter2":1}"#] {
            let error = failure(outcome);
            assert_eq!(error.kind(), ErrorKind::Internal, "{outcome}");
            assert!(!error.message().contains("hunter2"));
        }
    }
}
