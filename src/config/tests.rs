mod assertion;
mod client;
mod private_key;
mod secrets;
mod token_request;

use serde_json::{Value, json};

use super::*;
use crate::error::{Error, ErrorKind};

fn config(value: Value) -> Result<Config, Error> {
    Config::from_json(value)
}

fn with(extra: &Value) -> Value {
    let mut base =
        json!({ "authUrl": "https://auth.example.com/token", "clientId": "app", "clientSecret": "s3cret" });
    for (key, value) in extra.as_object().unwrap() {
        base[key] = value.clone();
    }
    base.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    base
}

#[test]
fn each_invalid_value_is_rejected_and_its_field_named() {
    for (extra, field) in [
        (json!({ "authUrl": "auth.example.com" }), "authUrl"),
        (json!({ "authUrl": "ftp://auth.example.com" }), "authUrl"),
        (json!({ "authUrl": "https://user:pass@auth.example.com" }), "authUrl"),
        (json!({ "authUrl": "https://auth.example.com/#x" }), "authUrl"),
        (json!({ "authUrl": "http://auth.example.com/token" }), "authUrl"),
        (json!({ "authUrl": 7 }), "authUrl"),
        (json!({ "clientId": "" }), "clientId"),
        (json!({ "clientSecret": null }), "clientSecret"),
        (json!({ "service": " " }), "service"),
        (json!({ "service": "a\nb" }), "service"),
        (json!({ "grant": "authorization_code" }), "grant"),
        (json!({ "grant": "password" }), "grant"),
        (json!({ "scope": "a  b" }), "scope"),
        (json!({ "clientAuthentication": "none" }), "clientAuthentication"),
        (json!({ "clientAuthentication": "private_key_jwt" }), "clientAuthentication"),
        (json!({ "clientAuthentication": "tls_client_auth" }), "clientAuthentication"),
        (json!({ "issuer": "https://auth.example.com" }), "issuer"),
        (json!({ "authUrl": null, "issuer": "http://auth.example.com" }), "issuer"),
        (json!({ "authUrl": null, "issuer": "https://auth.example.com/?tenant=1" }), "issuer"),
        (json!({ "dpop": "yes" }), "dpop"),
        (json!({ "dpop": true, "scheme": "Token" }), "scheme"),
        (json!({ "headers": { "DPoP": "x" } }), "headers.DPoP"),
        (json!({ "header": "" }), "header"),
        (json!({ "header": ["X-Auth-Token"] }), "header"),
        (json!({ "header": "X Auth" }), "header"),
        (json!({ "header": "Content-Length" }), "header"),
        (json!({ "header": "X-Auth-Token", "dpop": true }), "header"),
        (json!({ "header": "Authorization", "dpop": true }), "header"),
        (json!({ "header": {} }), "header.name"),
        (json!({ "header": { "name": 7 } }), "header.name"),
        (json!({ "header": { "name": "Host" } }), "header.name"),
        (json!({ "header": { "name": "__proto__" } }), "header.name"),
        (json!({ "header": { "name": "X-Key", "value": "key" } }), "header.value"),
        (json!({ "header": { "name": "X-Key", "value": "{token}\r\nX-Injected: 1" } }), "header.value"),
        (json!({ "header": { "name": "X-Key", "value": "{token}\n" } }), "header.value"),
        (json!({ "header": { "name": "X-Key", "value": "{password} {token}" } }), "header.value"),
        (json!({ "header": { "name": "X-Key", "values": "{token}" } }), "header.values"),
        (json!({ "fields": 7 }), "fields"),
        (json!({ "fields": [""] }), "fields"),
        (json!({ "fields": ["a", "a"] }), "fields"),
        (json!({ "fields": ["$"] }), "fields"),
        (json!({ "fields": ["a..b"] }), "fields"),
        (json!({ "fields": (0..17).map(|n| format!("f{n}")).collect::<Vec<_>>() }), "fields"),
        (json!({ "token": "a\r\nb" }), "token"),
        (json!({ "login": { "format": "xml" } }), "login.format"),
        (json!({ "login": { "tokenpath": "x" } }), "login.tokenpath"),
        (json!({ "login": { "tokenPath": "$.token" } }), "login.tokenPath"),
        (json!({ "login": { "tokenPath": "data..token" } }), "login.tokenPath"),
        (json!({ "login": { "refreshTokenPath": "cookie:" } }), "login.refreshTokenPath"),
        (json!({ "login": { "expiresPath": "header:a b" } }), "login.expiresPath"),
        (json!({ "neverExpires": "yes" }), "neverExpires"),
        (json!({ "login": { "format": "form", "body": { "a": { "b": 1 } } } }), "login.body"),
        (json!({ "scheme": "two words" }), "scheme"),
        (json!({ "headers": { "a b": "c" } }), "headers.a b"),
        (json!({ "headers": { "x-key": "a\nb" } }), "headers.x-key"),
        (json!({ "headers": { "Authorization": "Bearer x" } }), "headers.Authorization"),
        (json!({ "refreshBufferSeconds": -1 }), "refreshBufferSeconds"),
        (json!({ "defaultLifetimeSeconds": 0 }), "defaultLifetimeSeconds"),
        (json!({ "maxConcurrentRequests": 0 }), "maxConcurrentRequests"),
        (json!({ "maxConcurrentRequests": 1.5 }), "maxConcurrentRequests"),
        (json!({ "timeoutMs": "10" }), "timeoutMs"),
        (json!({ "timeoutMs": 1e9 }), "timeoutMs"),
        (json!({ "retry": { "attempts": 1.5 } }), "retry.attempts"),
        (json!({ "retry": { "baseMs": 100, "maxMs": 50 } }), "retry.maxMs"),
        (json!({ "retry": 3 }), "retry"),
        (json!({ "rateLimit": { "attempts": 0, "perSeconds": 60 } }), "rateLimit.attempts"),
        (json!({ "onFailure": "explode" }), "onFailure"),
        (json!({ "storage": { "kind": "floppy" } }), "storage.kind"),
        (json!({ "storage": {} }), "storage.kind"),
        (json!({ "storage": { "kind": "memory", "path": "x" } }), "storage.path"),
        (json!({ "ca": "not a certificate" }), "ca"),
        (json!({ "alerts": { "afterFailures": 0 } }), "alerts.afterFailures"),
        (json!({ "alerts": { "webhookUrl": "chat" } }), "alerts.webhookUrl"),
        (json!({ "alerts": { "webhookUrl": "http://chat.example.com/hook" } }), "alerts.webhookUrl"),
        (json!({ "allowedOrigins": ["https://a.example.com/path"] }), "allowedOrigins"),
        (json!({ "allowedOrigins": ["https://:secret@a.example.com"] }), "allowedOrigins"),
        (json!({ "allowedOrigins": ["https://a.example.com", "http://b.example.com"] }), "allowedOrigins"),
        (json!({ "baseUrl": "/relative" }), "baseUrl"),
        (json!({ "baseUrl": "http://api.example.com/v1/" }), "baseUrl"),
        (json!({ "baseUrl": "http://8.8.8.8" }), "baseUrl"),
        (json!({ "clientID": "app" }), "clientID"),
    ] {
        let error = config(with(&extra)).expect_err(&extra.to_string());
        assert_eq!(error.kind(), ErrorKind::Config, "{extra}");
        assert_eq!(error.field(), Some(field), "{extra}: {}", error.message());
    }
}

