//! Secrets that are read from files, and several of one kind.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::scripted_store::{ScriptedStore, acquiring, clock, configured_process, hold, passing, until};
use super::*;
use crate::store::FileStore;

/// A folder with one file in it.
struct SecretFile {
    path: PathBuf,
    _folder: TempDir,
}

impl SecretFile {
    fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = Self { path: folder.path().join("secret"), _folder: folder };
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.path, text).unwrap();
    }

    fn remove(&self) {
        fs::remove_file(&self.path).unwrap();
    }

    fn source(&self) -> Value {
        json!({ "path": self.path })
    }
}

/// A client that sends its secret in the body, where the tests see it.
fn client(secret: &Value) -> Value {
    json!({
        "clientSecret": secret, "clientAuthentication": "client_secret_post", "onFailure": "throw",
        "retry": { "attempts": 1 },
    })
}

fn login(password: &Value) -> Value {
    json!({
        "authUrl": "https://h/login", "email": "a@b.c", "password": password, "clientId": null,
        "clientSecret": null, "onFailure": "throw", "retry": { "attempts": 1 },
    })
}

fn rejected() -> Script {
    refusal(401, "invalid_client")
}

/// Which of these secrets each request sent.
fn sent<'s>(fixture: &TestService, secrets: &[&'s str]) -> Vec<&'s str> {
    let all = fixture.server.asked.lock().unwrap().clone();
    let of = |request: &String| secrets.iter().copied().find(|secret| request.contains(secret));
    all.iter().map(|request| of(request).unwrap_or("another")).collect()
}

async fn failure(fixture: &TestService) -> Error {
    fixture.service.acquire().await.unwrap_err()
}

#[tokio::test]
async fn a_file_is_read_before_each_token_request() {
    let file = SecretFile::with("the-first\n");
    let fixture = TestService::with(&client(&file.source()), [token("a", 3600), token("b", 3600)]);
    assert_eq!(fixture.token().await.as_deref(), Some("a"));
    file.write("the-second\r\n");
    fixture.service.refresh().await.unwrap();
    assert_eq!(sent(&fixture, &["the-first&", "the-second&"]).len(), 2);
    assert_eq!(sent(&fixture, &["the-first", "the-second"]), ["the-first", "the-second"]);
    assert!(!fixture.server.asked(1).contains("%0"), "the line end is not sent");
}

#[tokio::test]
async fn a_file_that_changes_during_a_rejected_request_is_sent_at_once() {
    let file = SecretFile::with("outdated");
    let fixture = TestService::with(&client(&file.source()), [rejected(), token("a", 3600)]);
    fixture.landed().await;
    hold(&fixture).await;
    let call = tokio::spawn(acquiring(&fixture));
    until(|| fixture.server.requests() == 1).await;
    file.write("renewed");
    fixture.server.gate.add_permits(1);
    assert_eq!(call.await.unwrap().as_deref(), Some("a"));
    assert_eq!(sent(&fixture, &["outdated", "renewed"]), ["outdated", "renewed"]);
    assert_eq!(fixture.service.status().consecutive_failures, 0);
}

#[tokio::test]
async fn a_file_that_stays_is_sent_once_and_one_that_changes_ends_the_cool_down() {
    let file = SecretFile::with("outdated");
    let fixture = TestService::with(&client(&file.source()), [rejected(), token("a", 3600)]);
    assert_eq!(failure(&fixture).await.kind(), ErrorKind::Credentials);
    for _ in 0..5 {
        assert_eq!(failure(&fixture).await.kind(), ErrorKind::Credentials);
    }
    assert_eq!(fixture.server.requests(), 1);
    file.write("renewed");
    fixture.pass(1);
    assert_eq!(fixture.token().await.as_deref(), Some("a"));
    assert_eq!(sent(&fixture, &["outdated", "renewed"]), ["outdated", "renewed"]);
}

#[tokio::test]
async fn the_cool_down_ends_without_a_caller() {
    let file = SecretFile::with("outdated");
    let fixture = TestService::with(&client(&file.source()), [rejected(), token("a", 3600)]);
    failure(&fixture).await;
    fixture.scheduler.start(crate::config::SchedulerOptions::default()).unwrap();
    file.write("renewed");
    let service = Arc::clone(&fixture.service);
    passing(&fixture.clock, async move { until(|| service.snapshot().unwrap().is_some()).await }).await;
    assert!(fixture.clock.now() < Timestamp::from_second(1_800_000_059.0), "within the cool-down");
}

#[tokio::test]
async fn every_process_tries_a_replaced_secret_at_once_and_the_old_one_not_again() {
    for store in [ScriptedStore::new(), ScriptedStore::without_leases()] {
        let (file, clock) = (SecretFile::with("outdated"), clock());
        let config = client(&file.source());
        let first = configured_process(&config, &store, &clock, [rejected()]);
        failure(&first).await;
        let second = configured_process(&config, &store, &clock, [token("a", 3600)]);
        assert_eq!(failure(&second).await.kind(), ErrorKind::Credentials, "it knows from the store");
        assert_eq!(second.server.requests(), 0);
        file.write("renewed");
        clock.advance(Duration::from_secs(1));
        assert_eq!(second.token().await.as_deref(), Some("a"));
        assert_eq!(first.token().await.as_deref(), Some("a"), "the first adopts it");
        assert_eq!(sent(&second, &["outdated", "renewed"]), ["renewed"]);
        second.service.clear(false).await.unwrap();
        first.service.clear(false).await.unwrap();
        file.write("outdated");
        let third = configured_process(&config, &store, &clock, []);
        assert_eq!(failure(&third).await.kind(), ErrorKind::Credentials, "its own cool-down goes on");
    }
}

