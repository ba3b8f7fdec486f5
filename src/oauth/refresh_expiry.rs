//! When a refresh token expires. No standard has a name for it; these are the names that servers use.

use std::time::Duration;

use super::expiry::Moments;
use super::fields::ResponseFields;
use super::jwt::{self, TokenClaims};
use super::time_value::{FIRST_DATE_SECONDS, ParsedValue, parse_value};
use crate::domain::{MAX_LIFETIME, Secret};

/// In seconds: GitHub, Entra ID and Okta; Keycloak; Intuit.
const NAMES: &[&str] = &[
    "refresh_token_expires_in",
    "refreshTokenExpiresIn",
    "refresh_expires_in",
    "refreshExpiresIn",
    "x_refresh_token_expires_in",
];

/// When a refresh token expires, according to a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshExpiry {
    /// After this time.
    In(Duration),
    /// Never: Keycloak sends 0 for offline tokens.
    Never,
}

/// The earlier of what the response and the refresh token itself say.
pub(super) fn find(
    fields: &ResponseFields<'_>,
    refresh_token: Option<&Secret>,
    moments: Moments,
) -> Option<RefreshExpiry> {
    let named = fields.get(NAMES).find_map(|value| match parse_value(value) {
        ParsedValue::Zero | ParsedValue::Never => Some(RefreshExpiry::Never),
        ParsedValue::Number(seconds) | ParsedValue::Duration(seconds) => after(seconds),
        ParsedValue::Nothing | ParsedValue::Date(_) | ParsedValue::Unreadable => None,
    });
    let own = refresh_token.and_then(|token| match jwt::claims(token) {
        TokenClaims::Dates(dates) => after(dates.expires - moments.server_now()),
        TokenClaims::Nothing | TokenClaims::Unreadable => None,
    });
    match (named, own) {
        (Some(RefreshExpiry::In(named)), Some(RefreshExpiry::In(own))) => {
            Some(RefreshExpiry::In(named.min(own)))
        }
        (named, own) => named.or(own),
    }
}

/// A number of seconds, unless it is in the past or a date.
fn after(seconds: f64) -> Option<RefreshExpiry> {
    let is_plausible = seconds > 0.0 && seconds < FIRST_DATE_SECONDS;
    let duration = is_plausible.then(|| Duration::from_secs_f64(seconds))?;
    Some(if duration > MAX_LIFETIME { RefreshExpiry::Never } else { RefreshExpiry::In(duration) })
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::Timestamp;

    fn of(response: &Value, refresh_token: &str) -> Option<RefreshExpiry> {
        let fields = ResponseFields::from_chain(Vec::new(), Some(response));
        let moments = Moments { now: Timestamp::from_second(1_800_000_000.0), server: None };
        find(&fields, Some(&Secret::new(refresh_token)), moments)
    }

    fn life(seconds: u64) -> RefreshExpiry {
        RefreshExpiry::In(Duration::from_secs(seconds))
    }

    fn jwt(exp: u64) -> String {
        format!("eyJhbGciOiJub25lIn0.{}.c2ln", URL_SAFE_NO_PAD.encode(json!({ "exp": exp }).to_string()))
    }

    #[test]
    fn the_names_of_real_servers_are_read_in_seconds() {
        for name in ["refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in"] {
            assert_eq!(of(&json!({ name: 15_897_600 }), "r"), Some(life(15_897_600)), "{name}");
            assert_eq!(of(&json!({ name: "1800" }), "r"), Some(life(1800)), "{name}");
        }
        assert_eq!(of(&json!({ "refresh_expires_in": 0 }), "r"), Some(RefreshExpiry::Never));
        for nothing in
            [json!({}), json!({ "refresh_expires_in": null }), json!({ "refresh_expires_in": "soon" })]
        {
            assert_eq!(of(&nothing, "r"), None, "{nothing}");
        }
        assert_eq!(of(&json!({ "refresh_token_expires_in": 1_900_000_000_u64 }), "r"), None, "a date");
        assert_eq!(of(&json!({ "refresh_token_expires_in": -5 }), "r"), None);
    }

    #[test]
    fn the_earlier_of_the_response_and_the_token_itself_counts() {
        assert_eq!(of(&json!({}), &jwt(1_800_000_500)), Some(life(500)));
        assert_eq!(of(&json!({ "refresh_expires_in": 400 }), &jwt(1_800_000_500)), Some(life(400)));
        assert_eq!(of(&json!({ "refresh_expires_in": 600 }), &jwt(1_800_000_500)), Some(life(500)));
        assert_eq!(of(&json!({ "refresh_expires_in": 0 }), &jwt(1_800_000_500)), Some(RefreshExpiry::Never));
        assert_eq!(of(&json!({}), &jwt(1_799_999_000)), None, "its clock is wrong, as it was just issued");
    }
}