#[test]
fn all_errors_are_reported_at_once() {
    let error = config(with(&json!({ "timeoutMs": -1, "scheme": "two words", "tint": "red" }))).unwrap_err();
    for part in ["scheme must be", "timeoutMs must be", "tint is unknown"] {
        assert!(error.message().contains(part), "{part}: {}", error.message());
    }
}

#[test]
fn a_kind_of_storage_that_does_not_exist_is_one_error() {
    let error = config(with(&json!({ "storage": { "kind": "postgresql" } }))).unwrap_err();
    assert_eq!(error.message().matches("storage.kind").count(), 1, "{}", error.message());
}

#[test]
fn a_misspelled_key_is_corrected() {
    let error = config(with(&json!({ "timeoutMS": 5 }))).unwrap_err();
    assert!(error.message().contains("did you mean timeoutMs?"), "{}", error.message());
}

#[test]
fn credentials_must_be_complete() {
    for (value, field) in [
        (json!({}), "authUrl"),
        (json!({ "authUrl": "https://a.example.com" }), "clientId"),
        (json!({ "authUrl": "https://a.example.com", "clientId": "x" }), "clientSecret"),
        (json!({ "authUrl": "https://a.example.com", "clientSecret": "x" }), "clientId"),
        (json!({ "authUrl": "https://a.example.com", "email": "a@b.c" }), "password"),
        (json!({ "authUrl": "https://a.example.com", "password": "x" }), "email"),
        (json!({ "email": "a@b.c", "password": "x" }), "authUrl"),
    ] {
        let error = config(value.clone()).expect_err(&value.to_string());
        assert_eq!(error.field(), Some(field), "{value}: {}", error.message());
    }
    assert!(config(json!({ "token": "abc" })).is_ok(), "a manual token alone is a configuration");
}

