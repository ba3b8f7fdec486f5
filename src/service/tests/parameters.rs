//! Token requests of other shapes, seen from the service: what is shown of them, and whose record is whose.

use super::scripted_store::{ScriptedStore, clock, configured_process};
use super::*;

fn with_account(account: &str) -> Value {
    json!({ "parameters": { "account_id": account }, "onFailure": "throw", "retry": { "attempts": 1 } })
}

#[tokio::test]
async fn a_parameter_that_a_server_repeats_is_removed_from_the_message() {
    let answer = json!({ "error": "invalid_request", "error_description": "no account HUNTER2-0001 here" });
    let fixture = TestService::with(&with_account("hunter2-0001"), [Script::Http(400, answer, None)]);
    let error = fixture.service.acquire().await.unwrap_err();
    let said = error.server_error().and_then(|said| said.description.as_deref());
    assert_eq!(said, Some("no account [removed] here"));
    assert!(!format!("{error:?}").to_lowercase().contains("hunter2"));
    assert_eq!(fixture.server.asked(0), "grant_type=client_credentials&account_id=hunter2-0001");
}

#[tokio::test]
async fn a_parameter_that_comes_back_is_neither_a_token_nor_a_name_in_a_message() {
    let answer = json!({ "access_token": "hunter2-0001", "hunter2-0001": 1, "other": 2 });
    let fixture = TestService::with(&with_account("hunter2-0001"), [Script::Http(200, answer, None)]);
    let error = fixture.service.acquire().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Response);
    assert!(error.message().contains("other") && !error.message().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_record_of_other_parameters_is_not_taken_over() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let first = configured_process(&with_account("1"), &store, &clock, [token("of-1", 3600)]);
    assert_eq!(first.token().await.as_deref(), Some("of-1"));
    let again = configured_process(&with_account("1"), &store, &clock, []);
    assert_eq!(again.token().await.as_deref(), Some("of-1"));
    let other = configured_process(&with_account("2"), &store, &clock, [token("of-2", 3600)]);
    assert_eq!(other.token().await.as_deref(), Some("of-2"));
}

#[tokio::test]
async fn a_rejection_of_other_parameters_is_another_one() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let wrong = configured_process(&with_account("1"), &store, &clock, [refusal(401, "invalid_grant")]);
    assert_eq!(wrong.service.acquire().await.unwrap_err().kind(), ErrorKind::Credentials);
    let right = configured_process(&with_account("2"), &store, &clock, [token("abc", 3600)]);
    assert_eq!(right.token().await.as_deref(), Some("abc"));
}

#[tokio::test]
async fn the_status_names_what_is_used() {
    for (extra, grant, format) in [
        (json!({ "grantType": "account_credentials" }), "account_credentials", "client_secret_basic"),
        (json!({ "requestFormat": "json" }), "client_credentials", "json_client_secret_basic"),
        (json!({ "clientAuthentication": "none", "clientSecret": null }), "client_credentials", "none"),
        (
            json!({
                "clientId": null, "clientSecret": null, "username": "u", "password": "p",
                "login": { "credentials": "basic" },
            }),
            "login",
            "basic",
        ),
        (json!({ "login": { "body": { "k": "{clientSecret}" } } }), "login", "custom"),
    ] {
        let fixture = TestService::with(&extra, [token("abc", 3600)]);
        fixture.token().await;
        let strategy = fixture.service.status().strategy.unwrap();
        assert_eq!((strategy.grant.as_str(), strategy.format.as_str()), (grant, format), "{extra}");
    }
}

#[tokio::test]
async fn a_rotated_refresh_token_is_spent_in_the_configured_shape() {
    let extra = json!({ "requestFormat": "json", "parameters": { "account_id": "7" } });
    let fixture =
        TestService::with(&extra, [rotating("one", "r1"), rotating("two", "r2"), rotating("three", "r3")]);
    fixture.token().await;
    fixture.service.refresh().await.unwrap();
    fixture.service.refresh().await.unwrap();
    assert_eq!(
        fixture.server.asked(1),
        r#"{"account_id":"7","grant_type":"refresh_token","refresh_token":"r1"}"#
    );
    assert_eq!(
        fixture.server.asked(2),
        r#"{"account_id":"7","grant_type":"refresh_token","refresh_token":"r2"}"#
    );
}

#[tokio::test]
async fn a_proof_is_for_the_method_of_the_request() {
    let extra = json!({
        "clientId": null, "clientSecret": null, "username": "u", "password": "p", "dpop": true,
        "login": { "credentials": "basic", "method": "GET" },
    });
    let fixture = TestService::with(&extra, [token("abc", 3600)]);
    fixture.token().await;
    let proof = fixture.server.proofs.lock().unwrap()[0].clone().unwrap();
    let claims = proof.expose().split('.').nth(1).unwrap().to_owned();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["htm"], "GET");
    assert_eq!(fixture.server.asked(0), "GET /token");
}
