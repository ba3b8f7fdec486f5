//! Which responses mean a wrong login, with any status, and which do not.

use super::*;

#[test]
fn a_page_or_a_text_that_gives_no_reason_may_be_a_wrong_password_or_a_proxy() {
    let page = r#"<html><meta http-equiv="Content-Type" content="text/html"><h1>Bad Request</h1></html>"#;
    all(400, "ambiguous", &["<h1>Bad Request</h1>", page, "Bad Request", "no"]);
    all(403, "ambiguous", &["{}", "", "Forbidden", r#"{"message":"Forbidden"}"#]);
}

#[test]
fn an_error_of_the_configuration_does_not_cool_down() {
    for status in [200, 400, 401, 403] {
        all(
            status,
            "misconfigured",
            &[
                r#"{"error":"unauthorized_client"}"#,
                r#"{"error":"unauthorized_client","error_description":"The client_id may not use this grant"}"#,
                r#"{"error":"invalid_scope"}"#,
                r#"{"error":"invalid_target"}"#,
            ],
        );
    }
}

const WRONG_LOGINS: [&str; 34] = [
    r#"{"message":"Invalid credentials"}"#,
    r#"{"message":"Invalid password"}"#,
    r#"{"message":"Wrong password"}"#,
    r#"{"timestamp":"x","status":500,"error":"Internal Server Error","message":"Bad credentials","path":"/login"}"#,
    r#"{"error":"LDAP: error code 49 - Invalid Credentials"}"#,
    r#"{"errors":[{"type":"field","value":"a@b.c","msg":"Invalid credentials","path":"password","location":"body"}]}"#,
    r#"{"errors":[{"msg":"Incorrect password","param":"password","location":"body"}]}"#,
    r#"{"errors":[{"location":"body","msg":"Wrong","param":"password"}]}"#,
    r#"{"errors":[{"location":"body","msg":"does not match","path":"password"}]}"#,
    r#"{"message":"Invalid credentials. Too many failed attempts will disable your account."}"#,
    r#"{"message":"Bad credentials","documentation_url":"https://docs.example/rest/rate-limits"}"#,
    r#"{"error":"Invalid credentials","throttle":{"type":"ip","remaining":"4"}}"#,
    r#"{"error":"invalid_request","error_description":"Authentication failed"}"#,
    r#"{"error":"invalid_grant","error_description":"Authentication failed, too many requests follow"}"#,
    r#"{"message":"A valid username and password are required"}"#,
    r#"{"message":"Invalid login: username or password malformed or incorrect"}"#,
    r#"{"message":"Authentication failed. Please try again later."}"#,
    r#"{"code":"unknown_error","message":"Invalid password"}"#,
    r#"{"message":"Invalid credentials","csrf_token":"abc"}"#,
    r#"{"message":"Invalid password","xsrf":"abc"}"#,
    r#"{"message":"Login failed"}"#,
    r#"{"password":["Incorrect."]}"#,
    r#"{"message":"invalid user or client credential"}"#,
    r#"{"code":500,"msg":"用户不存在/密码错误"}"#,
    r#"{"msg":"用户名或密码不正确"}"#,
    r#"{"msg":"登录失败"}"#,
    r#"{"message":"Falsches Passwort"}"#,
    r#"{"message":"Ungültige Anmeldedaten"}"#,
    r#"{"error":"invalid_request","error_description":"Benutzername oder Passwort falsch"}"#,
    r#"{"message":"Mot de passe incorrect"}"#,
    r#"{"message":"Contraseña incorrecta"}"#,
    r#"{"message":"Usuário ou senha inválidos"}"#,
    "<!doctype html><html><body><form><p>Invalid username or password</p></form></body></html>",
    r#"<?xml version="1.0"?><response><message>Invalid password</message></response>"#,
];

#[test]
fn an_explicit_rejection_counts_with_any_status() {
    for status in [
        300, 400, 401, 402, 403, 404, 405, 406, 409, 410, 412, 415, 418, 419, 422, 423, 428, 429, 499, 500,
        502, 503,
    ] {
        all(status, "rejected", &WRONG_LOGINS);
    }
    all(200, "no token, cool-down", &WRONG_LOGINS[..13]);
    all(200, "no token, cool-down", &WRONG_LOGINS[14..]);
    for status in [406, 409, 500] {
        all(status, "rejected", &[r#"{"message":"Unauthorized"}"#, r#"{"message":"not authenticated"}"#]);
    }
}

#[test]
fn an_explicit_rejection_takes_precedence_over_retry_after() {
    for wait in ["0", "1", "soon", "Wed, 01 Jan 2020 00:00:00 GMT"] {
        let refusal = refusal_of(401, &[("retry-after", wait)], r#"{"message":"Invalid credentials"}"#);
        assert_eq!(describe(&refusal), "rejected", "{wait}");
    }
    for wait in ["0", "Wed, 01 Jan 0000 00:00:00 GMT"] {
        assert_eq!(describe(&refusal_of(401, &[("retry-after", wait)], "{}")), "unexplained", "{wait}");
    }
}

#[test]
fn errors_about_the_server_are_temporary() {
    for status in [400, 401, 403, 422] {
        all(
            status,
            LATER,
            &[
                r#"{"message":"Scheduled maintenance in progress"}"#,
                r#"{"error":"Database connection failed"}"#,
                r#"{"error":"Internal error"}"#,
                r#"{"message":"Upstream request timeout"}"#,
                r#"{"error":"server_busy","message":"Server is busy"}"#,
                r#"{"message":"Please try again in a few minutes"}"#,
                r#"{"message":"Maximum number of concurrent sessions reached"}"#,
                "upstream connect error or disconnect/reset before headers",
                "error code: 1020",
            ],
        );
    }
    for body in [
        r#"{"message":"Account unavailable"}"#,
        r#"{"message":"An unexpected error occurred"}"#,
        r#"{"message":"nope","timeout":"300"}"#,
        r#"{"message":"nope","path":"/busy/maintenance"}"#,
        r#"{"message":"nope","link":"https://docs.example/rate-limits"}"#,
    ] {
        assert_eq!(describe(&classify(400, body)), "rejected", "{body}");
    }
    for status in [402, 423, 444, 498] {
        all(status, LATER, &["", "{}", r#"{"m":"locked"}"#]);
    }
    all(423, "rejected", &[r#"{"message":"The account is locked"}"#]);
    all(
        200,
        LATER,
        &[
            r#"{"status":"maintenance","message":"We will be back soon"}"#,
            r#"{"success":false,"message":"System busy"}"#,
            r#"{"code":503,"message":"x"}"#,
        ],
    );
}
