//! Decodes a body to text and parses the text, even if the `Content-Type` is wrong.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use serde_json::{Map, Value};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::fields;
use crate::transport::Response;

/// The body as text. The encoding is determined by a byte order mark, else by the zero bytes of JSON in
/// UTF-16 and UTF-32 (RFC 4627 §3), else it is UTF-8 if that is valid, as in Node, and only then that of the
/// `charset`. Invalid bytes become U+FFFD, which no token contains.
pub(super) fn text(response: &Response) -> Zeroizing<String> {
    decode(&response.body, response.header("content-type").unwrap_or_default())
}

/// Decodes a body with this `Content-Type`.
pub(super) fn decode(body: &[u8], content_type: &str) -> Zeroizing<String> {
    match body {
        [0xFF, 0xFE, 0, 0, rest @ ..] => return utf_32(rest, u32::from_le_bytes),
        [0, 0, 0xFE, 0xFF, rest @ ..] => return utf_32(rest, u32::from_be_bytes),
        [first, 0, 0, 0, ..] if *first != 0 => return utf_32(body, u32::from_le_bytes),
        [0, 0, 0, last, ..] if *last != 0 => return utf_32(body, u32::from_be_bytes),
        _ => {}
    }
    let (encoding, length) = match body {
        [first, 0, ..] if *first != 0 => (UTF_16LE, 0),
        [0, second, ..] if *second != 0 => (UTF_16BE, 0),
        _ => Encoding::for_bom(body).unwrap_or_else(|| (encoding_of(content_type, body), 0)),
    };
    Zeroizing::new(encoding.decode_without_bom_handling(&body[length..]).0.into_owned())
}

fn encoding_of(content_type: &str, body: &[u8]) -> &'static Encoding {
    if std::str::from_utf8(body).is_ok() {
        return UTF_8;
    }
    let parameters = content_type.split(';').skip(1);
    let charset = parameters.filter_map(|parameter| parameter.split_once('=')).find_map(|(name, value)| {
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
    });
    charset.and_then(|label| Encoding::for_label(label.as_bytes())).unwrap_or(UTF_8)
}

fn utf_32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Zeroizing<String> {
    let characters = bytes.chunks(4).map(|chunk| {
        let number = <[u8; 4]>::try_from(chunk).ok().map(unit);
        number.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
    });
    Zeroizing::new(characters.collect())
}

/// Parses the text as JSON or as a form, depending on its content. A form with another `Content-Type` must
/// contain an error or one of the `names`.
pub(super) fn value(text: &str, response: &Response, names: &[&str]) -> Option<Value> {
    let is_labeled = media_type(response) == "application/x-www-form-urlencoded";
    let looks_like_json = text.trim_start().starts_with(['{', '[', '"']);
    let json = || fields::parse(text);
    if is_labeled && !looks_like_json {
        return Some(Value::Object(form(text)));
    }
    json().or_else(|| {
        let is_form = text.contains('=') && text.trim_ascii().bytes().all(|byte| byte.is_ascii_graphic());
        let form = (is_form && !looks_like_json).then(|| form(text.trim_ascii()))?;
        let is_response = form.keys().any(|name| name == "error" || names.contains(&name.as_str()));
        is_response.then_some(Value::Object(form))
    })
}

/// The media type, in lower case and without its parameters.
pub(super) fn media_type(response: &Response) -> String {
    let content_type = response.header("content-type").unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn form(text: &str) -> Map<String, Value> {
    form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::from(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;

    fn response(body: &[u8], content_type: &'static str) -> Response {
        let headers =
            HeaderMap::from_iter([(reqwest::header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Response { status: 200, headers, body: Zeroizing::new(body.to_vec()) }
    }

    fn read(body: &[u8], content_type: &'static str) -> Option<Value> {
        let response = response(body, content_type);
        value(&text(&response), &response, &["access_token"])
    }

    const JSON: &str = r#"{"access_token":"abc","user":"Jörg"}"#;

    #[test]
    fn every_unicode_encoding_is_decoded_with_and_without_a_byte_order_mark() {
        let expected: Value = serde_json::from_str(JSON).unwrap();
        let utf_16 = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> { JSON.encode_utf16().flat_map(unit).collect() };
        let utf_32 =
            |unit: fn(u32) -> [u8; 4]| -> Vec<u8> { JSON.chars().map(u32::from).flat_map(unit).collect() };
        for (mark, body) in [
            (&b"\xEF\xBB\xBF"[..], JSON.as_bytes().to_vec()),
            (b"\xFF\xFE", utf_16(u16::to_le_bytes)),
            (b"\xFE\xFF", utf_16(u16::to_be_bytes)),
            (b"\xFF\xFE\0\0", utf_32(u32::to_le_bytes)),
            (b"\0\0\xFE\xFF", utf_32(u32::to_be_bytes)),
        ] {
            for body in [body.clone(), [mark, &body].concat()] {
                for content_type in ["application/json", "application/json; charset=utf-16", "text/html"] {
                    assert_eq!(
                        read(&body, content_type).as_ref(),
                        Some(&expected),
                        "{mark:?} {content_type}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_charset_is_used_if_the_body_is_not_utf_8() {
        let latin = JSON.replace('ö', "\u{1}").into_bytes();
        let latin: Vec<u8> = latin.into_iter().map(|byte| if byte == 1 { 0xF6 } else { byte }).collect();
        for content_type in [
            "application/json; charset=iso-8859-1",
            "application/json;charset=\"windows-1252\"",
            "text/html; x=y; CHARSET=latin1",
        ] {
            assert_eq!(read(&latin, content_type).unwrap()["user"], "Jörg", "{content_type}");
        }
        for content_type in ["application/json", "application/json; charset=nonsense", "x"] {
            assert_eq!(read(&latin, content_type).unwrap()["user"], "J\u{fffd}rg", "{content_type}");
        }
        assert_eq!(read(JSON.as_bytes(), "application/json; charset=iso-8859-1").unwrap()["user"], "Jörg");
    }

    #[test]
    fn json_and_forms_are_parsed_with_any_content_type() {
        let form = b"access_token=a%2Bb&expires_in=3600";
        for content_type in [
            "application/x-www-form-urlencoded",
            "application/json",
            "text/plain",
            "text/html; charset=utf-8",
            "",
        ] {
            assert_eq!(read(form, content_type).unwrap()["access_token"], "a+b", "{content_type}");
            assert_eq!(read(JSON.as_bytes(), content_type).unwrap()["access_token"], "abc", "{content_type}");
        }
        assert_eq!(read(b"error=bad_code", "text/plain").unwrap()["error"], "bad_code");
    }

    #[test]
    fn a_page_or_a_plain_text_is_not_a_form() {
        for body in
            ["<a href=\"?access_token=abc\">", "abc", "a=b", "see access_token=abc", "", "csrf=access_token"]
        {
            assert_eq!(read(body.as_bytes(), "text/html"), None, "{body}");
        }
    }
}
