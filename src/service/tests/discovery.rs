//! A service that has its endpoints from an issuer.

use super::scripted_store::{ScriptedStore, clock, configured_process, pass};
use super::*;

const ISSUER: &str = "https://id.example.com";

fn settings(extra: &Value) -> Value {
    let mut config = json!({ "authUrl": null, "issuer": ISSUER, "retry": { "attempts": 1 } });
    config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    config
}

fn with(answers: impl IntoIterator<Item = Script>) -> TestService {
    TestService::with(&settings(&json!({})), answers)
}

fn metadata() -> Script {
    metadata_of(ISSUER, "https://id.example.com/token")
}

fn metadata_of(issuer: &str, token_endpoint: &str) -> Script {
    let document = json!({
        "issuer": issuer, "token_endpoint": token_endpoint, "revocation_endpoint": "https://id.example.com/revoke",
    });
    Script::Http(200, document, None)
}

fn not_found() -> Script {
    Script::Http(404, json!({}), None)
}

const OPENID: &str = "GET /.well-known/openid-configuration";
const OAUTH: &str = "GET /.well-known/oauth-authorization-server";
const LOGIN: &str = "grant_type=client_credentials";

fn all_asked(fixture: &TestService) -> Vec<String> {
    (0..fixture.server.requests()).map(|index| fixture.server.asked(index)).collect()
}

#[tokio::test]
async fn the_metadata_is_requested_once_a_day_and_does_not_count_as_a_token_request() {
    let fixture = with([metadata(), token("a1", 3600), token("a2", 3600), metadata(), token("a3", 3600)]);
    assert_eq!(fixture.token().await.as_deref(), Some("a1"));
    fixture.service.refresh().await.unwrap();
    fixture.pass(86_401);
    assert_eq!(fixture.token().await.as_deref(), Some("a3"));
    assert_eq!(all_asked(&fixture), [OPENID, LOGIN, LOGIN, OPENID, LOGIN]);
    assert_eq!(fixture.service.status().counters.token_requests, 3);
    assert_eq!(fixture.service.status().strategy.unwrap().endpoint, "https://id.example.com/token");
}

#[tokio::test]
async fn the_other_standards_address_is_asked_where_the_first_has_nothing() {
    let page = Script::Http(200, json!("a page"), None);
    for nothing in [not_found(), Script::Http(405, json!({}), None), page] {
        let fixture = with([nothing, metadata(), token("a1", 3600)]);
        assert_eq!(fixture.token().await.as_deref(), Some("a1"));
        assert_eq!(all_asked(&fixture)[..2], [OPENID, OAUTH]);
    }
}

#[tokio::test]
async fn without_metadata_no_credential_is_sent() {
    let cases = [
        (vec![not_found(), not_found()], ErrorKind::Endpoint),
        (vec![metadata_of("https://evil.example.com", "https://evil.example.com/token")], ErrorKind::Config),
        (vec![metadata_of("https://id.example.com/", "https://id.example.com/token")], ErrorKind::Config),
        (vec![metadata_of(ISSUER, "http://id.example.com/token")], ErrorKind::Response),
        (vec![Script::Http(503, json!({}), None)], ErrorKind::Response),
        (vec![Script::Error(ErrorKind::Tls)], ErrorKind::Tls),
        (vec![Script::Error(ErrorKind::Timeout)], ErrorKind::Timeout),
    ];
    for (answers, kind) in cases {
        let fixture = with(answers);
        let error = fixture.service.refresh().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.message());
        assert!(all_asked(&fixture).iter().all(|line| line.starts_with("GET ")));
        assert_eq!(fixture.service.status().counters.token_requests, 0);
    }
}

#[tokio::test]
async fn the_error_says_what_was_looked_for_or_whose_metadata_it_is() {
    let absent = with([not_found(), not_found()]).service.refresh().await.unwrap_err();
    assert!(
        absent.message().contains("/.well-known/openid-configuration or /.well-known/oauth-"),
        "{absent}"
    );
    assert_eq!(absent.status(), Some(404));
    let other = with([metadata_of("https://id.example.com/", "https://id.example.com/token")]);
    let other = other.service.refresh().await.unwrap_err();
    assert_eq!(other.field(), Some("issuer"));
    assert!(other.message().contains("the slash at the end differs"), "{other}");
}

#[tokio::test]
async fn metadata_that_cannot_be_refreshed_stays_in_use() {
    let down = Script::Http(503, json!({}), None);
    let fixture = with([metadata(), token("a1", 3600), down, token("a2", 3600)]);
    fixture.token().await;
    fixture.pass(86_401);
    assert_eq!(fixture.token().await.as_deref(), Some("a2"));
}

#[tokio::test]
async fn an_endpoint_that_moved_is_looked_up_again() {
    let moved = metadata_of(ISSUER, "https://id.example.com/v2/token");
    let fixture =
        with([metadata(), rotating("a1", "r1"), not_found(), not_found(), moved, rotating("a2", "r2")]);
    fixture.token().await;
    fixture.service.refresh().await.unwrap_err();
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.service.status().strategy.unwrap().endpoint, "https://id.example.com/v2/token");
}

#[tokio::test]
async fn a_restart_with_a_good_token_sends_no_request_and_its_refresh_token_is_spent_at_the_issuers_endpoint()
{
    let (store, clock) = (ScriptedStore::new(), clock());
    let begin = |answers: Vec<Script>| configured_process(&settings(&json!({})), &store, &clock, answers);
    begin(vec![metadata(), rotating("a1", "r1")]).token().await;
    let next = begin(vec![metadata(), rotating("a2", "r2")]);
    assert_eq!(next.token().await.as_deref(), Some("a1"));
    assert_eq!(next.server.requests(), 0);
    next.service.refresh().await.unwrap();
    assert_eq!(all_asked(&next), [OPENID, "grant_type=refresh_token&refresh_token=r1"]);
    pass(&clock, 1).await;
}

#[tokio::test]
async fn a_token_is_revoked_where_the_metadata_says() {
    let revoked = Script::Http(200, json!({}), None);
    let fixture = with([metadata(), token("a1", 3600), revoked]);
    fixture.token().await;
    fixture.service.clear(true).await.unwrap();
    assert_eq!(fixture.server.asked(2), "token=a1&token_type_hint=access_token");
}

#[tokio::test]
async fn a_login_at_an_issuer_is_the_password_grant() {
    let login = json!({ "clientSecret": null, "username": "ann", "password": "pw" });
    let fixture = TestService::with(&settings(&login), [metadata(), token("a1", 3600)]);
    fixture.token().await;
    assert_eq!(fixture.server.asked(1), "grant_type=password&username=ann&password=pw&client_id=app");
}
