use serde_json::json;

mod guesses;

use super::*;
use crate::oauth::jwt::Dates;

const NOW: f64 = 1_800_000_000.0;
const DAY: f64 = 86_400.0;

fn at(second: f64) -> Timestamp {
    Timestamp::from_second(second)
}

/// The context of a response.
struct Case {
    claims: TokenClaims,
    server: Option<f64>,
    never_expires: bool,
    path: Option<(&'static str, Option<Value>, bool)>,
    cookie: Option<(&'static str, Value)>,
}

const PLAIN: Case =
    Case { claims: TokenClaims::Nothing, server: None, never_expires: false, path: None, cookie: None };

impl Case {
    fn read(self, response: &Value) -> FoundExpiry {
        let sources = Sources {
            path: self.path.map(|(name, value, describes_response)| Path {
                name: Some(name),
                value,
                describes_response,
            }),
            fields: ResponseFields::from_chain(Vec::new(), Some(response)),
            claims: self.claims,
            cookie: self.cookie,
            never_expires: self.never_expires,
            may_show_name: &|name| !name.contains("hunter2"),
        };
        find(&sources, Moments { now: at(NOW), server: self.server.map(at) })
    }
}

fn found(response: &Value) -> FoundExpiry {
    PLAIN.read(response)
}

/// The remaining seconds, if there is no doubt.
fn certain(response: &Value) -> Option<u64> {
    let found = found(response);
    assert_eq!(found.warning, None, "{response}");
    seconds_in(&found)
}

fn seconds_in(found: &FoundExpiry) -> Option<u64> {
    match found.expiry {
        Expiry::In(life) => Some(life.as_secs()),
        Expiry::Unknown | Expiry::Never => None,
    }
}

/// The assumed seconds and the warning, if there is a doubt.
fn doubted(response: &Value) -> (Option<u64>, String) {
    let found = found(response);
    (seconds_in(&found), found.warning_text("the server").expect("a warning"))
}

fn jwt(issued: impl Into<Option<f64>>, expires: f64) -> TokenClaims {
    TokenClaims::Dates(Dates { expires: NOW + expires, issued: issued.into().map(|issued| NOW + issued) })
}

fn life(response: &Value, claims: TokenClaims, server: Option<f64>) -> Option<u64> {
    seconds_in(&Case { claims, server, ..PLAIN }.read(response))
}

#[test]
fn expires_in_is_a_number_or_a_numeric_text() {
    for (value, expected) in [
        (json!(3600), Some(3600)),
        (json!("3600"), Some(3600)),
        (json!(" 3600 "), Some(3600)),
        (json!("3599.5"), Some(3599)),
        (json!(3599.5), Some(3599)),
        (json!(31_536_000), Some(31_536_000)),
        (json!(604_800), Some(604_800)),
        (json!(2_592_000), Some(2_592_000)),
        (json!(590_000), Some(590_000)),
        (json!(3_599_999), Some(3_599_999)),
        (json!(-3600), Some(0)),
        (json!(i64::MIN), Some(0)),
        (json!(null), None),
        (json!(""), None),
    ] {
        assert_eq!(certain(&json!({ "expires_in": value })), expected, "{value}");
    }
}

#[test]
fn an_invalid_expiry_is_a_warning_that_names_it() {
    for value in [
        json!(true),
        json!([3600]),
        json!({ "seconds": 3600 }),
        json!("0x10"),
        json!("٣٦٠٠"),
        json!("1e3"),
        json!("soon"),
        json!("never"),
    ] {
        for name in ["expires_in", "expires_at", "expiry", "validUntil"] {
            let (left, warning) = doubted(&json!({ name: value }));
            assert_eq!(left, None, "{value}");
            for part in [name, "is not a valid time", "login.expiresPath", "defaultLifetimeSeconds"] {
                assert!(warning.contains(part), "{warning}");
            }
        }
    }
    assert!(!doubted(&json!({ "expires_in": "hunter2" })).1.contains("hunter2"));
}

#[test]
fn an_unknown_name_that_looks_like_an_expiry_is_a_warning_if_there_is_no_other_source() {
    let (left, warning) = doubted(&json!({ "sessionExpiresInHours": 8 }));
    assert_eq!(left, None);
    assert!(
        warning.contains("`sessionExpiresInHours`") && warning.contains("login.expiresPath"),
        "{warning}"
    );
    for other in [
        json!({ "expires_in": 60, "session_expiry": 8 }),
        json!({ "refresh_expires_in": 0, "expired": false, "password_expires": "soon", "session_expiry": null }),
        json!({ "hunter2_expiry": 8 }),
    ] {
        assert_eq!(found(&other).warning, None, "{other}");
    }
}

#[test]
fn a_lifetime_of_more_than_366_days_is_treated_as_milliseconds_or_ignored() {
    assert_eq!(certain(&json!({ "expires_in": 366.0 * DAY })), Some(31_622_400));
    let (left, warning) = doubted(&json!({ "expires_in": 366.0 * DAY + 1.0 }));
    assert_eq!(left, Some(31_622));
    for part in ["`expires_in`", "366 days", "milliseconds", "neverExpires"] {
        assert!(warning.contains(part), "{warning}");
    }
    assert_eq!(doubted(&json!({ "expires_in": i32::MAX })).0, Some(2_147_483));
    for value in [json!(1e300), json!(u64::MAX), json!("P20Y"), json!(at(NOW + 500.0 * DAY).to_string())] {
        let (left, warning) = doubted(&json!({ "expires_in": value }));
        assert_eq!(left, None, "{value}");
        assert!(warning.contains("defaultLifetimeSeconds"), "{warning}");
    }
    for value in [json!(NOW + 500.0 * DAY), json!("9999-12-31T23:59:59Z"), json!(i32::MAX)] {
        assert_eq!(doubted(&json!({ "expires_at": value })).0, None, "{value}");
    }
}

#[test]
fn a_field_in_seconds_that_contains_a_date_is_read_as_a_date() {
    for value in [
        json!(NOW + 900.0),
        json!((NOW + 900.0) * 1e3),
        json!((NOW + 900.0) * 1e6),
        json!(format!("{}", NOW + 900.0)),
        json!("2027-01-15T08:15:00Z"),
        json!("2027-01-15 08:15:00"),
        json!("/Date(1800000900000+0100)/"),
        json!("15m"),
        json!("PT15M"),
    ] {
        for name in
            ["expires_in", "expiresIn", "ttl", "expires_at", "expires_on", "expires", "exp", "valid_until"]
        {
            assert_eq!(certain(&json!({ name: value })), Some(900), "{name} {value}");
        }
    }
}

#[test]
fn each_name_that_servers_use_is_known() {
    for name in
        ["expires_in", "expiresIn", "expires_in_sec", "ttl", "exp", "expires", "expiration", "expiresAt"]
    {
        assert_eq!(certain(&json!({ name: 900 })), Some(900), "{name}");
        assert_eq!(certain(&json!({ "data": { name: 900 } })), Some(900), "data.{name}");
        assert_eq!(certain(&json!({ "token": { name: 900 } })), Some(900), "token.{name}");
    }
    assert_eq!(certain(&json!({ "expires_in_ms": 900_000 })), Some(900));
    assert_eq!(certain(&json!({ "expiresInMinutes": 15 })), Some(900));
    assert_eq!(certain(&json!({ "expires_on": "1800000900", "ext_expires_in": 7 })), Some(900), "Azure");
    assert_eq!(
        certain(&json!({ ".expires": "Fri, 15 Jan 2027 08:15:00 GMT", "userName": "x" })),
        Some(900),
        "OWIN"
    );
    assert_eq!(certain(&json!({ "id": "x", "ttl": 1_209_600 })), Some(1_209_600), "LoopBack");
}

#[test]
fn of_several_fields_the_earliest_counts() {
    assert_eq!(certain(&json!({ "expires_in_sec": 900, "expires_in": 900_000 })), Some(900));
    assert_eq!(certain(&json!({ "expires_at": NOW + 900.0, "expires_in": 900_000 })), Some(900));
    assert_eq!(
        certain(&json!({ "expires_in": 900, "exp": 60, "ttl": 60 })),
        Some(900),
        "vague names come second"
    );
    assert_eq!(
        certain(&json!({ "expires_in": 900, "data": { "expires_in": 60 } })),
        Some(900),
        "the nearest object"
    );
}

#[test]
fn a_lifetime_takes_precedence_over_a_past_or_zero_date() {
    for date in [json!(NOW - 10.0), json!("0001-01-01T00:00:00Z"), json!(0), json!("2026-01-01")] {
        assert_eq!(certain(&json!({ "expires_in": 900, "expires_at": date })), Some(900), "{date}");
        let alone = found(&json!({ "expires_at": date }));
        assert_eq!(seconds_in(&alone), Some(0), "{date}");
        assert!(alone.expired.is_some(), "{date}");
    }
}

#[test]
fn a_vague_name_never_marks_a_token_as_expired() {
    for (name, value) in [("expiry", json!("2020-01-01")), ("exp", json!(0)), ("ttl", json!(-5))] {
        for response in [json!({ name: value }), json!({ "data": { name: value } })] {
            let (left, warning) = doubted(&response);
            assert_eq!(left, None, "{response}");
            assert!(warning.contains(&format!("`{name}` of the response is in the past")), "{warning}");
        }
    }
}

#[test]
fn a_warning_says_what_is_assumed_and_what_to_do() {
    for (response, expected) in [
        (
            json!({ "expires_in": 1e300 }),
            "the server: `expires_in` of the response gives the token a lifetime of more than 366 days, which is not plausible: \
             defaultLifetimeSeconds is used instead. If the token does not expire, set neverExpires: true",
        ),
        (
            json!({ "expires_in": 1e8 }),
            "the server: `expires_in` of the response would be more than 366 days in seconds, so evertoken \
             treats it as milliseconds. If the token does not expire, set neverExpires: true",
        ),
        (
            json!({ "validUntil": "soon" }),
            "the server: `validUntil` of the response is not a valid time: defaultLifetimeSeconds is used instead. Set \
             login.expiresPath to the field that contains the expiry",
        ),
    ] {
        assert_eq!(doubted(&response).1, expected);
    }
}

#[test]
fn a_zero_means_expired_and_is_marked_as_zero() {
    for (value, is_zero) in [(json!(0), true), (json!("0"), true), (json!(-1), true), (json!(-5), false)] {
        let expired = found(&json!({ "expires_in": value })).expired.unwrap();
        assert_eq!(
            (expired.is_zero, expired.source.as_str()),
            (is_zero, "`expires_in` of the response"),
            "{value}"
        );
    }
    let expired = Case { claims: jwt(None, -NOW), ..PLAIN }.read(&json!({})).expired.unwrap();
    assert_eq!((expired.is_zero, expired.source.as_str()), (true, "`exp` of the token"));
    assert_eq!(life(&json!({ "expires_in": 0 }), jwt(0.0, 3600.0), None), Some(0));
}

#[test]
fn with_never_expires_zero_missing_and_very_long_expiries_mean_never() {
    let never = || Case { never_expires: true, ..PLAIN };
    for response in [
        json!({}),
        json!({ "expires_in": 0 }),
        json!({ "expires_in": -1 }),
        json!({ "expires_in": null }),
        json!({ "expires_in": "never" }),
        json!({ "expires_at": "0001-01-01T00:00:00Z" }),
        json!({ "expires_at": "9999-12-31T23:59:59Z" }),
        json!({ "expires_in": i32::MAX }),
        json!({ "expires_in": 1e300 }),
    ] {
        let found = never().read(&response);
        assert_eq!((found.expiry, found.warning), (Expiry::Never, None), "{response}");
    }
    let claims = jwt(None, -NOW);
    assert_eq!(Case { claims, ..never() }.read(&json!({})).expiry, Expiry::Never, "exp: 0");
    assert_eq!(seconds_in(&never().read(&json!({ "expires_in": 900 }))), Some(900));
    let ends = Case { claims: jwt(0.0, 900.0), ..never() }.read(&json!({ "expires_in": 0 }));
    assert_eq!(seconds_in(&ends), Some(900), "the claims of the token count");
    assert_eq!(seconds_in(&never().read(&json!({ "expires_in": -3600 }))), Some(0));
    let unread = never().read(&json!({ "expires_in": "soon" }));
    assert_eq!(unread.expiry, Expiry::Unknown, "an invalid value may be an expiry");
    assert!(unread.warning.is_some());
}

#[test]
fn a_number_without_a_unit_is_the_shorter_lifetime_with_a_warning_unless_the_token_has_an_expiry() {
    let (left, warning) = doubted(&json!({ "expires": 900_000 }));
    assert_eq!(left, Some(900), "Directus uses milliseconds");
    assert!(warning.contains("`expires`") && warning.contains("milliseconds"), "{warning}");
    let with_claims = Case { claims: jwt(0.0, 900.0), ..PLAIN }.read(&json!({ "expires": 900_000 }));
    assert_eq!((seconds_in(&with_claims), with_claims.warning), (Some(900), None));
}

#[test]
fn an_expired_jwt_is_expired_and_an_implausible_exp_is_ignored() {
    assert_eq!(life(&json!({}), jwt(None, -60.0), None), Some(0));
    let beyond_the_year_9999 = 253_402_300_800.0 - NOW;
    for claims in
        [jwt(None, beyond_the_year_9999), jwt(0.0, 1e300), jwt(0.0, 367.0 * DAY), TokenClaims::Unreadable]
    {
        let found = Case { claims, ..PLAIN }.read(&json!({}));
        assert_eq!(found.expiry, Expiry::Unknown);
        assert!(found.warning_text("").unwrap().contains("`exp` of the token"));
        assert_eq!(life(&json!({ "expires_in": 60 }), claims, Some(NOW + DAY)), Some(60));
    }
}

#[test]
fn the_earlier_expiry_of_the_response_and_the_token_counts() {
    assert_eq!(life(&json!({ "expires_in": 3_600_000 }), jwt(0.0, 3600.0), None), Some(3600));
    assert_eq!(life(&json!({ "expires_in": 60 }), jwt(0.0, 3600.0), None), Some(60));
    assert_eq!(life(&json!({ "ttl": 60 }), jwt(0.0, 3600.0), None), Some(60));
}

#[test]
fn a_wrong_clock_of_a_server_does_not_change_the_lifetime() {
    for (claims, server, why) in [
        (jwt(-DAY, 3600.0 - DAY), NOW, "the issuer a day behind"),
        (jwt(DAY, 3600.0 + DAY), NOW, "the issuer a day ahead"),
        (jwt(DAY, 3600.0 + DAY), NOW + DAY, "issuer and Date ahead"),
        (jwt(0.0, 3600.0), NOW + DAY, "only Date is wrong"),
        (jwt(None, 3600.0 - DAY), NOW - DAY, "no iat, Date behind"),
    ] {
        assert_eq!(life(&json!({}), claims, Some(server)), Some(3600), "{why}");
    }
    let span = life(&json!({ "expires_in": 3600 }), TokenClaims::Nothing, Some(NOW + DAY));
    assert_eq!(span, Some(3600), "a duration needs no clock");
}

#[test]
fn a_token_issued_earlier_has_only_its_remaining_lifetime() {
    assert_eq!(life(&json!({}), jwt(-3000.0, 600.0), Some(NOW)), Some(600));
    assert_eq!(life(&json!({}), jwt(-3000.0, 600.0), None), Some(600));
    assert_eq!(life(&json!({}), jwt(1.0 - NOW, 600.0), Some(NOW)), Some(600), "an iat of 1970");
}

#[test]
fn the_configured_path_takes_precedence_over_the_common_names() {
    let at_path = |name, value| Case { path: Some((name, Some(value), true)), ..PLAIN };
    let response = json!({ "expires_in": 7 });
    for (name, value, expected) in [
        ("lives", json!(900), 900),
        ("expires_in", json!(172_800), 172_800),
        ("until", json!("2027-01-15T08:15:00Z"), 900),
        ("until", json!((NOW + 900.0) * 1e3), 900),
    ] {
        let found = at_path(name, value).read(&response);
        assert_eq!((seconds_in(&found), found.warning), (Some(expected), None), "{name}");
    }
    let claimed = Case { claims: jwt(0.0, 60.0), ..at_path("lives", json!(900)) }.read(&response);
    assert_eq!(seconds_in(&claimed), Some(60));
}

#[test]
fn a_configured_path_that_finds_nothing_is_a_warning() {
    for value in [None, Some(json!(null)), Some(json!("soon"))] {
        for (response, left) in [(json!({}), None), (json!({ "expires_in": 60 }), Some(60))] {
            let found = Case { path: Some(("x", value.clone(), true)), ..PLAIN }.read(&response);
            assert_eq!(seconds_in(&found), left);
            assert!(found.warning_text("").unwrap().contains("login.expiresPath"));
        }
    }
    let refresh = |response| Case { path: Some(("x", None, false)), ..PLAIN }.read(&response);
    assert_eq!(refresh(json!({ "expires_in": 60 })).warning, None, "a refresh may have another structure");
    assert!(refresh(json!({})).warning.is_some());
    let never = Case { path: Some(("x", None, true)), never_expires: true, ..PLAIN }.read(&json!({}));
    assert_eq!((never.expiry, never.warning), (Expiry::Never, None));
}

#[test]
fn the_expiry_of_a_cookie_is_used_if_there_is_no_other_source() {
    for (cookie, expected) in [
        (("Max-Age", json!("900")), Some(900)),
        (("Expires", json!("Fri, 15 Jan 2027 08:15:00 GMT")), Some(900)),
        (("Max-Age", json!("0")), Some(0)),
    ] {
        let with_cookie = || Case { cookie: Some(cookie.clone()), ..PLAIN };
        assert_eq!(seconds_in(&with_cookie().read(&json!({}))), expected);
        assert_eq!(seconds_in(&with_cookie().read(&json!({ "expires_in": 60 }))), Some(60));
        assert_eq!(seconds_in(&Case { claims: jwt(0.0, 60.0), ..with_cookie() }.read(&json!({}))), Some(60));
    }
}
