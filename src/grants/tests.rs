use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::{Value, json};
use url::Url;

mod client;
mod shapes;

use super::*;
use crate::domain::{AccessToken, Secret, TokenType};
use crate::error::{Error, ErrorKind, Retry};
use crate::oauth::{Expiry, Granted, KeptFields, Refusal};
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
    async fn exchange(&self, draft: UnsignedRequest) -> Result<Granted, Refusal> {
        self.asked.lock().unwrap().push(format!("{} {}", draft.request.url.path(), text(&draft)));
        self.answers.lock().unwrap().pop_front().expect("a request beyond the script")
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

#[expect(clippy::unnecessary_wraps, reason = "an answer of the script, as the others are")]
fn token() -> Result<Granted, Refusal> {
    Ok(Granted {
        access_token: AccessToken::parse("abc").unwrap(),
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
async fn a_login_is_tried_in_three_formats_when_the_request_is_wrong() {
    let script = script([wrong_format(), wrong_format(), token()]);
    let worked = run(&login("https://h/login"), &script).await.unwrap();
    assert_eq!(worked.format, GrantFormat::Password);
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
async fn a_password_goes_no_further_than_to_the_first_that_answers_in_json() {
    let answer = || {
        let error = Error::new(ErrorKind::Response, "success: false").with_retry(Retry::CoolDown);
        Err(Refusal::NoToken(error))
    };
    let probed = script([not_here(), answer()]);
    assert_eq!(failure(&login("https://h"), &probed).await.retry(), Retry::CoolDown);
    assert_eq!(probed.asked().len(), 2);
    let without_password = script([answer(), token()]);
    run(&client("https://h"), &without_password).await.unwrap();
}

#[tokio::test]
async fn a_page_at_the_configured_address_is_no_reason_to_probe() {
    let script = script([refused(Refusal::NoToken, ErrorKind::Response)]);
    assert_eq!(run(&login("https://h/login"), &script).await, Err(ErrorKind::Response));
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
    let known = GrantRequest {
        endpoint: Url::parse("https://h/api/login").unwrap(),
        format: GrantFormat::JsonUsername,
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
fn nothing_repeats_the_fixed_values_of_a_login_and_the_refresh_token() {
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
fn a_refresh_token_is_spent_where_it_was_had() {
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
fn a_request_says_whether_it_spends_a_refresh_token() {
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
fn a_strategy_is_written_and_read_without_a_secret() {
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
async fn what_a_login_is_answered_without_a_reason_cools_down_and_is_not_sent_again() {
    let untellable = || {
        let (rejected, passing) =
            (Error::new(ErrorKind::Credentials, "no"), Error::new(ErrorKind::Response, "no"));
        Err(Refusal::Untellable(rejected, Box::new(passing)))
    };
    let silent_format = || {
        let error = Error::new(ErrorKind::Endpoint, "422").with_retry(Retry::CoolDown);
        Err(Refusal::WrongFormat(error))
    };
    let no_token = || refused(Refusal::NoToken, ErrorKind::Response);
    for (answer, for_a_client) in [
        (&untellable as &dyn Fn() -> Result<Granted, Refusal>, Retry::BackOff),
        (&silent_format, Retry::Never),
        (&no_token, Retry::BackOff),
    ] {
        let once = script([answer()]);
        assert_eq!(failure(&login("https://h/login"), &once).await.retry(), Retry::CoolDown);
        assert_eq!(once.asked().len(), 1);
        let once = script([answer()]);
        assert_eq!(failure(&client("https://h/token"), &once).await.retry(), for_a_client);
    }
    let error = failure(&login("https://h/login"), &script([silent_format()])).await;
    assert!(error.message().contains("login.body") && error.message().contains("login.format"), "{error}");
    let probed = script([untellable()]);
    assert_eq!(failure(&login("https://h"), &probed).await.retry(), Retry::CoolDown);
    let probed = script([untellable(), token()]);
    run(&client("https://h"), &probed).await.unwrap();
}

#[tokio::test]
async fn pages_at_every_address_see_the_password_once_each() {
    let everywhere = script(COMMON_PATHS.map(|_| refused(Refusal::NoToken, ErrorKind::Response)));
    let error = failure(&login("https://h"), &everywhere).await;
    assert_eq!(error.retry(), Retry::CoolDown);
    assert_eq!(everywhere.asked().len(), COMMON_PATHS.len());
}
