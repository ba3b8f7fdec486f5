//! When a token ends: what the answer says, what the token says, and whose clock is wrong.

use std::time::Duration;

use super::fields::{Fields, number};
use super::jwt::Dates;
use crate::domain::{MAX_LIFETIME, Timestamp};
use crate::transport::Response;
use serde_json::Value;

/// Clocks that differ by less agree: networks are slow and dates are cut to the second.
const TOLERANCE_SECONDS: f64 = 30.0;
const TOLERANCE_MILLISECONDS: u64 = 30_000;

/// Numbers from here on are dates in seconds (2001), and from a thousand times that in milliseconds.
const FIRST_DATE_SECONDS: f64 = 1e9;

/// A number this great that is no date counts milliseconds: Directus sends 900000 for a quarter of an hour.
const FIRST_MILLIS: f64 = 100_000.0;

/// The moments an expiry is judged by.
#[derive(Clone, Copy)]
pub(super) struct Moments {
    /// When the answer came, by the local clock.
    pub now: Timestamp,
    /// When it was sent, by the server's (`Date`, RFC 9110 §6.6.1).
    pub server: Option<Timestamp>,
}

impl Moments {
    fn now(self) -> f64 {
        seconds(self.now)
    }

    /// The server's present, as far as it tells: its `Date` where that is far from the local clock.
    fn server_now(self) -> f64 {
        self.server
            .map(seconds)
            .filter(|date| (date - self.now()).abs() > TOLERANCE_SECONDS)
            .unwrap_or(self.now())
    }
}

/// Whether two clocks that are this many milliseconds apart disagree.
pub fn clocks_differ(milliseconds: i64) -> bool {
    milliseconds.unsigned_abs() > TOLERANCE_MILLISECONDS
}

/// How far the server's clock is ahead of the local one, in milliseconds, where its `Date` tells that the two do
/// not agree; zero where they do.
pub fn server_clock(response: &Response, now: Timestamp) -> Option<i64> {
    let server = response.header("date").and_then(Timestamp::parse)?;
    let ahead = server.as_millisecond() - now.as_millisecond();
    Some(if clocks_differ(ahead) { ahead } else { 0 })
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds up to the year 9999 fit a double exactly")]
fn seconds(moment: Timestamp) -> f64 {
    moment.as_millisecond() as f64 / 1000.0
}

/// How long the token lives from now on: the earlier of `expires_in` and the JWT's `exp`, else `expires_at`
/// or `expires`, else nothing.
pub(super) fn lifetime(fields: &Fields, dates: Option<Dates>, moments: Moments) -> Option<Duration> {
    let stated = fields.get(&["expires_in", "expiresIn"]).find_map(number);
    let claimed = dates.map(|dates| remaining(dates, moments));
    let left = match (stated, claimed) {
        (Some(stated), Some(claimed)) => Some(stated.min(claimed)),
        (one, other) => one.or(other),
    };
    left.or_else(|| {
        fields.get(&["expires_at", "expires", "expiresAt"]).find_map(|value| absolute(value, moments))
    })
    .map(span)
}

/// The lifetime at a path that the configuration names: seconds, milliseconds or a date, told apart by size.
pub(super) fn at_path(value: &Value, dates: Option<Dates>, moments: Moments) -> Option<Duration> {
    let stated = absolute(value, moments)?;
    Some(span(dates.map_or(stated, |dates| stated.min(remaining(dates, moments)))))
}

/// Seconds to live, cut to what makes sense: never negative, never without end.
fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.clamp(0.0, MAX_LIFETIME.as_secs_f64())).unwrap_or(Duration::ZERO)
}

/// What is left of a JWT. Its dates are the issuer's: where `iat` shows that the issuer's clock is not ours,
/// and the answer's `Date` does not vouch for it either, the token was issued just now.
fn remaining(dates: Dates, moments: Moments) -> f64 {
    let Dates { expires, issued } = dates;
    let server_now = moments.server_now();
    let alive = |at: f64, issued: f64| issued - TOLERANCE_SECONDS <= at && at < expires;
    match issued {
        Some(issued) if alive(server_now, issued) => (expires - server_now).min(expires - issued),
        Some(issued) if alive(moments.now(), issued) => (expires - moments.now()).min(expires - issued),
        Some(issued) => expires - issued,
        None => expires - server_now,
    }
}

