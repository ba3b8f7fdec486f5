//! Reads a JSON object field by field and collects all errors.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::credential_text::{Charset, Inspection, describe_suspicious, inspect};
use crate::error::{Error, Result};

/// The environment variables that the fields come from, by field.
pub type Origins = BTreeMap<String, String>;

/// The errors and warnings of a whole configuration, in the order in which they were found.
#[derive(Default)]
pub(super) struct ConfigErrors {
    found: RefCell<Vec<(String, String)>>,
    warnings: RefCell<Vec<String>>,
    origins: Origins,
}

impl ConfigErrors {
    /// For a configuration with fields that come from environment variables.
    pub(super) fn with_origins(origins: Origins) -> Self {
        Self { origins, ..Self::default() }
    }

    pub(super) fn add(&self, field: &str, message: impl fmt::Display) {
        self.found.borrow_mut().push((field.to_owned(), message.to_string()));
    }

    /// Adds a warning about a value that is allowed but probably a mistake.
    pub(super) fn warn(&self, field: &str, message: impl fmt::Display) {
        let name = self.origin(field).unwrap_or(field);
        self.warnings.borrow_mut().push(format!("{name} {message}"));
    }

    /// Takes the warnings so far.
    pub(super) fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// `value`, or one error with all messages. Its field is that of the first.
    pub(super) fn into_result<T>(self, value: T) -> Result<T> {
        let described = |(field, message): &(String, String)| match self.origin(field) {
            Some(variable) => (field.clone(), format!("({variable}) {message}")),
            None => (field.clone(), message.clone()),
        };
        let errors: Vec<_> = self.found.borrow().iter().map(described).collect();
        let Some((field, message)) = errors.first() else {
            return Ok(value);
        };
        let others = errors[1..].iter().map(|(field, message)| format!("{field} {message}"));
        let messages: Vec<_> = std::iter::once(message.clone()).chain(others).collect();
        Err(Error::config(field, messages.join("; ")))
    }

    /// The variable that a field comes from, whole or as part of an object.
    fn origin(&self, field: &str) -> Option<&str> {
        let whole = field.split('.').next().unwrap_or(field);
        self.origins.get(field).or_else(|| self.origins.get(whole)).map(String::as_str)
    }
}

/// An object whose fields are taken one by one. Fields that remain at the end are unknown.
pub(super) struct ConfigFields<'f> {
    path: String,
    map: Map<String, Value>,
    known: Vec<&'static str>,
    errors: &'f ConfigErrors,
}

/// A field with a short and a full form.
pub(super) enum TextOr<'f> {
    Text(String),
    Object(ConfigFields<'f>),
}

impl<'f> ConfigFields<'f> {
    pub(super) fn new(map: Map<String, Value>, errors: &'f ConfigErrors) -> Self {
        Self { path: String::new(), map, known: Vec::new(), errors }
    }

