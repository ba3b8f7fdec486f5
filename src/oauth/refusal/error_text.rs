//! What the text of an error response is about: the request, the client, the credentials, or a temporary
//! condition.
//!
//! There is no standard for these texts, so they are compared with phrases. The phrases are narrow on
//! purpose: a rejected password that is mistaken for another error would be sent again and could lock the
//! account.

use serde_json::{Map, Value};

use super::{rejection, words};
use crate::transport::Response;

/// Limits on what is read. What matters comes early.
const MAX_LINES: usize = 200;
const MAX_DEPTH: usize = 6;

/// The names of members that say nothing about the reason.
const SILENT_KEYS: [&str; 10] = [
    "timestamp",
    "path",
    "type",
    "instance",
    "method",
    "trace id",
    "traceid",
    "request id",
    "correlation id",
    "error uri",
];

/// The names of members that contain a URL, which may contain any word: `…/rest/rate-limits`.
const URL_KEYS: [&str; 6] = ["path", "instance", "error uri", "documentation url", "url", "href"];

/// One text, with the name of its member.
#[derive(Debug)]
struct ErrorLine {
    key: String,
    text: String,
    /// Name and text, normalized by [`words::plain`].
    plain: String,
}

/// The text of an error response.
#[derive(Debug, Default)]
pub(super) struct ErrorText {
    /// The server's error code, in lower case.
    code: Option<String>,
    lines: Vec<ErrorLine>,
    is_page: bool,
    /// Whether it is text and not JSON.
    is_text: bool,
    /// Whether it refers to fields of the request, as validators do (`loc`, `location`).
    points_at_fields: bool,
}

impl ErrorText {
    /// The text of an object.
    pub(super) fn of_object(object: &Map<String, Value>) -> Self {
        let mut text = Self { code: code(object), ..Self::default() };
        for (key, value) in object {
            text.walk(key, value, 1);
        }
        text
    }

    /// The text of any other JSON value.
    pub(super) fn of_value(value: &Value) -> Self {
        let mut text = Self::default();
        text.walk("", value, 1);
        text
    }

    /// The text of a body that is not JSON.
    pub(super) fn of_body(response: &Response) -> Self {
        let content_type = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let text = String::from_utf8_lossy(&response.body);
        let is_page = content_type.contains("html") || words::looks_like_a_page(&text);
        let mut error_text = Self { is_page, is_text: !text.trim().is_empty(), ..Self::default() };
        for line in (if is_page { words::without_tags(&text) } else { text.into_owned() }).lines() {
            error_text.add("", line.trim());
        }
        error_text
    }