fn absolute(value: &Value, moments: Moments) -> Option<f64> {
    if let Some(number) = number(value) {
        return Some(if number >= FIRST_DATE_SECONDS * 1000.0 {
            number / 1000.0 - moments.server_now()
        } else if number >= FIRST_DATE_SECONDS {
            number - moments.server_now()
        } else if number >= FIRST_MILLIS {
            number / 1000.0
        } else {
            number
        });
    }
    Timestamp::parse(value.as_str()?).map(|moment| seconds(moment) - moments.server_now())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: f64 = 1_800_000_000.0;
    const DAY: f64 = 86_400.0;

    fn at(second: f64) -> Timestamp {
        Timestamp::from_second(second)
    }

    fn life(answer: &Value, dates: impl Into<Option<Dates>>, server: Option<f64>) -> Option<u64> {
        let moments = Moments { now: at(NOW), server: server.map(at) };
        lifetime(&Fields::of(answer.as_object().unwrap().clone()), dates.into(), moments)
            .map(|life| life.as_secs())
    }

    fn jwt(issued: impl Into<Option<f64>>, expires: f64) -> Dates {
        Dates { expires: NOW + expires, issued: issued.into().map(|issued| NOW + issued) }
    }

    #[test]
    fn expires_in_is_a_number_or_a_numeric_text() {
        for (value, expected) in [
            (json!(3600), Some(3600)),
            (json!("3600"), Some(3600)),
            (json!(" 3600 "), Some(3600)),
            (json!("3599.5"), Some(3599)),
            (json!(3599.5), Some(3599)),
            (json!(1e300), Some(MAX_LIFETIME.as_secs())),
            // Milliseconds by mistake cannot be told from 41 days; a 401 ends such a token.
            (json!(3_600_000), Some(3_600_000)),
            (json!(0), Some(0)),
            (json!(-1), Some(0)),
            (json!(i64::MIN), Some(0)),
            (json!(null), None),
            (json!(true), None),
            (json!([3600]), None),
            (json!({}), None),
            (json!(""), None),
            (json!("0x10"), None),
            (json!("٣٦٠٠"), None),
            (json!("1e3"), None),
            (json!(u64::MAX), Some(MAX_LIFETIME.as_secs())),
        ] {
            assert_eq!(life(&json!({ "expires_in": value }), None, None), expected, "{value}");
        }
        assert_eq!(life(&json!({ "expires": null }), None, None), None);
    }

    #[test]
    fn a_jwt_that_is_over_or_never_ends_has_no_life_or_the_longest() {
        assert_eq!(life(&json!({}), jwt(None, -60.0), None), Some(0));
        let beyond_the_year_9999 = 253_402_300_800.0 - NOW;
        for issued in [None, Some(0.0)] {
            let longest = Some(MAX_LIFETIME.as_secs());
            assert_eq!(life(&json!({}), jwt(issued, beyond_the_year_9999), None), longest);
            assert_eq!(life(&json!({}), jwt(issued, 1e300), Some(NOW + DAY)), longest);
        }
    }

    #[test]
    fn of_two_sources_the_earlier_counts() {
        assert_eq!(life(&json!({ "expires_in": 3_600_000 }), jwt(0.0, 3600.0), None), Some(3600));
        assert_eq!(life(&json!({ "expires_in": 60 }), jwt(0.0, 3600.0), None), Some(60));
    }

    #[test]
    fn expires_at_is_seconds_milliseconds_or_a_date() {
        for value in [
            json!(NOW + 1800.0),
            json!((NOW + 1800.0) * 1000.0),
            json!(at(NOW + 1800.0).to_string()),
            json!(1800),
        ] {
            assert_eq!(life(&json!({ "expires_at": value }), None, None), Some(1800), "{value}");
        }
        assert_eq!(
            life(&json!({ "expires": 900_000 }), None, None),
            Some(900),
            "Directus counts milliseconds"
        );
        assert_eq!(life(&json!({ "expires_at": NOW - 10.0 }), None, None), Some(0));
        assert_eq!(life(&json!({ "expires_at": "whenever" }), None, None), None);
    }

    #[test]
    fn a_servers_wrong_clock_neither_kills_a_token_nor_keeps_it() {
        assert_eq!(
            life(&json!({}), jwt(-DAY, 3600.0 - DAY), Some(NOW)),
            Some(3600),
            "the issuer a day behind"
        );
        assert_eq!(life(&json!({}), jwt(DAY, 3600.0 + DAY), Some(NOW)), Some(3600), "the issuer a day ahead");
        assert_eq!(
            life(&json!({}), jwt(DAY, 3600.0 + DAY), Some(NOW + DAY)),
            Some(3600),
            "issuer and Date ahead"
        );
        assert_eq!(life(&json!({}), jwt(0.0, 3600.0), Some(NOW + DAY)), Some(3600), "only Date is wrong");
        assert_eq!(
            life(&json!({}), jwt(None, 3600.0 - DAY), Some(NOW - DAY)),
            Some(3600),
            "no iat, Date behind"
        );
        assert_eq!(
            life(&json!({ "expires_in": 3600 }), None, Some(NOW + DAY)),
            Some(3600),
            "a span needs no clock"
        );
    }

    #[test]
    fn a_token_issued_a_while_ago_has_only_the_rest_of_its_life() {
        assert_eq!(life(&json!({}), jwt(-3000.0, 600.0), Some(NOW)), Some(600));
        assert_eq!(life(&json!({}), jwt(-3000.0, 600.0), None), Some(600));
        assert_eq!(life(&json!({}), jwt(1.0 - NOW, 600.0), Some(NOW)), Some(600), "an iat of 1970");
    }
}
