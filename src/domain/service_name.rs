//! The name under which a service's token is stored.

use std::fmt;

/// The name of a service: 1 to 128 visible characters, with spaces allowed between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName(String);

impl ServiceName {
    /// The name of a service without a configured one.
    pub const DEFAULT: &'static str = "external_api";

    const MAX_CHARS: usize = 128;

    /// Reads a name. `Err` says what is wrong with it, as the rest of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() || text.trim() != text {
            return Err("must not be empty, and must not begin or end with a space".into());
        }
        if text.chars().count() > Self::MAX_CHARS {
            return Err(format!("must not be longer than {} characters", Self::MAX_CHARS));
        }
        if text.chars().any(char::is_control) {
            return Err("must not contain control characters".into());
        }
        Ok(Self(text.to_owned()))
    }

    /// The name under which a store keeps a note about this service. It begins with a space, which no service's name
    /// does.
    #[must_use]
    pub fn reserved_for_note(&self) -> Self {
        Self(format!(" note {}", self.0))
    }

    /// The name under which a store records that this service's record was removed. No service can have it either.
    #[must_use]
    pub fn reserved_for_removal(&self) -> Self {
        Self(format!(" removed {}", self.0))
    }

    /// The name under which a store keeps this service's lease. No service can have it either.
    #[must_use]
    pub fn reserved_for_lease(&self) -> Self {
        Self(format!(" lease {}", self.0))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ServiceName {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_service_can_have_a_reserved_name() {
        let service = ServiceName::default();
        let (note, removal) = (service.reserved_for_note(), service.reserved_for_removal());
        assert_eq!((note.as_str(), removal.as_str()), (" note external_api", " removed external_api"));
        assert!(ServiceName::parse(note.as_str()).is_err() && ServiceName::parse(removal.as_str()).is_err());
    }

    #[test]
    fn a_name_is_visible_and_short() {
        assert!(ServiceName::parse("external_api").is_ok());
        assert!(ServiceName::parse("billing (eu)").is_ok());
        assert!(ServiceName::parse(&"x".repeat(128)).is_ok());
        for bad in ["", " ", " a", "a ", "a\nb", &"x".repeat(129)] {
            assert!(ServiceName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
