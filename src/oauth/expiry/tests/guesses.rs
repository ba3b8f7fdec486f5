//! Lifetimes that are only likely, and the sources that confirm them.

use super::*;

#[test]
fn a_lifetime_that_is_odd_in_seconds_and_round_in_milliseconds_is_treated_as_milliseconds() {
    for (number, expected) in [(3_600_000, 3600), (900_000, 900), (600_000, 600), (7_200_000, 7200)] {
        for name in ["expires_in", "ttl", "lifetime"] {
            let (left, warning) = doubted(&json!({ name: number }));
            assert_eq!(left, Some(expected), "{name} {number}");
            assert!(warning.contains(name) && warning.contains("milliseconds"), "{warning}");
        }
    }
    // Another source decides in either direction.
    let response = json!({ "expires_in": 3_600_000 });
    assert_eq!(life(&response, jwt(0.0, 3_600_000.0), None), Some(3_600_000));
    assert_eq!(life(&response, jwt(0.0, 3600.0), None), Some(3600));
    let both = json!({ "expires_in": 3_600_000, "expires_at": NOW + 3_600_000.0 });
    assert_eq!(certain(&both), Some(3_600_000));
    assert_eq!(certain(&json!({ "expires_in": 3_600_000, "ttl": 3600 })), Some(3600));
}

#[test]
fn an_ambiguous_name_for_the_lifetime_is_used_with_a_warning() {
    for name in ["validity", "timeout"] {
        let (left, warning) = doubted(&json!({ name: 7200 }));
        assert_eq!(left, Some(7200), "{name}");
        assert!(warning.contains(name) && warning.contains("login.expiresPath"), "{warning}");
        assert_eq!(certain(&json!({ name: 60, "expires_in": 7200 })), Some(7200));
        assert_eq!(doubted(&json!({ name: 30, "expires_in": 3_600_000 })).0, Some(3600));
        assert_eq!(doubted(&json!({ name: 5 })).0, None);
        assert_eq!(certain(&json!({ name: "2h" })), Some(7200));
    }
    for name in ["lifetime", "expire"] {
        assert_eq!(certain(&json!({ name: 7200 })), Some(7200));
    }
}
