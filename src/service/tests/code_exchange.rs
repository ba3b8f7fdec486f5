//! The exchange of a user's consent for tokens.

use super::*;
use crate::grants::ConsentCode;

const PEM: &str = include_str!("../../../tests/fixtures/keys/p256-pkcs8.pem");

fn code() -> ConsentCode {
    ConsentCode::Authorization {
        code: Secret::new("the-code"),
        redirect_uri: "http://127.0.0.1:1/callback".into(),
        code_verifier: Secret::new("the-verifier"),
    }
}

fn device_code() -> ConsentCode {
    ConsentCode::Device(Secret::new("the-device-code"))
}

async fn exchange(fixture: &TestService, code: &ConsentCode) -> Result<ExchangedCode> {
    fixture.service.code_exchange().exchange(code, None).await
}

#[tokio::test]
async fn the_tokens_are_returned_and_not_held() {
    let fixture = test_service([rotating("one", "r1")]);
    let exchanged = exchange(&fixture, &code()).await.unwrap();
    assert_eq!(exchanged.granted.refresh_token.unwrap().expose(), "r1");
    assert!(!exchanged.is_bound);
    assert_eq!(fixture.at_once(), None);
    assert!(fixture.server.asked(0).starts_with("grant_type=authorization_code&code=the-code&"));
}

#[tokio::test]
async fn a_code_is_sent_once_even_after_a_failure() {
    for failure in [
        refusal(400, "invalid_grant"),
        refusal(503, ""),
        Script::Http(200, json!("<html>"), None),
        Script::Error(ErrorKind::Network),
        Script::Error(ErrorKind::Timeout),
    ] {
        let fixture = test_service([failure]);
        let error = exchange(&fixture, &code()).await.unwrap_err();
        assert!(!error.message().contains("the-code"), "{error}");
        assert_eq!(fixture.server.requests(), 1);
    }
}

#[tokio::test]
async fn the_alternative_method_follows_a_refused_client_once() {
    let refused = || refusal(401, "invalid_client");
    let fixture = test_service([refused(), rotating("one", "r1")]);
    exchange(&fixture, &code()).await.unwrap();
    assert!(fixture.server.asked(1).ends_with("&client_id=app&client_secret=s3cret"));
    let fixture = test_service([refused(), refused()]);
    assert_eq!(exchange(&fixture, &code()).await.unwrap_err().kind(), ErrorKind::Credentials);
    assert_eq!(fixture.server.requests(), 2);
}

#[tokio::test]
async fn the_errors_of_rfc_8628_stay_distinct_and_never_change_the_method() {
    for (status, error) in [
        (400, "authorization_pending"),
        (400, "slow_down"),
        (400, "access_denied"),
        (400, "expired_token"),
        (200, "authorization_pending"),
        (401, "authorization_pending"),
        (403, "authorization_pending"),
        (428, "authorization_pending"),
        (429, "slow_down"),
    ] {
        let fixture = test_service([refusal(status, error)]);
        let found = exchange(&fixture, &device_code()).await.unwrap_err();
        assert_eq!(found.server_error().unwrap().error.as_deref(), Some(error), "{status}");
        assert_eq!(fixture.server.requests(), 1, "{status} {error}");
    }
}

#[tokio::test]
async fn a_private_key_signs_each_exchange_and_dpop_proves_it() {
    let config = json!({ "clientSecret": null, "privateKey": PEM, "dpop": true });
    let bound =
        json!({ "access_token": "one", "token_type": "DPoP", "expires_in": 60, "refresh_token": "r1" });
    let nonce =
        Script::Headed(400, json!({ "error": "use_dpop_nonce" }), vec![("dpop-nonce", "eyJ7S_zG".into())]);
    let fixture = TestService::with(&config, [nonce, Script::Http(200, bound, None)]);
    let exchanged = exchange(&fixture, &code()).await.unwrap();
    assert!(exchanged.is_bound, "the access token is of no use to others");
    assert!(fixture.server.proofs.lock().unwrap().iter().all(Option::is_some));
    for index in 0..2 {
        assert!(fixture.server.asked(index).contains("&client_assertion=ey"));
    }
    assert_ne!(fixture.server.asked(0), fixture.server.asked(1), "each has an assertion of its own");
}

#[tokio::test]
async fn the_endpoints_come_from_the_metadata_unless_they_are_given() {
    let issuer = "https://id.example.com";
    let document = json!({
        "issuer": issuer, "token_endpoint": "https://id.example.com/token",
        "authorization_endpoint": "https://id.example.com/authorize",
        "device_authorization_endpoint": "https://id.example.com/device",
        "authorization_response_iss_parameter_supported": true,
    });
    let settings = json!({ "authUrl": null, "issuer": issuer });
    let fixture = TestService::with(
        &settings,
        [document.clone(), document].map(|document| Script::Http(200, document, None)),
    );
    let exchange = fixture.service.code_exchange();
    let known = exchange.endpoints(None, None).await.unwrap();
    assert_eq!(known.authorization.unwrap().path(), "/authorize");
    assert!(known.sends_issuer);
    let given = exchange.endpoints(Some("https://h/a"), None).await.unwrap();
    assert_eq!(given.authorization.unwrap().as_str(), "https://h/a");
    assert_eq!(given.device_authorization.unwrap().path(), "/device");
}

#[tokio::test]
async fn what_cannot_work_is_an_error_before_any_request() {
    let memory = json!({ "kind": "memory" });
    for (field, config, authorization) in [
        ("clientId", json!({ "clientId": null, "clientSecret": null, "token": "manual" }), None),
        ("authUrl", json!({ "authUrl": "https://h" }), None),
        (
            "dpop",
            json!({ "dpop": true, "clientSecret": null, "clientAuthentication": "none", "storage": memory }),
            None,
        ),
        ("OAUTH_AUTHORIZATION_URL", json!({}), Some("http://h.example.com/a")),
        ("OAUTH_AUTHORIZATION_URL", json!({}), Some("https://h/a#b")),
        ("OAUTH_AUTHORIZATION_URL", json!({}), Some("nonsense")),
    ] {
        let fixture = TestService::with(&config, []);
        let error = fixture.service.code_exchange().endpoints(authorization, None).await.unwrap_err();
        assert_eq!(error.field(), Some(field));
        assert_eq!(fixture.server.requests(), 0);
    }
}
