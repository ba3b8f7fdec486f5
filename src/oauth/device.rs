//! The response of a device authorization endpoint, [RFC 8628
//! §3.2](https://www.rfc-editor.org/rfc/rfc8628#section-3.2).

use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::fields::number;
use super::refusal::{self, Refusal};
use super::response_context::ResponseContext;
use super::{body, server_error};
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Retry};
use crate::transport::Response;

/// The pause between polls if the response names none (RFC 8628 §3.2).
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// No useful pause is longer, and no code lives longer.
const LONGEST: f64 = 86_400.0;

/// What the user needs to give consent on another device, and the code to ask for the result with.
#[derive(Clone, Debug)]
pub struct DeviceAuthorization {
    /// The code to ask for the tokens with.
    pub device_code: Secret,
    /// The code that the user enters.
    pub user_code: String,
    /// The page on which the user enters it.
    pub verification_uri: Url,
    /// The same page with the code in its URL, if the server offers it.
    pub verification_uri_complete: Option<Url>,
    /// How long both codes are valid, if the server says so.
    pub expires_in: Option<Duration>,
    /// The pause between two polls.
    pub interval: Duration,
}

impl DeviceAuthorization {
    /// Parses a response.
    pub fn read(response: &Response, context: &ResponseContext<'_>) -> Result<Self, Refusal> {
        if !(200..300).contains(&response.status) {
            return Err(refusal::from_status(response, context));
        }
        let text = body::text(response);
        let value = body::value(&text, response, &["device_code"]);
        let Some(Value::Object(object)) = &value else {
            return Err(fault(response, context, None, "is not a JSON object"));
        };
        if let Some(refusal) = refusal::from_object(object, response, context) {
            return Err(refusal);
        }
        let text = |name: &str| object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let page = |name: &str| text(name).and_then(page);
        let lacks = |name: &str| fault(response, context, Some(object), &format!("contains no valid {name}"));
        let seconds = |name: &str| object.get(name).and_then(number).and_then(duration);
        Ok(Self {
            device_code: Secret::new(text("device_code").ok_or_else(|| lacks("device_code"))?),
            user_code: text("user_code").ok_or_else(|| lacks("user_code"))?.to_owned(),
            // Google's name for it is older than the RFC.
            verification_uri: page("verification_uri")
                .or_else(|| page("verification_url"))
                .ok_or_else(|| lacks("verification_uri"))?,
            verification_uri_complete: page("verification_uri_complete"),
            expires_in: seconds("expires_in"),
            interval: seconds("interval").unwrap_or(DEFAULT_INTERVAL),
        })
    }
}

/// A page that a user can open.
fn page(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

fn duration(seconds: f64) -> Option<Duration> {
    (1.0..=LONGEST).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

fn fault(
    response: &Response,
    context: &ResponseContext<'_>,
    object: Option<&Map<String, Value>>,
    what: &str,
) -> Refusal {
    let message = format!("the response of {} {what}", context.place);
    let error =
        Error::new(ErrorKind::Response, message).with_status(response.status).with_retry(Retry::Never);
    let said = object.and_then(|object| server_error::of_object(object, &context.redaction()));
    Refusal::NoToken(match said {
        Some(said) => error.with_server_error(said),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;
    use crate::config::{LoginOptions, TokenHeader};
    use crate::domain::Timestamp;

    fn read(status: u16, body: &str) -> Result<DeviceAuthorization, Refusal> {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        let response = Response { status, headers: HeaderMap::new(), body };
        let context = ResponseContext {
            login: &LoginOptions::default(),
            is_refresh: false,
            scheme: None,
            header: &TokenHeader::default(),
            dpop: false,
            never_expires: false,
            kept: &[],
            scope: None,
            secrets: Vec::new(),
            sent: Vec::new(),
            place: "https://h/device".into(),
            now: Timestamp::from_second(1.8e9),
        };
        DeviceAuthorization::read(&response, &context)
    }

    fn complete() -> Value {
        json!({
            "device_code": "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS", "user_code": "WDJB-MJHT",
            "verification_uri": "https://example.com/device",
            "verification_uri_complete": "https://example.com/device?user_code=WDJB-MJHT",
            "expires_in": 1800, "interval": 7,
        })
    }

    #[test]
    fn the_example_of_rfc_8628_section_3_2_is_read() {
        let read = read(200, &complete().to_string()).unwrap();
        assert_eq!(read.user_code, "WDJB-MJHT");
        assert_eq!(read.verification_uri.as_str(), "https://example.com/device");
        assert_eq!(read.verification_uri_complete.unwrap().query(), Some("user_code=WDJB-MJHT"));
        assert_eq!(read.expires_in, Some(Duration::from_secs(1800)));
        assert_eq!(read.interval, Duration::from_secs(7));
        assert!(!format!("{:?}", read.device_code).contains("GmRh"));
    }

    #[test]
    fn what_is_optional_has_a_default_and_nonsense_counts_as_missing() {
        for nonsense in [json!(null), json!(-1), json!(0), json!("soon"), json!(1e300), json!([5])] {
            let mut value = complete();
            value["interval"] = nonsense.clone();
            value["expires_in"] = nonsense.clone();
            value["verification_uri_complete"] = json!("javascript:alert(1)");
            let read = read(200, &value.to_string()).unwrap();
            assert_eq!((read.interval, read.expires_in), (DEFAULT_INTERVAL, None), "{nonsense}");
            assert_eq!(read.verification_uri_complete, None);
        }
        let google = complete().to_string().replace("\"verification_uri\"", "\"verification_url\"");
        assert!(read(200, &google).is_ok());
    }

    #[test]
    fn the_error_names_what_is_missing() {
        for name in ["device_code", "user_code", "verification_uri"] {
            for wrong in [json!(null), json!(""), json!(7)] {
                let mut value = complete();
                value[name] = wrong;
                let error = read(200, &value.to_string()).unwrap_err().into_error();
                assert!(error.message().ends_with(&format!("contains no valid {name}")), "{error}");
            }
        }
        let page = read(200, "<!doctype html>").unwrap_err().into_error();
        assert!(page.message().ends_with("is not a JSON object"), "{page}");
    }

    #[test]
    fn a_refusal_is_classified_and_has_the_words_of_the_server() {
        let refused = read(400, r#"{"error":"unauthorized_client","error_description":"not this one"}"#);
        let error = refused.unwrap_err().into_error();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert_eq!(error.server_error().unwrap().description.as_deref(), Some("not this one"));
        assert!(matches!(read(401, r#"{"error":"invalid_client"}"#), Err(Refusal::InvalidClient(_))));
        assert!(matches!(read(404, "nothing"), Err(Refusal::NotHere(_))));
        assert!(read(200, r#"{"error":"invalid_scope"}"#).is_err());
    }
}
