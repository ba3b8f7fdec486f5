//! `header` of the configuration: the header that carries the token to the API.

use reqwest::header::HeaderName;

use super::fields::{ConfigFields, TextOr};
use crate::domain::{AccessToken, Secret, TokenType};

const AUTHORIZATION: &str = "Authorization";
const TOKEN: &str = "{token}";
const SCHEME: &str = "{scheme}";

/// Longer values than this are no frame around a token.
const MAX_VALUE_BYTES: usize = 1024;

/// Headers that `fetch` does not let a program set, or that say how the message itself is to be read. Those that begin
/// with `proxy-`, `sec-` or `content-` are of the same kind.
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

/// The header that carries the token, and what is around the token in it.
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
    /// The name, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value with this token.
    pub fn value(&self, scheme: &TokenType, token: &AccessToken) -> Secret {
        // The token comes last: what is in it is not filled in.
        let text = self.value.replace(SCHEME, scheme.as_str()).replace(TOKEN, token.secret().expose());
        Secret::new(text)
    }

    /// The header of this name; `Authorization` has the scheme before the token, and others the token alone.
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
        Some(TextOr::Text(name)) => TokenHeader::with_name(&name).unwrap_or_else(|fault| {
            f.error("header", fault);
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
    let mut read = named.unwrap_or_else(|fault| {
        header.error("name", fault);
        None
    });
    if let Some(value) = header.text("value") {
        match check_value(&value) {
            Ok(()) => value.trim().clone_into(&mut read.get_or_insert_default().value),
            Err(fault) => header.error("value", fault),
        }
    }
    read.unwrap_or_default()
}

fn check_name(name: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    // Such a name is a header's by the grammar, and an object's prototype in JavaScript.
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
    let frame = value.replace(TOKEN, "").replace(SCHEME, "");
    if value.len() > MAX_VALUE_BYTES {
        return Err(format!("must not be longer than {MAX_VALUE_BYTES} bytes"));
    }
    if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err("must hold visible ASCII characters and spaces only".into());
    }
    if value.matches(TOKEN).count() != 1 {
        return Err(format!("must contain {TOKEN} once, where the token goes"));
    }
    if frame.contains(['{', '}']) {
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
    fn the_token_alone_goes_into_a_header_of_its_own_and_the_scheme_into_authorization() {
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
    fn nothing_in_a_token_is_filled_in() {
        let header = TokenHeader { name: "X".into(), value: "<{scheme}> {token}".into() };
        assert_eq!(value(&header, "{scheme}{token}$&"), "<Token> {scheme}{token}$&");
    }

    #[test]
    fn a_header_of_the_message_or_of_no_valid_name_carries_no_token() {
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
    fn a_value_has_one_place_for_the_token_and_nothing_that_no_header_may_carry() {
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
