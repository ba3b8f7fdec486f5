//! Client authentication, and what happens if it is rejected.

use super::*;
use crate::domain::{Lifetime, Policy, Timestamp, TokenSet};
use crate::error::ServerError;
use crate::oauth::LatePart;

fn invalid_client() -> Result<Granted, Refusal> {
    refused(Refusal::InvalidClient, ErrorKind::Credentials)
}

#[tokio::test]
async fn a_rejected_client_tries_the_other_method_once() {
    let found = script([invalid_client(), token()]);
    let obtained_by = run(&client("https://h/token"), &found).await.unwrap();
    assert_eq!(obtained_by.format_name(&client("https://h/token")), "client_secret_post");
    assert_eq!(
        found.requests(),
        [
            "/token [basic] grant_type=client_credentials",
            "/token grant_type=client_credentials&client_id=app&client_secret=s3cret"
        ]
    );

    let refused = script([invalid_client(), invalid_client()]);
    assert_eq!(run(&client("https://h/token"), &refused).await, Err(ErrorKind::Credentials));
}

fn missing_client() -> Result<Granted, Refusal> {
    refused(Refusal::MissingClient, ErrorKind::Endpoint)
}

fn unexplained() -> Result<Granted, Refusal> {
    refused(Refusal::Unexplained, ErrorKind::Credentials)
}

#[tokio::test]
async fn any_rejection_of_the_client_tries_the_other_method_once() {
    for refusal in [invalid_client, missing_client, unexplained] {
        let found = script([refusal(), token()]);
        let obtained_by = run(&client("https://h/token"), &found).await.unwrap();
        assert_eq!(obtained_by.format_name(&client("https://h/token")), "client_secret_post");
        let twice = script([refusal(), refusal()]);
        assert!(run(&client("https://h/token"), &twice).await.is_err());
        assert_eq!(twice.requests().len(), 2);
    }
}

