//! The phrases by which servers say what is wrong. They are compared with texts normalized by [`plain`]: in
//! lower case, without quotes, and with spaces for `_` and `-`.

/// How much of one text is read. A stack trace contains all kinds of words.
const MAX_LENGTH: usize = 4096;

/// Codes about the rate of requests.
pub(super) const RATE_CODES: [&str; 6] = [
    "slow_down",
    "rate_limit_exceeded",
    "rate_limited",
    "too_many_requests",
    "request_limit_exceeded",
    "throttled",
];

/// Phrases about the rate of requests.
pub(super) const RATE: [&str; 17] = [
    "too many request",
    "too many login",
    "too many attempt",
    "too many failed",
    "too many unsuccessful",
    "too many sign",
    "too many tries",
    "too many retries",
    "too many connection",
    "too many concurrent",
    "too many token",
    "too many authentication",
    "toomanyrequest",
    "rate limit",
    "rate exceeded",
    "throttl",
    "slow down",
];

/// Codes about a temporary problem of the server.
pub(super) const TEMPORARY_CODES: [&str; 4] =
    ["server_error", "temporarily_unavailable", "unknown_error", "service_unavailable"];

/// Phrases about a temporary error. Not "temporary", which may describe a password, and not "try again"
/// alone, which often follows a wrong one.
pub(super) const LATER: [&str; 11] = [
    "try again later",
    "try again after",
    "try again in ",
    "try later",
    "retry later",
    "retry your request",
    "retry the request",
    "retry after",
    "temporarily",
    "under maintenance",
    "service unavailable",
];

/// Phrases about a locked account.
pub(super) const LOCK: [&str; 3] = ["locked", "lockout", "suspended"];

/// Phrases about CSRF protection.
pub(super) const FORGERY: [&str; 4] = ["csrf", "xsrf", "antiforgery", "anti forgery"];

/// Phrases about a problem of the server, and not about the credentials. Ignored in pages, which contain all
/// kinds of words.
pub(super) const TROUBLE: [&str; 19] = [
    "maintenance",
    "be back soon",
    "database error",
    "database connection",
    "database is",
    "database unavailable",
    "internal error",
    "internal server error",
    "connection refused",
    "upstream connect error",
    "timeout",
    "timed out",
    "busy",
    "overloaded",
    "server unavailable",
    "system unavailable",
    "currently unavailable",
    "concurrent session",
    "error code: 10",
];

/// Codes about an unknown client or a wrong client secret.
pub(super) const CLIENT_CODES: [&str; 10] = [
    "invalid_client",
    "invalid_client_id",
    "invalid_client_secret",
    "invalid_client_credentials",
    "incorrect_client_credentials",
    "bad_client_id",
    "bad_client_secret",
    "bad_client_credentials",
    "unknown_client",
    "client_not_found",
];

/// Phrases about the client, and not about the grant or the user.
pub(super) const CLIENT: [&str; 11] = [
    "client id",
    "clientid",
    "client secret",
    "clientsecret",
    "client identifier",
    "client credential",
    "client authentication",
    "client not found",
    "invalid client",
    "unknown client",
    "missing client",
];

/// Phrases for something missing.
pub(super) const MISSING: [&str; 14] = [
    "missing",
    "required",
    "determine",
    "not provided",
    "not specified",
    "not supplied",
    "not present",
    "must be provided",
    "must be present",
    "must be sent",
    "blank",
    "empty",
    "undefined",
    "no client",
];

/// A missing or unknown field, a content type, a parse error.
pub(super) const WRONG_REQUEST: [&str; 62] = [
    "field is required",
    "field required",
    "field is missing",
    "fields are required",
    "fields are missing",
    "is a required",
    "for required field",
    "may not be blank",
    "may not be null",
    "may not be empty",
    "should not be empty",
    "should not be blank",
    "should not be null",
    "must not be empty",
    "must not be blank",
    "must not be null",
    "cannot be blank",
    "cannot be null",
    "cant be blank",
    "cant be empty",
    "should not exist",
    "must be an email",
    "must be a valid email",
    "not a valid email",
    "must be a string",
    "should be a string",
    "missing required",
    "missing credentials",
    "missing parameter",
    "missing form parameter",
    "missing field",
    "missing grant type",
    "missing or the value is empty",
    "must have required property",
    "is not present",
    "request body is missing",
    "failed on the required tag",
    "received undefined",
    "unknown field",
    "unknown attribute",
    "unknown parameter",
    "unknown property",
    "unexpected field",
    "unrecognized field",
    "unrecognized key",
    "unrecognized parameter",
    "unrecognized property",
    "was not expected",
    "additional propert",
    "attributes are not allowed",
    "inputs are not permitted",
    "unsupported grant",
    "unsupported media",
    "content type",
    "parse error",
    "malformed",
    "invalid json",
    "unexpected token",
    "not valid json",
    "json parse",
    "json decode",
    "cannot parse",
];

