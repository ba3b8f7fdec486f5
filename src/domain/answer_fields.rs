//! The fields of a token response that are kept in addition to the token.

use std::collections::BTreeMap;

use super::Secret;

/// Members of a token response, by their names in the configuration. A name that the response did not have is present
/// without a value. Values may be secrets, so none of them prints.
#[derive(Clone, Debug, Default)]
pub struct AnswerFields(BTreeMap<String, Option<Secret>>);

impl AnswerFields {
    /// The fields with their values.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// All names, with the values that were found.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&Secret>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_ref()))
    }

    /// Whether no fields were looked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a field, or replaces its value.
    pub fn insert(&mut self, name: String, value: Secret) {
        self.0.insert(name, Some(value));
    }

    /// The number of bytes of all values.
    pub fn len(&self) -> usize {
        self.values().map(|(_, value)| value.len()).sum()
    }

    /// The names that were looked for and not found.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name)
    }

    /// Whether each of these names was looked for.
    pub fn cover<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> bool {
        names.into_iter().all(|name| self.0.contains_key(name))
    }

    /// These fields, with the values of `earlier` where these have none.
    #[must_use]
    pub fn with_earlier(mut self, earlier: &Self) -> Self {
        for (name, value) in &mut self.0 {
            if value.is_none() {
                value.clone_from(earlier.0.get(name).unwrap_or(&None));
            }
        }
        self
    }

    /// The fields with these names.
    #[must_use]
    pub fn only<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        Self(names.into_iter().filter_map(|name| self.0.remove_entry(name)).collect())
    }
}

impl FromIterator<(String, Option<Secret>)> for AnswerFields {
    fn from_iter<I: IntoIterator<Item = (String, Option<Secret>)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<const N: usize>(list: [(&str, Option<&str>); N]) -> AnswerFields {
        list.into_iter().map(|(name, value)| (name.to_owned(), value.map(Secret::new))).collect()
    }

    fn texts(fields: &AnswerFields) -> Vec<(&str, &str)> {
        fields.values().map(|(name, value)| (name, value.expose())).collect()
    }

    #[test]
    fn an_earlier_value_stands_in_for_one_that_is_left_out_and_for_no_other() {
        let earlier = fields([("a", Some("a1")), ("b", Some("b1")), ("c", Some("c1"))]);
        let later = fields([("a", Some("a2")), ("b", None), ("d", None)]).with_earlier(&earlier);
        assert_eq!(texts(&later), [("a", "a2"), ("b", "b1")]);
        assert_eq!(later.missing().collect::<Vec<_>>(), ["d"]);
    }

    #[test]
    fn a_name_that_was_not_found_was_looked_for_all_the_same() {
        let found = fields([("a", Some("1")), ("b", None)]);
        assert!(found.cover(["a", "b"]) && found.cover([]));
        assert!(!found.cover(["a", "c"]));
        assert_eq!(texts(&found.only(["a", "c"])), [("a", "1")]);
    }

    #[test]
    fn a_value_does_not_print() {
        assert!(!format!("{:?}", fields([("a", Some("hunter2"))])).contains("hunter2"));
    }
}
