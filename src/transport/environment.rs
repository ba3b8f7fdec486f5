//! The variables of the environment that decide how requests go out.
//!
//! JavaScript reads them and hands them in. No thread of ours reads the environment: `process.env.X = …` on
//! Node's main thread and `getenv` on another one at the same moment end the process (docs/decisions/0008).

use std::collections::BTreeMap;

use serde::Deserialize;

/// Names and values, as they were when the service began. A proxy's URL may hold a password, so it does not print.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The value, where there is one and it is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value under the name in lower case; only where that is not set, the one in upper case. A value in lower
    /// case that is empty switches the one in upper case off.
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