    /// The dotted path of one of this object's fields.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn error(&self, key: &str, message: impl fmt::Display) {
        self.errors.add(&self.path(key), message);
    }

    /// Adds a warning about a value that is allowed but probably a mistake.
    pub(super) fn warn(&self, key: &str, message: impl fmt::Display) {
        self.errors.warn(&self.path(key), message);
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.map.remove(key)
    }

    /// Whether `key` is set, even to an invalid value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// Whether `key` is set to more than `false`.
    pub(super) fn is_used(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|value| *value != Value::Bool(false))
    }

    /// Whether `key` is `true`.
    pub(super) fn is_true(&self, key: &str) -> bool {
        self.map.get(key) == Some(&Value::Bool(true))
    }

    /// Whether `key` is a function of the user's program, which JavaScript keeps.
    pub(super) fn is_function(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(is_function)
    }

    /// Takes `key` if it is a function. Whether it is one.
    pub(super) fn function(&mut self, key: &'static str) -> bool {
        let is_function = self.is_function(key);
        if is_function {
            self.take(key);
        }
        is_function
    }

    /// Takes and parses `key`, or adds an error that says what it must be.
    fn read<T>(
        &mut self,
        key: &'static str,
        must_be: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(key)?;
        let found = describe(&value, must_be);
        let result = read(value);
        if result.is_none() {
            self.error(key, format!("must be {must_be}, but is {found}"));
        }
        result
    }

    /// A non-empty string.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.read(key, "a non-empty string", |value| match value {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            _ => None,
        })
    }

    /// A string that was probably copied from somewhere: trailing line breaks are removed, and other signs of
    /// a copying mistake are warnings.
    pub(super) fn credential(&mut self, key: &'static str, charset: Charset) -> Option<String> {
        let mut text = self.text(key)?;
        self.inspect(key, &mut text, charset);
        Some(text)
    }

    /// One such string or an array of them.
    pub(super) fn credentials(&mut self, key: &'static str, charset: Charset) -> Vec<String> {
        let mut texts = self.texts(key);
        for text in &mut texts {
            self.inspect(key, text, charset);
        }
        texts
    }

    /// Works in place, so that no copy of a secret remains in memory.
    fn inspect(&self, key: &str, text: &mut String, charset: Charset) {
        let Inspection { len, warnings } = inspect(text, charset);
        text.truncate(len);
        for warning in warnings {
            self.warn(key, warning);
        }
    }

    /// A string or an array of strings, none of them empty.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<String> {
        let text = |value: Value| match value {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            _ => None,
        };
        self.read(key, "a string or an array of strings", |value| match value {
            Value::Array(items) => items.into_iter().map(text).collect(),
            one => text(one).map(|text| vec![text]),
        })
        .unwrap_or_default()
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.read(key, "true or false", |value| value.as_bool())
    }

    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let must_be = format!("a number from {} to {}", range.start(), range.end());
        self.read(key, &must_be, |value| value.as_f64().filter(|number| range.contains(number)))
    }

    pub(super) fn count(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let must_be = format!("an integer from {} to {}", range.start(), range.end());
        self.read(key, &must_be, |value| {
            let number = value.as_f64().filter(|number| number.fract() == 0.0)?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the range is checked below"
            )]
            let count = number.clamp(0.0, f64::from(u32::MAX)) as u32;
            (f64::from(count) - number == 0.0 && range.contains(&count)).then_some(count)
        })
    }

    pub(super) fn seconds(&mut self, key: &'static str, range: RangeInclusive<f64>) -> Option<Duration> {
        self.number(key, range).map(Duration::from_secs_f64)
    }

    pub(super) fn millis(&mut self, key: &'static str, range: RangeInclusive<f64>) -> Option<Duration> {
        self.number(key, range).map(|ms| Duration::from_secs_f64(ms / 1000.0))
    }

    pub(super) fn one_of<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let must_be = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        self.read(key, &format!("one of {must_be}"), |value| {
            let text = value.as_str()?.to_owned();
            words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
        })
    }

    /// An absolute `http` or `https` URL without a user, password or fragment.
    pub(super) fn url(&mut self, key: &'static str) -> Option<Url> {
        let text = self.text(key)?;
        let message = match Url::parse(text.trim()) {
            Err(error) => {
                let hint =
                    describe_suspicious(text.trim(), Charset::Any).map(|warning| format!(" (it {warning})"));
                format!("is not an absolute URL: {error}{}", hint.unwrap_or_default())
            }
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                "must start with https:// or http://".into()
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "must not contain a user name or password: set the credentials in their own fields".into()
            }
            Ok(url) if url.fragment().is_some() => "must not contain a fragment (#…)".into(),
            Ok(url) => return Some(url),
        };
        self.error(key, message);
        None
    }

    pub(super) fn map(&mut self, key: &'static str) -> Option<Map<String, Value>> {
        self.read(key, "an object", |value| match value {
            Value::Object(map) => Some(map),
            _ => None,
        })
    }

    /// The text under `key`, without taking it.
    pub(super) fn peek_text(&self, key: &str) -> Option<String> {
        self.map.get(key)?.as_str().map(|text| text.trim().to_owned())
    }

    /// The object under `key`, to read field by field.
    pub(super) fn object(&mut self, key: &'static str) -> Option<ConfigFields<'f>> {
        let map = self.map(key)?;
        Some(ConfigFields { path: self.path(key), map, known: Vec::new(), errors: self.errors })
    }

    /// The text or the object under `key`.
    pub(super) fn text_or_object(&mut self, key: &'static str) -> Option<TextOr<'f>> {
        if self.map.get(key).is_some_and(Value::is_object) {
            return self.object(key).map(TextOr::Object);
        }
        self.text(key).map(TextOr::Text)
    }

    /// Adds an error for each field that was not taken.
    pub(super) fn finish(self) {
        for key in self.map.keys() {
            let near = self.known.iter().find(|known| looks_like(known, key));
            match near {
                Some(known) => self.error(key, format!("is unknown: did you mean {}?", self.path(known))),
                None => self.error(key, "is unknown"),
            }
        }
    }
}

/// Whether a value stands for a function of the user's program.
pub(super) fn is_function(value: &Value) -> bool {
    let members = value.as_object().filter(|members| members.len() == 1);
    members.and_then(|members| members.get("function")) == Some(&Value::Bool(true))
}

/// What a value is, where it `must be` something else.
fn describe(value: &Value, must_be: &str) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) if must_be.contains("number") || must_be.contains("integer") => "a different number",
        Value::Number(_) => "a number",
        Value::String(text) if text.trim().is_empty() => "an empty string",
        Value::String(_) if must_be.starts_with("one of") => "a different string",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Whether two keys differ only in case and punctuation, or by one missing letter.
fn looks_like(known: &str, given: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let (known, given) = (plain(known), plain(given));
    let (long, short) = if known.len() > given.len() { (&known, &given) } else { (&given, &known) };
    known == given
        || (long.len() == short.len() + 1
            && (0..long.len()).any(|i| format!("{}{}", &long[..i], &long[i + 1..]) == *short))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_key_is_recognized() {
        assert!(looks_like("clientId", "clientID"));
        assert!(looks_like("clientId", "client_id"));
        assert!(looks_like("timeoutMs", "timeoutM"));
        assert!(!looks_like("timeoutMs", "retry"));
    }
}
