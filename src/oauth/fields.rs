//! The names under which servers answer.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// The fields of an answer: at its top, and under `data` as a second choice.
pub(super) struct Fields {
    levels: Vec<Map<String, Value>>,
}

impl Fields {
    /// The fields of a JSON object.
    pub(super) fn of(mut top: Map<String, Value>) -> Self {
        let data = match top.remove("data") {
            Some(Value::Object(data)) => Some(data),
            _ => None,
        };
        Self { levels: std::iter::once(top).chain(data).collect() }
    }

    /// What is found under these names, in their order, first at the top.
    pub(super) fn get(&self, names: &'static [&'static str]) -> impl Iterator<Item = &Value> {
        self.named(names).map(|(_, value)| value)
    }

    /// The same, each with its name.
    pub(super) fn named(
        &self,
        names: &'static [&'static str],
    ) -> impl Iterator<Item = (&'static str, &Value)> {
        self.levels
            .iter()
            .flat_map(move |level| names.iter().filter_map(|name| Some((*name, level.get(*name)?))))
    }
}

/// JSON in which a number that no double holds (`1e999`) is `null`: it says nothing, and the rest of the answer does.
pub(super) fn parse(json: &[u8]) -> Option<Value> {
    serde_json::from_slice(json).or_else(|_| serde_json::from_slice(&without_overflows(json))).ok()
}

fn without_overflows(json: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut kept = Zeroizing::new(Vec::with_capacity(json.len()));
    let (mut rest, mut is_text) = (json, false);
    while let Some(first) = rest.first() {
        let in_number = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let length = match (is_text, first) {
            (true, b'\\') => 2,
            (true, _) => 1,
            (false, _) => rest.iter().take_while(in_number).count().max(1),
        };
        let (piece, after) = rest.split_at(length.min(rest.len()));
        is_text ^= *first == b'"';
        let number = std::str::from_utf8(piece).ok().and_then(|text| text.parse::<f64>().ok());
        let overflows = number.is_some_and(f64::is_infinite);
        kept.extend_from_slice(if overflows { b"null" } else { piece });
        rest = after;
    }
    kept
}

/// A finite number, or ASCII digits with sign and fraction as a text: nothing is coerced.
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

/// What stands at a dotted path (`data.access_token`); a part that is a number also indexes a list.
pub(super) fn at_path<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, part| match value {
        Value::Object(map) => map.get(part),
        Value::Array(list) => list.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}
