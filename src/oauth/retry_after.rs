//! `Retry-After` (RFC 9110 §10.2.3), including common deviations.

use std::time::Duration;

use crate::domain::Timestamp;
use crate::transport::Response;

/// No server needs a longer pause, and a typo on the server must not disable a service.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How long the response asks to wait: seconds, or a date relative to the response's own `Date`. The longest
/// if there are several; `None` for invalid values and dates in the past.
pub fn read(response: &Response, now: Timestamp) -> Option<Duration> {
    let server_now = response.header("date").and_then(Timestamp::parse).unwrap_or(now);
    response
        .headers
        .get_all("retry-after")
        .iter()
        .filter_map(|value| wait(value.to_str().ok()?.trim(), server_now))
        .filter(|wait| !wait.is_zero())
        .max()
        .map(|wait| wait.min(MAX_RETRY_AFTER))
}

fn wait(text: &str, server_now: Timestamp) -> Option<Duration> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let seconds: f64 = text.parse().ok()?;
        return Duration::try_from_secs_f64(seconds.min(MAX_RETRY_AFTER.as_secs_f64())).ok();
    }
    Some(server_now.until(Timestamp::parse(text)?))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};
    use zeroize::Zeroizing;

    use super::*;

    fn after(date: Option<&'static str>, values: &[&'static str]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        if let Some(date) = date {
            headers.insert("date", HeaderValue::from_static(date));
        }
        for value in values {
            headers.append("retry-after", HeaderValue::from_static(value));
        }
        read(
            &Response { status: 429, headers, body: Zeroizing::default() },
            Timestamp::from_second(1_445_412_480.0),
        )
    }

    #[test]
    fn seconds_and_dates_are_parsed() {
        assert_eq!(after(None, &["120"]), Some(Duration::from_secs(120)));
        assert_eq!(after(None, &["1.5"]), Some(Duration::from_millis(1500)));
        assert_eq!(after(None, &["Wed, 21 Oct 2015 07:28:03 GMT"]), Some(Duration::from_secs(3)));
        assert_eq!(after(None, &["Wednesday, 21-Oct-15 07:28:03 GMT"]), Some(Duration::from_secs(3)));
        assert_eq!(after(None, &["Wed Oct 21 07:28:03 2015"]), Some(Duration::from_secs(3)));
        assert_eq!(after(None, &["1", "60"]), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_date_is_relative_to_the_servers_clock() {
        let skewed = after(Some("Tue, 20 Oct 2015 07:28:00 GMT"), &["Tue, 20 Oct 2015 07:28:03 GMT"]);
        assert_eq!(skewed, Some(Duration::from_secs(3)));
    }

    #[test]
    fn invalid_values_and_past_dates_are_ignored_and_an_hour_is_the_maximum() {
        for text in ["soon", "-5", "", "Wed, 21 Oct 2015 07:27:00 GMT", "0"] {
            assert_eq!(after(None, &[text]), None, "{text}");
        }
        assert_eq!(after(None, &["99999999999"]), Some(MAX_RETRY_AFTER));
    }
}