    fn walk(&mut self, key: &str, value: &Value, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        match value {
            Value::String(text) => self.add(key, text),
            Value::Array(list) if list.iter().all(is_plain) => self.add(key, &join(list)),
            Value::Array(list) => list.iter().for_each(|item| self.walk(key, item, depth + 1)),
            Value::Object(object) => {
                self.points_at_fields |= points_at_a_field(object);
                if object.values().all(is_flat) {
                    let parts: Vec<_> = object.iter().map(|(name, value)| describe(name, value)).collect();
                    self.add(key, &parts.join(" "));
                } else {
                    object.iter().for_each(|(name, value)| self.walk(name, value, depth + 1));
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, key: &str, text: &str) {
        if text.trim().is_empty() || self.lines.len() == MAX_LINES {
            return;
        }
        let (key, text) = (words::plain(key), words::beginning(text).to_owned());
        let plain = format!("{key} {}", words::plain(&text));
        self.lines.push(ErrorLine { key, text, plain });
    }

    /// The server's error code.
    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether it is an HTML page, which no token endpoint sends.
    pub(super) fn is_page(&self) -> bool {
        self.is_page
    }

    /// Whether it is a page or plain text, as proxies send them, and not the JSON of an API.
    pub(super) fn is_not_json(&self) -> bool {
        self.is_text
    }

    /// Whether the error code is about the client.
    pub(super) fn has_client_code(&self) -> bool {
        self.has_code(&words::CLIENT_CODES)
    }

    /// Whether it says no more than the status.
    pub(super) fn gives_no_reason(&self) -> bool {
        let tells = |line: &ErrorLine| {
            !SILENT_KEYS.contains(&line.key.as_str()) && !words::is_reason_phrase(&words::plain(&line.text))
        };
        self.is_page || !self.lines.iter().any(tells)
    }

    /// Whether it is about the rate of requests.
    pub(super) fn limits_the_rate(&self) -> bool {
        self.has_code(&words::RATE_CODES) || self.says(&words::RATE)
    }

    /// Whether it asks to try later or reports a problem of the server: an error that is not about the
    /// credentials. A text that politely rejects the credentials does not count.
    pub(super) fn is_temporary(&self) -> bool {
        let is_temporary = self.limits_the_rate()
            || self.has_code(&words::TEMPORARY_CODES)
            || self.says(&words::LATER)
            || (!self.is_page && self.says(&words::TROUBLE));
        is_temporary && !self.rejects_a_credential()
    }

    /// Whether an account is temporarily locked. Another attempt could prolong the lock.
    pub(super) fn locks_temporarily(&self) -> bool {
        !self.is_page && self.is_temporary() && self.has(&words::LOCK)
    }

    /// Whether it unambiguously says that the user, the password or the credentials are wrong.
    pub(super) fn rejects_a_credential(&self) -> bool {
        self.lines.iter().any(|line| {
            let plain = words::without_client_phrases(&line.plain);
            !URL_KEYS.contains(&line.key.as_str())
                && (rejection::rejects(&plain)
                    || (self.points_at_fields && rejection::rejects_the_value(&plain)))
        })
    }

    /// Whether it says "unauthorized" or similar, as statuses do.
    pub(super) fn says_unauthorized(&self) -> bool {
        let is_of_the_client = |line: &ErrorLine| line.plain.contains("unauthorized client");
        !self.is_page
            && self.lines.iter().any(|line| {
                words::has(&words::plain(&line.text), &rejection::UNAUTHORIZED) && !is_of_the_client(line)
            })
    }

    /// Whether it says that an account is locked.
    pub(super) fn locks_an_account(&self) -> bool {
        self.lines.iter().any(|line| {
            words::has(&line.plain, &words::LOCK) && words::has(&line.plain, &["account", "user"])
        })
    }

    /// Whether it is about CSRF protection for browsers.
    pub(super) fn is_for_browsers(&self) -> bool {
        self.has(&words::FORGERY)
    }

    /// Whether the server does not find the client in the request.
    pub(super) fn lacks_the_client(&self) -> bool {
        self.lines
            .iter()
            .any(|line| words::has(&line.plain, &words::CLIENT) && words::has(&line.plain, &words::MISSING))
    }

    /// Whether the client is unknown or its secret is wrong. A member that only repeats the client's name
    /// does not count.
    pub(super) fn rejects_the_client(&self) -> bool {
        self.has_client_code()
            || self.lines.iter().any(|line| words::has(&words::plain(&line.text), &words::CLIENT))
    }

    /// Whether it says that the *request* is wrong: a missing or unknown field, a content type, a parse
    /// error.
    pub(super) fn reports_an_invalid_request(&self) -> bool {
        let names = |line: &ErrorLine| {
            words::has(&line.plain, &words::WRONG_REQUEST)
                || words::lacks_a_common_field(&line.plain)
                || words::lacks_a_field(&line.text)
        };
        self.points_at_fields || self.lines.iter().any(names)
    }

    fn has(&self, phrases: &[&str]) -> bool {
        self.lines.iter().any(|line| words::has(&line.plain, phrases))
    }

    /// The same, ignoring the names of members and URLs.
    fn says(&self, phrases: &[&str]) -> bool {
        self.lines.iter().any(|line| {
            let is_url = URL_KEYS.contains(&line.key.as_str()) || line.text.starts_with("http");
            !is_url && words::has(&words::plain(&line.text), phrases)
        })
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        self.code().is_some_and(|code| codes.contains(&code))
    }
}

/// The error code, from `error` or a similar member.
fn code(object: &Map<String, Value>) -> Option<String> {
    let nested = object.get("error").and_then(Value::as_object);
    let places = [
        object.get("error"),
        nested.and_then(|error| error.get("code")),
        nested.and_then(|error| error.get("type")),
        object.get("error_code"),
        object.get("code"),
        object.get("status"),
    ];
    let text = places.into_iter().flatten().find_map(Value::as_str)?;
    Some(text.trim().to_ascii_lowercase())
}

fn is_plain(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

fn is_flat(value: &Value) -> bool {
    is_plain(value) || value.as_array().is_some_and(|list| list.iter().all(is_plain))
}

fn join(list: &[Value]) -> String {
    list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

fn describe(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => format!("{name} {text}"),
        Value::Array(list) => format!("{name} {}", join(list)),
        _ => String::new(),
    }
}

/// As in `FastAPI` (`loc`) and express-validator (`location`).
fn points_at_a_field(object: &Map<String, Value>) -> bool {
    let is_location = |value: &Value| {
        value.as_str().is_some_and(|place| ["body", "query", "headers", "params"].contains(&place))
    };
    object.get("loc").is_some_and(Value::is_array) || object.get("location").is_some_and(is_location)
}
