use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

mod success;
mod wrong_login;

use super::*;
use crate::config::{LoginOptions, TokenHeader};
use crate::domain::Timestamp;
use crate::oauth::read;

fn refusal_of(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Refusal {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_static(value));
    }
    let response = Response { status, headers: map, body: Zeroizing::new(body.as_bytes().to_vec()) };
    let (password, sent) = (Secret::new("hunter2"), Secret::new("the-refresh-token"));
    let context = ResponseContext {
        is_refresh: false,
        never_expires: false,
        login: &LoginOptions::default(),
        scheme: None,
        header: &TokenHeader::default(),
        kept: &[],
        scope: None,
        dpop: false,
        secrets: vec![&password],
        sent: vec![&sent],
        place: "the server".into(),
        now: Timestamp::MIN,
    };
    read(&response, &context).unwrap_err()
}

fn classify(status: u16, body: &str) -> Refusal {
    refusal_of(status, &[], body)
}

/// A name for the variant, with the kind and retry of a failure.
fn describe(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotHere(_) => "not here".into(),
        Refusal::WrongFormat(error) if error.retry() == Retry::CoolDown => "format, cool-down".into(),
        Refusal::WrongFormat(_) => "format".into(),
        Refusal::InvalidClient(_) => "client".into(),
        Refusal::MissingClient(_) => "missing client".into(),
        Refusal::Unexplained(_) => "unexplained".into(),
        Refusal::Ambiguous(rejected, passing) => {
            assert_eq!((rejected.retry(), passing.retry()), (Retry::CoolDown, Retry::BackOff));
            "ambiguous".into()
        }
        Refusal::Rejected(error) if error.retry() == Retry::Never => "misconfigured".into(),
        Refusal::Rejected(error) => {
            assert_eq!((error.kind(), error.retry()), (ErrorKind::Credentials, Retry::CoolDown));
            "rejected".into()
        }
        Refusal::NoToken(error) if error.retry() == Retry::CoolDown => "no token, cool-down".into(),
        Refusal::NoToken(_) => "no token".into(),
        Refusal::ExpiredToken(..) => "over".into(),
        Refusal::Failed(error) => format!("{:?} {:?}", error.kind(), error.retry()),
    }
}

fn all(status: u16, expected: &str, bodies: &[&str]) {
    for body in bodies {
        assert_eq!(describe(&classify(status, body)), expected, "{status} {body}");
    }
}

const LATER: &str = "Response BackOff";
const RATE: &str = "RateLimited BackOff";

