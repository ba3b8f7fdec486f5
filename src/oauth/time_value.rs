//! Parses a value that may be a date or a duration.

use serde_json::Value;

use super::fields::number;
use crate::domain::Timestamp;

/// Numbers of at least this are dates in seconds (2001), and of at least a thousand times this in
/// milliseconds.
pub(super) const FIRST_DATE_SECONDS: f64 = 1e9;

#[expect(clippy::cast_precision_loss, reason = "milliseconds up to the year 9999 fit into a double exactly")]
pub(super) fn seconds(moment: Timestamp) -> f64 {
    moment.as_millisecond() as f64 / 1000.0
}

/// Converts a date in seconds, milliseconds, microseconds or nanoseconds to seconds.
pub(super) fn epoch_seconds(number: f64) -> f64 {
    let is_too_large = |scaled: f64| scaled >= FIRST_DATE_SECONDS * 1000.0;
    let scales = [1.0, 1e3, 1e6, 1e9].map(|scale| number / scale);
    scales.into_iter().find(|scaled| !is_too_large(*scaled)).unwrap_or(number)
}

/// A parsed value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ParsedValue {
    /// `null` or an empty string.
    Nothing,
    /// 0, -1, or the first date of a calendar, by which some servers mean that the token does not expire.
    Zero,
    /// The word `never`.
    Never,
    /// A number without a unit.
    Number(f64),
    /// A duration in seconds, from a text with units.
    Duration(f64),
    /// A date.
    Date(Timestamp),
    /// Something else.
    Unreadable,
}

/// Parses a value. Nothing is coerced: `true` is not 1, and an array of one item is not that item.
pub(super) fn parse_value(value: &Value) -> ParsedValue {
    if let Some(number) = number(value) {
        return if is_zero(number) { ParsedValue::Zero } else { ParsedValue::Number(number) };
    }
    match value {
        Value::Null => ParsedValue::Nothing,
        Value::String(text) => read_text(text.trim()),
        _ => ParsedValue::Unreadable,
    }
}

fn read_text(text: &str) -> ParsedValue {
    if text.is_empty() {
        return ParsedValue::Nothing;
    }
    if text.eq_ignore_ascii_case("never") {
        return ParsedValue::Never;
    }
    let moment = dotnet_date(text).or_else(|| Timestamp::parse(text));
    match moment.map(|moment| (moment == Timestamp::MIN, moment)) {
        Some((true, _)) => ParsedValue::Zero,
        Some((false, moment)) => ParsedValue::Date(moment),
        None => duration(text).map_or(ParsedValue::Unreadable, |seconds| {
            if is_zero(seconds) { ParsedValue::Zero } else { ParsedValue::Duration(seconds) }
        }),
    }
}

fn is_zero(number: f64) -> bool {
    number.abs() < f64::EPSILON || (number + 1.0).abs() < f64::EPSILON
}

/// .NET's date format, `/Date(1700000000000)/` or `/Date(1700000000000+0100)/`: milliseconds since the epoch
/// in UTC, for every offset.
fn dotnet_date(text: &str) -> Option<Timestamp> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let (sign, digits) = inner.strip_prefix('-').map_or((1, inner), |digits| (-1, digits));
    let millis = digits.split(['+', '-']).next()?;
    Some(Timestamp::from_millisecond(sign * millis.parse::<i64>().ok()?))
}

/// A number and a capital `M`, which can mean months or minutes.
fn is_month_or_minute(text: &str) -> bool {
    text.strip_suffix('M')
        .is_some_and(|number| number.chars().all(|c| c.is_ascii_digit() || c == '.' || c.is_whitespace()))
}

/// A duration with units: `15m`, `1h30m`, `7 days`, `3600s`, `01:00:00`, or in ISO 8601 (`PT1H`).
fn duration(text: &str) -> Option<f64> {
    const MAX_LENGTH: usize = 64;
    if text.len() > MAX_LENGTH || is_month_or_minute(text) {
        return None;
    }
    let span: jiff::Span = text.to_ascii_lowercase().parse().ok()?;
    // A year has 365 days, because the start date is unknown.
    let year = jiff::civil::date(2001, 1, 1);
    Some(span.to_duration(year).ok()?.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_parsed_with_their_units() {
        for (text, seconds) in [
            ("15m", 900.0),
            ("10h", 36_000.0),
            ("7d", 604_800.0),
            ("2w", 1_209_600.0),
            ("1y", 31_536_000.0),
            ("1h30m", 5400.0),
            ("1h 30m", 5400.0),
            ("PT1H", 3600.0),
            ("pt15m", 900.0),
            ("P1DT12H", 129_600.0),
            ("3600s", 3600.0),
            ("900 s", 900.0),
            ("900000ms", 900.0),
            ("1 hour", 3600.0),
            ("2 Hours", 7200.0),
            ("1.5h", 5400.0),
            ("30 minutes", 1800.0),
            ("90 sec", 90.0),
            ("01:00:00", 3600.0),
            ("-5m", -300.0),
        ] {
            assert_eq!(parse_value(&json!(text)), ParsedValue::Duration(seconds), "{text}");
        }
    }

    #[test]
    fn dates_and_durations_are_distinguished() {
        let moment = ParsedValue::Date(Timestamp::from_second(1_700_000_000.0));
        for text in [
            "2023-11-14T22:13:20Z",
            "2023-11-14T22:13:20",
            "2023-11-14 22:13:20.000",
            "Tue, 14 Nov 2023 22:13:20 GMT",
            "/Date(1700000000000)/",
            "/Date(1700000000000+0100)/",
            "/Date(1700000000000-0800)/",
        ] {
            assert_eq!(parse_value(&json!(text)), moment, "{text}");
        }
    }

    #[test]
    fn zero_never_and_missing_values_are_distinguished() {
        for value in [
            json!(0),
            json!(-1),
            json!("0"),
            json!("-1"),
            json!(0.0),
            json!("0s"),
            json!("PT0S"),
            json!("0001-01-01T00:00:00Z"),
            json!("0001-01-01T00:00:00"),
            json!("1970-01-01T00:00:00Z"),
            json!("/Date(-62135596800000)/"),
            json!("/Date(0)/"),
        ] {
            assert_eq!(parse_value(&value), ParsedValue::Zero, "{value}");
        }
        assert_eq!(parse_value(&json!("Never")), ParsedValue::Never);
        for value in [json!(null), json!(""), json!(" ")] {
            assert_eq!(parse_value(&value), ParsedValue::Nothing, "{value}");
        }
    }

    #[test]
    fn nothing_is_coerced() {
        for value in [
            json!(true),
            json!([3600]),
            json!({ "seconds": 3600 }),
            json!("0x10"),
            json!("1e3"),
            json!("٣٦٠٠"),
            json!("soon"),
            json!("1/31/2026 8:00:00 AM"),
            json!("/Date(x)/"),
            json!("/Date(99999999999999999999)/"),
            json!("1h".repeat(100)),
            json!("1M"),
            json!("30 M"),
            json!("1.5M"),
        ] {
            assert_eq!(parse_value(&value), ParsedValue::Unreadable, "{value}");
        }
        assert_eq!(parse_value(&json!(" 3599.5 ")), ParsedValue::Number(3599.5));
        assert_eq!(parse_value(&json!("1800000000")), ParsedValue::Number(1_800_000_000.0));
    }
}
