//! Properties of every response, every token and every `Retry-After`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;
use zeroize::Zeroizing;

use super::expiry::{self, Moments, Sources};
use super::fields::ResponseFields;
use super::jwt::{self, AssertionExpiry, TokenClaims};
use super::{
    DeviceAuthorization, Expiry, Granted, Refusal, ResponseContext, fresh_nonce, read, read_assertion,
    retry_after as waits,
};
use crate::config::{LoginOptions, ResponsePath, TokenHeader};
use crate::domain::{AccessToken, Lifetime, MAX_LIFETIME, Policy, Secret, Timestamp};
use crate::error::{Error, ErrorKind, ServerError};
use crate::transport::Response;

const NOW: f64 = 1_800_000_000.0;
const MAX_TOKEN_BYTES: usize = 64 * 1024;
const SECRETS: [&str; 2] = ["correct-horse-battery", "s3cret/of+the client"];

/// A response as text: a line each for the status, headers, `login` paths, `dpop`, `refresh` and
/// `neverExpires`, then an empty line and the body. Other lines are ignored.
struct FuzzResponse {
    response: Response,
    login: LoginOptions,
    header: TokenHeader,
    dpop: bool,
    is_refresh: bool,
    never_expires: bool,
}

fn fuzz_response(data: &[u8]) -> FuzzResponse {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((&b""[..], data), |at| (&data[..at], &data[at + 2..]));
    let (mut status, mut dpop, mut is_refresh, mut never_expires) = (200, false, false, false);
    let (mut headers, mut login) = (HeaderMap::new(), LoginOptions::default());
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            status = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).unwrap_or(status);
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let path = || ResponsePath::parse(&String::from_utf8_lossy(value)).ok();
        match name {
            b"tokenPath" => login.token_path = path(),
            b"refreshTokenPath" => login.refresh_token_path = path(),
            b"expiresPath" => login.expires_path = path(),
            b"dpop" => dpop = true,
            b"refresh" => is_refresh = true,
            b"neverExpires" => never_expires = true,
            _ => {
                if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
                {
                    headers.append(name, value);
                }
            }
        }
    }
    let body = Zeroizing::new(body.to_vec());
    FuzzResponse {
        response: Response { status, headers, body },
        login,
        header: TokenHeader::default(),
        dpop,
        is_refresh,
        never_expires,
    }
}

