//! The `header` option: the header that sends the token to the API.

use reqwest::header::HeaderName;

use super::fields::{ConfigFields, TextOr};
use crate::domain::{AccessToken, Secret, TokenType};

const AUTHORIZATION: &str = "Authorization";
const TOKEN: &str = "{token}";
const SCHEME: &str = "{scheme}";

/// The longest template of a header's value.
const MAX_VALUE_BYTES: usize = 1024;

/// Headers that `fetch` does not allow programs to set, or that describe the message itself. The same applies
/// to those that start with `proxy-`, `sec-` or `content-`.
const FORBIDDEN: [&str; 21] = [
    "accept-charset",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "connection",
    "cookie",
    "cookie2",
    "date",
    "dnt",
    "dpop",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];
const FORBIDDEN_PREFIXES: [&str; 3] = ["proxy-", "sec-", "content-"];

/// The header that sends the token, and the template of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHeader {
    name: String,
    value: String,
}

impl Default for TokenHeader {
    fn default() -> Self {
        Self { name: AUTHORIZATION.to_owned(), value: format!("{SCHEME} {TOKEN}") }
    }
}

impl TokenHeader {
    /// The name, as configured.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the value contains no token type.
    pub fn is_bare(&self) -> bool {
        !self.value.contains(SCHEME)
    }

    /// The value for this token.
    pub fn value(&self, scheme: &TokenType, token: &AccessToken) -> Secret {
        // The token is inserted last, so that placeholders in it are not replaced.
        let text = self.value.replace(SCHEME, scheme.as_str()).replace(TOKEN, token.secret().expose());
        Secret::new(text)
    }

    /// A header with this name. `Authorization` contains the scheme and the token, other headers only the
    /// token.
    fn with_name(name: &str) -> Result<Self, String> {
        if name.eq_ignore_ascii_case(AUTHORIZATION) {
            return Ok(Self::default());
        }
        check_name(name)?;
        Ok(Self { name: name.to_owned(), value: TOKEN.to_owned() })
    }
}

pub(super) fn read(f: &mut ConfigFields<'_>) -> TokenHeader {
    match f.text_or_object("header") {
        None => TokenHeader::default(),
        Some(TextOr::Text(name)) => TokenHeader::with_name(&name).unwrap_or_else(|message| {
            f.error("header", message);
            TokenHeader::default()
        }),
        Some(TextOr::Object(mut header)) => {
            let read = read_object(&mut header);
            header.finish();
            read
        }
    }
}

fn read_object(header: &mut ConfigFields<'_>) -> TokenHeader {
    if !header.has("name") {
        header.error("name", "is missing: set it to the name of the header, such as X-Auth-Token");
    }
    let named = header.text("name").map(|name| TokenHeader::with_name(&name)).transpose();
    let mut read = named.unwrap_or_else(|message| {
        header.error("name", message);
        None
    });
    if let Some(value) = header.text("value") {
        match check_value(&value) {
            Ok(()) => value.trim().clone_into(&mut read.get_or_insert_default().value),
            Err(message) => header.error("value", message),
        }
    }
    read.unwrap_or_default()
}

fn check_name(name: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    // `__proto__` is a valid header name, but in JavaScript it would set an object's prototype.
    if HeaderName::from_bytes(name.as_bytes()).is_err() || lower == "__proto__" {
        return Err("is not a valid header name: use letters, digits and hyphens, as in X-Auth-Token".into());
    }
    let is_forbidden = FORBIDDEN.contains(&lower.as_str())
        || FORBIDDEN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
    if is_forbidden {
        return Err(format!("must not be {name}: that header belongs to the HTTP message or to the client"));
    }
    Ok(())
}

fn check_value(value: &str) -> Result<(), String> {
    let rest = value.replace(TOKEN, "").replace(SCHEME, "");
    if value.len() > MAX_VALUE_BYTES {
        return Err(format!("must not be longer than {MAX_VALUE_BYTES} bytes"));
    }
    if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err("must contain only visible ASCII characters and spaces".into());
    }
    if value.matches(TOKEN).count() != 1 {
        return Err(format!("must contain {TOKEN} once, where the token goes"));
    }
    if rest.contains(['{', '}']) {
        return Err(format!("must not contain braces other than {TOKEN} and {SCHEME}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(header: &TokenHeader, token: &str) -> String {
        let token = AccessToken::parse(token).unwrap();
        header.value(&TokenType::parse("Token").unwrap(), &token).expose().to_owned()
    }

    #[test]
    fn authorization_contains_the_scheme_and_other_headers_only_the_token() {
        for (name, written, expected) in [
            ("X-Auth-Token", "X-Auth-Token", "abc"),
            ("authorization", "Authorization", "Token abc"),
            ("X_Key", "X_Key", "abc"),
        ] {
            let header = TokenHeader::with_name(name).unwrap();
            assert_eq!((header.name(), value(&header, "abc")), (written, expected.to_owned()));
        }
    }

    #[test]
    fn placeholders_in_a_token_are_not_replaced() {
        let header = TokenHeader { name: "X".into(), value: "<{scheme}> {token}".into() };
        assert_eq!(value(&header, "{scheme}{token}$&"), "<Token> {scheme}{token}$&");
    }

    #[test]
    fn a_reserved_or_invalid_header_name_is_rejected() {
        for name in [
            "Host",
            "content-length",
            "Content-Type",
            "Cookie",
            "Set-Cookie",
            "Connection",
            "Transfer-Encoding",
            "TE",
            "Proxy-Authorization",
            "Sec-Fetch-Mode",
            "DPoP",
            "__proto__",
            "__PROTO__",
            "X Auth",
            "X:Auth",
            "X\r\nInjected",
            "Ключ",
            "",
        ] {
            assert!(TokenHeader::with_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_value_contains_the_token_once_and_only_valid_header_characters() {
        for good in ["{token}", "{scheme} {token}", "Token token=\"{token}\"", "{scheme}{scheme}{token}"] {
            assert_eq!(check_value(good), Ok(()), "{good}");
        }
        let long = format!("{{token}}{}", "x".repeat(1024));
        for bad in [
            "",
            "token",
            "{scheme}",
            "{Token}",
            "{token} {token}",
            "{token}{password}",
            "{{token}}",
            "{token}\r\nX-Injected: 1",
            "{token}\0",
            "{token}\t",
            "ключ {token}",
            long.as_str(),
        ] {
            assert!(check_value(bad).is_err(), "{bad:?}");
        }
    }
}
