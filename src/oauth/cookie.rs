//! A cookie that a response sets ([RFC 6265 §4.1](https://www.rfc-editor.org/rfc/rfc6265#section-4.1)). It is
//! read once, as a token, and never kept or sent back.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::transport::Response;

/// The parts of a cookie that matter for a token.
pub(super) struct Cookie<'r> {
    /// Its value, unquoted and percent-decoded: Express writes `%2B` for a plus sign.
    pub value: Cow<'r, str>,
    /// The text of `Max-Age`, or else of `Expires`.
    pub expires: Option<(&'static str, Value)>,
}

/// The cookie with this name; the last one if there are several, as in browsers.
pub(super) fn named<'r>(response: &'r Response, name: &str) -> Option<Cookie<'r>> {
    let lines = response.headers.get_all("set-cookie").iter();
    lines.filter_map(|line| parse(line.to_str().ok()?, name)).next_back()
}

fn parse<'r>(line: &'r str, name: &str) -> Option<Cookie<'r>> {
    let mut parts = line.split(';');
    let (given, value) = parts.next()?.split_once('=')?;
    if given.trim() != name {
        return None;
    }
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let attributes: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    let attribute = |name: &'static str| {
        let found = attributes.iter().rev().find(|(given, _)| given.trim().eq_ignore_ascii_case(name))?;
        Some((name, found.1.trim()))
    };
    let expires = attribute("Max-Age")
        .or_else(|| attribute("Expires"))
        // Some servers still use Netscape's format, `Wed, 21-Oct-2015 07:28:00 GMT`.
        .map(|(name, text)| {
            (name, Value::from(if text.contains(',') { text.replace('-', " ") } else { text.into() }))
        });
    let decoded = percent_decode_str(value).decode_utf8().unwrap_or(Cow::Borrowed(value));
    Some(Cookie { value: decoded, expires })
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};
    use zeroize::Zeroizing;

    use super::*;

    fn cookie(lines: &[&str], name: &str) -> Option<(String, Option<(&'static str, Value)>)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("set-cookie", HeaderValue::from_str(line).unwrap());
        }
        let response = Response { status: 200, headers, body: Zeroizing::default() };
        named(&response, name).map(|cookie| (cookie.value.into_owned(), cookie.expires))
    }

    #[test]
    fn the_value_and_the_expiry_of_a_cookie_are_read() {
        let lines = [
            "other=x; Path=/",
            "token=\"abc\"; HttpOnly; max-age=900; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ];
        assert_eq!(cookie(&lines, "token"), Some(("abc".into(), Some(("Max-Age", "900".into())))));
        let netscape = cookie(&["t=a=b; expires=Wed, 21-Oct-2015 07:28:00 GMT"], "t");
        assert_eq!(netscape, Some(("a=b".into(), Some(("Expires", "Wed, 21 Oct 2015 07:28:00 GMT".into())))));
        assert_eq!(cookie(&["t=a%2Bb%3D"], "t"), Some(("a+b=".into(), None)));
        assert_eq!(cookie(&["t=100%&%zz%ff"], "t"), Some(("100%&%zz%ff".into(), None)));
        assert_eq!(cookie(&["t=abc; Secure"], "t"), Some(("abc".into(), None)));
    }

    #[test]
    fn the_last_of_several_counts_and_names_are_case_sensitive() {
        assert_eq!(cookie(&["t=a", "t=b"], "t"), Some(("b".into(), None)));
        for (line, name) in [("T=a", "t"), ("t2=a", "t"), ("t", "t"), ("", "t"), ("x=1; t=a", "t")] {
            assert_eq!(cookie(&[line], name), None, "{line}");
        }
    }
}
