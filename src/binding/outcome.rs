//! The outcome of a call, as JSON.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result};

/// `{"ok": value}` or `{"error": {…}}`.
pub(super) fn outcome<T: Serialize>(result: Result<T>) -> String {
    #[derive(Serialize)]
    struct Success<T> {
        ok: T,
    }

    // Serialized directly: a `Value` would sort the fields.
    let text = result.and_then(|ok| {
        serde_json::to_string(&Success { ok })
            .map_err(|_| Error::new(ErrorKind::Internal, "could not serialize a result for JavaScript"))
    });
    text.unwrap_or_else(|error| json!({ "error": error_json(&error) }).to_string())
}

/// The outcome of `call`. A panic becomes an error.
pub(super) fn attempt<T: Serialize>(call: impl FnOnce() -> Result<T>) -> String {
    outcome(catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(panicked())))
}

/// The error of a call that panicked.
pub(super) fn panicked() -> Error {
    Error::new(ErrorKind::Internal, "internal error in evertoken; please report it")
}

/// An error as JavaScript receives it.
pub(super) fn error_json(error: &Error) -> Value {
    let mut value = json!({ "code": error.code(), "message": error.message() });
    if let Some(field) = error.field() {
        value["field"] = field.into();
    }
    if let Some(status) = error.status() {
        value["status"] = status.into();
    }
    if let Some(wait) = error.retry_after() {
        value["retryAfterSeconds"] = wait.as_secs_f64().ceil().into();
    }
    if let Some(thrown) = error.thrown() {
        value["thrown"] = thrown.into();
    }
    if let Some(server_error) = error.server_error() {
        value["serverError"] = json!(server_error);
    }
    value
}

/// Parses JSON from JavaScript.
pub(super) fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text)
        .map_err(|_| Error::new(ErrorKind::Internal, "could not read a request from JavaScript"))
}
