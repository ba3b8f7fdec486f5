//! What others make: assertions and tokens that are read for each request, and signatures of functions.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use url::form_urlencoded;

use super::*;
use crate::crypto::jws_tests::{key, verified};
use crate::crypto::{JwsHeader, SigningKey, UnsignedToken};

const PEM: &str = include_str!("../../../tests/fixtures/keys/p256-pkcs8.pem");
const RSA: &str = include_str!("../../../tests/fixtures/keys/rsa-pkcs8.pem");

/// The assertion of a platform.
fn assertion(name: &str, exp: i64) -> String {
    let key = key(PEM, None);
    let token = UnsignedToken::new(&JwsHeader::new("ES256"), &json!({ "sub": name, "exp": exp })).unwrap();
    token.sign(key.algorithm, &key.key).unwrap().expose().to_owned()
}

fn house(extra: &Value, answers: impl IntoIterator<Item = Script>) -> TestService {
    let mut config = json!({ "clientSecret": null, "onFailure": "throw", "retry": { "baseMs": 1 } });
    config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    TestService::with(&config, answers)
}

fn form(fixture: &TestService, index: usize) -> HashMap<String, String> {
    form_urlencoded::parse(fixture.server.asked(index).as_bytes()).into_owned().collect()
}

fn claims(assertion: &str, key: &SigningKey) -> Value {
    verified(&Secret::new(assertion), key).expect("the signature is that of the key")
}

fn account(folder: &Path, changes: &Value) -> std::path::PathBuf {
    let path = folder.join("account.json");
    let mut account = json!({
        "type": "service_account", "private_key_id": "key-1", "private_key": RSA,
        "client_email": "robot@example.com", "token_uri": "https://h/token",
    });
    account.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    std::fs::write(&path, account.to_string()).unwrap();
    path
}

const NOW: i64 = 1_800_000_000;

#[tokio::test]
async fn the_assertion_of_a_platform_is_read_for_each_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let config = json!({ "clientAssertion": { "path": path } });
    let fixture = house(&config, [token("one", 3600), token("two", 3600)]);
    for (index, name) in ["first", "second"].into_iter().enumerate() {
        let given = assertion(name, NOW + 600);
        std::fs::write(&path, format!("{given}\n")).unwrap();
        fixture.pass(10);
        fixture.service.refresh().await.unwrap();
        let form = form(&fixture, index);
        assert_eq!(form["client_assertion"], given);
        assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        assert_eq!((form["client_id"].as_str(), form["grant_type"].as_str()), ("app", "client_credentials"));
    }
}

#[tokio::test]
async fn an_assertion_that_cannot_be_sent_is_an_error_that_names_the_field_and_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    for (extra, field) in [
        (json!({ "clientAssertion": { "path": path } }), "clientAssertion.path"),
        (json!({ "assertion": { "path": path } }), "assertion.path"),
        (json!({ "subjectToken": { "path": path } }), "subjectToken.path"),
        (json!({ "assertion": { "path": path }, "login": { "credentials": "assertion" } }), "assertion.path"),
    ] {
        for (text, reason) in [
            (None, "cannot be read"),
            (Some(String::new()), ""),
            (Some("hunter2\nhunter2".to_owned()), ""),
            (Some(assertion("old", NOW - 1)), "has expired"),
        ] {
            if field == "subjectToken.path" && reason == "has expired" {
                continue;
            }
            let _ = std::fs::remove_file(&path);
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let fixture = house(&extra, []);
            let error = fixture.service.acquire().await.unwrap_err();
            assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)), "{error}");
            assert!(error.message().contains(reason), "{error}");
            assert!(!error.message().contains("hunter2") && !error.message().contains("token\""), "{error}");
            assert_eq!(fixture.server.requests(), 0);
        }
    }
}

#[tokio::test]
async fn an_assertion_has_expired_by_the_servers_clock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, assertion("a", NOW + 600)).unwrap();
    // An hour ahead.
    let date = vec![("date", "Fri, 15 Jan 2027 09:00:00 GMT".to_owned())];
    let answer = Script::Headed(200, json!({ "access_token": "one", "expires_in": 3600 }), date);
    let fixture = house(&json!({ "clientAssertion": { "path": path } }), [answer]);
    fixture.token().await;
    fixture.pass(10);
    let error = fixture.service.refresh().await.unwrap_err();
    assert!(
        error.message().contains("has expired") && error.message().contains("2027-01-15T09:00"),
        "{error}"
    );
    assert_eq!(fixture.server.requests(), 1);
}

#[tokio::test]
async fn the_assertion_of_a_grant_is_signed_for_each_request_and_needs_no_client() {
    let config = json!({
        "privateKey": { "pem": RSA, "alg": "RS256" }, "scope": "signature impersonation",
        "assertion": { "subject": "user-1", "lifetimeSeconds": 300, "claims": { "tier": 2 } },
    });
    let fixture = house(&config, [refusal(503, ""), token("one", 3600)]);
    assert_eq!(fixture.token().await.as_deref(), Some("one"));
    let mut identifiers = Vec::new();
    for index in 0..2 {
        let form = form(&fixture, index);
        let mut names: Vec<_> = form.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["assertion", "grant_type"], "the scope is in the assertion");
        assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
        let mut claims = claims(&form["assertion"], &key(RSA, None));
        identifiers.push(claims["jti"].take());
        assert_eq!(
            claims,
            json!({
                "iss": "app", "sub": "user-1", "aud": "https://h/token", "scope": "signature impersonation",
                "jti": null, "iat": NOW, "exp": NOW + 300, "tier": 2,
            })
        );
    }
    assert_ne!(identifiers[0], identifiers[1]);
}