#[tokio::test]
async fn of_several_secrets_the_one_that_works_is_the_first_next_time() {
    let fixture = TestService::with(
        &client(&json!(["the-old", "the-new"])),
        [rejected(), token("a", 3600), token("b", 3600)],
    );
    assert_eq!(fixture.token().await.as_deref(), Some("a"));
    fixture.service.refresh().await.unwrap();
    assert_eq!(sent(&fixture, &["the-old", "the-new"]), ["the-old", "the-new", "the-new"]);
    assert_eq!(fixture.heard(EventKind::RefreshFailed), 0);
}

#[tokio::test]
async fn other_failures_do_not_move_on_to_the_next_secret() {
    for script in [refusal(503, "busy"), Script::Error(ErrorKind::Network), refusal(429, "slow_down")] {
        let fixture = TestService::with(&client(&json!(["the-old", "the-new"])), [script]);
        failure(&fixture).await;
        assert_eq!(sent(&fixture, &["the-old", "the-new"]), ["the-old"]);
    }
}

#[tokio::test]
async fn if_all_are_rejected_each_was_sent_once_and_there_is_one_error() {
    let answers = [rejected(), rejected(), rejected(), token("a", 3600)];
    let fixture = TestService::with(&client(&json!(["the-old", "the-new"])), answers);
    let error = failure(&fixture).await;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Credentials, Some(401)));
    assert_eq!(failure(&fixture).await.kind(), ErrorKind::Credentials);
    assert_eq!(sent(&fixture, &["the-old", "the-new"]), ["the-old", "the-new"]);
    assert_eq!(fixture.service.status().consecutive_failures, 1);
    assert_eq!(fixture.heard(EventKind::RefreshFailed), 1);
    fixture.pass(61);
    assert_eq!(fixture.token().await.as_deref(), Some("a"));
    assert_eq!(sent(&fixture, &["the-old", "the-new"]), ["the-old", "the-new", "the-old", "the-new"]);
}

#[tokio::test]
async fn a_wrong_password_is_not_sent_again_while_another_one_works() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let config = login(&json!(["wr0ng", "right"]));
    let answers = [refusal(401, "invalid_grant"), token("a", 60), token("b", 60)];
    let fixture = configured_process(&config, &store, &clock, answers);
    assert_eq!(fixture.token().await.as_deref(), Some("a"));
    fixture.service.refresh().await.unwrap();
    assert_eq!(sent(&fixture, &["wr0ng", "right"]), ["wr0ng", "right", "right"]);
    // Another process, and one after a restart: the store knows.
    clock.advance(Duration::from_secs(59));
    let again = configured_process(&config, &store, &clock, [token("c", 60)]);
    assert_eq!(again.token().await.as_deref(), Some("c"));
    assert_eq!(sent(&again, &["wr0ng", "right"]), ["right"]);
}

#[tokio::test]
async fn a_refresh_tries_the_next_secret_of_the_client() {
    let config = client(&json!(["the-old", "the-new"]));
    let answers = [rotating("a", "r1"), rejected(), rotating("b", "r2"), rotating("c", "r3")];
    let fixture = TestService::with(&config, answers);
    fixture.token().await;
    fixture.service.refresh().await.unwrap();
    fixture.service.refresh().await.unwrap();
    assert_eq!(sent(&fixture, &["the-old", "the-new"]), ["the-old", "the-old", "the-new", "the-new"]);
    for (index, refresh_token) in [(1, "r1"), (2, "r1"), (3, "r2")] {
        assert!(fixture.server.asked(index).contains(&format!("refresh_token={refresh_token}")));
    }
}

#[tokio::test]
async fn a_refresh_reads_the_file_again() {
    let file = SecretFile::with("outdated");
    let fixture =
        TestService::with(&client(&file.source()), [rotating("a", "r1"), rejected(), rotating("b", "r2")]);
    fixture.token().await;
    hold(&fixture).await;
    let call = tokio::spawn(super::scripted_store::refreshing(&fixture));
    until(|| fixture.server.requests() == 2).await;
    file.write("renewed");
    fixture.server.gate.add_permits(1);
    call.await.unwrap().unwrap();
    assert_eq!(sent(&fixture, &["outdated", "renewed"]), ["outdated", "outdated", "renewed"]);
    assert!(fixture.server.asked(2).contains("refresh_token=r1"));
}

