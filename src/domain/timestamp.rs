//! A moment on the wall clock.

use std::fmt;
use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z, between that moment and the last days of the year 9999.
///
/// Arithmetic saturates at these bounds: no answer of a server can make it wrap around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const MIN: Self = Self(0);
    /// 9999-12-30T22:00:00.000Z: ISO 8601 writes it with four digits in every time zone.
    pub const MAX: Self = Self(253_402_207_200_000);

    /// The moment `millisecond` ms after the epoch, moved into the range above.
    pub fn from_millisecond(millisecond: i64) -> Self {
        Self(millisecond.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// The moment `second` seconds after the epoch, fractions kept to the millisecond.
    #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, and the range is clamped")]
    pub fn from_second(second: f64) -> Self {
        Self::from_millisecond((second * 1000.0) as i64)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millisecond(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, as a `NumericDate` of RFC 7519 §2.
    pub const fn as_second(self) -> i64 {
        self.0 / 1000
    }

    /// This moment and `duration` more.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millisecond(self.0.saturating_add(millis))
    }

    /// This moment less `duration`.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millisecond(self.0.saturating_sub(millis))
    }

    /// How long until `later`; zero when that is past.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0 - self.0).unwrap_or(0))
    }

    /// Reads what servers send: ISO 8601 with an offset, or the date of an HTTP header (RFC 9110 §5.6.7).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let moment = text
            .parse::<jiff::Timestamp>()
            .ok()
            .or_else(|| jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()))?;
        Some(Self::from_millisecond(moment.as_millisecond()))
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
        for text in ["", "tomorrow", "1994", "3600"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
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
