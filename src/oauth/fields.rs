//! The names under which servers answer.

use serde_json::{Map, Value};

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

/// A finite number, or ASCII digits with sign and fraction as a text: nothing is coerced.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64().filter(|number| number.is_finite()),
        Value::String(text) => {
            let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
            let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
            if plain { text.parse().ok() } else { None }
        }
        _ => None,
    }
}

/// What stands at a dotted path (`data.access_token`); a part that is a number also indexes a list.
pub(super) fn at_path<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, part| match value {
        Value::Object(map) => map.get(part),
        Value::Array(list) => list.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}