#[tokio::test]
async fn a_file_that_is_missing_is_the_error_of_the_call_and_heals() {
    let file = SecretFile::with("later");
    file.remove();
    let fixture = TestService::with(&client(&file.source()), [token("a", 3600)]);
    let error = failure(&fixture).await;
    assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("clientSecret.path")));
    assert_eq!(error.message(), "clientSecret.path names a file that does not exist");
    let refresh = fixture.service.refresh().await.unwrap_err();
    assert_eq!(refresh.field(), Some("clientSecret.path"));
    assert_eq!(fixture.server.requests(), 0);
    file.write("later");
    fixture.pass(2);
    assert_eq!(fixture.token().await.as_deref(), Some("a"));
}

#[tokio::test]
async fn a_file_that_disappears_keeps_no_caller_from_its_token() {
    let file = SecretFile::with("secret");
    let fixture = TestService::with(&client(&file.source()), [token("a", 3600)]);
    fixture.token().await;
    file.remove();
    assert_eq!(fixture.service.refresh().await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(fixture.token().await.as_deref(), Some("a"));
}

#[tokio::test]
async fn what_the_server_repeats_of_the_secret_in_use_is_removed() {
    let file = SecretFile::with("hunter2-of-the-file");
    let repeats = json!({ "error": "invalid_client", "error_description": "hunter2-of-the-file is wrong" });
    let fixture = TestService::with(&client(&file.source()), [Script::Http(401, repeats, None)]);
    let error = failure(&fixture).await;
    assert_eq!(error.server_error().unwrap().description.as_deref(), Some("[removed] is wrong"));
    let echo = Script::Http(200, json!({ "access_token": "hunter2-of-the-file" }), None);
    let fixture = TestService::with(&client(&file.source()), [echo]);
    assert_eq!(failure(&fixture).await.kind(), ErrorKind::Response, "an echoed secret is not a token");
}

#[tokio::test]
async fn records_open_with_each_of_several_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    let (clock, storage) = (clock(), json!({ "kind": "file", "path": path }));
    let begin = |secret: Value, answers: Vec<Script>| {
        let mut config = client(&secret);
        config["storage"] = storage.clone();
        TestService::at(&config, answers, Arc::clone(&clock), Some(Arc::new(FileStore::new(&path))))
    };
    begin(json!("the-old"), vec![token("a", 3600)]).token().await;
    for secrets in [json!(["the-new", "the-old"]), json!(["the-old", "the-new"])] {
        let both = begin(secrets.clone(), vec![]);
        assert_eq!(both.token().await.as_deref(), Some("a"), "{secrets}");
    }
    begin(json!(["the-new", "the-old"]), vec![token("b", 3600)]).service.refresh().await.unwrap();
    assert_eq!(begin(json!("the-new"), vec![]).token().await.as_deref(), Some("b"), "the first seals");
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_the_error_of_the_call() {
    let (file, store, clock) = (SecretFile::with(""), ScriptedStore::new(), clock());
    let config = json!({ "encryptionKey": file.source(), "onFailure": "throw" });
    let fixture = configured_process(&config, &store, &clock, [token("a", 3600)]);
    let error = failure(&fixture).await;
    assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("encryptionKey.path")));
    assert_eq!(fixture.server.requests(), 0, "a token that cannot be shared is not requested");
    file.write("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
    clock.advance(Duration::from_secs(2));
    assert_eq!(fixture.token().await.as_deref(), Some("a"));
    // Once it was read, it is not needed again.
    file.remove();
    fixture.landed().await;
    assert!(store.sealed().load(&ServiceName::default()).await.unwrap().record.is_some());
}

#[tokio::test]
async fn a_manual_token_is_read_again_from_time_to_time() {
    let file = SecretFile::with("first\n");
    let config = json!({
        "authUrl": null, "clientId": null, "clientSecret": null, "token": file.source(), "onFailure": "throw",
    });
    let fixture = TestService::with(&config, []);
    assert_eq!(fixture.at_once(), None, "nothing is read without a wait");
    assert_eq!(fixture.token().await.as_deref(), Some("first"));
    file.write("Bearer second");
    assert_eq!(fixture.at_once().as_deref(), Some("first"));
    fixture.pass(10);
    assert_eq!(fixture.at_once(), None);
    assert_eq!(fixture.token().await.as_deref(), Some("second"));
    file.write("third");
    assert!(fixture.service.rejected(Generation::default()).await.unwrap(), "the API refused the second");
    assert_eq!(fixture.at_once().as_deref(), Some("third"));
    assert!(!fixture.service.rejected(Generation::default()).await.unwrap());
    file.write("two words");
    fixture.pass(11);
    let error = failure(&fixture).await;
    assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("token.path")));
}

#[tokio::test]
async fn a_manual_token_in_a_file_stands_in() {
    let file = SecretFile::with("stand-in");
    let config = json!({ "token": file.source() });
    let fixture =
        TestService::with(&config, [refusal(503, "busy"), refusal(503, "busy"), refusal(503, "busy")]);
    let service = Arc::clone(&fixture.service);
    let got = passing(&fixture.clock, async move { service.acquire().await.unwrap() }).await;
    assert_eq!(got.unwrap().token.secret().expose(), "stand-in");
    assert_eq!(fixture.service.status().state, TokenPhase::Manual);
}
