//! The type, the scope and the expiry of the token.

use super::*;

#[test]
fn the_error_of_an_unknown_token_type_names_what_to_set_and_no_secret() {
    let message = |word: &str| {
        response(json!({ "access_token": "abc", "refresh_token": "rt-9", "token_type": word }).to_string())
            .message()
    };
    for word in ["mac", "n-a", "urn:ietf:params:oauth:token-type:jwt"] {
        assert!(message(word).contains(&format!("(\"{word}\")")), "{}", message(word));
    }
    for word in ["mac", "abc", "x hunter2", "rt-9", "line\r\nforged", "\u{1b}[2J", &"m".repeat(41), "<b>"] {
        let message = message(word);
        assert!(message.contains("set scheme to the word"), "{message}");
        for hidden in ["hunter2", "abc", "rt-9", "forged", "\u{1b}", "mmmm", "<b>"] {
            assert!(!message.contains(hidden), "{message}");
        }
    }
}

#[test]
fn a_token_of_an_unknown_type_is_not_used() {
    for body in [
        r#""bearer""#,
        r#""BEARER""#,
        "null",
        r#""""#,
        r#""BearerToken""#,
        r#""bearer_token""#,
        r#""Bearer Token""#,
        r#""AccessToken""#,
        r#""access_token""#,
        r#""OAuth2 Access Token""#,
        r#""urn:ietf:params:oauth:token-type:access_token""#,
    ] {
        let granted = response(format!(r#"{{"access_token":"abc","token_type":{body}}}"#)).read().unwrap();
        assert_eq!(granted.scheme.as_str(), "Bearer", "{body}");
    }
    for body in [r#""mac""#, r#""DPoP""#, "1", r#""N_A""#] {
        assert!(response(format!(r#"{{"access_token":"abc","token_type":{body}}}"#)).is_refused(), "{body}");
    }
    let mut configured = response(r#"{"access_token":"abc","token_type":"mac"}"#);
    configured.scheme = TokenType::parse("Token");
    assert_eq!(configured.read().unwrap().scheme.as_str(), "Token");
}

#[test]
fn a_token_that_is_not_an_access_token_is_used_only_with_scheme_or_header() {
    let answer = || {
        response(
            r#"{"access_token":"abc","issued_token_type":"urn:ietf:params:oauth:token-type:jwt","token_type":"N_A"}"#,
        )
    };
    let bare =
        || crate::config::Config::from_json(json!({ "token": "x", "header": "X-Key" })).unwrap().header;
    let error = answer().read().unwrap_err().into_error();
    assert!(
        error.message().contains("token_type is N_A") && error.message().contains("set scheme"),
        "{error}"
    );
    let mut with_scheme = answer();
    with_scheme.scheme = TokenType::parse("Bearer");
    assert_eq!(with_scheme.read().unwrap().access_token.secret().expose(), "abc");
    let mut in_a_header = answer();
    in_a_header.token_header = bare();
    assert_eq!(in_a_header.read().unwrap().access_token.secret().expose(), "abc");
    let mut unknown = response(r#"{"access_token":"abc","token_type":"mac"}"#);
    unknown.token_header = bare();
    assert!(unknown.is_refused(), "only N_A means that there is no type");
}

#[test]
fn a_token_type_in_the_same_text_takes_precedence() {
    for (text, scheme) in [("JWT abc", "JWT"), ("Token abc", "Token"), ("bearer abc", "Bearer")] {
        let granted = response(json!({ "token": text }).to_string()).read().unwrap();
        assert_eq!((granted.access_token.secret().expose(), granted.scheme.as_str()), ("abc", scheme));
    }
    let mut configured = response(r#"{"token":"JWT abc"}"#);
    configured.scheme = TokenType::parse("Custom");
    assert_eq!(configured.read().unwrap().scheme.as_str(), "Custom");
    let typed = response(r#"{"access_token":"JWT abc","token_type":"Bearer"}"#).read().unwrap();
    assert_eq!(typed.scheme.as_str(), "JWT", "never \"Bearer JWT abc\"");
    for body in [r#"{"token":"Basic abc"}"#, r#"{"token":"DPoP abc"}"#, r#"{"token":"JWT hunter2"}"#] {
        assert!(response(body).is_refused(), "{body}");
    }
}

#[test]
fn an_expiry_of_zero_is_an_error_that_names_what_to_set() {
    let zero_jwt = "e30.eyJleHAiOjB9.c2ln";
    for body in [
        json!({ "access_token": "abc", "expires_in": 0 }),
        json!({ "access_token": "abc", "expires_in": "0" }),
        json!({ "access_token": zero_jwt }),
    ] {
        let mut response = response(body.to_string());
        assert!(response.is_refused());
        for part in ["expires in 0 seconds", "neverExpires: true", "defaultLifetimeSeconds"] {
            assert!(response.message().contains(part), "{}", response.message());
        }
        response.never_expires = true;
        assert_eq!(response.read().unwrap().expiry, Expiry::Never);
    }
    let past = response(r#"{"access_token":"abc","expires_at":1700000000}"#);
    assert!(past.message().contains("already expired") && !past.message().contains("neverExpires"));
}

#[test]
fn the_warning_of_a_doubtful_expiry_names_the_endpoint_but_not_the_value() {
    let granted = response(r#"{"access_token":"abc","expires_in":"hunter2 abc"}"#).read().unwrap();
    let warning = granted.expiry_warning.unwrap();
    assert!(warning.starts_with("the server: `expires_in`"), "{warning}");
    assert!(!warning.contains("hunter2") && !warning.contains("abc"), "{warning}");
    assert_eq!(granted.expiry, Expiry::Unknown);
}

#[test]
fn scopes_that_were_not_granted_are_known_if_the_response_names_its_scope() {
    for (scope, withheld) in [
        ("", vec![]),
        (r#","scope":"read write""#, vec![]),
        (r#","scope":"write,read,more""#, vec![]),
        (r#","scope":["write","read"]"#, vec![]),
        (r#","scope":null"#, vec![]),
        (r#","scope":"read""#, vec!["write"]),
        (r#","scope":"reads""#, vec!["read", "write"]),
        (r#","scope":"""#, vec!["read", "write"]),
    ] {
        let granted = response(format!(r#"{{"access_token":"abc"{scope}}}"#)).read().unwrap();
        assert_eq!(granted.withheld, withheld, "{scope}");
    }
}

#[test]
fn scopes_are_compared_as_sets_with_any_separator() {
    let read = |asked: &str, scope: &str| {
        let body: Value = serde_json::from_str(&format!(r#"{{"scope":{scope}}}"#)).unwrap();
        withheld_scopes(&ResponseFields::from_chain(Vec::new(), Some(&body)), asked)
    };
    for (asked, scope) in [
        ("a,b", r#""b a""#),
        ("a b", r#""b,a""#),
        ("a, b", r#"["b","a"]"#),
        ("a b c", r#"["a,b","c"]"#),
        ("a", r#"" a , b ""#),
    ] {
        assert!(read(asked, scope).is_empty(), "{asked} {scope}");
    }
    assert_eq!(read("a,b", r#""a""#), ["b"]);
}
