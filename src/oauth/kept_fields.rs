//! The fields of a response to keep, in addition to the token.

use serde_json::Value;

use super::fields::ResponseFields;
use crate::config::{ResponseField, ResponsePath};
use crate::domain::{AnswerFields, Secret};

/// Longer values are not kept. URLs, names and numbers are shorter.
const MAX_VALUE_BYTES: usize = 4 * 1024;

/// Why a field of the response is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// It is an array or an object.
    NotText,
    /// It is longer than 4 KiB.
    TooLong,
}

impl FieldError {
    /// The reason, to follow the field's name in a message.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotText => "is an array or an object, not a string",
            Self::TooLong => "is longer than 4 KiB",
        }
    }
}

/// The fields to keep.
#[derive(Clone, Debug, Default)]
pub struct KeptFields {
    /// All fields, including those that were not found.
    pub fields: AnswerFields,
    /// The fields that were found but cannot be kept.
    pub faults: Vec<(String, FieldError)>,
}

/// Finds the fields. `at` reads a path; a single name is also looked up in the objects around the token.
pub(super) fn find(
    wanted: &[ResponseField],
    around: &ResponseFields<'_>,
    at: &dyn Fn(&ResponsePath) -> Option<Value>,
) -> KeptFields {
    let mut faults = Vec::new();
    let fields = wanted
        .iter()
        .map(|field| {
            let found =
                at(&field.path).or_else(|| find_around_token(&field.path, around)).filter(|v| !v.is_null());
            let value = found.map(text_of).transpose().unwrap_or_else(|error| {
                faults.push((field.name.clone(), error));
                None
            });
            (field.name.clone(), value)
        })
        .collect();
    KeptFields { fields, faults }
}

fn find_around_token(path: &ResponsePath, around: &ResponseFields<'_>) -> Option<Value> {
    let ResponsePath::Member(names) = path else { return None };
    let [name] = names.as_slice() else { return None };
    around.levels.iter().find_map(|level| level.get(name)).cloned()
}

/// The text of a value that is kept.
pub(super) fn text_of(value: Value) -> Result<Secret, FieldError> {
    let text = match value {
        Value::String(text) => text,
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return Err(FieldError::NotText),
    };
    let text = Secret::new(text);
    if text.len() > MAX_VALUE_BYTES { Err(FieldError::TooLong) } else { Ok(text) }
}
