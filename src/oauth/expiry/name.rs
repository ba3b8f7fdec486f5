//! The names that servers use for an expiry.

/// The unit of a number, judging by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Seconds from now.
    Seconds,
    /// Milliseconds from now.
    Milliseconds,
    /// Minutes from now.
    Minutes,
    /// Unknown; depends on the size of the number.
    BySize,
    /// Seconds from now, if the name means the lifetime of the token at all.
    Unsure,
}

/// A known name: its unit, and whether it unambiguously means the expiry of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownName {
    pub unit: Unit,
    pub is_plain: bool,
}

const fn plain(unit: Unit) -> KnownName {
    KnownName { unit, is_plain: true }
}

const fn vague(unit: Unit) -> KnownName {
    KnownName { unit, is_plain: false }
}

/// Looks up a name in any spelling: `expires_in`, `expiresIn`, `accessTokenExpiresIn`, `.expires`.
pub(super) fn known(name: &str) -> Option<KnownName> {
    let letters = letters(name);
    let own =
        ["accesstoken", "access", "token", "jwt"].into_iter().find_map(|word| letters.strip_prefix(word));
    match own.filter(|rest| !rest.is_empty()).unwrap_or(&letters) {
        "expiresin" | "expirein" | "expiresinsec" | "expiresinsecs" | "expiresinseconds" => {
            Some(plain(Unit::Seconds))
        }
        "expiresinms" | "expiresinmillis" | "expiresinmilliseconds" => Some(plain(Unit::Milliseconds)),
        "expiresinmin" | "expiresinmins" | "expiresinminutes" => Some(plain(Unit::Minutes)),
        "expiresat" | "expireat" | "expireson" | "expires" | "expiresutc" => Some(plain(Unit::BySize)),
        "ttl" | "ttlseconds" | "validfor" | "lifetime" | "maxage" => Some(vague(Unit::Seconds)),
        "exp" | "expire" | "expiry" | "expiration" | "expirytime" | "expirationtime" | "expiretime"
        | "expirydate" | "expirationdate" | "expiredate" | "expiresdate" | "validuntil" | "validto" => {
            Some(vague(Unit::BySize))
        }
        "validity" | "timeout" => Some(vague(Unit::Unsure)),
        _ => None,
    }
}

/// Whether an unknown name looks like an expiry, and not like something else, such as `ext_expires_in` (Entra
/// ID's extended expiry for outages).
pub(super) fn looks_like_an_expiry(name: &str) -> bool {
    let letters = letters(name);
    letters.contains("expir")
        && !["refresh", "password"].iter().any(|other| letters.contains(other))
        && !letters.starts_with("ext")
}

fn letters(name: &str) -> String {
    const MAX_LENGTH: usize = 40;
    let letters = name.chars().filter(char::is_ascii_alphanumeric).take(MAX_LENGTH);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_in_any_spelling() {
        for name in [
            "expires_in",
            "expiresIn",
            "expires_in_sec",
            "ExpiresIn",
            "access_token_expires_in",
            "accessTokenExpiresIn",
        ] {
            assert_eq!(known(name), Some(plain(Unit::Seconds)), "{name}");
        }
        for name in
            ["expires_at", "expiresAt", "expires_on", "expiresOn", "expires", ".expires", "tokenExpires"]
        {
            assert_eq!(known(name), Some(plain(Unit::BySize)), "{name}");
        }
        for name in ["exp", "expiry", "expiration", "validUntil", "valid_until", "access_token_expiration"] {
            assert_eq!(known(name), Some(vague(Unit::BySize)), "{name}");
        }
        assert_eq!(known("ttl"), Some(vague(Unit::Seconds)));
        for name in ["validity", "timeout", "tokenValidity", "token_timeout"] {
            assert_eq!(known(name), Some(vague(Unit::Unsure)), "{name}");
        }
    }

    #[test]
    fn the_expiry_of_something_else_is_not_known() {
        for name in [
            "refresh_expires_in",
            "x_refresh_token_expires_in",
            "ext_expires_in",
            "access",
            "token",
            "expert",
        ] {
            assert_eq!(known(name), None, "{name}");
            assert!(!looks_like_an_expiry(name), "{name}");
        }
        for name in ["session_expires_in_hours", "sessionExpiry", "expired"] {
            assert_eq!(known(name), None, "{name}");
            assert!(looks_like_an_expiry(name), "{name}");
        }
    }
}
