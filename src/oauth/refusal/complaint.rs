//! What the body of a refusal says, and about what: the request, the client, a credential, or only the moment.
//!
//! Servers have no common language here, so texts are compared with phrases. They are narrow on purpose: a rejected
//! password that is taken for anything else is sent again and can lock the account.

use serde_json::{Map, Value};

use super::{rejection, words};
use crate::transport::Response;

/// Beyond this nothing is read: no server says what matters so late.
const MOST_LINES: usize = 200;
const DEEPEST: usize = 6;

/// Where servers put what tells nothing of the reason.
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

/// Where an address stands, which may hold any word: `…/rest/rate-limits`.
const ADDRESS_KEYS: [&str; 6] = ["path", "instance", "error uri", "documentation url", "url", "href"];

/// One thing that is said, with the name it stands under.
#[derive(Debug)]
struct ComplaintLine {
    key: String,
    text: String,
    /// Name and text as [`words::plain`] writes them.
    plain: String,
}

/// What the body of a refusal says.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    /// The server's own word for the error, in lower case.
    code: Option<String>,
    lines: Vec<ComplaintLine>,
    is_page: bool,
    /// Whether it is a text, and not JSON.
    is_text: bool,
    /// Whether it points at fields of the request, as validators do (`loc`, `location`).
    points_at_fields: bool,
}

impl Complaint {
    /// What an object says.
    pub(super) fn of_object(object: &Map<String, Value>) -> Self {
        let mut complaint = Self { code: code(object), ..Self::default() };
        for (key, value) in object {
            complaint.walk(key, value, 1);
        }
        complaint
    }

    /// What any other JSON says.
    pub(super) fn of_value(value: &Value) -> Self {
        let mut complaint = Self::default();
        complaint.walk("", value, 1);
        complaint
    }

    /// What a body says that is not JSON.
    pub(super) fn of_body(response: &Response) -> Self {
        let content_type = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let text = String::from_utf8_lossy(&response.body);
        let is_page = content_type.contains("html") || words::looks_like_a_page(&text);
        let mut complaint = Self { is_page, is_text: !text.trim().is_empty(), ..Self::default() };
        for line in (if is_page { words::without_tags(&text) } else { text.into_owned() }).lines() {
            complaint.add("", line.trim());
        }
        complaint
    }

    fn walk(&mut self, key: &str, value: &Value, depth: usize) {
        if depth > DEEPEST {
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
        if text.trim().is_empty() || self.lines.len() == MOST_LINES {
            return;
        }
        let (key, text) = (words::plain(key), words::beginning(text).to_owned());
        let plain = format!("{key} {}", words::plain(&text));
        self.lines.push(ComplaintLine { key, text, plain });
    }

    /// The server's own word for the error.
    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether it is a page for people, which no token endpoint writes.
    pub(super) fn is_page(&self) -> bool {
        self.is_page
    }

    /// Whether it is a page or a plain text, as proxies write them, and not the JSON of an API.
    pub(super) fn is_no_api(&self) -> bool {
        self.is_text
    }

    /// Whether the server's own word for the error is that of a client.
    pub(super) fn has_client_code(&self) -> bool {
        self.has_code(&words::CLIENT_CODES)
    }

    /// Whether it says no more than the status does.
    pub(super) fn says_nothing(&self) -> bool {
        let tells = |line: &ComplaintLine| {
            !SILENT_KEYS.contains(&line.key.as_str()) && !words::is_reason_phrase(&words::plain(&line.text))
        };
        self.is_page || !self.lines.iter().any(tells)
    }

    /// Whether it is about how often is asked.
    pub(super) fn limits_the_rate(&self) -> bool {
        self.has_code(&words::RATE_CODES) || self.says(&words::RATE)
    }

    /// Whether it asks to come back later, or speaks of trouble of the server's own: an error that has nothing to do
    /// with the credential. A text that rejects the credential and is polite about it does not.
    pub(super) fn passes(&self) -> bool {
        let passes = self.limits_the_rate()
            || self.has_code(&words::PASSING_CODES)
            || self.says(&words::LATER)
            || (!self.is_page && self.says(&words::TROUBLE));
        passes && !self.rejects_a_credential()
    }

    /// Whether an account is locked, and not for good: one more try may prolong it.
    pub(super) fn locks_for_a_time(&self) -> bool {
        !self.is_page && self.passes() && self.has(&words::LOCK)
    }

    /// Whether the user, the password or the credential is said to be wrong, in words that can mean nothing else.
    pub(super) fn rejects_a_credential(&self) -> bool {
        self.lines.iter().any(|line| {
            let plain = words::without_the_client(&line.plain);
            !ADDRESS_KEYS.contains(&line.key.as_str())
                && (rejection::rejects(&plain)
                    || (self.points_at_fields && rejection::finds_the_value_wrong(&plain)))
        })
    }

    /// Whether it calls the request unauthorized, as statuses do.
    pub(super) fn calls_it_unauthorized(&self) -> bool {
        let is_of_the_client = |line: &ComplaintLine| line.plain.contains("unauthorized client");
        !self.is_page
            && self.lines.iter().any(|line| {
                words::has(&words::plain(&line.text), &rejection::UNAUTHORIZED) && !is_of_the_client(line)
            })
    }

    /// Whether an account is said to be locked.
    pub(super) fn locks_an_account(&self) -> bool {
        self.lines.iter().any(|line| {
            words::has(&line.plain, &words::LOCK) && words::has(&line.plain, &["account", "user"])
        })
    }

    /// Whether a browser's protection against forged requests speaks.
    pub(super) fn is_for_browsers(&self) -> bool {
        self.has(&words::FORGERY)
    }

    /// Whether the client is not in the request where the server looks for it.
    pub(super) fn misses_the_client(&self) -> bool {
        self.lines
            .iter()
            .any(|line| words::has(&line.plain, &words::CLIENT) && words::has(&line.plain, &words::MISSING))
    }

    /// Whether the client is unknown, or its secret is wrong. A field that only repeats the client's name does not say
    /// so.
    pub(super) fn rejects_the_client(&self) -> bool {
        self.has_client_code()
            || self.lines.iter().any(|line| words::has(&words::plain(&line.text), &words::CLIENT))
    }

    /// Whether the *request* is said to be wrong: a missing or unknown field, a content type, a parse error.
    pub(super) fn names_a_wrong_request(&self) -> bool {
        let names = |line: &ComplaintLine| {
            words::has(&line.plain, &words::WRONG_REQUEST)
                || words::misses_a_usual_field(&line.plain)
                || words::misses_a_field(&line.text)
        };
        self.points_at_fields || self.lines.iter().any(names)
    }

    fn has(&self, phrases: &[&str]) -> bool {
        self.lines.iter().any(|line| words::has(&line.plain, phrases))
    }

    /// The same in what is said, and not in the names of fields or in addresses.
    fn says(&self, phrases: &[&str]) -> bool {
        self.lines.iter().any(|line| {
            let is_address = ADDRESS_KEYS.contains(&line.key.as_str()) || line.text.starts_with("http");
            !is_address && words::has(&words::plain(&line.text), phrases)
        })
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        self.code().is_some_and(|code| codes.contains(&code))
    }
}

/// The word of `error`, or of what stands for it.
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

/// As `FastAPI` (`loc`) and express-validator (`location`) do.
fn points_at_a_field(object: &Map<String, Value>) -> bool {
    let is_location = |value: &Value| {
        value.as_str().is_some_and(|place| ["body", "query", "headers", "params"].contains(&place))
    };
    object.get("loc").is_some_and(Value::is_array) || object.get("location").is_some_and(is_location)
}
