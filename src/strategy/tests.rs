use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::domain::{AccessToken, Lifetime, Policy, Scheme, Secret, Timestamp, TokenSet};
use crate::error::{Error, ErrorKind, Retry};
use crate::oauth::{Granted, Refusal};
use crate::transport::Body;

/// A server that follows a script and remembers what it was asked.
struct Script {
    answers: Mutex<VecDeque<Result<Granted, Refusal>>>,
    asked: Mutex<Vec<String>>,
}

fn script(answers: impl IntoIterator<Item = Result<Granted, Refusal>>) -> Script {
    Script { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() }
}

impl Script {
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Exchange for Script {
    async fn exchange(&self, draft: Draft) -> Result<Granted, Refusal> {
        self.asked.lock().unwrap().push(format!("{} {}", draft.request.url.path(), text(&draft)));
        self.answers.lock().unwrap().pop_front().expect("a request beyond the script")
    }
}

fn text(draft: &Draft) -> String {
    let request = &draft.request;
    let basic = request.headers.iter().any(|(name, _)| name == "authorization");
    let body = match &request.body {
        Body::Form(text) | Body::Json(text) => text.expose().to_owned(),
        Body::Absent | Body::Empty => String::new(),
    };
    if basic { format!("[basic] {body}") } else { body }
}

#[expect(clippy::unnecessary_wraps, reason = "an answer of the script, as the others are")]
fn token() -> Result<Granted, Refusal> {
    Ok(Granted {
        access_token: AccessToken::parse("abc").unwrap(),
        scheme: Scheme::bearer(),
        refresh_token: None,
        refresh_name: None,
        lifetime: None,
        withheld: Vec::new(),
    })
}

fn refused(refusal: fn(Error) -> Refusal, kind: ErrorKind) -> Result<Granted, Refusal> {
    Err(refusal(Error::new(kind, "refused")))
}

fn not_here() -> Result<Granted, Refusal> {
    refused(Refusal::NotHere, ErrorKind::Endpoint)
}

fn wrong_format() -> Result<Granted, Refusal> {
    refused(Refusal::WrongFormat, ErrorKind::Endpoint)
}

fn invalid_client() -> Result<Granted, Refusal> {
    refused(Refusal::InvalidClient, ErrorKind::Credentials)
}

fn config(value: Value) -> Config {
    Config::from_json(value).unwrap()
}

fn login(url: &str) -> Config {
    config(json!({ "authUrl": url, "email": "a@b.c", "password": "p w" }))
}

fn client(url: &str) -> Config {
    config(json!({ "authUrl": url, "clientId": "app", "clientSecret": "s3cret" }))
}

async fn run(config: &Config, script: &Script) -> Result<Strategy, ErrorKind> {
    Search::new(config, None).obtain(script).await.map(|o| o.strategy).map_err(|error| error.kind())
}

#[tokio::test]
async fn a_login_is_tried_in_three_formats_when_the_request_is_wrong() {
    let script = script([wrong_format(), wrong_format(), token()]);
    let worked = run(&login("https://h/login"), &script).await.unwrap();
    assert_eq!(worked.format, Format::Password);
    assert_eq!(
        script.asked(),
        [
            r#"/login {"email":"a@b.c","password":"p w"}"#,
            r#"/login {"password":"p w","username":"a@b.c"}"#,
            "/login grant_type=password&username=a%40b.c&password=p+w",
        ]
    );
}

#[tokio::test]
async fn a_rejected_credential_is_sent_once() {
    let script = script([refused(Refusal::Rejected, ErrorKind::Credentials)]);
    assert_eq!(run(&login("https://h/login"), &script).await, Err(ErrorKind::Credentials));
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn a_bare_origin_is_probed_and_the_credential_goes_nowhere_else() {
    let answers =
        [not_here(), refused(Refusal::NoToken, ErrorKind::Response), not_here(), not_here(), not_here()];
    let script = script(answers.into_iter().chain([not_here()]));
    assert_eq!(run(&client("https://h"), &script).await, Err(ErrorKind::Endpoint));
    let paths: Vec<_> =
        script.asked().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(paths, COMMON_PATHS);
}

async fn failure(config: &Config, script: &Script) -> Error {
    Search::new(config, None).obtain(script).await.unwrap_err()
}

#[tokio::test]
async fn an_absent_endpoint_leads_to_the_common_ones_only_where_that_is_asked_for() {
    let probing = config(
        json!({ "authUrl": "https://h/v1/token", "clientId": "app", "clientSecret": "s", "probe": true }),
    );
    let found = script([not_here(), token()]);
    let worked = run(&probing, &found).await.unwrap();
    assert_eq!(worked.endpoint.path(), "/oauth/token");

    for probe in [None, Some(false)] {
        let strict = Config { probe, ..client("https://h/v1/token") };
        let once = script([not_here()]);
        let error = failure(&strict, &once).await;
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Endpoint, Retry::BackOff));
        assert!(error.message().contains("authUrl") && error.message().contains("probe: true"), "{error}");
        assert_eq!(once.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_login_that_is_not_there_may_be_a_wrong_password_and_cools_down() {
    let once = script([not_here()]);
    let error = failure(&login("https://h/login"), &once).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Endpoint, Retry::CoolDown));
    assert!(error.message().contains("wrong login") && error.message().contains("probe: true"), "{error}");
    assert_eq!(once.asked().len(), 1);

    let everywhere = script(COMMON_PATHS.map(|_| not_here()));
    let error = failure(&login("https://h"), &everywhere).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Endpoint, Retry::CoolDown));
    let everywhere = script(COMMON_PATHS.map(|_| not_here()));
    assert_eq!(failure(&client("https://h"), &everywhere).await.retry(), Retry::BackOff);
}

