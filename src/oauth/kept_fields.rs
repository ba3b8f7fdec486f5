//! What of an answer is kept besides the token.

use serde_json::Value;

use super::fields::ResponseFields;
use crate::config::{ResponseField, ResponsePath};
use crate::domain::{AnswerFields, Secret};

/// Longer values than this are no address, name or number.
const MAX_VALUE_BYTES: usize = 4 * 1024;

/// Why a field is not kept although the answer has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// It is a list or an object.
    NotText,
    /// It is longer than 4 KiB.
    TooLong,
}

impl FieldError {
    /// The rest of a sentence that begins with the field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotText => "is a list or an object, not a text",
            Self::TooLong => "is longer than 4 KiB",
        }
    }
}

/// What was found of the fields that are to be kept.
#[derive(Clone, Debug, Default)]
pub struct KeptFields {
    /// The fields, those that were not found included.
    pub fields: AnswerFields,
    /// Those that are there and cannot be kept.
    pub faults: Vec<(String, FieldError)>,
}

/// Finds the fields: `at` reads a path, and a single name also counts in the objects around the token.
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
            let value = found.map(text_of).transpose().unwrap_or_else(|fault| {
                faults.push((field.name.clone(), fault));
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

fn text_of(value: Value) -> Result<Secret, FieldError> {
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
