use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use zeroize::Zeroizing;

use super::*;
use crate::config::{LoginOptions, ResponseField, TokenHeader};

mod attributes;
mod kept;
mod layout;

struct TestResponse {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    login: LoginOptions,
    scheme: Option<TokenType>,
    dpop: bool,
    is_refresh: bool,
    never_expires: bool,
    token_header: TokenHeader,
    kept: Vec<ResponseField>,
}

fn response(body: impl AsRef<[u8]>) -> TestResponse {
    let (headers, login) = (HeaderMap::new(), LoginOptions::default());
    let body = body.as_ref().to_vec();
    TestResponse {
        status: 200,
        headers,
        body,
        login,
        scheme: None,
        dpop: false,
        is_refresh: false,
        never_expires: false,
        token_header: TokenHeader::default(),
        kept: Vec::new(),
    }
}

impl TestResponse {
    fn token_path(mut self, path: &str) -> Self {
        self.login.token_path = Some(path_of(path));
        self
    }

    fn for_refresh(mut self) -> Self {
        self.is_refresh = true;
        self
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    fn read(&self) -> Result<Granted, Refusal> {
        let body = Zeroizing::new(self.body.clone());
        let password = Secret::new("hunter2");
        let context = ResponseContext {
            login: &self.login,
            is_refresh: self.is_refresh,
            never_expires: self.never_expires,
            scheme: self.scheme.as_ref(),
            header: &self.token_header,
            kept: &self.kept,
            scope: Some("openid read write api://app/.default"),
            dpop: self.dpop,
            secrets: vec![&password],
            sent: Vec::new(),
            place: "the server".into(),
            now: Timestamp::from_second(1_800_000_000.0),
        };
        read(&Response { status: self.status, headers: self.headers.clone(), body }, &context)
    }

    fn lifetime(&self) -> Option<u64> {
        let granted = self.read().unwrap();
        assert_eq!(granted.expiry_warning, None);
        seconds(granted.expiry)
    }

    fn message(&self) -> String {
        self.read().unwrap_err().into_error().message().to_owned()
    }

    fn token(&self) -> String {
        self.read().unwrap().access_token.secret().expose().to_owned()
    }

    fn is_refused(&self) -> bool {
        matches!(self.read(), Err(Refusal::NoToken(error)) if error.kind() == ErrorKind::Response)
    }
}

fn path_of(text: &str) -> ResponsePath {
    ResponsePath::parse(text).unwrap()
}

fn seconds(expiry: Expiry) -> Option<u64> {
    match expiry {
        Expiry::In(life) => Some(life.as_secs()),
        Expiry::Unknown | Expiry::Never => None,
    }
}

fn refresh_token_of(response: &TestResponse) -> Option<String> {
    response.read().unwrap().refresh_token.map(|token| token.expose().to_owned())
}

#[test]
fn a_token_that_is_bound_to_a_key_is_accepted_only_with_dpop() {
    // The response in RFC 9449 §5.
    let mut bound = response(
        r#"{"access_token":"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU","token_type":"DPoP","expires_in":2677}"#,
    );
    assert!(bound.is_refused());
    bound.dpop = true;
    assert!(bound.read().unwrap().scheme.is_dpop());
    let mut unbound = response(r#"{"access_token":"abc","token_type":"Bearer"}"#);
    unbound.dpop = true;
    assert_eq!(unbound.read().unwrap().scheme.as_str(), "Bearer");
}

#[test]
fn the_example_of_rfc_6749_section_5_1_is_read() {
    let granted = response(
        r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"example","expires_in":3600,
            "refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA","example_parameter":"example_value"}"#
            .replace("\"example\",", "\"bearer\","),
    )
    .read()
    .unwrap();
    assert_eq!(granted.access_token.secret().expose(), "2YotnFZFEjr1zCsicMWpAA");
    assert_eq!(granted.scheme.as_str(), "Bearer");
    assert_eq!(granted.refresh_token.unwrap().expose(), "tGzv3JOkF0XG5Qx2TlKWIA");
    assert_eq!(granted.refresh_name, Some("refresh_token"));
    assert_eq!(seconds(granted.expiry), Some(3600));
}

#[test]
fn a_token_is_found_under_each_of_its_names() {
    for name in locate::TOKEN_NAMES {
        assert_eq!(response(json!({ *name: "abc" }).to_string()).token(), "abc", "{name}");
        assert_eq!(response(json!({ "data": { *name: "abc" } }).to_string()).token(), "abc", "data.{name}");
    }
    assert_eq!(response(r#"{"access_token":null,"token":"abc"}"#).token(), "abc");
    assert_eq!(response(r#"{"csrf_token":"decoy","access_token":"abc"}"#).token(), "abc");
    assert_eq!(response("\u{feff}{\"token\":\"abc\"}").token(), "abc");
}

#[test]
fn the_last_of_two_members_with_the_same_name_counts() {
    let granted = response(r#"{"token":"a","expires_in":1,"token":"b","expires_in":60}"#).read().unwrap();
    assert_eq!(granted.access_token.secret().expose(), "b");
    assert_eq!(seconds(granted.expiry), Some(60));
}

#[test]
fn json_is_parsed_with_any_content_type() {
    for content_type in ["text/html", "text/plain", "application/octet-stream", "nonsense"] {
        assert_eq!(response(r#"{"token":"abc"}"#).header("content-type", content_type).token(), "abc");
    }
}

#[test]
fn a_jwt_with_any_signature_or_encryption_is_accepted() {
    for token in
        ["eyJhbGciOiJub25lIn0.eyJleHAiOjE4MDAwMDA2MDB9.", "e30.OKOawDo13gRp.48V1.5eym.XFBo", "..", "a.b"]
    {
        let response = response(json!({ "access_token": token }).to_string());
        assert_eq!(response.token(), token);
        let is_readable = token.ends_with("MDB9.");
        assert_eq!(response.lifetime(), is_readable.then_some(600), "{token}");
    }
}

#[test]
fn a_token_is_found_in_the_authorization_header() {
    assert_eq!(response("").header("authorization", "Bearer abc").token(), "abc");
    assert_eq!(response("{}").header("authorization", "abc").token(), "abc");
    let other = response("").header("authorization", "Token abc").read().unwrap();
    assert_eq!(other.scheme.as_str(), "Token");
    assert!(response("").header("authorization", "Basic dXNlcjpwYXNz").is_refused());
    assert!(
        response("").header("authorization", "Bearer a").header("authorization", "Bearer b").is_refused()
    );
}

#[test]
fn nothing_is_coerced_into_a_token() {
    for body in [
        r#"{"access_token":["abc"]}"#,
        r#"{"access_token":{"value":"abc"}}"#,
        r#"{"access_token":null}"#,
        r#"{"access_token":"a\u0000b"}"#,
        r#"{"access_token":"jetón"}"#,
        r#"{"access_token":12345}"#,
        r#"{"access_token":true}"#,
        r#"{"access_token":""}"#,
        r#"{"access_token":"Bearer "}"#,
        r#"{"access_token":"a\r\nb"}"#,
        r#"{"access_token":"abc\u0085"}"#,
        r#"{"access_token":"undefined"}"#,
        r#"{"access_token":"hunter2"}"#,
        r#"{"id_token":"abc"}"#,
        r#"{"result":{"access_token":"abc"}}"#,
        r#"[{"access_token":"abc"}]"#,
        "null",
        "42",
        "",
        "<html>",
        r#"{"access_token":"abc","expires_in":36"#,
        r#"{"access_token":"abc"} trailing"#,
        "{'access_token':'abc'}",
        r#"{"access_token":"abc\ud800"}"#,
        r#"{"access_token":"abc","expires_in":NaN}"#,
        r#"{"success":false}"#,
    ] {
        assert!(response(body).is_refused(), "{body}");
    }
    assert!(response(b"{\"access_token\":\"ab\xff\xfec\"}").is_refused(), "invalid UTF-8");
    assert!(response("[".repeat(100_000)).is_refused(), "nested deeper than any response");
}

#[test]
fn an_error_with_a_success_status_is_an_error() {
    assert!(matches!(response(r#"{"error":"invalid_grant"}"#).read(), Err(Refusal::Rejected(_))));
    let failing = response(r#"{"error":"server_error","access_token":"abc"}"#);
    assert!(matches!(failing.read(), Err(Refusal::Failed(_))));
    assert_eq!(response(r#"{"error":null,"access_token":"abc"}"#).token(), "abc");
}

#[test]
fn an_invalid_refresh_token_is_dropped_and_the_access_token_kept() {
    for value in [json!("a\r\nb"), json!(null), json!(""), json!(7)] {
        let granted =
            response(json!({ "access_token": "abc", "refresh_token": value }).to_string()).read().unwrap();
        assert!(granted.refresh_token.is_none(), "{value}");
    }
}

#[test]
fn an_expired_token_is_rejected() {
    assert!(response(r#"{"access_token":"abc","expires_in":0}"#).is_refused());
    assert!(response(r#"{"access_token":"abc","expires_in":-1}"#).is_refused());
}

#[test]
fn the_error_names_fields_but_no_values() {
    let Err(Refusal::NoToken(error)) = response(r#"{"result":"abc","hunter2":1,"a b":2,"ok":true}"#).read()
    else {
        panic!("a token was found");
    };
    assert!(error.message().contains("ok, result"), "{error}");
    for hidden in ["abc", "hunter2", "a b"] {
        assert!(!error.message().contains(hidden), "{error}");
    }
}

#[test]
fn a_form_with_the_right_content_type_is_parsed() {
    let form = response("access_token=abc&expires_in=3600&token_type=bearer")
        .header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(form.token(), "abc");
    assert_eq!(form.lifetime(), Some(3600));
}

#[test]
fn a_number_that_is_too_large_is_ignored() {
    let digits = "9".repeat(400);
    for number in ["1e999", "-1E+999", &digits, &format!("\"{digits}\"")] {
        let granted =
            response(format!(r#"{{"note":"\"1e999\\","access_token":"1e999","expires_in":{number}}}"#))
                .read()
                .unwrap();
        let token = granted.access_token.secret().expose();
        assert_eq!((token, granted.expiry), ("1e999", Expiry::Unknown), "{number}");
    }
    assert!(response("{1e999").is_refused());
}

#[test]
fn an_error_that_means_none_does_not_affect_the_token() {
    for nothing in ["null", "0", "\"\"", "{}", "[]", "false", "\"0\"", "\"none\""] {
        let body = format!(r#"{{"error":{nothing},"access_token":"abc"}}"#);
        assert_eq!(response(&body).token(), "abc", "{body}");
        assert!(response(format!(r#"{{"error":{nothing}}}"#)).is_refused(), "{nothing}");
    }
    for something in ["1", "true", "\"invalid_code\"", "{\"code\":0}", "[0]"] {
        let body = format!(r#"{{"error":{something},"access_token":"abc"}}"#);
        assert!(response(&body).is_refused(), "{body}");
    }
}

#[test]
fn a_response_is_decoded_with_its_charset_and_an_invalid_string_affects_only_itself() {
    let latin = b"{\"access_token\":\"abc\",\"user\":\"J\xf6rg\"}";
    assert_eq!(response(latin).header("content-type", "application/json; charset=iso-8859-1").token(), "abc");
    assert_eq!(response(latin).token(), "abc");
    assert_eq!(response(r#"{"access_token":"abc","user":"\ud800"}"#).token(), "abc");
    assert_eq!(
        response("access_token=abc&expires_in=60").header("content-type", "application/json").lifetime(),
        Some(60)
    );
    let labeled = response(r#"{"access_token":"abc"}"#);
    assert_eq!(labeled.header("content-type", "application/x-www-form-urlencoded").token(), "abc");
}
