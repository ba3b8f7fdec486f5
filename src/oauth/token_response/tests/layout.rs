//! Where token, refresh token and expiry stand.

use super::*;

#[test]
fn a_token_is_read_from_the_whole_answer_a_list_a_header_or_a_cookie() {
    for whole in ["\"abc\"", "abc", " abc\n", "\"Bearer abc\"", "\u{feff}abc"] {
        assert_eq!(answer(whole).token_path("$").token(), "abc", "{whole:?}");
    }
    assert_eq!(answer("123456").header("content-type", "text/plain").token_path("$").token(), "123456");
    assert_eq!(answer(r#"[{"token":"abc"}]"#).token_path("0.token").token(), "abc");
    assert_eq!(answer("").header("x-auth-token", "abc").token_path("header:X-Auth-Token").token(), "abc");
    let cookie = answer(r#"{"ok":true}"#).header("set-cookie", "token=abc; HttpOnly; Max-Age=900");
    let cookie = cookie.token_path("cookie:token");
    assert_eq!((cookie.token(), cookie.life()), ("abc".into(), Some(900)));
}

#[test]
fn what_a_path_leads_to_is_not_coerced_either() {
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
            answer(whole).header("content-type", "application/json").token_path("$").refused(),
            "{whole:?}"
        );
    }
    assert!(answer(r#"{"a":["abc"]}"#).token_path("a").refused());
    assert!(answer(r#"{"a":7}"#).token_path("a").refused());
    assert!(answer("{}").header("x-t", "a").header("x-t", "b").token_path("header:x-t").refused());
    assert!(answer("{}").header("set-cookie", "t=; Max-Age=0").token_path("cookie:t").refused());
    let cleared = answer("{}").header("set-cookie", "t=abc; Max-Age=0").token_path("cookie:t");
    assert!(cleared.refused(), "a cookie that is taken back");
    let unasked = answer(r#"{"ok":true}"#).header("set-cookie", "access_token=abc");
    assert!(unasked.refused(), "no cookie is read unless it is named");
    assert!(answer(r#"{"a":1}"#).token_path("b").message().contains("login.tokenPath"));
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
        let answer = answer(body.to_string()).token_path(path);
        assert_eq!(answer.token(), "abc", "{path}");
        assert_eq!(answer.life(), Some(120), "{path}");
        assert_eq!(refresh_token_of(&answer).as_deref(), Some("rt"), "{path}");
    }
    let keystone = answer(r#"{"token":{"expires_at":"2027-01-15T08:15:00.000000Z"}}"#)
        .header("x-subject-token", "abc")
        .token_path("header:X-Subject-Token");
    assert_eq!((keystone.token(), keystone.life()), ("abc".into(), Some(900)));
}

#[test]
fn a_token_in_an_object_is_found_without_a_path_where_the_name_is_usual() {
    for body in [
        r#"{"token":{"access_token":"abc","expires_in":60,"refresh_token":"rt"}}"#,
        r#"{"access":{"token":"abc","expires":60},"refresh":{"token":"rt"}}"#,
        r#"{"user":{},"tokens":{"access":{"token":"abc","expires":60},"refresh":{"token":"rt"}}}"#,
        r#"{"data":{"tokens":{"accessToken":"abc","expiresIn":60,"refreshToken":"rt"}}}"#,
    ] {
        let answer = answer(body);
        assert_eq!((answer.token(), answer.life()), ("abc".into(), Some(60)), "{body}");
        assert_eq!(refresh_token_of(&answer).as_deref(), Some("rt"), "{body}");
    }
    let too_deep = r#"{"data":{"data":{"data":{"data":{"data":{"token":"abc"}}}}}}"#;
    assert!(answer(too_deep).refused());
}

#[test]
fn a_refresh_is_read_by_the_configured_paths_and_then_by_the_usual_names() {
    let shaped = |body: &str| {
        let mut answer = answer(body).token_path("tokens.access.token");
        answer.login.refresh_token_path = Some(path_of("tokens.refresh.token"));
        answer.login.expires_path = Some(path_of("tokens.access.expires"));
        answer
    };
    for body in [
        r#"{"tokens":{"access":{"token":"abc","expires":60},"refresh":{"token":"rt"}},"access_token":"decoy"}"#,
        r#"{"access":{"token":"abc","expires":60},"refresh":{"token":"rt"}}"#,
        r#"{"access_token":"abc","expires_in":60,"refresh_token":"rt"}"#,
    ] {
        let answer = shaped(body).of_a_refresh();
        assert_eq!((answer.token(), answer.life()), ("abc".into(), Some(60)), "{body}");
        assert_eq!(refresh_token_of(&answer).as_deref(), Some("rt"), "{body}");
    }
    let login = shaped(r#"{"access_token":"decoy","expires_in":60}"#);
    assert!(login.refused(), "a login is laid out as it is configured");
}

#[test]
fn where_the_token_is_an_id_token_the_refresh_gives_one_too() {
    let body = r#"{"access_token":"other","id_token":"abc","refresh_token":"rt","expires_in":"3600"}"#;
    for path in ["idToken", "id_token", "result.idToken"] {
        assert_eq!(answer(body).token_path(path).of_a_refresh().token(), "abc", "{path}");
    }
    assert_eq!(answer(body).token_path("token").of_a_refresh().token(), "other");
    assert_eq!(answer(body).of_a_refresh().token(), "other");
    let only = answer(r#"{"access_token":"abc"}"#).token_path("idToken").of_a_refresh();
    assert_eq!(only.token(), "abc");
}

#[test]
fn the_name_of_a_refresh_token_is_known_where_its_path_ends_in_a_usual_one() {
    let mut shaped = answer(r#"{"token":"abc","s":{"refreshToken":"rt","r":"rt"}}"#);
    for (path, name) in [("s.refreshToken", Some("refreshToken")), ("s.r", None), ("s.none", None)] {
        shaped.login.refresh_token_path = Some(path_of(path));
        assert_eq!(shaped.read().unwrap().refresh_name, name, "{path}");
    }
}

#[test]
fn configured_paths_are_the_only_ones() {
    let mut shaped = answer(r#"{"access_token":"decoy","result":{"t":"abc","r":"rt","ttl":60}}"#);
    shaped.login.token_path = Some(path_of("result.t"));
    shaped.login.refresh_token_path = Some(path_of("result.r"));
    shaped.login.expires_path = Some(path_of("result.ttl"));
    let granted = shaped.read().unwrap();
    assert_eq!(granted.access_token.secret().expose(), "abc");
    assert_eq!(granted.refresh_token.unwrap().expose(), "rt");
    assert_eq!(seconds(granted.expiry), Some(60));
    shaped.login.token_path = Some(path_of("result.none"));
    assert!(shaped.refused());
}