#[tokio::test]
async fn of_two_errors_of_a_client_the_more_informative_one_is_reported() {
    let explained = |refusal: fn(Error) -> Refusal, kind, words: &str| {
        let server_error = ServerError { description: Some(words.into()), ..Default::default() };
        Err(refusal(Error::new(kind, words).with_server_error(server_error)))
    };
    let client_error = || explained(Refusal::InvalidClient, ErrorKind::Credentials, "the secret has expired");
    for other in [
        || refused(Refusal::MissingClient, ErrorKind::Endpoint),
        || refused(Refusal::WrongFormat, ErrorKind::Endpoint),
        || refused(Refusal::Unexplained, ErrorKind::Credentials),
    ] {
        for results in [[client_error(), other()], [other(), client_error()]] {
            // A format that is rejected before the client is checked says nothing about the method.
            if matches!(results[0], Err(Refusal::WrongFormat(_))) {
                continue;
            }
            let error = failure(&client("https://h/token"), &script(results)).await;
            assert!(error.message().starts_with("the secret has expired."), "{error}");
            assert!(error.message().contains("client_secret_post"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_password_is_not_sent_again_after_a_401_without_a_reason() {
    let both = config(json!({
        "authUrl": "https://h/token", "grant": "password", "clientId": "app", "clientSecret": "s",
        "username": "u", "password": "p",
    }));
    let once = script([unexplained()]);
    assert_eq!(run(&both, &once).await, Err(ErrorKind::Credentials));
    assert_eq!(once.requests().len(), 1);
    let named = script([invalid_client(), token()]);
    run(&both, &named).await.unwrap();
}

#[tokio::test]
async fn a_login_without_a_client_is_tried_in_the_next_format() {
    let script = script([missing_client(), missing_client(), token()]);
    assert_eq!(run(&login("https://h/token"), &script).await.unwrap().format, GrantFormat::Password);
}

#[test]
fn there_is_another_method_if_none_is_configured() {
    let strategy = |method| GrantRequest {
        endpoint: Url::parse("https://h/token").unwrap(),
        format: GrantFormat::ClientCredentials,
        method: Some(method),
        refresh_name: None,
        refreshes: false,
    };
    let (basic, post) = (ClientAuthentication::Basic, ClientAuthentication::Post);
    let open = client("https://h/token");
    assert_eq!(strategy(basic).other_method(&open), Some(post));
    assert_eq!(strategy(post).other_method(&open), Some(basic));
    assert_eq!(strategy(ClientAuthentication::PrivateKeyJwt).other_method(&open), None);
    let named = config(json!({
        "authUrl": "https://h/token", "clientId": "app", "clientSecret": "s", "clientAuthentication": "client_secret_basic",
    }));
    assert_eq!(strategy(basic).other_method(&named), None);
}

#[tokio::test]
async fn a_configured_method_is_the_only_one() {
    let config = config(json!({
        "authUrl": "https://h/token", "clientId": "app", "clientSecret": "s", "clientAuthentication": "client_secret_post",
    }));
    let script = script([invalid_client()]);
    assert_eq!(run(&config, &script).await, Err(ErrorKind::Credentials));
    assert!(script.requests()[0].contains("client_secret=s"));
}

/// A client with a key and no secret.
fn key_client(url: &str) -> Config {
    let pem = include_str!("../../../tests/fixtures/keys/ed25519.pem");
    config(json!({ "authUrl": url, "clientId": "app", "privateKey": pem }))
}

#[tokio::test]
async fn after_a_rejected_assertion_no_other_method_is_tried() {
    let script = script([invalid_client()]);
    assert_eq!(run(&key_client("https://h/token"), &script).await, Err(ErrorKind::Credentials));
    assert_eq!(script.requests(), ["/token grant_type=client_credentials&client_id=app"]);
}

#[tokio::test]
async fn a_remembered_method_of_another_credential_is_ignored() {
    let config = key_client("https://h/token");
    let known = GrantRequest {
        endpoint: Url::parse("https://h/token").unwrap(),
        format: GrantFormat::ClientCredentials,
        method: Some(ClientAuthentication::Post),
        refresh_name: None,
        refreshes: false,
    };
    let script = script([token()]);
    let obtained = Search::new(&config, Some(&known)).obtain(&script).await.unwrap();
    assert_eq!(obtained.strategy.format_name(&config), "private_key_jwt");
}

#[test]
fn the_assertion_of_a_client_is_for_the_token_endpoint_in_every_request() {
    let mut config = key_client("https://h/token");
    config.revocation_url = Some(Url::parse("https://h/revoke").unwrap());
    config.refresh.url = Some(Url::parse("https://h/refresh").unwrap());
    config.refresh.format = Some(crate::config::RefreshFormat::Form);
    let strategy = |format| GrantRequest {
        endpoint: Url::parse("https://h/token").unwrap(),
        format,
        method: Some(ClientAuthentication::PrivateKeyJwt),
        refresh_name: None,
        refreshes: false,
    };
    let known = strategy(GrantFormat::ClientCredentials);
    let tokens = TokenSet {
        access_token: Some(AccessToken::parse("abc").unwrap()),
        scheme: TokenType::bearer(),
        refresh_token: None,
        lifetime: Lifetime::new(Timestamp::MIN, None, &Policy::default(), 0.0),
    };
    for draft in [
        known.request(&config),
        strategy(GrantFormat::Password).request(&config),
        RefreshRequest::of(&known, &config).unwrap().request(&known, &Secret::new("rt"), &config),
        revocation(&tokens, Some(&known), &config).unwrap(),
    ] {
        assert_eq!(draft.late, [LatePart::ClientAssertion(known.endpoint.clone())], "{}", text(&draft));
        assert!(text(&draft).ends_with("client_id=app"), "{}", text(&draft));
    }
    let login = strategy(GrantFormat::JsonUsername).request(&config);
    assert_eq!(login.late, [], "a login request cannot contain one");
}

#[tokio::test]
async fn a_client_with_a_certificate_sends_only_its_id() {
    let certified = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
    let certificate = json!({ "cert": certified.cert.pem(), "key": certified.signing_key.serialize_pem() });
    let config =
        config(json!({ "authUrl": "https://h/token", "clientId": "app", "clientCertificate": certificate }));
    let script = script([token()]);
    assert_eq!(run(&config, &script).await.unwrap().format_name(&config), "tls_client_auth");
    assert_eq!(script.requests(), ["/token grant_type=client_credentials&client_id=app"]);
}

#[test]
fn each_method_is_serialized_with_its_registered_name() {
    for method in ClientAuthentication::ALL {
        let strategy = GrantRequest {
            endpoint: Url::parse("https://h/token").unwrap(),
            format: GrantFormat::ClientCredentials,
            method: Some(method),
            refresh_name: None,
            refreshes: false,
        };
        let value = serde_json::to_value(&strategy).unwrap();
        assert_eq!(value["method"], method.name());
        assert_eq!(serde_json::from_value::<GrantRequest>(value).unwrap(), strategy);
    }
}
