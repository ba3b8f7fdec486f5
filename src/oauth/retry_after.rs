//! `Retry-After`, as RFC 9110 §10.2.3 has it and as servers write it.

use std::time::Duration;

use crate::domain::Timestamp;
use crate::transport::Response;

/// No server means to be left alone for longer, and a service must not be dead for a typing error.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// How long the answer asks to wait: seconds, or a date seen from the answer's own `Date`. The longest of
/// several; nothing for nonsense and for moments already past.
pub fn read(response: &Response, now: Timestamp) -> Option<Duration> {
    let server_now = response.header("date").and_then(Timestamp::parse).unwrap_or(now);
    response
        .headers
        .get_all("retry-after")
        .iter()
        .filter_map(|value| wait(value.to_str().ok()?.trim(), server_now))
        .filter(|wait| !wait.is_zero())
        .max()
        .map(|wait| wait.min(MAX_WAIT))
}

fn wait(text: &str, server_now: Timestamp) -> Option<Duration> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let seconds: f64 = text.parse().ok()?;
        return Duration::try_from_secs_f64(seconds.min(MAX_WAIT.as_secs_f64())).ok();
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
    fn seconds_and_dates_are_read() {
        assert_eq!(after(None, &["120"]), Some(Duration::from_secs(120)));
        assert_eq!(after(None, &["1.5"]), Some(Duration::from_millis(1500)));
        assert_eq!(after(None, &["Wed, 21 Oct 2015 07:28:03 GMT"]), Some(Duration::from_secs(3)));
        assert_eq!(after(None, &["Wednesday, 21-Oct-15 07:28:03 GMT"]), Some(Duration::from_secs(3)));
        assert_eq!(after(None, &["Wed Oct 21 07:28:03 2015"]), Some(Duration::from_secs(3)));
        assert_eq!(after(None, &["1", "60"]), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_date_is_seen_from_the_servers_own_clock() {
        let skewed = after(Some("Tue, 20 Oct 2015 07:28:00 GMT"), &["Tue, 20 Oct 2015 07:28:03 GMT"]);
        assert_eq!(skewed, Some(Duration::from_secs(3)));
    }

    #[test]
    fn nonsense_and_the_past_ask_for_nothing_and_a_year_for_an_hour() {
        for text in ["soon", "-5", "", "Wed, 21 Oct 2015 07:27:00 GMT", "0"] {
            assert_eq!(after(None, &[text]), None, "{text}");
        }
        assert_eq!(after(None, &["99999999999"]), Some(MAX_WAIT));
    }
}