#[test]
fn a_plain_400_is_a_rejected_credential() {
    all(
        400,
        "rejected",
        &[
            r#"{"non_field_errors":["Unable to log in with provided credentials."]}"#,
            r#"{"detail":"LOGIN_BAD_CREDENTIALS"}"#,
            r#"{"error":{"status":400,"name":"ValidationError","message":"Invalid identifier or password"}}"#,
            r#"{"error":"invalid_grant"}"#,
            r#"{"message":"E-mail verification required"}"#,
            r#"{"message":"Login failed: a password change is required. Please try again."}"#,
            r#"{"message":"two_factor_code is required"}"#,
            r#"{"error":"login_required"}"#,
            r#"{"error":"invalid_request","error_description":"Invalid username or password"}"#,
            r#"{"error":"invalid_grant","error_description":"The refresh token is for another client_id"}"#,
            r#"{"message":"Invalid email or password, please try again later"}"#,
            r#"{"message":"Your temporary password has ended"}"#,
            "",
            "{}",
        ],
    );
    for status in [401, 402, 403, 423, 499] {
        all(status, "rejected", &[r#"{"message":"Wrong password"}"#]);
    }
    all(403, "rejected", &[r#"{"error":"access_denied"}"#]);
}

#[test]
fn a_400_or_422_that_names_a_field_is_a_wrong_format() {
    for status in [400, 422] {
        all(
            status,
            "format",
            &[
                r#"{"username":["This field is required."]}"#,
                r#"{"message":["email must be an email","property username should not exist"]}"#,
                r#"{"error":"unsupported_grant_type"}"#,
                r#"{"error":"invalid_request","error_description":"missing grant_type"}"#,
                r#"{"error":"invalid_request"}"#,
                r#"{"message":"\"email\" is required"}"#,
                r#"{"message":"device_name is required"}"#,
                r#"{"message":"deviceName is missing"}"#,
                r#"{"message":"Path `user` is required."}"#,
                r#"{"message":"The device name field is required.","errors":{"device_name":["The device name field is required."]}}"#,
                r#"{"detail":[{"loc":["body","username"],"msg":"field required","type":"value_error.missing"}]}"#,
                r#"{"detail":[{"type":"missing","loc":["body","username"],"msg":"Field required","input":null}]}"#,
                r#"{"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary"}]}"#,
                r#"{"detail":[{"type":"extra_forbidden","loc":["body","email"],"msg":"Extra inputs are not permitted"}]}"#,
                r#"{"errors":[{"type":"field","msg":"Invalid value","path":"username","location":"body"}]}"#,
                r#"{"errors":{"email":["can't be blank"]}}"#,
                r#"{"errors":{"Email":["The Email field is required."]},"title":"One or more validation errors occurred."}"#,
                r#"{"username":["Missing data for required field."],"email":["Unknown field."]}"#,
                r#"{"message":"body must have required property 'email'"}"#,
                r#"{"errors":[{"code":"invalid_type","received":"undefined","path":["email"],"message":"Invalid input: expected string, received undefined"}]}"#,
                r#"{"message":"Required request parameter 'username' for method parameter type String is not present"}"#,
                r#"{"error":"Key: 'Login.Email' Error:Field validation for 'Email' failed on the 'required' tag"}"#,
                r#"{"error":"param is missing or the value is empty: user"}"#,
                r#"{"detail":"JSON parse error - Expecting value"}"#,
                r#"{"message":"Unexpected token g in JSON at position 0"}"#,
                r#"{"message":"Missing credentials"}"#,
            ],
        );
    }
    all(415, "format", &[""]);
}

#[test]
fn a_422_about_the_value_of_a_field_is_a_rejected_credential() {
    all(
        422,
        "rejected",
        &[
            r#"{"message":"These credentials do not match our records.","errors":{"email":["These credentials do not match our records."]}}"#,
            r#"{"message":"The given data was invalid.","errors":{"email":["These credentials do not match our records."]}}"#,
            r#"{"message":"The provided credentials are incorrect."}"#,
            r#"{"errors":{"email or password":["is invalid"]}}"#,
            r#"{"errors":[{"detail":"Wrong password"}]}"#,
            r#"{"error":"Validation failed"}"#,
            "Wrong password",
        ],
    );
}

#[test]
fn a_422_without_a_reason_is_a_wrong_format_or_a_wrong_password() {
    all(
        422,
        "format, cool-down",
        &[
            "",
            "{}",
            r#"{"status":422,"error":"Unprocessable Entity"}"#,
            "Unprocessable Content",
            "<html>422</html>",
        ],
    );
}

#[test]
fn a_status_that_is_about_the_message_is_temporary() {
    for status in [406, 407, 409, 410, 411, 412, 413, 414, 417, 421, 424, 426, 428, 431, 451] {
        all(status, LATER, &["", "{}", "<html>no</html>", r#"{"message":"not now"}"#]);
    }
    for status in [408, 425, 500, 502, 503, 599, 999] {
        all(status, LATER, &["", r#"{"error":"invalid_grant"}"#]);
    }
    all(429, RATE, &["", r#"{"error":"invalid_grant"}"#]);
}

#[test]
fn a_page_of_a_firewall_is_temporary_but_the_error_of_a_server_is_not() {
    let page = "<html><title>Request blocked</title></html>";
    assert_eq!(describe(&refusal_of(403, &[("content-type", "text/html; charset=utf-8")], page)), LATER);
    assert_eq!(describe(&refusal_of(403, &[("content-type", "text/html")], "Request blocked")), LATER);
    all(403, LATER, &[page, "<!DOCTYPE html><p>JavaScript is disabled</p>"]);
    all(401, "unexplained", &[page]);
    all(403, "ambiguous", &[r#"<?xml version="1.0"?><Error>AccessDenied</Error>"#]);
}

#[test]
fn a_body_that_asks_to_try_later_is_temporary_with_any_code() {
    for status in [400, 401, 403, 422] {
        all(
            status,
            LATER,
            &[
                r#"{"error":"unknown_error","error_description":"retry your request"}"#,
                r#"{"error":"temporarily_unavailable"}"#,
                r#"{"error":"server_error"}"#,
                r#"{"error":"invalid_grant","error_description":"Please try again later."}"#,
                r#"{"error":"invalid_client","error_description":"The service is temporarily not available"}"#,
                r#"{"message":"The site is under maintenance"}"#,
            ],
        );
        all(
            status,
            RATE,
            &[
                r#"{"error":"slow_down"}"#,
                r#"{"error":"rate_limit_exceeded"}"#,
                r#"{"error":"invalid_grant","error_description":"login rate exceeded"}"#,
                r#"{"error":"Access Denied","error_description":"You have made too many requests continuously. Please try again after some time."}"#,
                r#"{"errors":{"email":["Too many login attempts. Please try again in 52 seconds."]}}"#,
                r#"{"__type":"TooManyRequestsException"}"#,
                "Too many requests",
            ],
        );
    }
}

#[test]
fn a_temporarily_locked_account_cools_down_as_after_a_rejection() {
    for body in [
        r#"{"message":"Account locked: too many login attempts. Please try again later."}"#,
        r#"{"error":"invalid_grant","error_description":"user is temporarily locked"}"#,
    ] {
        assert_eq!(describe(&classify(403, body)), "RateLimited CoolDown", "{body}");
    }
    all(400, "rejected", &[r#"{"error":"invalid_grant","error_description":"account locked"}"#]);
}

#[test]
fn the_retry_after_of_a_4xx_is_respected() {
    let wait = Retry::After(Duration::from_secs(2));
    for (status, body) in [
        (403, r#"{"error":"rate_limit_exceeded"}"#),
        (403, "<html>blocked</html>"),
        (400, r#"{"error":"invalid_grant"}"#),
        (401, r#"{"error":"invalid_client"}"#),
        (404, ""),
        (422, ""),
        (423, r#"{"message":"Account locked, try again later"}"#),
    ] {
        let refusal = refusal_of(status, &[("retry-after", "2")], body);
        let Refusal::Failed(error) = &refusal else { panic!("{status} {body}: {refusal:?}") };
        assert_eq!(error.retry(), wait, "{status} {body}");
    }
    assert_eq!(
        describe(&refusal_of(401, &[("retry-after", "soon")], "")),
        "unexplained",
        "what cannot be read asks for nothing"
    );
}

#[test]
fn errors_about_the_client_and_about_the_credentials_are_distinguished() {
    for status in [400, 401, 403, 422] {
        all(
            status,
            "client",
            &[
                r#"{"error":"invalid_client"}"#,
                r#"{"error":"invalid_client_id","error_description":"client identifier invalid"}"#,
                r#"{"error":"incorrect_client_credentials"}"#,
                r#"{"message":"Invalid client secret"}"#,
                r#"{"message":"Unknown client"}"#,
            ],
        );
        all(
            status,
            "missing client",
            &[
                r#"{"status":400,"message":"missing client id"}"#,
                r#"{"error":"invalid_request","error_description":"A required parameter \"client_id\" is missing"}"#,
                r#"{"error":"invalid_request","error_description":"Could not determine client ID from request."}"#,
                r#"{"status":"BAD_CLIENT_ID","message":"missing or unknown client id"}"#,
                r#"{"message":"client_id is required"}"#,
                r#"{"message":"clientSecret is required"}"#,
                r#"{"detail":[{"loc":["body","client_id"],"msg":"field required"}]}"#,
                r#"{"client_secret":["This field is required."]}"#,
            ],
        );
        all(status, "rejected", &[r#"{"message":"Wrong password","client_id":"app"}"#]);
    }
}

#[test]
fn a_401_without_a_reason_is_unexplained() {
    all(
        401,
        "unexplained",
        &[
            "",
            "{}",
            r#"{"message":"Unauthorized"}"#,
            r#"{"status":401,"error":"Unauthorized","path":"/token"}"#,
        ],
    );
    all(401, "rejected", &[r#"{"message":"Unauthenticated."}"#, "Bad credentials"]);
}

#[test]
fn a_missing_endpoint_and_an_unknown_user_are_distinguished() {
    for status in [404, 405] {
        all(
            status,
            "not here",
            &[
                "",
                "<html>Not Found</html>",
                r#"{"error":"Not Found","path":"/users/login"}"#,
                r#"{"message":"Cannot POST /user/login"}"#,
            ],
        );
    }
    all(
        404,
        "rejected",
        &[r#"{"message":"User not found"}"#, r#"{"error":"user_not_found"}"#, r#"{"msg":"No such user"}"#],
    );
}

#[test]
fn the_error_names_a_form_for_browsers() {
    for (status, body) in [
        (403, "<html><p>CSRF verification failed. Request aborted.</p></html>"),
        (419, r#"{"message":"CSRF token mismatch."}"#),
        (419, "<html>Page Expired</html>"),
        (422, "<html>InvalidAuthenticityToken csrf</html>"),
    ] {
        assert_eq!(describe(&classify(status, body)), "Endpoint Never", "{status} {body}");
    }
}

#[test]
fn the_error_names_a_rejected_scope() {
    let Refusal::Rejected(error) = classify(400, r#"{"error":"invalid_scope"}"#) else { panic!("sorted") };
    assert!(error.message().contains("`scope`"), "{error}");
}

#[test]
fn a_message_repeats_nothing_of_the_response_and_the_server_error_contains_no_secret() {
    let body = r#"{"error":"hunter2","error_description":"password hunter2, token the-refresh-token is wrong\r\nforged line"}"#;
    for status in [200, 400, 401, 403, 404, 409, 422, 429, 500] {
        let error = classify(status, body).into_error();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert!(!error.message().contains("forged"));
        let server_error = error.server_error().unwrap();
        assert_eq!(server_error.error.as_deref(), Some("[removed]"));
        assert_eq!(
            server_error.description.as_deref(),
            Some("password [removed], token [removed] is wrong forged line")
        );
    }
}
