//! A function of the program as the login.

use super::*;
use crate::error::Retry;

/// Returns results by a script, and records with what it was called.
#[derive(Default)]
struct Login {
    results: StdMutex<VecDeque<Result<Value>>>,
    called: StdMutex<Vec<Value>>,
}

impl Login {
    fn new(results: impl IntoIterator<Item = Result<Value>>) -> Arc<Self> {
        Arc::new(Self { results: StdMutex::new(results.into_iter().collect()), called: StdMutex::default() })
    }

    fn calls(&self) -> usize {
        self.called.lock().unwrap().len()
    }

    fn called(&self, index: usize, member: &str) -> Value {
        self.called.lock().unwrap()[index][member].clone()
    }
}

#[async_trait]
impl UserFunctions for Login {
    async fn call(&self, field: &str, argument: Value, longest: Duration) -> Result<Zeroizing<String>> {
        assert_eq!((field, longest), ("login", Duration::from_secs(10)));
        self.called.lock().unwrap().push(argument);
        let result = self.results.lock().unwrap().pop_front().expect("a call beyond the script");
        Ok(Zeroizing::new(result?.to_string()))
    }
}

fn answer(token: &str, refresh_token: &Value) -> Value {
    let mut answer = json!({ "token": token, "expiresInSeconds": 3600 });
    if *refresh_token != json!("missing") {
        answer["refreshToken"] = refresh_token.clone();
    }
    answer
}

fn with_config(extra: &Value, login: &Arc<Login>) -> TestService {
    let mut config = json!({
        "login": { "function": true }, "authUrl": null, "clientId": null, "clientSecret": null, "onFailure": "throw",
    });
    for (key, value) in extra.as_object().unwrap() {
        config[key] = value.clone();
    }
    TestService::calling(&config, Arc::clone(login) as Arc<dyn UserFunctions>, None)
}

fn service(login: &Arc<Login>) -> TestService {
    with_config(&json!({}), login)
}

#[tokio::test]
async fn it_is_called_with_the_reason_and_the_last_refresh_token() {
    let login = Login::new([
        Ok(answer("t1", &json!("r1"))),
        Ok(answer("t2", &json!("missing"))),
        Ok(answer("t3", &json!(null))),
        Ok(answer("t4", &json!("r4"))),
    ]);
    let test = service(&login);
    assert_eq!(test.token().await.as_deref(), Some("t1"));
    // From the refresh point on.
    test.pass(3400);
    assert_eq!(test.token().await.as_deref(), Some("t1"));
    test.landed().await;
    assert_eq!(test.at_once().as_deref(), Some("t2"));
    test.service.refresh().await.unwrap();
    let refused = test.service.snapshot().unwrap().unwrap().generation;
    assert!(test.service.rejected(refused).await.unwrap());
    let words: Vec<_> = (0..4).map(|call| login.called(call, "reason")).collect();
    assert_eq!(words, ["missing", "expiring", "forced", "refused"]);
    let tokens: Vec<_> = (0..4).map(|call| login.called(call, "refreshToken")).collect();
    // A missing one stays, and null drops it.
    assert_eq!(tokens, [json!(null), json!("r1"), json!("r1"), json!(null)]);
    assert_eq!(login.called(0, "service"), "external_api");
    assert_eq!(test.server.requests(), 0);
}

#[tokio::test]
async fn a_token_that_has_expired_is_missing() {
    let login = Login::new([Ok(answer("t1", &json!("r1"))), Ok(answer("t2", &json!("r2")))]);
    let test = service(&login);
    test.token().await;
    test.pass(3601);
    assert_eq!(test.token().await.as_deref(), Some("t2"));
    assert_eq!((login.called(1, "reason"), login.called(1, "refreshToken")), (json!("missing"), json!("r1")));
}

