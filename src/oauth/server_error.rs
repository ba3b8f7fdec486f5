//! The server's own error text, for troubleshooting: code, description and URL.

use serde_json::{Map, Value};
use url::Url;

use crate::error::ServerError;
use crate::redaction::Redaction;
use crate::transport::Response;

/// The names of the description, in the order in which they are tried.
const DESCRIPTIONS: [&str; 11] = [
    "error_description",
    "errorDescription",
    "error_message",
    "errorMessage",
    "message",
    "detail",
    "msg",
    "errmsg",
    "errorSummary",
    "reason",
    "title",
];

/// The error text of a body that is not an object, if there is any. A page is ignored, and so is plain text
/// from a failing server: it may be a dump of the request.
pub(super) fn of_body(
    response: &Response,
    value: Option<&Value>,
    redaction: &Redaction,
) -> Option<ServerError> {
    if let Some(value) = value {
        return describe(first_text(value)?, redaction);
    }
    let text = String::from_utf8_lossy(&response.body);
    let is_page = text.trim_start().starts_with('<');
    if is_page || response.status >= 500 { None } else { describe(&text, redaction) }
}

/// The error text of an object.
pub(super) fn of_object(object: &Map<String, Value>, redaction: &Redaction) -> Option<ServerError> {
    let nested = object.get("error").and_then(Value::as_object);
    let from_nested = |key: &str| nested.and_then(|error| error.get(key)).and_then(text_of);
    let from_top = |key: &str| object.get(key).and_then(text_of);
    let first = object.get("errors").and_then(first_of);
    let from_first = |key: &str| first.and_then(Value::as_object)?.get(key).and_then(text_of);
    let error = from_top("error")
        .or_else(|| ["code", "type", "status"].iter().find_map(|key| from_nested(key)))
        .or_else(|| ["error_code", "errorCode", "code"].iter().find_map(|key| from_top(key)))
        .or_else(|| from_first("code"))
        .or_else(|| from_top("status"));
    let description = DESCRIPTIONS
        .iter()
        .find_map(|key| object.get(*key).and_then(first_text))
        .or_else(|| DESCRIPTIONS.iter().find_map(|key| from_nested(key)))
        .or_else(|| DESCRIPTIONS.iter().find_map(|key| from_first(key)))
        .or_else(|| first.and_then(first_text))
        .or_else(|| object.values().filter(|value| value.is_array()).find_map(first_text));
    let uri = ["error_uri", "documentation_url"].iter().find_map(|key| from_top(key));
    let server_error = ServerError {
        error: error.and_then(|text| redaction.clean(text)),
        description: description.and_then(|text| redaction.clean(text)),
        uri: uri.and_then(page).and_then(|text| redaction.clean(&text)),
    };
    (server_error != ServerError::default()).then_some(server_error)
}

fn describe(text: &str, redaction: &Redaction) -> Option<ServerError> {
    let description = Some(redaction.clean(text)?);
    Some(ServerError { description, ..ServerError::default() })
}

fn text_of(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

/// The first item of an array, or the first member of an object.
fn first_of(value: &Value) -> Option<&Value> {
    match value {
        Value::Array(list) => list.first(),
        Value::Object(map) => map.values().next(),
        other => Some(other),
    }
}

/// The first description in a value: the value itself, or that of its first item with one.
fn first_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(_) => text_of(value),
        Value::Array(list) => list.iter().find_map(|item| match item {
            Value::Object(map) => DESCRIPTIONS.iter().find_map(|key| map.get(*key).and_then(text_of)),
            other => text_of(other),
        }),
        _ => None,
    }
}

/// The URL of a page, without its query and fragment, which may repeat what was sent.
fn page(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;
    use crate::domain::Secret;

    fn from_value(value: &Value) -> Option<ServerError> {
        of_object(value.as_object().unwrap(), &Redaction::of([]))
    }

    fn code_and_description(value: &Value) -> [Option<String>; 2] {
        let server_error = from_value(value).unwrap_or_default();
        [server_error.error, server_error.description]
    }

    #[test]
    fn the_three_fields_of_rfc_6749_section_5_2_are_read() {
        let value = json!({
            "error": "invalid_client", "error_description": "The secret has expired.", "error_uri": "https://h/errors?code=7",
        });
        let expected = ServerError {
            error: Some("invalid_client".into()),
            description: Some("The secret has expired.".into()),
            uri: Some("https://h/errors".into()),
        };
        assert_eq!(from_value(&value), Some(expected));
    }

    #[test]
    fn other_names_for_these_fields_are_read() {
        for (value, error, description) in [
            (json!({ "message": "Unauthenticated." }), None, Some("Unauthenticated.")),
            (json!({ "detail": "No active account" }), None, Some("No active account")),
            (json!({ "msg": "wrong", "code": 401 }), None, Some("wrong")),
            (json!({ "error": { "code": "E7", "message": "Denied" } }), Some("E7"), Some("Denied")),
            (json!({ "errors": [{ "code": "E8", "message": "No" }] }), Some("E8"), Some("No")),
            (json!({ "errors": ["No", "Neither"] }), None, Some("No")),
            (json!({ "errors": { "email": ["Not known"] } }), None, Some("Not known")),
            (json!({ "non_field_errors": ["Unable to log in"] }), None, Some("Unable to log in")),
            (
                json!({ "detail": [{ "loc": ["body"], "msg": "Field required" }] }),
                None,
                Some("Field required"),
            ),
            (json!({ "message": ["a must be b", "c"] }), None, Some("a must be b")),
            (json!({ "status": "BAD_CLIENT_ID", "message": "no" }), Some("BAD_CLIENT_ID"), Some("no")),
        ] {
            let expected = [error.map(str::to_owned), description.map(str::to_owned)];
            assert_eq!(code_and_description(&value), expected, "{value}");
        }
        assert_eq!(from_value(&json!({ "error": null, "message": "", "code": 7 })), None);
    }

    #[test]
    fn an_unsafe_error_uri_is_dropped() {
        for uri in ["javascript:alert(1)", "file:///etc/passwd", "nonsense", "data:text/html,x"] {
            assert_eq!(from_value(&json!({ "error_uri": uri })), None, "{uri}");
        }
        let uri = from_value(&json!({ "error_uri": "https://user:pass@h/a?b=c#d" })).unwrap().uri;
        assert_eq!(uri.as_deref(), Some("https://h/a"));
    }

    #[test]
    fn a_short_text_is_read_but_not_a_page_or_a_dump() {
        let read = |status, body: &str| {
            let body = Zeroizing::new(body.as_bytes().to_vec());
            let response = Response { status, headers: HeaderMap::new(), body };
            of_body(&response, None, &Redaction::of([&Secret::new("hunter2")]))
                .and_then(|server_error| server_error.description)
        };
        assert_eq!(read(401, "hunter2 is wrong\r\n").as_deref(), Some("[removed] is wrong"));
        assert_eq!(read(401, "<html>no</html>"), None);
        assert_eq!(read(500, "trace of everything"), None);
        assert_eq!(read(401, ""), None);
    }
}
