//! A client that proves itself by a key.

use std::collections::HashMap;

use url::form_urlencoded;

use super::*;
use crate::crypto::SigningKey;
use crate::crypto::jws_tests::verified;
use crate::domain::Secret;

const PEM: &str = include_str!("../../../tests/fixtures/keys/p256-pkcs8.pem");

fn key_house(key: &Value, extra: &Value, answers: impl IntoIterator<Item = Script>) -> TestService {
    let mut config = json!({ "clientSecret": null, "privateKey": key, "retry": { "baseMs": 1 } });
    for (field, value) in extra.as_object().unwrap() {
        config[field] = value.clone();
    }
    TestService::with(&config, answers)
}

fn form(fixture: &TestService, index: usize) -> HashMap<String, String> {
    form_urlencoded::parse(fixture.server.asked(index).as_bytes()).into_owned().collect()
}

/// The claims of the assertion in a request.
fn claims(fixture: &TestService, index: usize) -> Value {
    let form = form(fixture, index);
    assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert_eq!(form["client_id"], "app");
    let key = SigningKey::from_text(&Secret::new(PEM), None).unwrap();
    verified(&Secret::new(form["client_assertion"].as_str()), &key).unwrap()
}

#[tokio::test]
async fn every_request_and_every_repetition_has_an_assertion_of_its_own() {
    let fixture = key_house(
        &json!(PEM),
        &json!({}),
        [
            rotating("one", "r1"),
            refusal(503, ""),
            rotating("two", "r2"),
            refusal(401, "invalid_grant"),
            token("three", 3600),
        ],
    );
    assert_eq!(fixture.token().await.as_deref(), Some("one"));
    fixture.pass(10);
    fixture.service.refresh().await.unwrap();
    fixture.pass(10);
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.token().await.as_deref(), Some("three"));

    let grants: Vec<_> = (0..5).map(|index| form(&fixture, index)["grant_type"].clone()).collect();
    assert_eq!(
        grants,
        ["client_credentials", "refresh_token", "refresh_token", "refresh_token", "client_credentials"]
    );
    let all: Vec<_> = (0..5).map(|index| claims(&fixture, index)).collect();
    let ids: std::collections::HashSet<_> = all.iter().map(|claims| claims["jti"].to_string()).collect();
    assert_eq!(ids.len(), 5, "{all:?}");
    assert!(all.iter().all(|claims| claims["aud"] == "https://h/token"), "{all:?}");
    assert_eq!(all[0]["iat"], 1_800_000_000);
}

#[tokio::test]
async fn an_audience_of_its_own_is_in_every_assertion() {
    let key = json!({ "pem": PEM, "audience": "https://issuer.example.com/" });
    let fixture = key_house(&key, &json!({}), [token("one", 3600)]);
    fixture.token().await;
    assert_eq!(claims(&fixture, 0)["aud"], "https://issuer.example.com/");
}

#[tokio::test]
async fn a_key_in_a_file_is_read_when_it_is_needed_and_its_absence_names_the_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let key = json!({ "path": path });
    let fixture = key_house(&key, &json!({ "onFailure": "throw" }), [token("one", 3600)]);
    let error = fixture.service.acquire().await.unwrap_err();
    assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("privateKey.path")));
    assert!(!error.message().contains("key.pem"), "{}", error.message());
    assert_eq!(fixture.server.requests(), 0);

    std::fs::write(&path, PEM).unwrap();
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.token().await.as_deref(), Some("one"));
    assert_eq!(claims(&fixture, 0)["iss"], "app");
}

#[tokio::test]
async fn a_file_with_another_kind_of_key_names_the_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    for (text, alg, field) in [
        (PEM, "RS256", "privateKey.alg"),
        ("hunter2", "ES256", "privateKey.path"),
        (include_str!("../../../tests/fixtures/keys/rsa-public.pem"), "RS256", "privateKey.path"),
    ] {
        std::fs::write(&path, text).unwrap();
        let key = json!({ "path": path, "alg": alg });
        let fixture = key_house(&key, &json!({ "onFailure": "throw" }), []);
        let error = fixture.service.acquire().await.unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)), "{}", error.message());
        assert!(!error.message().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_stored_token_opens_with_the_same_key_wherever_it_is_and_with_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    std::fs::write(&path, PEM).unwrap();
    let storage = json!({ "storage": { "kind": "file", "path": folder.path().join("cache.json") } });
    let first = key_house(&json!(PEM), &storage, [token("one", 3600)]);
    assert_eq!(first.token().await.as_deref(), Some("one"));
    let stored = std::fs::read_to_string(folder.path().join("cache.json")).unwrap();
    assert!(!stored.contains("\"one\""), "it is sealed: {stored}");

    let second = key_house(&json!({ "path": path }), &storage, []);
    assert_eq!(second.token().await.as_deref(), Some("one"));

    let other = include_str!("../../../tests/fixtures/keys/ed25519.pem");
    let third = key_house(&json!(other), &storage, [token("two", 3600)]);
    assert_eq!(third.token().await.as_deref(), Some("two"));
}

#[tokio::test]
async fn an_assertion_that_was_refused_by_a_clock_that_is_an_hour_ahead_is_made_again_once() {
    let refused = || {
        let date = vec![("date", "Fri, 15 Jan 2027 09:00:00 GMT".to_owned())];
        Script::Headed(401, json!({ "error": "invalid_client" }), date)
    };
    let fixture = key_house(&json!(PEM), &json!({}), [refused(), token("one", 3600)]);
    assert_eq!(fixture.token().await.as_deref(), Some("one"));
    assert_eq!(
        (&claims(&fixture, 0)["iat"], &claims(&fixture, 1)["iat"]),
        (&json!(1_800_000_000), &json!(1_800_003_600))
    );

    let fixture = key_house(&json!(PEM), &json!({ "onFailure": "throw" }), [refused(), refused()]);
    assert_eq!(fixture.service.acquire().await.unwrap_err().kind(), ErrorKind::Credentials);
    assert_eq!(fixture.server.requests(), 2);
}
