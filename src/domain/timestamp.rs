//! A moment on the wall clock.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z, up to the last days of the year 9999.
///
/// Arithmetic saturates at these bounds, so no server's response can make it wrap around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const MIN: Self = Self(0);
    /// 9999-12-30T22:00:00.000Z: ISO 8601 writes it with four digits in every time zone.
    pub const MAX: Self = Self(253_402_207_200_000);

    /// The moment `millisecond` ms after the epoch, moved into the supported range.
    pub fn from_millisecond(millisecond: i64) -> Self {
        Self(millisecond.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// The moment `second` seconds after the epoch, to the millisecond.
    #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, and the range is clamped")]
    pub fn from_second(second: f64) -> Self {
        Self::from_millisecond((second * 1000.0) as i64)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millisecond(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch: a `NumericDate` of RFC 7519 §2.
    pub const fn as_second(self) -> i64 {
        self.0 / 1000
    }

    /// This moment plus `duration`.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millisecond(self.0.saturating_add(millis))
    }

    /// This moment minus `duration`.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millisecond(self.0.saturating_sub(millis))
    }

    /// This moment on a clock that is `ms` milliseconds ahead.
    #[must_use]
    pub fn on_clock_ahead(self, ms: i64) -> Self {
        Self::from_millisecond(self.0.saturating_add(ms))
    }

    /// How long it is until `later`; zero if that has passed.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0 - self.0).unwrap_or(0))
    }

    /// Reads what servers send: ISO 8601 (in UTC if it names no zone), a date in any of the three forms of HTTP
    /// headers (RFC 9110 §5.6.7), or one of a mail (RFC 5322 §3.3), which PHP writes.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        iso_8601(text)
            .or_else(|| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp()))
            .map(|moment| Self::from_millisecond(moment.as_millisecond()))
            .or_else(|| http_date(text))
    }
}

/// ISO 8601, and the variants that Ruby and Go write: `2026-01-31 08:00:00 UTC`, `2026-01-31 08:00:00 +0000 UTC`.
fn iso_8601(text: &str) -> Option<jiff::Timestamp> {
    const UTC: [&str; 4] = ["UTC", "GMT", "Z", "z"];
    let (text, is_utc) = match UTC.iter().find_map(|name| text.strip_suffix(name)) {
        Some(rest) => (rest.trim_end(), true),
        None => (text, false),
    };
    let joined = match text.rsplit_once(' ') {
        Some((moment, offset)) if offset.starts_with(['+', '-']) => format!("{moment}{offset}"),
        _ => text.to_owned(),
    };
    let zoned = joined.parse().ok();
    // A zone that has only a name (`[Europe/Berlin]`), or that cannot be read, is not UTC.
    let has_zone = !is_utc && text.get(10..).is_some_and(|time| time.contains(['+', '-', '[', 'Z', 'z']));
    zoned.or_else(|| if has_zone { None } else { civil_in_utc(text) })
}

fn civil_in_utc(text: &str) -> Option<jiff::Timestamp> {
    let is_extended = text.as_bytes().get(4) == Some(&b'-');
    let moment = is_extended.then(|| text.parse::<jiff::civil::DateTime>().ok()).flatten()?;
    // .NET's last moment, 9999-12-31T23:59:59, is later than a timestamp can be.
    let zoned = moment.to_zoned(jiff::tz::TimeZone::UTC);
    Some(zoned.map_or(jiff::Timestamp::MAX, |zoned| zoned.timestamp()))
}

fn http_date(text: &str) -> Option<Timestamp> {
    let since_epoch = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::MIN.plus(since_epoch))
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// ISO 8601 in UTC, to the millisecond: `2026-01-31T08:00:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => Err(fmt::Error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_prints_iso_8601_to_the_millisecond() {
        assert_eq!(Timestamp::from_millisecond(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_second(1_700_000_000.5).to_string(), "2023-11-14T22:13:20.500Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00.000Z");
    }

    #[test]
    fn it_reads_iso_8601_and_http_dates() {
        let expected = Timestamp::from_second(784_111_777.0);
        for text in ["1994-11-06T08:49:37Z", "1994-11-06T10:49:37+02:00", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(Timestamp::parse(text), Some(expected), "{text}");
        }
        for text in
            ["", "tomorrow", "1994", "3600", "19941106", "1994-13-06", "1994-11-06T25:00:00", "08:49:37"]
        {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_without_a_zone_is_in_utc() {
        for text in [
            "1994-11-06T08:49:37",
            "1994-11-06 08:49:37",
            "1994-11-06 08:49:37.000",
            "1994-11-06T08:49:37.0000000",
            "1994-11-06 08:49:37Z",
            "1994-11-06 08:49:37 UTC",
            "1994-11-06 08:49:37 +0000",
            "1994-11-06 08:49:37 +0000 UTC",
            "1994-11-06 09:49:37 +01:00",
            "Sun, 06 Nov 1994 08:49:37 +0000",
        ] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp::from_second(784_111_777.0)), "{text}");
        }
        for text in ["9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59", "9999-12-31"] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp::MAX), "{text}");
        }
        assert_eq!(Timestamp::parse("0001-01-01T00:00:00Z"), Some(Timestamp::MIN));
        assert_eq!(Timestamp::parse("1994-11-06"), Some(Timestamp::from_second(784_080_000.0)));
    }

    #[test]
    fn a_zone_that_cannot_be_read_is_not_taken_for_utc() {
        for text in [
            "1994-11-06T08:49:37[Europe/Berlin]",
            "1994-11-06T08:49:37+99:00",
            "1994-11-06 08:49:37 CET",
            "1994-11-06T08:49:37 -25:61",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    /// RFC 9110 §5.6.7: a recipient must accept all three.
    #[test]
    fn the_obsolete_forms_of_an_http_date_are_read() {
        for text in ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp::from_second(784_111_777.0)), "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates_in_both_directions() {
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.minus(Duration::MAX), Timestamp::MIN);
        assert_eq!(Timestamp::from_second(f64::INFINITY), Timestamp::MAX);
        assert_eq!(Timestamp::from_second(f64::NAN), Timestamp::MIN);
        assert_eq!(Timestamp::MAX.until(Timestamp::MIN), Duration::ZERO);
    }
}
