//! The chat room that hears of incidents.

use super::refused_refresh::Notebook;
use super::scripted_store::{ScriptedStore, clock, configured_process};
use super::*;

fn settings(url: &str) -> Value {
    json!({ "alerts": { "afterFailures": 2, "webhookUrl": url }, "retry": { "attempts": 1 } })
}

async fn fail(fixture: &TestService) {
    fixture.service.refresh().await.unwrap_err();
}

fn events(fixture: &TestService) -> Vec<String> {
    let hooked = fixture.server.hooked.lock().unwrap();
    hooked.iter().map(|message| message["event"].as_str().unwrap_or("none").to_owned()).collect()
}

async fn hears(fixture: &TestService, count: usize) {
    while fixture.server.hooked.lock().unwrap().len() < count {
        fixture.clock.advance(Duration::from_millis(100));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Long enough for a message that must not come.
async fn hears_no_more(fixture: &TestService, count: usize) {
    for _ in 0..50 {
        fixture.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(events(fixture).len(), count, "{:?}", events(fixture));
}

#[tokio::test]
async fn an_incident_is_posted_once_and_so_is_its_end() {
    let failures = (0..4).map(|_| Script::Http(503, json!({}), None));
    let answers = failures.chain([token("a1", 3600), refusal(503, "x"), refusal(503, "x")]);
    let fixture = TestService::with(&settings("https://chat.example.com/hook?room=s3cr3t"), answers);
    let notebook = Notebook::of(&fixture);
    for _ in 0..4 {
        fail(&fixture).await;
    }
    fixture.service.refresh().await.unwrap();
    hears(&fixture, 2).await;
    for _ in 0..2 {
        fail(&fixture).await;
    }
    hears(&fixture, 3).await;
    assert_eq!(events(&fixture), ["alert", "recovered", "alert"]);
    assert_eq!(notebook.lines_with("recovered").len(), 1, "the end is logged as the beginning is");
    let message = fixture.server.hooked.lock().unwrap()[0].clone();
    assert_eq!(message["code"], "ERR_TOKEN_RESPONSE");
    assert_eq!(message["consecutiveFailures"], 2);
    assert_eq!(message["service"], "external_api");
    let text = message["text"].as_str().unwrap();
    assert!(
        text.starts_with(
            "evertoken: external_api needs attention (2 failures in a row). ERR_TOKEN_RESPONSE: "
        ),
        "{text}"
    );
    assert_eq!(message["attachments"][0]["content"]["body"][0]["text"], text);
    assert!(!message.to_string().contains("s3cret"));
}

#[tokio::test]
async fn a_message_that_is_not_taken_is_tried_again_and_one_that_is_refused_is_not() {
    let fixture = TestService::with(&settings("https://h/hook"), (0..2).map(|_| refusal(503, "x")));
    fixture.server.hook_answers.lock().unwrap().extend([500, 429, 200]);
    fail(&fixture).await;
    fail(&fixture).await;
    hears(&fixture, 3).await;
    hears_no_more(&fixture, 3).await;
    let refused = TestService::with(&settings("https://h/hook"), (0..2).map(|_| refusal(503, "x")));
    refused.server.hook_answers.lock().unwrap().extend([404]);
    fail(&refused).await;
    fail(&refused).await;
    hears(&refused, 1).await;
    hears_no_more(&refused, 1).await;
}

#[tokio::test]
async fn slack_gets_nothing_but_text() {
    let fixture =
        TestService::with(&settings("https://hooks.slack.com/hook"), (0..2).map(|_| refusal(503, "x")));
    fail(&fixture).await;
    fail(&fixture).await;
    hears(&fixture, 1).await;
    let message = fixture.server.hooked.lock().unwrap()[0].clone();
    assert_eq!(message.as_object().unwrap().keys().collect::<Vec<_>>(), ["text"]);
}

#[tokio::test]
async fn of_processes_that_share_a_store_one_tells() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let begin =
        |answers: Vec<Script>| configured_process(&settings("https://h/hook"), &store, &clock, answers);
    let failing = || (0..3).map(|_| refusal(503, "x")).collect::<Vec<_>>();
    let one = begin(failing().into_iter().chain([token("a1", 3600)]).collect());
    let two = begin(failing());
    for fixture in [&one, &two, &one, &two, &one, &two] {
        fail(fixture).await;
        clock.advance(Duration::from_secs(120));
    }
    hears_no_more(&two, 0).await;
    assert_eq!(events(&one), ["alert"]);
    one.service.refresh().await.unwrap();
    hears(&one, 2).await;
    assert_eq!(two.token().await.as_deref(), Some("a1"));
    hears_no_more(&two, 0).await;
    assert_eq!(events(&one), ["alert", "recovered"]);
}
