use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::{Value, json};
use url::Url;

mod client;
mod requests;

use super::*;
use crate::domain::{AccessToken, Secret, TokenType};
use crate::error::{Error, ErrorKind, Retry};
use crate::oauth::{Expiry, Granted, KeptFields, Refusal};
use crate::transport::Body;

/// A server that returns scripted results and records the requests.
struct Script {
    results: Mutex<VecDeque<Result<Granted, Refusal>>>,
    requests: Mutex<Vec<String>>,
}

fn script(results: impl IntoIterator<Item = Result<Granted, Refusal>>) -> Script {
    Script { results: Mutex::new(results.into_iter().collect()), requests: Mutex::default() }
}

impl Script {
    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

#[async_trait]
impl Exchange for Script {
    async fn exchange(&self, draft: UnsignedRequest) -> Result<Granted, Refusal> {
        self.requests.lock().unwrap().push(format!("{} {}", draft.request.url.path(), text(&draft)));
        self.results.lock().unwrap().pop_front().expect("a request beyond the script")
    }
}

fn text(draft: &UnsignedRequest) -> String {
    let request = &draft.request;
    let basic = request.headers.iter().any(|(name, _)| name == "authorization");
    let body = match &request.body {
        Body::Form(text) | Body::Json(text) => text.expose().to_owned(),
        Body::Empty => String::new(),
    };
    if basic { format!("[basic] {body}") } else { body }
}

#[expect(clippy::unnecessary_wraps, reason = "it has the type of the other scripted results")]
fn token() -> Result<Granted, Refusal> {
    Ok(Granted {
        access_token: AccessToken::parse("abc").unwrap(),
        refresh_expiry: None,
        scheme: TokenType::bearer(),
        refresh_token: None,
        refresh_name: None,
        expiry: Expiry::Unknown,
        expiry_warning: None,
        withheld: Vec::new(),
        kept: KeptFields::default(),
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

fn config(value: Value) -> Config {
    Config::from_json(value).unwrap()
}

fn login(url: &str) -> Config {
    config(json!({ "authUrl": url, "email": "a@b.c", "password": "p w" }))
}

fn client(url: &str) -> Config {
    config(json!({ "authUrl": url, "clientId": "app", "clientSecret": "s3cret" }))
}

async fn run(config: &Config, script: &Script) -> Result<GrantRequest, ErrorKind> {
    Search::new(config, None).obtain(script).await.map(|o| o.strategy).map_err(|error| error.kind())
}

#[tokio::test]
async fn a_login_is_tried_in_three_formats_if_the_request_is_wrong() {
    let script = script([wrong_format(), wrong_format(), token()]);
    let found = run(&login("https://h/login"), &script).await.unwrap();
    assert_eq!(found.format, GrantFormat::Password);
    assert_eq!(
        script.requests(),
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
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn a_bare_origin_is_probed_and_credentials_are_sent_to_no_other_origin() {
    let results =
        [not_here(), refused(Refusal::NoToken, ErrorKind::Response), not_here(), not_here(), not_here()];
    let script = script(results.into_iter().chain([not_here()]));
    assert_eq!(run(&client("https://h"), &script).await, Err(ErrorKind::Endpoint));
    let paths: Vec<_> =
        script.requests().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(paths, COMMON_PATHS);
}

async fn failure(config: &Config, script: &Script) -> Error {
    Search::new(config, None).obtain(script).await.unwrap_err()
}

#[tokio::test]
async fn a_missing_endpoint_leads_to_the_common_ones_only_with_probe() {
    let probing = config(
        json!({ "authUrl": "https://h/v1/token", "clientId": "app", "clientSecret": "s", "probe": true }),
    );
    let second = script([not_here(), token()]);
    let found = run(&probing, &second).await.unwrap();
    assert_eq!(found.endpoint.path(), "/oauth/token");

    for probe in [None, Some(false)] {
        let strict = Config { probe, ..client("https://h/v1/token") };
        let once = script([not_here()]);
        let error = failure(&strict, &once).await;
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Endpoint, Retry::BackOff));
        assert!(error.message().contains("authUrl") && error.message().contains("probe: true"), "{error}");
        assert_eq!(once.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_login_that_is_not_found_may_be_a_wrong_password_and_cools_down() {
    let once = script([not_here()]);
    let error = failure(&login("https://h/login"), &once).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Endpoint, Retry::CoolDown));
    assert!(error.message().contains("wrong login") && error.message().contains("probe: true"), "{error}");
    assert_eq!(once.requests().len(), 1);

    let everywhere = script(COMMON_PATHS.map(|_| not_here()));
    let error = failure(&login("https://h"), &everywhere).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Endpoint, Retry::CoolDown));
    let everywhere = script(COMMON_PATHS.map(|_| not_here()));
    assert_eq!(failure(&client("https://h"), &everywhere).await.retry(), Retry::BackOff);
}

#[tokio::test]
async fn the_token_endpoint_of_an_issuer_is_the_only_one() {
    let mut config = config(json!({ "issuer": "https://h", "clientId": "app", "clientSecret": "s" }));
    config.endpoint = Some(Url::parse("https://h/token").unwrap());
    config.probe = Some(false);
    let error = failure(&config, &script([not_here()])).await;
    assert!(error.message().contains("issuer") && !error.message().contains("probe"), "{error}");
}

#[tokio::test]
async fn a_password_is_not_sent_on_after_a_json_response() {
    let result = || {
        let error = Error::new(ErrorKind::Response, "success: false").with_retry(Retry::CoolDown);
        Err(Refusal::NoToken(error))
    };
    let probed = script([not_here(), result()]);
    assert_eq!(failure(&login("https://h"), &probed).await.retry(), Retry::CoolDown);
    assert_eq!(probed.requests().len(), 2);
    let without_password = script([result(), token()]);
    run(&client("https://h"), &without_password).await.unwrap();
}

#[tokio::test]
async fn a_page_at_the_configured_endpoint_does_not_start_probing() {
    let script = script([refused(Refusal::NoToken, ErrorKind::Response)]);
    assert_eq!(run(&login("https://h/login"), &script).await, Err(ErrorKind::Response));
}

#[tokio::test]
async fn a_failing_server_ends_the_attempt_and_the_search_resumes_where_it_stopped() {
    let config = login("https://h");
    let script = script([not_here(), refused(Refusal::Failed, ErrorKind::Response), token()]);
    let mut search = Search::new(&config, None);
    assert_eq!(search.obtain(&script).await.unwrap_err().kind(), ErrorKind::Response);
    search.obtain(&script).await.unwrap();
    let paths: Vec<_> =
        script.requests().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(paths, ["/oauth/token", "/api/oauth/token", "/api/oauth/token"]);
}

#[tokio::test]
async fn the_request_that_worked_is_tried_first_and_forgotten_when_it_fails() {
    let config = login("https://h");
    let known = GrantRequest {
        endpoint: Url::parse("https://h/api/login").unwrap(),
        format: GrantFormat::JsonUsername,
        method: None,
        refresh_name: None,
        refreshes: false,
    };
    let again = script([token()]);
    Search::new(&config, Some(&known)).obtain(&again).await.unwrap();
    assert!(again.requests()[0].starts_with("/api/login {\"password\""));

    let moved = script([not_here(), token()]);
    let obtained = Search::new(&config, Some(&known)).obtain(&moved).await.unwrap();
    assert_eq!(obtained.strategy.endpoint.path(), "/oauth/token");

    let elsewhere = login("https://other");
    let ignored = script([token()]);
    let obtained = Search::new(&elsewhere, Some(&known)).obtain(&ignored).await.unwrap();
    assert_eq!(obtained.strategy.endpoint.host_str(), Some("other"));
}

#[tokio::test]
async fn with_both_kinds_of_credentials_the_last_path_segment_decides() {
    let both = |url: &str| {
        config(json!({
            "authUrl": url, "clientId": "app", "clientSecret": "s", "username": "u", "password": "p",
        }))
    };
    let first = |config: &Config| formats(config)[0];
    assert_eq!(first(&both("https://h/oauth/token")), GrantFormat::ClientCredentials);
    assert_eq!(first(&both("https://h/oauth/token/")), GrantFormat::ClientCredentials);
    assert_eq!(first(&both("https://h/api/login")), GrantFormat::JsonUsername);
}

#[test]
fn a_custom_body_is_filled_in_once() {
    let config = config(json!({
        "authUrl": "https://h/login", "email": "a@b.c", "password": "{email}",
        "login": { "body": { "identity": "{email}", "nested": { "secret": "<{password}>" }, "device": 7, "curly": "{x" } },
    }));
    let way = Search::new(&config, None);
    let strategy = GrantRequest {
        endpoint: config.endpoint.clone().unwrap(),
        format: GrantFormat::Custom,
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
fn the_fixed_values_of_a_login_and_the_refresh_token_are_secrets() {
    let config = config(json!({
        "authUrl": "https://h/login", "email": "a@b.c", "password": "p", "refreshUrl": "https://h/renew",
        "login": { "body": { "user": "{email}", "nested": [{ "apiKey": "k-12345678" }], "kind": "web" } },
    }));
    let strategy = GrantRequest {
        endpoint: config.endpoint.clone().unwrap(),
        format: GrantFormat::Custom,
        method: None,
        refresh_name: None,
        refreshes: false,
    };
    let secrets = |draft: UnsignedRequest| -> Vec<String> {
        draft.secrets().iter().map(|secret| secret.expose().to_owned()).collect()
    };
    assert_eq!(secrets(strategy.request(&config)), ["k-12345678"]);
    let way = RefreshRequest::of(&strategy, &config).unwrap();
    assert_eq!(secrets(way.request(&strategy, &Secret::new("rt"), &config)), ["rt"]);
}

#[test]
fn a_refresh_token_is_sent_where_it_was_obtained() {
    let strategy = |format, name: Option<&str>| GrantRequest {
        endpoint: Url::parse("https://h/token").unwrap(),
        format,
        method: Some(ClientAuthentication::Basic),
        refresh_name: name.map(str::to_owned),
        refreshes: false,
    };
    let token = Secret::new("rt");

    let oauth = client("https://h/token");
    let known = strategy(GrantFormat::ClientCredentials, Some("refresh_token"));
    let way = RefreshRequest::of(&known, &oauth).unwrap();
    assert_eq!(
        text(&way.request(&known, &token, &oauth)),
        "[basic] grant_type=refresh_token&refresh_token=rt"
    );

    let plain = login("https://h/login");
    assert_eq!(RefreshRequest::of(&strategy(GrantFormat::JsonEmail, None), &plain), None);

    let mut simplejwt = login("https://h/login");
    simplejwt.refresh.url = Some(Url::parse("https://h/login/refresh/").unwrap());
    let known = strategy(GrantFormat::JsonEmail, Some("refresh"));
    let way = RefreshRequest::of(&known, &simplejwt).unwrap();
    assert_eq!(text(&way.request(&known, &token, &simplejwt)), r#"{"refresh":"rt"}"#);

    simplejwt.refresh.format = Some(crate::config::RefreshFormat::Bearer);
    let way = RefreshRequest::of(&known, &simplejwt).unwrap();
    assert_eq!(text(&way.request(&known, &token, &simplejwt)), "[basic] ");
}

#[test]
fn a_request_knows_whether_it_contains_a_refresh_token() {
    let mut config = client("https://h/token");
    let known = GrantRequest {
        endpoint: Url::parse("https://h/token").unwrap(),
        format: GrantFormat::ClientCredentials,
        method: Some(ClientAuthentication::Basic),
        refresh_name: None,
        refreshes: false,
    };
    assert!(!known.request(&config).is_refresh);
    for format in [
        crate::config::RefreshFormat::Form,
        crate::config::RefreshFormat::Json,
        crate::config::RefreshFormat::Bearer,
    ] {
        config.refresh.format = Some(format);
        let way = RefreshRequest::of(&known, &config).unwrap();
        assert!(way.request(&known, &Secret::new("rt"), &config).is_refresh, "{format:?}");
    }
}

#[test]
fn a_grant_request_is_serialized_without_a_secret() {
    let strategy = GrantRequest {
        endpoint: Url::parse("https://h/token").unwrap(),
        format: GrantFormat::ClientCredentials,
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
    assert_eq!(serde_json::from_value::<GrantRequest>(value).unwrap(), strategy);
}

#[tokio::test]
async fn a_login_that_is_rejected_without_a_reason_cools_down_and_is_not_repeated() {
    let ambiguous = || {
        let (rejected, temporary) =
            (Error::new(ErrorKind::Credentials, "no"), Error::new(ErrorKind::Response, "no"));
        Err(Refusal::Ambiguous(rejected, Box::new(temporary)))
    };
    let silent_format = || {
        let error = Error::new(ErrorKind::Endpoint, "422").with_retry(Retry::CoolDown);
        Err(Refusal::WrongFormat(error))
    };
    let no_token = || refused(Refusal::NoToken, ErrorKind::Response);
    for (result, for_a_client) in [
        (&ambiguous as &dyn Fn() -> Result<Granted, Refusal>, Retry::BackOff),
        (&silent_format, Retry::Never),
        (&no_token, Retry::BackOff),
    ] {
        let once = script([result()]);
        assert_eq!(failure(&login("https://h/login"), &once).await.retry(), Retry::CoolDown);
        assert_eq!(once.requests().len(), 1);
        let once = script([result()]);
        assert_eq!(failure(&client("https://h/token"), &once).await.retry(), for_a_client);
    }
    let error = failure(&login("https://h/login"), &script([silent_format()])).await;
    assert!(error.message().contains("login.body") && error.message().contains("login.format"), "{error}");
    let probed = script([ambiguous()]);
    assert_eq!(failure(&login("https://h"), &probed).await.retry(), Retry::CoolDown);
    let probed = script([ambiguous(), token()]);
    run(&client("https://h"), &probed).await.unwrap();
}

#[tokio::test]
async fn probing_sends_a_password_once_to_each_page() {
    let everywhere = script(COMMON_PATHS.map(|_| refused(Refusal::NoToken, ErrorKind::Response)));
    let error = failure(&login("https://h"), &everywhere).await;
    assert_eq!(error.retry(), Retry::CoolDown);
    assert_eq!(everywhere.requests().len(), COMMON_PATHS.len());
}
