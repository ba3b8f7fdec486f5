//! The fields of a response, and their names.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

type Object = Map<String, Value>;

/// The members of a response that may contain the fields of a token.
pub(super) const HOLDERS: [&str; 4] = ["data", "token", "access", "tokens"];

/// The objects that may describe the token: those around it, the nearest first, then the top level of the
/// response and its [`HOLDERS`].
#[derive(Clone, Default)]
pub(super) struct ResponseFields<'v> {
    pub levels: Vec<&'v Object>,
}

impl<'v> ResponseFields<'v> {
    /// The fields around a token.
    pub(super) fn from_chain(chain: Vec<&'v Object>, whole: Option<&'v Value>) -> Self {
        let top = whole.and_then(Value::as_object);
        let usual = top.into_iter().flat_map(|top| {
            std::iter::once(top).chain(HOLDERS.iter().filter_map(|name| top.get(*name)?.as_object()))
        });
        let mut levels = chain;
        for level in usual {
            if !levels.iter().any(|known| std::ptr::eq(*known, level)) {
                levels.push(level);
            }
        }
        Self { levels }
    }

    /// The values with these names, in this order, from the nearest object first.
    pub(super) fn get(&self, names: &'static [&'static str]) -> impl Iterator<Item = &'v Value> {
        self.named(names).map(|(_, value)| value)
    }

    /// The same, with the names.
    pub(super) fn named(
        &self,
        names: &'static [&'static str],
    ) -> impl Iterator<Item = (&'static str, &'v Value)> {
        self.levels
            .iter()
            .flat_map(move |level| names.iter().filter_map(|name| Some((*name, level.get(*name)?))))
    }
}

/// The value at a path of names, where a number can also be an array index, and the objects on the way, the
/// nearest first.
pub(super) fn at_path<'v>(whole: &'v Value, names: &[String]) -> Option<(&'v Value, Vec<&'v Object>)> {
    let mut chain = Vec::new();
    let mut value = whole;
    for name in names {
        value = match value {
            Value::Object(map) => {
                chain.insert(0, map);
                map.get(name)?
            }
            Value::Array(list) => list.get(name.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some((value, chain))
}

/// Parses JSON leniently: a number that does not fit into a double (`1e999`) becomes `null`, and half of a
/// surrogate pair becomes U+FFFD, which no token contains. The rest of the response remains usable.
pub(super) fn parse(json: &str) -> Option<Value> {
    serde_json::from_str(json).or_else(|_| serde_json::from_str(&replace_lone_surrogates(json))).ok()
}

fn replace_lone_surrogates(json: &str) -> Zeroizing<String> {
    let mut kept = Zeroizing::new(String::with_capacity(json.len()));
    let (mut rest, mut is_text) = (json, false);
    while let Some(first) = rest.chars().next() {
        let in_number = |c: &char| c.is_ascii_digit() || "+-.eE".contains(*c);
        let length = match (is_text, first) {
            (true, '\\') => escape_length(rest),
            (true, _) => first.len_utf8(),
            (false, _) => rest.chars().take_while(in_number).count().max(first.len_utf8()),
        };
        let (piece, after) = rest.split_at(length);
        is_text ^= first == '"';
        kept.push_str(match piece {
            _ if is_half_a_pair(piece) => "\\ufffd",
            _ if piece.parse::<f64>().is_ok_and(f64::is_infinite) && !is_text => "null",
            _ => piece,
        });
        rest = after;
    }
    kept
}

/// The length of the escape that `text` starts with; of both halves if it is a surrogate pair.
fn escape_length(text: &str) -> usize {
    let is_high = matches!(unit(text), Some(0xD800..=0xDBFF));
    let is_pair = is_high && matches!(text.get(6..).and_then(unit), Some(0xDC00..=0xDFFF));
    match unit(text) {
        Some(_) if is_pair => 12,
        Some(_) => 6,
        None => 1 + text[1..].chars().next().map_or(0, char::len_utf8),
    }
}

fn is_half_a_pair(piece: &str) -> bool {
    piece.len() == 6 && matches!(unit(piece), Some(0xD800..=0xDFFF))
}

/// The UTF-16 code unit of an escape such as `\ud800`.
fn unit(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_plain.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

/// A finite number, or a string of ASCII digits with an optional sign and fraction. Nothing else is coerced.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
            let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
            if plain { text.parse().ok() } else { None }
        }
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

/// Whether a value means "none", such as the `error: 0` of some successful responses.
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => {
            let words = ["", "0", "none", "null", "false", "no", "no error", "no_error", "ok", "success"];
            words.iter().any(|word| text.trim().eq_ignore_ascii_case(word))
        }
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn half_a_surrogate_pair_affects_only_its_own_string() {
        for (text, expected) in [
            (r#"{"a":"x\ud800","b":1}"#, json!({ "a": "x\u{fffd}", "b": 1 })),
            (r#"{"a":"\udc00\ud83d\ude00","b":1}"#, json!({ "a": "\u{fffd}\u{1f600}", "b": 1 })),
            (r#"{"a":"\uD83D\uD83D\uDE00"}"#, json!({ "a": "\u{fffd}\u{1f600}" })),
            (r#"{"a":"\\ud800","b":"\ud800"}"#, json!({ "a": "\\ud800", "b": "\u{fffd}" })),
            (r#"{"\ud800":1,"ö":"\ud800ö"}"#, json!({ "\u{fffd}": 1, "ö": "\u{fffd}ö" })),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in [r#"{"a":"\ud800"#, r#"{"a":"\ud80"}"#, r#"{"a":"\ud800\"}"#, "\"\\", "\\ud800"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn values_that_mean_none_are_recognized() {
        for value in [
            json!(null),
            json!(0),
            json!(0.0),
            json!(""),
            json!("0"),
            json!("None"),
            json!({}),
            json!([]),
            json!(false),
        ] {
            assert!(is_nothing(&value), "{value}");
        }
        for value in [
            json!(1),
            json!(true),
            json!("invalid_grant"),
            json!({ "code": 0 }),
            json!([""]),
            json!("nothing"),
        ] {
            assert!(!is_nothing(&value), "{value}");
        }
    }
}