#[tokio::test]
async fn what_an_issuer_publishes_is_the_only_address() {
    let mut config = config(json!({ "issuer": "https://h", "clientId": "app", "clientSecret": "s" }));
    config.endpoint = Some(Url::parse("https://h/token").unwrap());
    config.probe = Some(false);
    let error = failure(&config, &script([not_here()])).await;
    assert!(error.message().contains("issuer") && !error.message().contains("probe"), "{error}");
}

#[tokio::test]
async fn a_page_at_the_configured_address_is_no_reason_to_probe() {
    let script = script([refused(Refusal::NoToken, ErrorKind::Response)]);
    assert_eq!(run(&login("https://h/login"), &script).await, Err(ErrorKind::Response));
}

#[tokio::test]
async fn a_refused_client_tries_the_other_method_once() {
    let found = script([invalid_client(), token()]);
    let worked = run(&client("https://h/token"), &found).await.unwrap();
    assert_eq!(worked.format_name(), "client_secret_post");
    assert_eq!(
        found.asked(),
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
async fn any_refusal_of_the_client_tries_the_other_method_once() {
    for refusal in [invalid_client, missing_client, unexplained] {
        let found = script([refusal(), token()]);
        let worked = run(&client("https://h/token"), &found).await.unwrap();
        assert_eq!(worked.format_name(), "client_secret_post");
        let twice = script([refusal(), refusal()]);
        assert!(run(&client("https://h/token"), &twice).await.is_err());
        assert_eq!(twice.asked().len(), 2);
    }
}

#[tokio::test]
async fn of_two_refusals_of_a_client_the_one_that_explains_it_is_told() {
    let said = |refusal: fn(Error) -> Refusal, kind, words: &str| {
        let said = crate::error::ServerError { description: Some(words.into()), ..Default::default() };
        Err(refusal(Error::new(kind, words).with_server_error(said)))
    };
    let client_is = || said(Refusal::InvalidClient, ErrorKind::Credentials, "the secret has expired");
    for other in [
        || refused(Refusal::MissingClient, ErrorKind::Endpoint),
        || refused(Refusal::WrongFormat, ErrorKind::Endpoint),
        || refused(Refusal::Unexplained, ErrorKind::Credentials),
    ] {
        for answers in [[client_is(), other()], [other(), client_is()]] {
            // A form that is refused before the client is looked at says nothing of its method.
            if matches!(answers[0], Err(Refusal::WrongFormat(_))) {
                continue;
            }
            let error = failure(&client("https://h/token"), &script(answers)).await;
            assert!(error.message().starts_with("the secret has expired."), "{error}");
            assert!(error.message().contains("client_secret_post"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_password_is_not_sent_again_for_a_401_that_says_nothing() {
    let both = config(json!({
        "authUrl": "https://h/token", "grant": "password", "clientId": "app", "clientSecret": "s",
        "username": "u", "password": "p",
    }));
    let once = script([unexplained()]);
    assert_eq!(run(&both, &once).await, Err(ErrorKind::Credentials));
    assert_eq!(once.asked().len(), 1);
    let named = script([invalid_client(), token()]);
    run(&both, &named).await.unwrap();
}

#[tokio::test]
async fn a_login_that_lacks_a_client_is_tried_in_the_next_format() {
    let script = script([missing_client(), missing_client(), token()]);
    assert_eq!(run(&login("https://h/token"), &script).await.unwrap().format, Format::Password);
}

#[test]
fn the_other_method_is_known_where_the_configuration_leaves_it_open() {
    let strategy = |method| Strategy {
        endpoint: Url::parse("https://h/token").unwrap(),
        format: Format::ClientCredentials,
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
    assert!(script.asked()[0].contains("client_secret=s"));
}

/// A client that has a key and no secret.
fn key_client(url: &str) -> Config {
    let pem = include_str!("../../tests/fixtures/keys/ed25519.pem");
    config(json!({ "authUrl": url, "clientId": "app", "privateKey": pem }))
}

#[tokio::test]
async fn a_refused_assertion_is_followed_by_no_other_method() {
    let script = script([invalid_client()]);
    assert_eq!(run(&key_client("https://h/token"), &script).await, Err(ErrorKind::Credentials));
    assert_eq!(script.asked(), ["/token grant_type=client_credentials&client_id=app"]);
}

#[tokio::test]
async fn a_method_that_is_remembered_of_another_credential_is_forgotten() {
    let config = key_client("https://h/token");
    let known = Strategy {
        endpoint: Url::parse("https://h/token").unwrap(),
        format: Format::ClientCredentials,
        method: Some(ClientAuthentication::Post),
        refresh_name: None,
        refreshes: false,
    };
    let script = script([token()]);
    let obtained = Search::new(&config, Some(&known)).obtain(&script).await.unwrap();
    assert_eq!(obtained.strategy.format_name(), "private_key_jwt");
}

#[test]
fn a_client_with_a_key_asserts_itself_to_the_token_endpoint_wherever_it_authenticates() {
    let mut config = key_client("https://h/token");
    config.revocation_url = Some(Url::parse("https://h/revoke").unwrap());
    config.refresh.url = Some(Url::parse("https://h/refresh").unwrap());
    config.refresh.format = Some(crate::config::RefreshFormat::Form);
    let strategy = |format| Strategy {
        endpoint: Url::parse("https://h/token").unwrap(),
        format,
        method: Some(ClientAuthentication::PrivateKeyJwt),
        refresh_name: None,
        refreshes: false,
    };
    let known = strategy(Format::ClientCredentials);
    let tokens = TokenSet {
        access_token: AccessToken::parse("abc").unwrap(),
        scheme: Scheme::bearer(),
        refresh_token: None,
        lifetime: Lifetime::new(Timestamp::MIN, Timestamp::MAX, &Policy::default(), 0.0),
    };
    for draft in [
        known.request(&config),
        strategy(Format::Password).request(&config),
        RefreshWay::of(&known, &config).unwrap().request(&known, &Secret::new("rt"), &config),
        revocation(&tokens, Some(&known), &config).unwrap(),
    ] {
        assert_eq!(draft.asserted_to.as_ref().map(Url::as_str), Some("https://h/token"), "{}", text(&draft));
        assert!(text(&draft).ends_with("client_id=app"), "{}", text(&draft));
    }
    let login = strategy(Format::JsonUsername).request(&config);
    assert_eq!(login.asserted_to, None, "a login has no place for it");
}

#[tokio::test]
async fn a_client_with_a_certificate_only_names_itself() {
    let certified = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
    let certificate = json!({ "cert": certified.cert.pem(), "key": certified.signing_key.serialize_pem() });
    let config =
        config(json!({ "authUrl": "https://h/token", "clientId": "app", "clientCertificate": certificate }));
    let script = script([token()]);
    assert_eq!(run(&config, &script).await.unwrap().format_name(), "tls_client_auth");
    assert_eq!(script.asked(), ["/token grant_type=client_credentials&client_id=app"]);
}

#[tokio::test]
async fn a_failing_server_ends_the_attempt_and_the_search_goes_on_where_it_stood() {
    let config = login("https://h");
    let script = script([not_here(), refused(Refusal::Failed, ErrorKind::Response), token()]);
    let mut search = Search::new(&config, None);
    assert_eq!(search.obtain(&script).await.unwrap_err().kind(), ErrorKind::Response);
    search.obtain(&script).await.unwrap();
    let paths: Vec<_> =
        script.asked().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(paths, ["/oauth/token", "/api/oauth/token", "/api/oauth/token"]);
}

#[tokio::test]
async fn what_worked_is_asked_first_and_forgotten_when_it_works_no_more() {
    let config = login("https://h");
    let known = Strategy {
        endpoint: Url::parse("https://h/api/login").unwrap(),
        format: Format::JsonUsername,
        method: None,
        refresh_name: None,
        refreshes: false,
    };
    let again = script([token()]);
    Search::new(&config, Some(&known)).obtain(&again).await.unwrap();
    assert!(again.asked()[0].starts_with("/api/login {\"password\""));

    let moved = script([not_here(), token()]);
    let obtained = Search::new(&config, Some(&known)).obtain(&moved).await.unwrap();
    assert_eq!(obtained.strategy.endpoint.path(), "/oauth/token");

    let elsewhere = login("https://other");
    let ignored = script([token()]);
    let obtained = Search::new(&elsewhere, Some(&known)).obtain(&ignored).await.unwrap();
    assert_eq!(obtained.strategy.endpoint.host_str(), Some("other"));
}

#[tokio::test]
async fn with_both_credentials_the_last_path_segment_decides() {
    let both = |url: &str| {
        config(json!({
            "authUrl": url, "clientId": "app", "clientSecret": "s", "username": "u", "password": "p",
        }))
    };
    let first = |config: &Config| formats(config)[0];
    assert_eq!(first(&both("https://h/oauth/token")), Format::ClientCredentials);
    assert_eq!(first(&both("https://h/oauth/token/")), Format::ClientCredentials);
    assert_eq!(first(&both("https://h/api/login")), Format::JsonUsername);
}

#[test]
fn a_custom_body_is_filled_in_once() {
    let config = config(json!({
        "authUrl": "https://h/login", "email": "a@b.c", "password": "{email}",
        "login": { "body": { "identity": "{email}", "nested": { "secret": "<{password}>" }, "device": 7, "curly": "{x" } },
    }));
    let way = Search::new(&config, None);
    let strategy = Strategy {
        endpoint: config.endpoint.clone().unwrap(),
        format: Format::Custom,
        method: None,
        refresh_name: None,
        refreshes: false,
    };
    drop(way);
    assert_eq!(
        text(&strategy.request(&config)),
        r#"{"curly":"{x","device":7,"identity":"a@b.c","nested":{"secret":"<{email}>"}}"#
    );
}

#[test]
fn a_refresh_token_is_spent_where_it_was_had() {
    let strategy = |format, name: Option<&str>| Strategy {
        endpoint: Url::parse("https://h/token").unwrap(),
        format,
        method: Some(ClientAuthentication::Basic),
        refresh_name: name.map(str::to_owned),
        refreshes: false,
    };
    let token = Secret::new("rt");

    let oauth = client("https://h/token");
    let known = strategy(Format::ClientCredentials, Some("refresh_token"));
    let way = RefreshWay::of(&known, &oauth).unwrap();
    assert_eq!(
        text(&way.request(&known, &token, &oauth)),
        "[basic] grant_type=refresh_token&refresh_token=rt"
    );

    let plain = login("https://h/login");
    assert_eq!(RefreshWay::of(&strategy(Format::JsonEmail, None), &plain), None);

    let mut simplejwt = login("https://h/login");
    simplejwt.refresh.url = Some(Url::parse("https://h/login/refresh/").unwrap());
    let known = strategy(Format::JsonEmail, Some("refresh"));
    let way = RefreshWay::of(&known, &simplejwt).unwrap();
    assert_eq!(text(&way.request(&known, &token, &simplejwt)), r#"{"refresh":"rt"}"#);

    simplejwt.refresh.format = Some(crate::config::RefreshFormat::Bearer);
    let way = RefreshWay::of(&known, &simplejwt).unwrap();
    assert_eq!(text(&way.request(&known, &token, &simplejwt)), "[basic] ");
}

#[test]
fn each_method_is_written_under_its_registered_name() {
    for method in ClientAuthentication::ALL {
        let strategy = Strategy {
            endpoint: Url::parse("https://h/token").unwrap(),
            format: Format::ClientCredentials,
            method: Some(method),
            refresh_name: None,
            refreshes: false,
        };
        let value = serde_json::to_value(&strategy).unwrap();
        assert_eq!(value["method"], method.name());
        assert_eq!(serde_json::from_value::<Strategy>(value).unwrap(), strategy);
    }
}

#[test]
fn a_strategy_is_written_and_read_without_a_secret() {
    let strategy = Strategy {
        endpoint: Url::parse("https://h/token").unwrap(),
        format: Format::ClientCredentials,
        method: Some(ClientAuthentication::Post),
        refresh_name: Some("refresh_token".into()),
        refreshes: false,
    };
    let value = serde_json::to_value(&strategy).unwrap();
    assert_eq!(
        value,
        json!({ "endpoint": "https://h/token", "format": "client_credentials", "method": "client_secret_post",
                "refresh_name": "refresh_token" })
    );
    assert_eq!(serde_json::from_value::<Strategy>(value).unwrap(), strategy);
}