/// What parsers say about a body in another format.
const PARSE: [&str; 3] = ["valid dictionary", "could not understand", "failed to parse"];

/// Fields that our requests may lack.
const COMMON_FIELDS: [&str; 11] = [
    "email",
    "username",
    "user name",
    "identifier",
    "identity",
    "password",
    "grant type",
    "granttype",
    "client id",
    "clientid",
    "client secret",
];

/// What follows the name of a missing field.
const IS_MISSING: [&str; 6] =
    ["is required", "is missing", "are required", "are missing", "was not provided", "must be provided"];

/// A field like these is missing only if the password was right.
const SECOND_FACTORS: [&str; 6] = ["otp", "mfa", "2fa", "factor", "captcha", "verif"];

/// Phrases that only repeat the status.
const REASON_PHRASES: [&str; 11] = [
    "unauthorized",
    "unauthorised",
    "forbidden",
    "bad request",
    "not found",
    "unprocessable entity",
    "unprocessable content",
    "error",
    "fail",
    "failed",
    "failure",
];

/// Whether a normalized text contains one of the phrases.
pub(super) fn has(plain: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| plain.contains(phrase))
}

/// Normalizes a text for comparison with phrases.
pub(super) fn plain(text: &str) -> String {
    let unquoted: String = beginning(text)
        .chars()
        .filter(|c| !matches!(c, '"' | '\'' | '`' | '’' | '“' | '”' | '\\'))
        .map(|c| if matches!(c, '_' | '-') { ' ' } else { c.to_ascii_lowercase() })
        .collect();
    unquoted.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The part of a text that is read.
pub(super) fn beginning(text: &str) -> &str {
    let end = (0..=MAX_LENGTH.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

/// A normalized text without phrases about the client.
pub(super) fn without_client_phrases(plain: &str) -> String {
    CLIENT.iter().fold(plain.to_owned(), |text, client| text.replace(client, " | "))
}

/// Whether a normalized text says no more than a status.
pub(super) fn is_reason_phrase(plain: &str) -> bool {
    let plain = plain.trim_end_matches(['.', '!']);
    REASON_PHRASES.contains(&plain) || !plain.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether a text says that one of [`COMMON_FIELDS`] is missing.
pub(super) fn lacks_a_common_field(plain: &str) -> bool {
    has(plain, &PARSE)
        || COMMON_FIELDS.iter().any(|field| {
            IS_MISSING.iter().any(|phrase| plain.contains(&format!("{field} {phrase}")))
                || plain.contains(&format!("missing {field}"))
                || plain.ends_with(&format!("{field} required"))
        })
}

/// Whether a text says that something is missing that looks like a field's name: quoted, or not an ordinary
/// word (`device_name`, `deviceName`).
pub(super) fn lacks_a_field(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    IS_MISSING.iter().any(|phrase| {
        lower.match_indices(phrase).any(|(at, _)| text[..at].split_whitespace().last().is_some_and(is_field))
    })
}

fn is_field(word: &str) -> bool {
    let name = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_quoted = word.len() > name.len() && word.starts_with(['"', '\'', '`', '\\', '“', '‘']);
    let has_hump = name.bytes().skip(1).any(|byte| byte.is_ascii_uppercase())
        && name.bytes().any(|byte| byte.is_ascii_lowercase());
    let is_second_factor = has(&name.to_ascii_lowercase(), &SECOND_FACTORS);
    !name.is_empty() && (is_quoted || has_hump || name.contains('_')) && !is_second_factor
}

/// Whether a text is HTML, regardless of its `Content-Type`.
pub(super) fn looks_like_a_page(text: &str) -> bool {
    let start = text.trim_start().get(..1).unwrap_or_default();
    let head = beginning(text).to_ascii_lowercase();
    start == "<"
        && ["<html", "<!doctype html", "<head", "<body", "<title", "<h1"].iter().any(|tag| head.contains(tag))
}

/// The text of a page.
pub(super) fn without_tags(page: &str) -> String {
    let mut is_tag = false;
    let visible = |c: char| {
        let was_tag = is_tag;
        is_tag = c == '<' || (is_tag && c != '>');
        if is_tag || was_tag { ' ' } else { c }
    };
    page.chars().map(visible).collect()
}
