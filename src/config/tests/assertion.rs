//! `clientAssertion`, `assertion`, `subjectToken`, and what they imply.

use super::*;

/// A file from the fixtures.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/keys/", $name))
    };
}

const URL: &str = "https://auth.example.com/token";

/// The fields and the message of an error.
pub(super) fn refused(value: Value) -> (String, String) {
    let shown = value.to_string();
    let error = config(value).expect_err(&shown);
    assert_eq!(error.kind(), ErrorKind::Config);
    (error.field().unwrap().to_owned(), error.message().to_owned())
}

pub(super) fn account(changes: &Value) -> Value {
    let mut account = json!({
        "type": "service_account",
        "private_key_id": "key-1",
        "private_key": fixture!("rsa-pkcs8.pem"),
        "client_email": "robot@project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.example.com/token",
    });
    for (name, value) in changes.as_object().unwrap() {
        account[name] = value.clone();
    }
    account.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    account
}

/// Each of these names the field, and the rest.
fn conflicts(given: &[(Value, &str, &str)]) {
    for (given, field, other) in given {
        let mut value = json!({ "authUrl": URL, "clientId": "app", "storage": { "kind": "memory" } });
        for (name, item) in given.as_object().unwrap() {
            value[name] = item.clone();
        }
        value.as_object_mut().unwrap().retain(|_, item| !item.is_null());
        let (named, message) = refused(value);
        assert_eq!(named, *field, "{given}: {message}");
        assert!(message.contains(other), "{other}: {message}");
    }
}

#[test]
fn the_tokens_of_two_accounts_differ_in_identity() {
    let of = |value: Value| config(value).unwrap().identity;
    let by_path = |path: &str| of(json!({ "privateKey": { "path": path } }));
    assert_ne!(by_path("a.json"), by_path("b.json"));
    let by_email = |email: &str| of(json!({ "privateKey": account(&json!({ "client_email": email })) }));
    assert_ne!(by_email("a@x"), by_email("b@x"));
    let by_subject =
        |subject: &str| of(json!({ "privateKey": account(&json!({})), "assertion": { "subject": subject } }));
    assert_ne!(by_subject("a@x"), by_subject("b@x"));
    let by_token =
        |token: &str| of(json!({ "authUrl": URL, "subjectToken": token, "storage": { "kind": "memory" } }));
    assert_ne!(by_token("a"), by_token("b"));
    assert_eq!(by_token("a"), by_token("a"));
}

#[test]
fn each_conflict_of_assertions_names_the_fields_and_what_to_keep() {
    let key = fixture!("ed25519.pem");
    conflicts(&[
        (
            json!({ "clientSecret": "s", "clientAssertion": { "path": "a" } }),
            "clientAssertion",
            "clientSecret",
        ),
        (json!({ "privateKey": key, "clientAssertion": { "path": "a" } }), "clientAssertion", "privateKey"),
        (json!({ "clientAssertion": {} }), "clientAssertion.path", "is missing"),
        (json!({ "clientAssertion": { "path": "a", "pem": "b" } }), "clientAssertion.pem", "unknown"),
        (json!({ "clientId": null, "clientAssertion": { "path": "a" } }), "clientId", "clientAssertion"),
        (
            json!({ "clientAssertion": { "path": "a" }, "clientAuthentication": "client_secret_post" }),
            "clientAuthentication",
            "clientSecret",
        ),
        (
            json!({ "clientAssertion": { "path": "a" }, "clientAuthentication": "none" }),
            "clientAuthentication",
            "clientAssertion",
        ),
        (
            json!({ "privateKey": key, "clientAuthentication": "client_secret_jwt" }),
            "clientAuthentication",
            "clientSecret",
        ),
        (json!({ "grant": "jwt_bearer" }), "grant", "privateKey"),
        (
            json!({ "grant": "jwt_bearer", "clientId": null, "privateKey": key }),
            "clientId",
            "assertion.issuer",
        ),
        (
            json!({ "grant": "jwt_bearer", "privateKey": key, "assertion": { "path": "a" } }),
            "assertion",
            "remove privateKey",
        ),
        (
            json!({ "privateKey": key, "assertion": { "path": "a", "subject": "b" } }),
            "assertion.path",
            "assertion.path alone",
        ),
        (
            json!({ "privateKey": key, "assertion": { "claims": { "sub": "b" } } }),
            "assertion.claims.sub",
            "assertion.subject",
        ),
        (
            json!({ "privateKey": key, "assertion": { "claims": { "jti": "b" } } }),
            "assertion.claims.jti",
            "remove it",
        ),
        (
            json!({ "privateKey": key, "assertion": { "lifetimeSeconds": 3601 } }),
            "assertion.lifetimeSeconds",
            "3600",
        ),
        (json!({ "privateKey": key, "assertion": { "scope": true } }), "assertion.scope", "must be"),
        (json!({ "privateKey": key, "assertion": { "sub": "b" } }), "assertion.sub", "unknown"),
        (
            json!({ "clientSecret": "s", "grant": "client_credentials", "assertion": { "subject": "b" } }),
            "assertion",
            "jwt_bearer",
        ),
        (
            json!({ "privateKey": key, "grant": "jwt_bearer", "parameters": { "assertion": "b" } }),
            "parameters.assertion",
            "set assertion instead",
        ),
    ]);
}

