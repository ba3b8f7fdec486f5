//! The environment variables that determine how requests are sent.
//!
//! JavaScript reads them and passes them in. The core never reads the environment itself: `process.env.X = …`
//! on Node's main thread and a simultaneous `getenv` on another thread can crash the process
//! (docs/decisions/0008).

use std::collections::BTreeMap;

use serde::Deserialize;

/// Names and values at the time when the service started. Has no `Debug`: a proxy's URL may contain a
/// password.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The value, if it is set and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of the lower-case name or, if that is not set, of the upper-case name. An empty lower-case
    /// value disables the upper-case one.
    pub(super) fn either(&self, upper: &'static str, lower: &'static str) -> Option<(&'static str, &str)> {
        let name = if self.0.contains_key(lower) { lower } else { upper };
        Some((name, self.get(name)?))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