#[tokio::test]
async fn the_scope_goes_where_it_is_configured() {
    for (assertion, in_claim, in_form) in [
        (json!({}), Some("a b"), None),
        (json!({ "scope": "c" }), Some("c"), Some("a b")),
        (json!({ "scope": false }), None, Some("a b")),
    ] {
        let config =
            json!({ "privateKey": PEM, "grant": "jwt_bearer", "scope": "a b", "assertion": assertion });
        let fixture = house(&config, [token("one", 3600)]);
        fixture.token().await;
        let form = form(&fixture, 0);
        let claims = claims(&form["assertion"], &key(PEM, None));
        assert_eq!(claims.get("scope").and_then(Value::as_str), in_claim);
        assert_eq!(form.get("scope").map(String::as_str), in_form);
    }
}

#[tokio::test]
async fn a_grant_whose_date_the_server_refuses_is_signed_again_once() {
    let refused = || {
        let date = vec![("date", "Fri, 15 Jan 2027 09:00:00 GMT".to_owned())];
        Script::Headed(400, json!({ "error": "invalid_grant" }), date)
    };
    let config = json!({ "privateKey": PEM, "grant": "jwt_bearer" });
    let fixture = house(&config, [refused(), token("one", 3600)]);
    assert_eq!(fixture.token().await.as_deref(), Some("one"));
    let dates: Vec<_> = (0..2)
        .map(|index| claims(&form(&fixture, index)["assertion"], &key(PEM, None))["iat"].clone())
        .collect();
    assert_eq!(dates, [json!(NOW), json!(NOW + 3600)]);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, assertion("a", NOW + 36_000)).unwrap();
    let fixture = house(&json!({ "assertion": { "path": path } }), [refused()]);
    fixture.service.acquire().await.unwrap_err();
    assert_eq!(fixture.server.requests(), 1, "an assertion of others stays what it is");
}

#[tokio::test]
async fn the_key_file_of_a_service_account_is_the_whole_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "authUrl": null, "clientId": null, "scope": "https://api/read",
        "privateKey": { "path": account(folder.path(), &json!({})) },
    });
    let fixture = house(&config, [token("one", 3600)]);
    assert_eq!(fixture.token().await.as_deref(), Some("one"));
    let form = form(&fixture, 0);
    let claims = claims(&form["assertion"], &key(RSA, None));
    assert_eq!(
        [&claims["iss"], &claims["aud"], &claims["scope"], &claims["sub"]],
        [&json!("robot@example.com"), &json!("https://h/token"), &json!("https://api/read"), &Value::Null]
    );
    let header = jsonwebtoken::decode_header(&form["assertion"]).unwrap();
    assert_eq!(header.kid.as_deref(), Some("key-1"));
    assert_eq!(form.len(), 2, "{form:?}");
}

