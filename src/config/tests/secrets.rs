//! Secrets that the configuration does not contain, and several of one kind.

use super::*;

const FILE: &str = "/run/secrets/the-secret";

fn file() -> Value {
    json!({ "path": FILE })
}

#[test]
fn a_secret_may_be_a_file_or_several() {
    let config = config(with(&json!({
        "clientSecret": [file(), "s3cret"], "token": file(), "encryptionKey": [file(), "0123456789abcdef"],
    })))
    .unwrap();
    let sources = &config.credential_sources.client_secret;
    assert_eq!(sources[0].field(), "clientSecret.0.path");
    assert_eq!(sources[1].as_text().unwrap().expose(), "s3cret");
    assert_eq!(config.encryption_keys[0].field(), "encryptionKey.0.path");
    assert!(
        matches!(&config.manual_token, Some(ManualToken::Source(source)) if source.field() == "token.path")
    );
    assert!(config.has_client() && config.credential_sources.is_read());
    assert_eq!(config.credential_sources.alternatives(), 2);
}

#[test]
fn an_error_of_a_file_names_the_variable() {
    let origins = [("password".into(), "EXTERNAL_API_PASSWORD_FILE".into())].into();
    let value = json!({
        "authUrl": "https://h/login", "email": "a@b.c", "password": file(), "storage": { "kind": "memory" },
    });
    let config = Config::from_json_and_variables(value, origins).unwrap();
    assert_eq!(config.credential_sources.password[0].field(), "EXTERNAL_API_PASSWORD_FILE");
}

#[test]
fn each_invalid_source_is_rejected_and_its_field_named() {
    for (extra, field) in [
        (json!({ "clientSecret": [] }), "clientSecret"),
        (json!({ "clientSecret": ["a", ""] }), "clientSecret.1"),
        (json!({ "clientSecret": {} }), "clientSecret.path"),
        (json!({ "clientSecret": { "path": " " } }), "clientSecret.path"),
        (json!({ "clientSecret": { "path": 7 } }), "clientSecret.path"),
        (json!({ "clientSecret": { "path": FILE, "encoding": "utf8" } }), "clientSecret.encoding"),
        (json!({ "clientSecret": ["a", { "file": FILE }] }), "clientSecret.1.path"),
        (json!({ "token": [file()] }), "token"),
        (json!({ "encryptionKey": [7] }), "encryptionKey.0"),
        (json!({ "clientSecret": 7 }), "clientSecret"),
    ] {
        let error = config(with(&extra)).expect_err(&extra.to_string());
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)), "{extra}: {error}");
    }
}

#[test]
fn only_one_kind_of_secret_may_have_several() {
    let both = json!({
        "clientSecret": ["a", "b"], "email": "a@b.c", "password": ["c", "d"], "storage": { "kind": "memory" },
    });
    assert_eq!(config(with(&both)).unwrap_err().field(), Some("password"));
    let one = json!({ "clientSecret": ["a", "b"], "email": "a@b.c", "password": "c" });
    assert!(config(with(&one)).is_ok());
}

#[test]
fn the_key_of_a_store_is_not_derived_from_a_file() {
    let error = config(with(&json!({ "clientSecret": file() }))).unwrap_err();
    assert_eq!(error.field(), Some("encryptionKey"));
    for part in ["npx evertoken keygen", "npx evertoken init", "TOKEN_ENCRYPTION_KEY"] {
        assert!(error.message().contains(part), "{error}");
    }
    for extra in [
        json!({ "clientSecret": file(), "storage": { "kind": "memory" } }),
        json!({ "clientSecret": file(), "encryptionKey": "0123456789abcdef" }),
        json!({ "clientSecret": file(), "encryptionKey": file() }),
        json!({ "clientSecret": ["a", "b"] }),
        json!({ "token": file() }),
    ] {
        assert!(config(with(&extra)).is_ok(), "{extra}");
    }
}

#[test]
fn a_secret_in_a_file_has_the_digest_of_the_same_secret_in_the_configuration() {
    let in_code = config(with(&json!({ "storage": { "kind": "memory" } }))).unwrap();
    let in_file = json!({ "clientSecret": file(), "storage": { "kind": "memory" } });
    let in_file = config(with(&in_file)).unwrap();
    let read = in_file.with_secrets(Some(Secret::new("s3cret")), None);
    assert!(read.credential == in_code.credential);
    assert!(in_file.credential != in_code.credential);
    assert_eq!(read.identity, in_code.identity);
}
