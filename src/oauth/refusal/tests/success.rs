//! Errors with a success status.

use serde_json::json;

use super::*;

#[test]
fn an_error_with_a_success_status_may_be_a_wrong_password() {
    all(
        200,
        "no token, cool-down",
        &[
            r#"{"success":false,"message":"Invalid username or password"}"#,
            r#"{"ok":false,"error":"invalid_auth"}"#,
            r#"{"status":"error","msg":"wrong","data":null}"#,
            r#"{"status":"fail","data":{"title":"wrong"}}"#,
            r#"{"data":null,"errors":[{"message":"Invalid credentials"}]}"#,
            r#"{"status":401,"message":"Invalid credentials"}"#,
            r#"{"code":401,"msg":"wrong password","data":null}"#,
            r#"{"statusCode":403}"#,
            r#"{"error":"E1"}"#,
            r#"{"error":{"message":"no"}}"#,
            r#"{"error":true}"#,
            r#"{"success":false,"access_token":"abc"}"#,
            r#"{"message":"Welcome"}"#,
            "{}",
            "null",
            "[]",
            "42",
        ],
    );
    all(200, "rejected", &[r#"{"error":"invalid_grant"}"#, r#"{"error":"access_denied"}"#]);
    all(200, "client", &[r#"{"error":"invalid_client"}"#, r#"{"error":"incorrect_client_credentials"}"#]);
    all(200, "missing client", &[r#"{"error":"missing client_id"}"#]);
    all(
        200,
        "format",
        &[
            r#"{"error":"unsupported_grant_type"}"#,
            r#"{"success":false,"message":"device_name is required"}"#,
        ],
    );
}

#[test]
fn a_temporary_error_with_a_success_status_backs_off() {
    all(200, "no token", &["", "<html>maintenance</html>", "Please wait", "FAIL"]);
    all(200, "no token, cool-down", &["Invalid credentials"]);
    all(200, LATER, &["The server is under maintenance"]);
    all(
        200,
        LATER,
        &[
            r#"{"error":"server_error","access_token":"abc"}"#,
            r#"{"success":false,"message":"Please try again later"}"#,
            r#"{"message":"temporarily out of order"}"#,
            r#"{"code":500,"msg":"system busy"}"#,
        ],
    );
    all(200, RATE, &[r#"{"code":429}"#, r#"{"ok":false,"error":"rate_limited"}"#, r#""Too many requests""#]);
    all(200, "not here", &[r#"{"status":404,"message":"no route"}"#]);
    all(200, "no token, cool-down", &[r#"{"code":404,"message":"User not found"}"#]);
}

#[test]
fn values_that_mean_none_next_to_a_token_are_not_an_error() {
    let quiet = [json!(null), json!(false), json!(""), json!(0), json!({}), json!([]), json!("none")];
    for value in quiet {
        let object = json!({ "error": value, "errors": value, "success": true, "ok": 1, "code": 20000 });
        assert!(!reports_an_error(object.as_object().unwrap()), "{object}");
    }
}
