//! Why an answer gave no token, and what that says about the request.

use serde_json::{Map, Value};

use super::fields::is_nothing;
use super::retry_after;
use crate::domain::{Secret, Timestamp};
use crate::error::{Error, ErrorKind, Retry};
use crate::transport::Response;

/// An answer without a token, sorted by what may be tried next.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// 404 or 405: nothing of the kind is at this address.
    NotHere(Error),
    /// The request's form is wrong: another format may be right.
    WrongFormat(Error),
    /// `invalid_client`: another client authentication may be right.
    InvalidClient(Error),
    /// The credential is wrong: whatever is sent next is one more step to a locked account.
    Rejected(Error),
    /// An answer that is no token response, such as a page of HTML.
    NoToken(Error),
    /// A token that is over already, and the refresh token that came with it.
    Over(Error, Secret),
    /// The server or the network failed; the error says whether it may pass.
    Failed(Error),
}

impl Refusal {
    /// The error that is behind it.
    pub fn into_error(self) -> Error {
        match self {
            Self::NotHere(error)
            | Self::WrongFormat(error)
            | Self::InvalidClient(error)
            | Self::Rejected(error)
            | Self::NoToken(error)
            | Self::Over(error, _)
            | Self::Failed(error) => error,
        }
    }
}

/// The error codes of RFC 6749 §5.2 and its family: only these are ever repeated to a person, since an
/// answer may hold anything.
const KNOWN_ERRORS: [&str; 16] = [
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
pub(super) fn from_status(response: &Response, place: &str, now: Timestamp) -> Refusal {
    let status = response.status;
    let object = serde_json::from_slice::<Map<String, Value>>(&response.body).unwrap_or_default();
    let code = oauth_error(&object);
    let named = code.map_or_else(String::new, |code| format!(" ({code})"));
    let error =
        |kind, what: &str| Error::new(kind, format!("{place} {what}: {status}{named}")).with_status(status);
    match (status, code) {
        (404 | 405, _) => Refusal::NotHere(error(ErrorKind::Endpoint, "is no token endpoint")),
        (429, _) => {
            let retry = retry_after::read(response, now).map_or(Retry::BackOff, Retry::After);
            Refusal::Failed(error(ErrorKind::RateLimited, "asks for patience").with_retry(retry))
        }
        (408 | 425 | 500.., _) | (_, Some("server_error" | "temporarily_unavailable")) => {
            let retry = retry_after::read(response, now).map_or(Retry::BackOff, Retry::After);
            Refusal::Failed(error(ErrorKind::Response, "failed").with_retry(retry))
        }
        (300..400, _) => {
            Refusal::Failed(error(ErrorKind::Endpoint, "sends elsewhere").with_retry(Retry::Never))
        }
        (400 | 401, Some("invalid_client")) => {
            Refusal::InvalidClient(error(ErrorKind::Credentials, "rejected the client"))
        }
        // Of the proof, and not of a credential: nonces and clocks pass.
        (400 | 401, Some("use_dpop_nonce" | "invalid_dpop_proof")) => {
            Refusal::Failed(error(ErrorKind::Response, "did not take the proof of possession"))
        }
        (415 | 422, _) | (400, Some("unsupported_grant_type" | "invalid_request")) => {
            Refusal::WrongFormat(error(ErrorKind::Endpoint, "does not take this form of request"))
        }
        (400, None) if names_a_wrong_request(&response.body) => {
            Refusal::WrongFormat(error(ErrorKind::Endpoint, "does not take this form of request"))
        }
        (400 | 401, Some("invalid_scope")) => Refusal::Rejected(error(
            ErrorKind::Credentials,
            "rejected the request for its `scope`, set or left out",
        )),
        _ => Refusal::Rejected(error(ErrorKind::Credentials, "rejected the credentials")),
    }
}

/// Sorts the `error` of an answer whose status is 2xx all the same.
pub(super) fn from_object(object: &Map<String, Value>, status: u16, place: &str) -> Option<Refusal> {
    if is_nothing(object.get("error")?) {
        return None;
    }
    let code = oauth_error(object);
    let named = code.map_or_else(String::new, |code| format!(" ({code})"));
    let error = |kind, what: &str| Error::new(kind, format!("{place} {what}{named}")).with_status(status);
    Some(match code {
        Some("invalid_client") => {
            Refusal::InvalidClient(error(ErrorKind::Credentials, "rejected the client"))
        }
        Some(
            "invalid_grant" | "access_denied" | "unauthorized_client" | "mfa_required" | "login_required",
        ) => Refusal::Rejected(error(ErrorKind::Credentials, "rejected the credentials")),
        Some("unsupported_grant_type" | "invalid_request") => {
            Refusal::WrongFormat(error(ErrorKind::Endpoint, "does not take this form of request"))
        }
        _ => Refusal::NoToken(error(ErrorKind::Response, "answered with an error under a status of success")),
    })
}

/// Whether a plain 400 says that the *request* is wrong: a missing or unknown field, a content type, a parse
/// error. Frameworks refuse a wrong password with a plain 400 too, so the phrases are narrow: a rejected
/// credential taken for a wrong form would be sent again and could lock the account.
fn names_a_wrong_request(body: &[u8]) -> bool {
    const PHRASES: [&str; 26] = [
        "field is required",
        "field required",
        "fields are required",
        "is a required",
        "may not be blank",
        "may not be null",
        "should not be empty",
        "must not be empty",
        "can't be blank",
        "should not exist",
        "must be an email",
        "must be a string",
        "missing required",
        "missing parameter",
        "missing field",
        "missing grant_type",
        "unknown field",
        "unexpected field",
        "unrecognized field",
        "unrecognized key",
        "unsupported grant",
        "unsupported media",
        "content type",
        "content-type",
        "parse error",
        "malformed",
    ];
    const PARSE: [&str; 5] =
        ["invalid json", "unexpected token", "not valid json", "json parse", "cannot parse"];
    const FIELDS: [&str; 8] =
        ["email", "username", "login", "identifier", "identity", "password", "grant_type", "client_id"];
    const LONGEST_READ: usize = 64 * 1024;

    let text = String::from_utf8_lossy(&body[..body.len().min(LONGEST_READ)]).to_ascii_lowercase();
    let has = |phrase: &str| text.contains(phrase);
    let field_is_wanting = |field: &&str| {
        ["is required", "is missing", "required"]
            .iter()
            .any(|wanting| has(&format!("{field} {wanting}")) || has(&format!("{field}\\\" {wanting}")))
            || has(&format!("missing {field}"))
    };
    PHRASES.iter().chain(&PARSE).any(|phrase| has(phrase)) || FIELDS.iter().any(field_is_wanting)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use zeroize::Zeroizing;

    use super::*;

    fn sort(status: u16, body: &str) -> Refusal {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        from_status(&Response { status, headers: HeaderMap::new(), body }, "the server", Timestamp::MIN)
    }

    #[test]
    fn a_plain_400_is_a_rejected_credential() {
        for body in [
            r#"{"non_field_errors":["Unable to log in with provided credentials."]}"#,
            r#"{"detail":"LOGIN_BAD_CREDENTIALS"}"#,
            r#"{"error":{"status":400,"name":"ValidationError","message":"Invalid identifier or password"}}"#,
            r#"{"error":"invalid_grant"}"#,
            r#"{"message":"E-mail verification required"}"#,
            r#"{"error":"unauthorized_client"}"#,
            "",
            "<h1>Bad Request</h1>",
        ] {
            assert!(matches!(sort(400, body), Refusal::Rejected(_)), "{body}");
        }
        for status in [401, 402, 403, 409, 423] {
            assert!(matches!(sort(status, "{}"), Refusal::Rejected(_)), "{status}");
        }
    }

    #[test]
    fn a_400_that_names_a_field_is_a_wrong_form() {
        for body in [
            r#"{"username":["This field is required."]}"#,
            r#"{"message":["email must be an email","property username should not exist"]}"#,
            r#"{"error":"unsupported_grant_type"}"#,
            r#"{"error":"invalid_request","error_description":"missing grant_type"}"#,
            r#"{"message":"\"email\" is required"}"#,
            r#"{"detail":"JSON parse error - Expecting value"}"#,
            r#"{"message":"Unexpected token g in JSON at position 0"}"#,
        ] {
            assert!(matches!(sort(400, body), Refusal::WrongFormat(_)), "{body}");
        }
        for status in [415, 422] {
            assert!(matches!(sort(status, ""), Refusal::WrongFormat(_)), "{status}");
        }
    }

    #[test]
    fn a_refused_scope_is_named_as_such() {
        let Refusal::Rejected(error) = sort(400, r#"{"error":"invalid_scope"}"#) else { panic!("sorted") };
        assert!(error.message().contains("`scope`"), "{error}");
    }

    #[test]
    fn an_absent_endpoint_a_refused_client_and_a_failing_server_are_told_apart() {
        assert!(matches!(sort(404, ""), Refusal::NotHere(_)));
        assert!(matches!(sort(405, ""), Refusal::NotHere(_)));
        assert!(matches!(sort(401, r#"{"error":"invalid_client"}"#), Refusal::InvalidClient(_)));
        assert!(matches!(sort(400, r#"{"error":"invalid_client"}"#), Refusal::InvalidClient(_)));
        for status in [408, 429, 500, 502, 503, 599, 999] {
            assert!(matches!(sort(status, ""), Refusal::Failed(_)), "{status}");
        }
    }

    #[test]
    fn nothing_of_the_answer_is_in_the_error() {
        let body = r#"{"error":"hunter2","error_description":"password hunter2 is wrong\r\nforged line"}"#;
        let error = sort(400, body).into_error();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert!(!error.message().contains("forged"));
    }
}