#[test]
fn each_conflict_of_an_exchange_or_a_login_names_the_fields_and_what_to_keep() {
    let key = fixture!("ed25519.pem");
    conflicts(&[
        (json!({ "grant": "token_exchange" }), "subjectToken", "is missing"),
        (
            json!({ "clientSecret": "s", "grant": "client_credentials", "subjectToken": "t" }),
            "subjectToken",
            "token_exchange",
        ),
        (json!({ "clientSecret": "s", "requestedTokenType": "jwt" }), "requestedTokenType", "token_exchange"),
        (json!({ "clientSecret": "s", "subjectTokenType": "jwt" }), "subjectTokenType", "subjectToken"),
        (
            json!({ "subjectToken": "t", "subjectTokenType": "json" }),
            "subjectTokenType",
            "one of access_token",
        ),
        (json!({ "subjectToken": {} }), "subjectToken.path", "is missing"),
        (json!({ "subjectToken": "a\nb" }), "subjectToken", "control characters"),
        (
            json!({ "subjectToken": "t", "parameters": { "subject_token": "u" } }),
            "parameters.subject_token",
            "set subjectToken instead",
        ),
        (json!({ "login": { "credentials": "assertion" } }), "login.credentials", "privateKey"),
        (
            json!({ "login": { "credentials": "assertion" }, "privateKey": key, "grant": "jwt_bearer" }),
            "login.credentials",
            "jwt_bearer",
        ),
    ]);
}

#[test]
fn what_stands_alone_names_its_grant() {
    let key = fixture!("ed25519.pem");
    let memory = json!({ "kind": "memory" });
    let grant = |value: Value| {
        let mut whole = json!({ "authUrl": URL, "storage": memory });
        whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        config(whole).unwrap().grant
    };
    assert_eq!(grant(json!({ "subjectToken": "t" })), Some(GrantType::TokenExchange));
    assert_eq!(grant(json!({ "assertion": { "path": "a" } })), Some(GrantType::JwtBearer));
    let subject = json!({ "privateKey": key, "clientId": "app", "assertion": { "subject": "u" } });
    assert_eq!(grant(subject), Some(GrantType::JwtBearer));
    let login = json!({ "privateKey": key, "clientId": "app", "login": { "credentials": "assertion" } });
    assert_eq!(grant(login), Some(GrantType::Login));
    assert_eq!(grant(json!({ "privateKey": key, "clientId": "app" })), None);
}

#[test]
fn without_a_secret_that_stays_the_store_needs_a_key() {
    for given in [
        json!({ "clientId": "app", "clientAssertion": { "path": "a" } }),
        json!({ "clientId": "app", "clientAssertion": { "function": true } }),
        json!({ "assertion": { "path": "a" } }),
        json!({ "assertion": { "function": true } }),
        json!({ "subjectToken": { "function": true } }),
        json!({ "subjectToken": { "path": "a" } }),
        json!({ "subjectToken": "t" }),
    ] {
        let mut value = json!({ "authUrl": URL });
        value.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
        assert_eq!(refused(value.clone()).0, "encryptionKey", "{given}");
        value["encryptionKey"] = json!("a key of the store");
        config(value).unwrap();
    }
}

#[test]
fn a_short_secret_of_client_secret_jwt_is_a_warning_that_does_not_contain_it() {
    let warnings = |secret: &str| {
        config(with(&json!({ "clientSecret": secret, "clientAuthentication": "client_secret_jwt" })))
            .unwrap()
            .warnings
    };
    assert!(warnings(&"s".repeat(32)).is_empty());
    let short = warnings(&"s".repeat(31));
    assert!(
        short[0].starts_with("clientSecret has fewer than 32 bytes") && !short[0].contains("sss"),
        "{short:?}"
    );
}