#[tokio::test]
async fn a_file_that_is_not_a_service_account_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.json");
    let account = |changes: &Value| std::fs::read_to_string(account(folder.path(), changes)).unwrap();
    for (text, reason) in [
        (RSA.to_owned(), "set authUrl and clientId"),
        (account(&json!({ "token_uri": "http://public.example.com/" })), "not an https URL"),
        (account(&json!({ "token_uri": null })), "or set authUrl"),
        (account(&json!({ "type": "authorized_user" })), "not of a service account"),
    ] {
        std::fs::write(&path, text).unwrap();
        let config = json!({ "authUrl": null, "clientId": null, "privateKey": { "path": path } });
        let error = house(&config, []).service.acquire().await.unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("privateKey.path")));
        assert!(error.message().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_token_exchange_sends_the_token_of_the_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let config = json!({
        "clientSecret": "s3cret", "subjectToken": { "path": path }, "subjectTokenType": "jwt",
        "requestedTokenType": "access_token", "audience": "api", "resource": "https://api", "scope": "a",
        "fields": ["issued_token_type"],
    });
    let issued = Script::Http(
        200,
        json!({
            "access_token": "one", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer", "expires_in": 60,
        }),
        None,
    );
    let fixture = house(&config, [issued, token("two", 60)]);
    std::fs::write(&path, "first\n").unwrap();
    assert_eq!(fixture.token().await.as_deref(), Some("one"));
    std::fs::write(&path, "second").unwrap();
    fixture.pass(10);
    fixture.service.refresh().await.unwrap();
    assert_eq!(form(&fixture, 1)["subject_token"], "second");
    let expected = [
        ("audience", "api"),
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("resource", "https://api"),
        ("scope", "a"),
        ("subject_token", "first"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ];
    let mut sent: Vec<_> = form(&fixture, 0).into_iter().collect();
    sent.sort();
    assert_eq!(sent, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn the_text_of_a_server_is_cleared_of_what_was_presented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "correct-horse-battery").unwrap();
    let body = json!({ "error": "invalid_grant", "error_description": "bad correct-horse-battery" });
    let config = json!({ "subjectToken": { "path": path } });
    let fixture = house(&config, [Script::Http(400, body, None)]);
    let error = fixture.service.acquire().await.unwrap_err();
    let description = error.server_error().and_then(|server| server.description.clone()).unwrap_or_default();
    assert!(!description.contains("horse"), "{description}");
}

/// Functions that return a fixed value by field, and record with what they were called.
struct Functions(HashMap<&'static str, Value>, StdMutex<Vec<(String, Value)>>);

#[async_trait]
impl UserFunctions for Functions {
    async fn call(&self, field: &str, argument: Value, _: Duration) -> Result<Zeroizing<String>> {
        self.1.lock().unwrap().push((field.to_owned(), argument));
        Ok(Zeroizing::new(self.0[field].to_string()))
    }
}

fn calling(
    extra: &Value,
    results: &[(&'static str, Value)],
    answers: Vec<Script>,
) -> (TestService, Arc<Functions>) {
    let functions = Arc::new(Functions(results.iter().cloned().collect(), StdMutex::default()));
    let mut config = json!({ "clientSecret": null, "onFailure": "throw" });
    config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let fixture = TestService::calling(&config, Arc::clone(&functions) as Arc<dyn UserFunctions>, None);
    fixture.server.answers.lock().unwrap().extend(answers);
    (fixture, functions)
}

#[tokio::test]
async fn functions_present_what_they_return() {
    let function = json!({ "function": true });
    let given = assertion("a", NOW + 60);
    for (field, form_field, argument) in [
        ("clientAssertion", "client_assertion", json!({ "clientId": "app", "audience": "https://h/token" })),
        ("assertion", "assertion", json!({ "clientId": "app", "audience": "https://h/token" })),
        ("subjectToken", "subject_token", json!({})),
    ] {
        let results = [(field, json!(given))];
        let (fixture, functions) = calling(&json!({ field: function }), &results, vec![token("one", 60)]);
        fixture.service.acquire().await.unwrap();
        assert_eq!(form(&fixture, 0)[form_field], given);
        assert_eq!(functions.1.lock().unwrap()[0], (field.to_owned(), argument));

        for wrong in [Value::Null, json!(7), json!(" "), json!("two\nlines")] {
            let (fixture, _) = calling(&json!({ field: function }), &[(field, wrong)], Vec::new());
            let error = fixture.service.acquire().await.unwrap_err();
            assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)), "{error}");
            assert!(error.message().contains("return"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_function_signs_and_its_signature_is_checked() {
    let pair = key(PEM, None);
    let raw = UnsignedToken::new(&JwsHeader::new("ES256"), &json!({})).unwrap();
    let raw = raw.sign(pair.algorithm, &pair.key).unwrap();
    let signature = raw.expose().rsplit_once('.').unwrap().1.to_owned();
    let config = json!({ "privateKey": { "sign": { "function": true }, "alg": "ES256", "kid": "kms" } });
    let results = [("privateKey.sign", json!(signature))];
    let (fixture, functions) = calling(&config, &results, vec![token("one", 60)]);
    fixture.service.acquire().await.unwrap();
    let sent = form(&fixture, 0)["client_assertion"].clone();
    let (input, last) = sent.rsplit_once('.').unwrap();
    assert_eq!(last, signature);
    let (field, argument) = functions.1.lock().unwrap()[0].clone();
    assert_eq!((field.as_str(), argument), ("privateKey.sign", json!({ "input": input, "alg": "ES256" })));
    let header = URL_SAFE_NO_PAD.decode(input.split_once('.').unwrap().0).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header, json!({ "alg": "ES256", "typ": "JWT", "kid": "kms" }));

    let results = [("privateKey.sign", json!(STANDARD.encode([7; 65])))];
    let (fixture, _) = calling(&config, &results, Vec::new());
    let error = fixture.service.acquire().await.unwrap_err();
    assert_eq!(error.field(), Some("privateKey.sign"));
    assert!(error.message().contains("returned 65 bytes"), "{error}");
}

#[tokio::test]
async fn a_shared_secret_signs_by_hs256() {
    let secret = "correct horse battery staple, and then some more";
    let config = json!({ "clientSecret": secret, "clientAuthentication": "client_secret_jwt" });
    let fixture = house(&config, [token("one", 60)]);
    fixture.token().await;
    let form = form(&fixture, 0);
    assert!(!form.contains_key("client_secret"));
    let (input, tag) = form["client_assertion"].rsplit_once('.').unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    ring::hmac::verify(&key, input.as_bytes(), &URL_SAFE_NO_PAD.decode(tag).unwrap()).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(input.split_once('.').unwrap().1).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!([&claims["iss"], &claims["sub"], &claims["aud"]], ["app", "app", "https://h/token"]);
}
