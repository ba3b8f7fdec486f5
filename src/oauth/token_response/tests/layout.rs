//! Where the token, the refresh token and the expiry are in a response.

use super::*;

#[test]
fn a_token_is_read_from_the_whole_response_an_array_a_header_or_a_cookie() {
    for whole in ["\"abc\"", "abc", " abc\n", "\"Bearer abc\"", "\u{feff}abc"] {
        assert_eq!(response(whole).token_path("$").token(), "abc", "{whole:?}");
    }
    assert_eq!(response("123456").header("content-type", "text/plain").token_path("$").token(), "123456");
    assert_eq!(response(r#"[{"token":"abc"}]"#).token_path("0.token").token(), "abc");
    assert_eq!(response("").header("x-auth-token", "abc").token_path("header:X-Auth-Token").token(), "abc");
    let cookie = response(r#"{"ok":true}"#).header("set-cookie", "token=abc; HttpOnly; Max-Age=900");
    let cookie = cookie.token_path("cookie:token");
    assert_eq!((cookie.token(), cookie.lifetime()), ("abc".into(), Some(900)));
}

#[test]
fn the_value_at_a_path_is_not_coerced() {
    for whole in [
        "<html>",
        "{\"token\":\"abc\"",
        "two words",
        "Unauthorized",
        "\"error\"",
        "",
        "null",
        "true",
        "42",
        "[\"abc\"]",
        "hunter2",
        "\"\"",
        "undefined",
    ] {
        assert!(
            response(whole).header("content-type", "application/json").token_path("$").is_refused(),
            "{whole:?}"
        );
    }
    assert!(response(r#"{"a":["abc"]}"#).token_path("a").is_refused());
    assert!(response(r#"{"a":7}"#).token_path("a").is_refused());
    assert!(response("{}").header("x-t", "a").header("x-t", "b").token_path("header:x-t").is_refused());
    assert!(response("{}").header("set-cookie", "t=; Max-Age=0").token_path("cookie:t").is_refused());
    let cleared = response("{}").header("set-cookie", "t=abc; Max-Age=0").token_path("cookie:t");
    assert!(cleared.is_refused(), "a cookie that is deleted");
    let unasked = response(r#"{"ok":true}"#).header("set-cookie", "access_token=abc");
    assert!(unasked.is_refused(), "no cookie is read unless it is named");
    assert!(response(r#"{"a":1}"#).token_path("b").message().contains("login.tokenPath"));
}

#[test]
fn expiry_and_refresh_token_are_found_next_to_the_token_of_a_path() {
    for (path, body) in [
        (
            "result.access_token",
            json!({ "result": { "access_token": "abc", "expires_in": 120, "refresh_token": "rt" } }),
        ),
        ("result", json!({ "result": { "access_token": "abc", "expires_in": 120, "refresh_token": "rt" } })),
        (
            "data.attributes.token",
            json!({ "data": { "type": "token", "attributes": { "token": "abc", "expires_in": 120, "refreshToken": "rt" } } }),
        ),
        (
            "tokens.access.token",
            json!({ "tokens": { "access": { "token": "abc", "expires": "2027-01-15T08:02:00Z" }, "refresh": { "token": "rt" } } }),
        ),
        ("0.id", json!([{ "id": "abc", "ttl": 120, "refresh": "rt" }])),
        (
            "a.b.c",
            json!({ "a": { "b": { "c": "abc" }, "expires_in": 120 }, "refresh_token": "rt", "expires_in": 9 }),
        ),
    ] {
        let response = response(body.to_string()).token_path(path);
        assert_eq!(response.token(), "abc", "{path}");
        assert_eq!(response.lifetime(), Some(120), "{path}");
        assert_eq!(refresh_token_of(&response).as_deref(), Some("rt"), "{path}");
    }
    let keystone = response(r#"{"token":{"expires_at":"2027-01-15T08:15:00.000000Z"}}"#)
        .header("x-subject-token", "abc")
        .token_path("header:X-Subject-Token");
    assert_eq!((keystone.token(), keystone.lifetime()), ("abc".into(), Some(900)));
}

#[test]
fn a_token_in_an_object_with_a_common_name_is_found_without_a_path() {
    for body in [
        r#"{"token":{"access_token":"abc","expires_in":60,"refresh_token":"rt"}}"#,
        r#"{"access":{"token":"abc","expires":60},"refresh":{"token":"rt"}}"#,
        r#"{"user":{},"tokens":{"access":{"token":"abc","expires":60},"refresh":{"token":"rt"}}}"#,
        r#"{"data":{"tokens":{"accessToken":"abc","expiresIn":60,"refreshToken":"rt"}}}"#,
    ] {
        let response = response(body);
        assert_eq!((response.token(), response.lifetime()), ("abc".into(), Some(60)), "{body}");
        assert_eq!(refresh_token_of(&response).as_deref(), Some("rt"), "{body}");
    }
    let too_deep = r#"{"data":{"data":{"data":{"data":{"data":{"token":"abc"}}}}}}"#;
    assert!(response(too_deep).is_refused());
}

#[test]
fn a_refresh_is_read_with_the_configured_paths_and_then_with_the_common_names() {
    let shaped = |body: &str| {
        let mut response = response(body).token_path("tokens.access.token");
        response.login.refresh_token_path = Some(path_of("tokens.refresh.token"));
        response.login.expires_path = Some(path_of("tokens.access.expires"));
        response
    };
    for body in [
        r#"{"tokens":{"access":{"token":"abc","expires":60},"refresh":{"token":"rt"}},"access_token":"decoy"}"#,
        r#"{"access":{"token":"abc","expires":60},"refresh":{"token":"rt"}}"#,
        r#"{"access_token":"abc","expires_in":60,"refresh_token":"rt"}"#,
    ] {
        let response = shaped(body).for_refresh();
        assert_eq!((response.token(), response.lifetime()), ("abc".into(), Some(60)), "{body}");
        assert_eq!(refresh_token_of(&response).as_deref(), Some("rt"), "{body}");
    }
    let login = shaped(r#"{"access_token":"decoy","expires_in":60}"#);
    assert!(login.is_refused(), "a login has the configured structure");
}

#[test]
fn if_the_token_is_an_id_token_the_refresh_returns_one_too() {
    let body = r#"{"access_token":"other","id_token":"abc","refresh_token":"rt","expires_in":"3600"}"#;
    for path in ["idToken", "id_token", "result.idToken"] {
        assert_eq!(response(body).token_path(path).for_refresh().token(), "abc", "{path}");
    }
    assert_eq!(response(body).token_path("token").for_refresh().token(), "other");
    assert_eq!(response(body).for_refresh().token(), "other");
    let only = response(r#"{"access_token":"abc"}"#).token_path("idToken").for_refresh();
    assert_eq!(only.token(), "abc");
}

#[test]
fn the_name_of_a_refresh_token_is_known_if_its_path_ends_with_a_common_one() {
    let mut shaped = response(r#"{"token":"abc","s":{"refreshToken":"rt","r":"rt"}}"#);
    for (path, name) in [("s.refreshToken", Some("refreshToken")), ("s.r", None), ("s.none", None)] {
        shaped.login.refresh_token_path = Some(path_of(path));
        assert_eq!(shaped.read().unwrap().refresh_name, name, "{path}");
    }
}

#[test]
fn with_configured_paths_no_others_are_tried() {
    let mut shaped = response(r#"{"access_token":"decoy","result":{"t":"abc","r":"rt","ttl":60}}"#);
    shaped.login.token_path = Some(path_of("result.t"));
    shaped.login.refresh_token_path = Some(path_of("result.r"));
    shaped.login.expires_path = Some(path_of("result.ttl"));
    let granted = shaped.read().unwrap();
    assert_eq!(granted.access_token.secret().expose(), "abc");
    assert_eq!(granted.refresh_token.unwrap().expose(), "rt");
    assert_eq!(seconds(granted.expiry), Some(60));
    shaped.login.token_path = Some(path_of("result.none"));
    assert!(shaped.is_refused());
}