impl FuzzResponse {
    fn context<'a>(&'a self, secrets: &'a [Secret]) -> ResponseContext<'a> {
        ResponseContext {
            login: &self.login,
            scheme: None,
            header: &self.header,
            kept: &[],
            scope: Some("read write"),
            secrets: secrets.iter().collect(),
            sent: Vec::new(),
            place: "the server".into(),
            now: now(),
            dpop: self.dpop,
            is_refresh: self.is_refresh,
            never_expires: self.never_expires,
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW)
}

/// A response yields a token that can be sent and expires, or an error without secrets.
///
/// # Panics
/// If the property is violated.
pub fn token_response(data: &[u8]) {
    let fuzzed = fuzz_response(data);
    let FuzzResponse { response, dpop, .. } = &fuzzed;
    assert!(fresh_nonce(response).is_none_or(|nonce| nonce.len() <= 4096 && !nonce.contains(['"', ' '])));
    let secrets = SECRETS.map(Secret::new);
    match read(response, &fuzzed.context(&secrets)) {
        Ok(granted) => {
            assert!(
                (200..300).contains(&response.status),
                "a token from a response with status {}",
                response.status
            );
            check_granted(&granted, *dpop);
        }
        Err(refusal) => check_refusal(refusal, response),
    }
}

/// A response to a device authorization request yields codes that can be shown and polled for, or an error without
/// secrets.
///
/// # Panics
/// If the property is violated.
pub fn device_authorization(data: &[u8]) {
    let fuzzed = fuzz_response(data);
    let secrets = SECRETS.map(Secret::new);
    match DeviceAuthorization::read(&fuzzed.response, &fuzzed.context(&secrets)) {
        Ok(device) => {
            assert!((200..300).contains(&fuzzed.response.status));
            assert!(!device.device_code.is_empty() && !device.user_code.is_empty(), "an empty code");
            for page in [Some(&device.verification_uri), device.verification_uri_complete.as_ref()] {
                let is_page = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
                assert!(page.is_none_or(is_page), "a page that a browser does not open");
                assert!(page.is_none_or(|url| url.as_str().bytes().all(|byte| byte.is_ascii_graphic())));
            }
            for time in [Some(device.interval), device.expires_in] {
                assert!(time.is_none_or(|time| (1..=86_400).contains(&time.as_secs())), "a time of {time:?}");
            }
        }
        Err(refusal) => check_refusal(refusal, &fuzzed.response),
    }
}

fn check_granted(granted: &Granted, dpop: bool) {
    let token = granted.access_token.secret().expose();
    let is_visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(is_visible(token) && token.len() <= MAX_TOKEN_BYTES, "a token that cannot be sent in a header");
    let scheme = granted.scheme.as_str();
    let is_understood = ["Bearer", "Token", "JWT"].contains(&scheme) || (dpop && scheme == "DPoP");
    assert!(is_understood, "an unknown scheme");
    assert!(HeaderValue::from_str(&format!("{scheme} {token}")).is_ok(), "a header that cannot be sent");
    assert!(!SECRETS.contains(&token), "a credential came back as a token");
    if let Some(refresh_token) = &granted.refresh_token {
        let text = refresh_token.expose();
        let is_sendable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        assert!(is_sendable && !text.is_empty() && text.len() <= MAX_TOKEN_BYTES);
    } else {
        assert!(granted.refresh_name.is_none());
    }
    if let Expiry::In(lifetime) = granted.expiry {
        check_lifetime(lifetime);
        assert!(!lifetime.is_zero(), "a token that has expired");
        assert!(lifetime.as_secs() <= 366 * 86_400, "an implausible lifetime");
    }
    if let Some(warning) = &granted.expiry_warning {
        assert!(!SECRETS.iter().any(|secret| warning.contains(secret)), "a secret in a warning");
        assert!(!warning.contains(char::is_control), "a warning that forges a line");
        assert!(warning.len() < 600, "a warning as long as a response");
    }
}

/// A lifetime is at most ten years, and its windows are in order.
fn check_lifetime(lifetime: Duration) {
    assert!(lifetime <= MAX_LIFETIME, "a lifetime of {lifetime:?}");
    for jitter in [0.0, 1.0] {
        let windows = Lifetime::new(now(), Some(now().plus(lifetime)), &Policy::default(), jitter);
        assert!(Some(windows.issued_at()) <= windows.refresh_at());
        assert!(windows.refresh_at() <= windows.usable_until());
        assert!(windows.usable_until() <= windows.expires_at());
        let end = windows.expires_at();
        assert_eq!(end.and_then(|end| Timestamp::parse(&end.to_string())), end);
    }
}

fn check_refusal(refusal: Refusal, response: &Response) {
    let is_failure = matches!(refusal, Refusal::Failed(_));
    let error: Error = refusal.into_error();
    let text = format!("{error} {error:?}");
    assert!(!SECRETS.iter().any(|secret| text.contains(secret)), "a secret in an error");
    assert!(!error.message().contains(char::is_control), "an error that forges a line");
    assert!(error.message().len() < 600, "an error as long as a response");
    assert_eq!(error.status(), Some(response.status));
    assert!(error.kind() == ErrorKind::RateLimited || response.status != 429);
    if let Some(ServerError { error, description, uri }) = error.server_error() {
        for text in [error, description, uri].into_iter().flatten() {
            assert!(!text.is_empty() && text.chars().count() <= 300, "an empty or too long server error");
            assert!(!text.contains(char::is_control), "a server error that forges a line");
        }
    }
    assert!(is_failure || error.retry_after().is_none(), "a refusal with a retry");
    assert!(error.retry_after().is_none_or(|wait| wait <= Duration::from_secs(3600)));
}

/// No token, alone or as the payload of a well-formed JWT, has a longer lifetime than it says, by any clock.
///
/// # Panics
/// If the property is violated.
pub fn jwt(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for token in [text.into_owned(), format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(data))] {
        let Ok(token) = AccessToken::parse(&token) else { continue };
        let claims = jwt::claims(token.secret());
        for server in [None, Some(NOW - 86_400.0), Some(NOW), Some(NOW + 86_400.0), Some(0.0)] {
            check_claims(claims, Moments { now: now(), server: server.map(Timestamp::from_second) });
        }
    }
}