#[tokio::test]
async fn it_is_called_once_for_each_attempt_however_it_fails() {
    let login = Login::new([
        Err(Error::new(ErrorKind::Network, "login() threw")),
        Err(Error::new(ErrorKind::Response, "login() threw")
            .with_retry(Retry::After(Duration::from_secs(30)))),
        Ok(answer("t1", &json!("missing"))),
    ]);
    let test = service(&login);
    assert_eq!(test.service.acquire().await.unwrap_err().kind(), ErrorKind::Network);
    assert_eq!(login.calls(), 1);
    test.pass(2);
    assert_eq!(test.service.acquire().await.unwrap_err().kind(), ErrorKind::Response);
    test.pass(29);
    assert_eq!(test.service.acquire().await.unwrap_err().kind(), ErrorKind::Response);
    assert_eq!(login.calls(), 2, "it asked for 30 s");
    test.pass(1);
    assert_eq!(test.token().await.as_deref(), Some("t1"));
}

#[tokio::test]
async fn rejected_credentials_cool_down_and_a_request_goes_through() {
    let rejected = || Err(Error::new(ErrorKind::Credentials, "login() threw"));
    let login = Login::new([rejected(), rejected(), Ok(answer("t1", &json!("missing")))]);
    let test = service(&login);
    assert_eq!(test.service.acquire().await.unwrap_err().kind(), ErrorKind::Credentials);
    test.pass(59);
    assert_eq!(test.service.acquire().await.unwrap_err().kind(), ErrorKind::Credentials);
    assert_eq!(login.calls(), 1);
    test.pass(1);
    assert_eq!(test.service.acquire().await.unwrap_err().kind(), ErrorKind::Credentials);
    assert_eq!(login.calls(), 2);
    test.service.refresh().await.unwrap();
    assert_eq!(test.at_once().as_deref(), Some("t1"));
}

#[tokio::test]
async fn a_failure_leaves_the_old_token_and_its_refresh_token() {
    let login = Login::new([
        Ok(answer("t1", &json!("r1"))),
        Err(Error::new(ErrorKind::Response, "login() threw")),
        Ok(answer("t2", &json!("missing"))),
    ]);
    let test = service(&login);
    test.token().await;
    test.service.refresh().await.unwrap_err();
    assert_eq!(test.at_once().as_deref(), Some("t1"));
    test.service.refresh().await.unwrap();
    assert_eq!(login.called(2, "refreshToken"), "r1");
}

#[tokio::test]
async fn the_refresh_token_that_comes_with_an_expired_token_is_kept() {
    let expired = json!({ "token": "t2", "refreshToken": "r2", "expiresAt": 1_700_000_000 });
    let login =
        Login::new([Ok(answer("t1", &json!("r1"))), Ok(expired), Ok(answer("t3", &json!("missing")))]);
    let test = service(&login);
    test.token().await;
    assert_eq!(test.service.refresh().await.unwrap_err().kind(), ErrorKind::Response);
    test.service.refresh().await.unwrap();
    assert_eq!(login.called(2, "refreshToken"), "r2");
}

#[tokio::test]
async fn its_fields_are_kept_and_name_the_api() {
    let answer = json!({
        "token": "t1", "expiresInSeconds": 3600, "fields": { "region": "eu", "instance_url": "https://eu.example.com" },
    });
    let login = Login::new([Ok(answer)]);
    let config = json!({
        "fields": ["instance_url"], "baseUrl": "{instance_url}", "allowedOrigins": ["https://*.example.com"],
    });
    let test = with_config(&config, &login);
    test.token().await;
    let snapshot = test.service.snapshot().unwrap().unwrap();
    let fields: Vec<_> = snapshot.fields.values().map(|(name, value)| (name, value.expose())).collect();
    assert_eq!(fields, [("instance_url", "https://eu.example.com"), ("region", "eu")]);
    assert_eq!(snapshot.base_url.unwrap().unwrap().as_str(), "https://eu.example.com/");
}

#[tokio::test]
async fn its_scheme_and_its_end_come_from_the_configuration_where_they_are_set() {
    let login = Login::new([Ok(json!({ "token": "t1", "tokenType": "odd" })), Ok(json!({ "token": "t2" }))]);
    let test = with_config(&json!({ "scheme": "Token", "neverExpires": true }), &login);
    test.token().await;
    let snapshot = test.service.snapshot().unwrap().unwrap();
    assert_eq!((snapshot.header.expose(), snapshot.expires_at), ("Token t1", None));
}