#[test]
fn no_error_repeats_the_value() {
    for extra in [
        json!({ "clientSecret": [["hunter2"]] }),
        json!({ "token": "hunter2\n\u{1}" }),
        json!({ "authUrl": "https://me:hunter2@auth.example.com" }),
        json!({ "grant": "hunter2" }),
        json!({ "headers": { "x-key": "hunter2\n" } }),
    ] {
        let error = config(with(&extra)).expect_err(&extra.to_string());
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn http_is_limited_to_private_hosts_unless_allowed() {
    assert!(config(with(&json!({ "authUrl": "http://127.0.0.1:8080/token" }))).is_ok());
    assert!(
        config(with(&json!({ "authUrl": "http://auth.example.com", "allowInsecureHttp": true }))).is_ok()
    );
}

#[test]
fn an_api_over_http_is_one_warning_that_names_the_host() {
    for (extra, host) in [
        (json!({ "baseUrl": "http://localhost:8080/v1/" }), "localhost"),
        (json!({ "allowedOrigins": ["https://a.example.com", "http://10.0.0.7"] }), "10.0.0.7"),
        (json!({ "baseUrl": "http://api:80", "allowedOrigins": ["http://10.0.0.7"] }), "api"),
        (json!({ "baseUrl": "http://api.example.com", "allowInsecureHttp": true }), "api.example.com"),
        (
            json!({ "allowedOrigins": ["http://api.example.com"], "allowInsecureHttp": true }),
            "api.example.com",
        ),
    ] {
        let warnings = config(with(&extra)).unwrap().warnings;
        assert_eq!(
            warnings,
            [format!("access tokens are sent to {host} over unencrypted http: use https")],
            "{extra}"
        );
    }
    let quiet = json!({ "baseUrl": "https://a.example.com", "allowedOrigins": ["https://b.example.com"] });
    assert!(config(with(&quiet)).unwrap().warnings.is_empty());
}

#[test]
fn equal_configurations_have_equal_fingerprints_in_any_order_of_keys() {
    let one =
        config(json!({ "authUrl": "https://a.example.com", "email": "a@b.c", "password": "x" })).unwrap();
    let two =
        config(json!({ "password": "x", "email": "a@b.c", "authUrl": "https://a.example.com" })).unwrap();
    let three =
        config(json!({ "password": "y", "email": "a@b.c", "authUrl": "https://a.example.com" })).unwrap();
    assert_eq!(one.fingerprint, two.fingerprint);
    assert_ne!(one.fingerprint, three.fingerprint);
}

#[test]
fn debug_of_a_configuration_contains_no_secret() {
    let config = config(json!({
        "authUrl": "https://a.example.com", "email": "a@b.c", "password": "hunter2", "clientId": "x",
        "clientSecret": "hunter2", "token": "hunter2", "headers": { "x-key": "hunter2" }, "encryptionKey": "hunter2",
    }));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn the_sqlite_store_has_its_own_default_path() {
    for (storage, expected) in [
        (json!({ "kind": "sqlite" }), "./data/token-cache.db"),
        (json!({ "kind": "sqlite", "path": "prisma/dev.db" }), "prisma/dev.db"),
    ] {
        let config = config(with(&json!({ "storage": storage }))).unwrap();
        assert!(matches!(config.storage, Storage::Sqlite(path) if path.to_str() == Some(expected)));
    }
}

#[test]
fn a_suspicious_credential_is_a_warning_that_names_the_variable_or_the_field() {
    let value = with(&json!({
        "clientId": "\u{feff}app", "clientSecret": "s3cret\r\n", "email": "\"ann@example.com\"", "password": "pass ",
        "token": "abc\u{200b}", "encryptionKey": ["first", "second\n"],
    }));
    let origins = [("clientSecret".into(), "OAUTH_CLIENT_SECRET".into())].into();
    // A token with an invisible character is an error.
    let error = Config::from_json_and_variables(value.clone(), Origins::clone(&origins)).unwrap_err();
    assert_eq!(error.field(), Some("token"));
    let mut value = value;
    value["token"] = json!("'abc'\n");
    let config = Config::from_json_and_variables(value, origins).unwrap();
    assert_eq!(config.credentials.client_secret.as_ref().unwrap().expose(), "s3cret");
    assert_eq!(config.credentials.password.as_ref().unwrap().expose(), "pass ");
    assert_eq!(config.encryption_keys[1].as_text().unwrap().expose(), "second");
    let sent = "evertoken sends it unchanged: check the value for unintended characters";
    assert_eq!(
        config.warnings,
        [
            format!("clientId starts with a byte order mark (U+FEFF). {sent}"),
            "OAUTH_CLIENT_SECRET ended with a line break, which evertoken removed".into(),
            format!("email is enclosed in quotes. {sent}"),
            format!("password ends with a space. {sent}"),
            "token ended with a line break, which evertoken removed".into(),
            format!("token is enclosed in quotes. {sent}"),
            "encryptionKey.1 ended with a line break, which evertoken removed".into(),
        ]
    );
}

#[test]
fn an_ordinary_configuration_has_no_warning() {
    assert!(config(with(&json!({}))).unwrap().warnings.is_empty());
}

#[test]
fn the_error_of_a_suspicious_url_says_what_is_wrong() {
    for (text, expected) in [
        ("\"https://auth.example.com\"", "(it is enclosed in quotes)"),
        ("\u{feff}https://auth.example.com", "(it starts with a byte order mark (U+FEFF))"),
    ] {
        let error = config(with(&json!({ "authUrl": text }))).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn an_incomplete_credential_is_one_error_that_names_the_missing_part() {
    for (config, field) in [
        (json!({ "authUrl": "https://h/token", "clientId": "app" }), "clientSecret"),
        (json!({ "authUrl": "https://h/login", "email": "a@b.c" }), "password"),
        (json!({ "authUrl": "https://h/login", "password": "hunter2" }), "email"),
    ] {
        let error = Config::from_json(config.clone()).unwrap_err();
        assert_eq!(error.field(), Some(field), "{config}");
        assert_eq!(error.message().matches("missing").count(), 1, "{}", error.message());
    }
}