fn check_claims(claims: TokenClaims, moments: Moments) {
    let sources = Sources {
        path: None,
        fields: ResponseFields::default(),
        claims,
        cookie: None,
        never_expires: false,
        may_show_name: &|_| true,
    };
    let found = expiry::find(&sources, moments);
    let is_silent = found.expiry == Expiry::Unknown && found.warning.is_none();
    assert_eq!(is_silent, claims == TokenClaims::Nothing, "a wrong expiry without a warning");
    let (TokenClaims::Dates(dates), Expiry::In(lifetime)) = (claims, found.expiry) else { return };
    check_lifetime(lifetime);
    assert!(dates.expires.is_finite());
    assert_eq!(lifetime.is_zero(), found.expired.is_some());
    if let Some(issued) = dates.issued {
        assert!(issued < dates.expires);
        // Rounding to nanoseconds may add one.
        assert!(lifetime.as_secs_f64() <= dates.expires - issued + 1e-6, "longer than from iat to exp");
    }
}

/// An assertion that a platform made is sent only if it is a JWT that fits into a request and has not expired. The
/// reason against it repeats no part of it.
///
/// # Panics
/// If the property is violated.
pub fn assertion(data: &[u8]) {
    const HEADER: &str = "eyJhbGciOiJSUzI1NiJ9";

    let text = String::from_utf8_lossy(data);
    for text in [text.into_owned(), format!("{HEADER}.{}.c2ln", URL_SAFE_NO_PAD.encode(data))] {
        match read_assertion(&Secret::new(text.as_str()), now()) {
            Ok(read) => {
                let read = read.expose();
                assert_eq!(read, text.trim(), "another assertion");
                assert!(read.bytes().all(|byte| byte.is_ascii_graphic()) && read.len() <= MAX_TOKEN_BYTES);
                let exp = jwt::assertion_expiry(&Secret::new(read));
                let is_open = matches!(exp, Some(AssertionExpiry::None));
                assert!(is_open || matches!(exp, Some(AssertionExpiry::At(exp)) if exp > NOW), "{exp:?}");
            }
            Err(reason) => {
                assert!(reason.len() < 200 && !reason.contains(char::is_control), "{reason}");
                let is_part = reason.contains(text.trim());
                assert!(text.trim().len() < 32 || !is_part, "a part of the text in {reason}");
            }
        }
    }
}

/// The wait is what the server asks for, and at most an hour.
///
/// # Panics
/// If the property is violated.
pub fn retry_after(data: &[u8]) {
    let FuzzResponse { response, .. } = fuzz_response(data);
    let wait = waits::read(&response, now());
    assert!(wait.is_none_or(|wait| !wait.is_zero() && wait <= Duration::from_secs(3600)), "{wait:?}");
    let mut values = response.headers.get_all("retry-after").iter();
    if let (Some(Ok(text)), None) = (values.next().map(HeaderValue::to_str), values.next())
        && let Ok(seconds) = text.parse::<u32>()
        && !text.starts_with('+')
    {
        let expected = (seconds > 0).then(|| Duration::from_secs(seconds.min(3600).into()));
        assert_eq!(wait, expected, "{text}");
    }
}
