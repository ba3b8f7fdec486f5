//! A wrong credential is sent once, by one process.

use super::scripted_store::{
    Call, ScriptedStore, clock, configured_process, hold, refreshing, service_of_process, until,
};
use super::*;

fn login(password: &str) -> Value {
    json!({
        "authUrl": "https://h/login", "email": "a@b.c", "password": password, "clientId": null,
        "clientSecret": null, "onFailure": "throw", "retry": { "attempts": 1 },
    })
}

fn rejected() -> Script {
    refusal(401, "invalid_grant")
}

/// An answer of success that says otherwise.
fn without_token() -> Script {
    Script::Http(200, json!({ "success": false, "message": "Invalid username or password" }), None)
}

async fn kind_of_failure(fixture: &TestService) -> ErrorKind {
    fixture.service.acquire().await.unwrap_err().kind()
}

#[tokio::test]
async fn restarts_do_not_send_it_again_over_any_store() {
    for store in [ScriptedStore::new(), ScriptedStore::without_leases()] {
        let clock = clock();
        let first = configured_process(&login("wrong"), &store, &clock, [rejected()]);
        assert_eq!(kind_of_failure(&first).await, ErrorKind::Credentials);
        for _ in 0..5 {
            let again = configured_process(&login("wrong"), &store, &clock, []);
            let error = again.service.acquire().await.unwrap_err();
            assert_eq!((error.kind(), error.status()), (ErrorKind::Credentials, Some(401)));
            assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
            assert_eq!(again.service.status().consecutive_failures, 1);
        }
        clock.advance(Duration::from_secs(60));
        let second = configured_process(&login("wrong"), &store, &clock, [rejected()]);
        kind_of_failure(&second).await;
        clock.advance(Duration::from_secs(61));
        let third = configured_process(&login("wrong"), &store, &clock, []);
        kind_of_failure(&third).await;
        clock.advance(Duration::from_secs(60));
        let healed = configured_process(&login("wrong"), &store, &clock, [token("abc", 3600)]);
        assert_eq!(healed.token().await.as_deref(), Some("abc"));
    }
}

#[tokio::test]
async fn a_changed_credential_is_sent_at_once_and_the_old_one_stays_known() {
    let (store, clock) = (ScriptedStore::without_leases(), clock());
    kind_of_failure(&configured_process(&login("wrong"), &store, &clock, [rejected()])).await;
    kind_of_failure(&configured_process(&login("worse"), &store, &clock, [rejected()])).await;
    for password in ["wrong", "worse", "wrong"] {
        let again = configured_process(&login(password), &store, &clock, []);
        assert_eq!(kind_of_failure(&again).await, ErrorKind::Credentials, "they take turns");
    }
    let right = configured_process(&login("right"), &store, &clock, [token("abc", 3600)]);
    assert_eq!(right.token().await.as_deref(), Some("abc"));
}

#[tokio::test]
async fn services_of_one_process_know_it_without_a_store() {
    let (shared, clock) = (Credentials::default(), clock());
    let begin = |extra: &Value, answers: Vec<Script>| {
        let mut config = login("wrong");
        config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        TestService::sharing(Arc::clone(&shared), &config, answers, Arc::clone(&clock), None)
    };
    kind_of_failure(&begin(&json!({}), vec![rejected()])).await;
    for other in
        [json!({ "refreshBufferSeconds": 100 }), json!({ "service": "other" }), json!({ "timeoutMs": 500 })]
    {
        assert_eq!(kind_of_failure(&begin(&other, vec![])).await, ErrorKind::Credentials, "{other}");
    }
    let elsewhere = json!({ "authUrl": "https://other/login" });
    assert!(begin(&elsewhere, vec![token("abc", 3600)]).token().await.is_some(), "another endpoint is asked");
}

#[tokio::test]
async fn a_request_by_name_is_made_and_ends_it() {
    let (store, clock) = (ScriptedStore::without_leases(), clock());
    kind_of_failure(&configured_process(&login("wrong"), &store, &clock, [rejected()])).await;
    let asked = configured_process(&login("wrong"), &store, &clock, [token("abc", 3600)]);
    asked.service.refresh().await.unwrap();
    asked.service.clear(false).await.unwrap();
    let again = configured_process(&login("wrong"), &store, &clock, [token("def", 3600)]);
    assert_eq!(again.token().await.as_deref(), Some("def"), "nothing is left of it");
}

#[tokio::test]
async fn a_store_that_fails_costs_no_answer() {
    let (store, clock) = (ScriptedStore::without_leases(), clock());
    store.breaks(&Call::ALL);
    let fixture = configured_process(&login("wrong"), &store, &clock, [rejected()]);
    assert_eq!(kind_of_failure(&fixture).await, ErrorKind::Credentials);
    assert_eq!(kind_of_failure(&fixture).await, ErrorKind::Credentials);
    assert_eq!(fixture.server.requests(), 1);
}

#[tokio::test]
async fn success_without_a_token_counts_as_a_rejection_the_second_time() {
    let fixture = TestService::with(&login("wrong"), [without_token(), without_token(), token("abc", 3600)]);
    assert_eq!(kind_of_failure(&fixture).await, ErrorKind::Response);
    fixture.pass(59);
    assert_eq!(kind_of_failure(&fixture).await, ErrorKind::Response);
    assert_eq!(fixture.server.requests(), 1, "it cools down as a rejected one");
    fixture.pass(1);
    assert_eq!(kind_of_failure(&fixture).await, ErrorKind::Credentials);
    fixture.pass(119);
    assert_eq!(kind_of_failure(&fixture).await, ErrorKind::Credentials);
    assert_eq!(fixture.server.requests(), 2);
    fixture.pass(1);
    assert_eq!(fixture.token().await.as_deref(), Some("abc"));
}

#[tokio::test]
async fn success_without_a_token_is_known_after_a_restart() {
    let (store, clock) = (ScriptedStore::without_leases(), clock());
    let first = configured_process(&login("wrong"), &store, &clock, [without_token()]);
    assert_eq!(kind_of_failure(&first).await, ErrorKind::Response);
    assert_eq!(
        kind_of_failure(&configured_process(&login("wrong"), &store, &clock, [])).await,
        ErrorKind::Response
    );
    clock.advance(Duration::from_secs(60));
    let second = configured_process(&login("wrong"), &store, &clock, [without_token()]);
    assert_eq!(kind_of_failure(&second).await, ErrorKind::Credentials);
}

#[tokio::test]
async fn a_cool_down_is_in_the_status_from_the_start_and_holds_no_refresh_token_back() {
    let (store, clock) = (ScriptedStore::new(), clock());
    kind_of_failure(&configured_process(&login("wrong"), &store, &clock, [rejected()])).await;
    let again = configured_process(&login("wrong"), &store, &clock, []);
    again.landed().await;
    let status = again.service.status();
    assert_eq!(status.last_error.unwrap().code, "ERR_TOKEN_CREDENTIALS");
    assert!(!status.healthy);

    let (store, shared) = (ScriptedStore::new(), Credentials::default());
    let config = json!({ "clientAuthentication": "client_secret_post" });
    let first =
        service_of_process(&shared, &config, &store, &clock, [rotating("a1", "r1"), rejected(), rejected()]);
    first.token().await;
    clock.advance(Duration::from_secs(4000));
    let other = json!({ "clientAuthentication": "client_secret_post", "service": "other" });
    assert_eq!(
        service_of_process(&shared, &other, &ScriptedStore::new(), &clock, [rejected()]).token().await,
        None
    );
    let second = service_of_process(&shared, &config, &store, &clock, [rotating("a2", "r2")]);
    assert_eq!(second.token().await.as_deref(), Some("a2"), "the refresh token is still good");
}

#[tokio::test]
async fn nothing_of_the_credential_is_in_the_store() {
    let (store, clock) = (ScriptedStore::without_leases(), clock());
    kind_of_failure(&configured_process(&login("wr0ng-pass"), &store, &clock, [rejected()])).await;
    let note = store.load_note(&ServiceName::default()).await.unwrap().unwrap();
    for text in ["wr0ng-pass", "a@b.c", "https://h/login", "credential"] {
        assert!(!note.expose().contains(text), "{text}");
    }
}

#[tokio::test]
async fn a_service_that_replaces_another_waits_for_its_refresh_and_spends_no_token_twice() {
    for store in [ScriptedStore::new(), ScriptedStore::without_leases()] {
        let (shared, clock) = (Credentials::default(), clock());
        let settings = json!({});
        let answers = [rotating("a1", "r1"), rotating("a2", "r2")];
        let first = service_of_process(&shared, &settings, &store, &clock, answers);
        first.token().await;
        hold(&first).await;
        let refresh = tokio::spawn(refreshing(&first));
        until(|| first.server.requests() == 2).await;
        let second = service_of_process(&shared, &settings, &store, &clock, []);
        first.service.replace_by(&second.service);
        let asked = tokio::spawn(refreshing(&second));
        // It has begun, and waits.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(second.token().await.as_deref(), Some("a1"), "who only wants a token does not wait");
        first.server.gate.add_permits(1);
        asked.await.unwrap().unwrap();
        assert_eq!(second.at_once().as_deref(), Some("a2"));
        refresh.await.unwrap().unwrap_err();
    }
}

#[tokio::test]
async fn a_predecessor_that_hangs_is_waited_for_only_as_long_as_its_requests_may_take() {
    let (shared, store, clock) = (Credentials::default(), ScriptedStore::without_leases(), clock());
    let first = service_of_process(
        &shared,
        &json!({ "timeoutMs": 1000 }),
        &store,
        &clock,
        [rotating("a1", "r1"), token("a2", 60)],
    );
    first.token().await;
    hold(&first).await;
    let _hangs = tokio::spawn(refreshing(&first));
    until(|| first.server.requests() == 2).await;
    let second =
        service_of_process(&shared, &json!({ "scope": "more" }), &store, &clock, [token("b1", 3600)]);
    first.service.replace_by(&second.service);
    assert_eq!(
        super::scripted_store::passing(&clock, super::scripted_store::acquiring(&second)).await.as_deref(),
        Some("b1")
    );
}

#[tokio::test]
async fn what_a_refresh_endpoint_refuses_is_held_against_no_service_and_no_restart() {
    let (shared, store, clock) = (Credentials::default(), ScriptedStore::new(), clock());
    let mut config = login("right");
    config["refreshUrl"] = json!("https://h/renew");
    for refused in [
        Script::Http(401, json!({}), None),
        refusal(401, "invalid_client"),
        Script::Http(200, json!({ "success": false }), None),
    ] {
        let store = if store.row().await.is_none() { Arc::clone(&store) } else { ScriptedStore::new() };
        let first = service_of_process(&shared, &config, &store, &clock, [rotating("a1", "r1"), refused]);
        first.token().await;
        clock.advance(Duration::from_secs(3400));
        first.at_once();
        first.landed().await;
        let mut other = config.clone();
        other["service"] = json!("other");
        let other = service_of_process(&shared, &other, &ScriptedStore::new(), &clock, [token("b1", 3600)]);
        assert_eq!(other.token().await.as_deref(), Some("b1"));
        clock.advance(Duration::from_secs(200));
        let restarted =
            configured_process(&config, &store, &clock, [rotating("c1", "r2"), token("c1", 3600)]);
        assert_eq!(restarted.token().await.as_deref(), Some("c1"));
    }
}

#[tokio::test]
async fn of_services_that_begin_together_with_one_wrong_credential_one_sends_it() {
    let (shared, clock) = (Credentials::default(), clock());
    let begin = |n: usize, answers: Vec<Script>| {
        let mut config = login("wrong");
        config["service"] = json!(format!("tenant {n}"));
        config["scope"] = json!(format!("scope{n}"));
        TestService::sharing(Arc::clone(&shared), &config, answers, Arc::clone(&clock), None)
    };
    let tests: Vec<_> = (0..10).map(|n| begin(n, vec![rejected()])).collect();
    let callers: Vec<_> = tests
        .iter()
        .map(|fixture| {
            let service = Arc::clone(&fixture.service);
            tokio::spawn(async move { service.acquire().await.unwrap_err().kind() })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), ErrorKind::Credentials);
    }
    assert_eq!(tests.iter().map(|fixture| fixture.server.requests()).sum::<usize>(), 1);

    // One that has it accepted frees the others at once, and those that begin later.
    clock.advance(Duration::from_secs(1));
    let healed = begin(11, vec![token("abc", 3600)]);
    healed.service.refresh().await.unwrap();
    for fixture in &tests {
        fixture.server.answers.lock().unwrap().clear();
        fixture.server.answers.lock().unwrap().push_back(token("def", 3600));
        assert_eq!(fixture.token().await.as_deref(), Some("def"), "the one that was rejected, too");
    }
    assert_eq!(begin(12, vec![token("ghi", 3600)]).token().await.as_deref(), Some("ghi"));
}

#[tokio::test]
async fn a_pause_that_a_server_asks_for_holds_also_after_a_rejection() {
    let busy = Script::Http(503, json!({}), Some("600"));
    let fixture = TestService::with(&login("wrong"), [rejected(), busy, token("abc", 3600)]);
    assert_eq!(kind_of_failure(&fixture).await, ErrorKind::Credentials);
    fixture.pass(61);
    assert!(fixture.service.acquire().await.is_err());
    fixture.pass(599);
    assert!(fixture.service.acquire().await.is_err());
    assert_eq!(fixture.server.requests(), 2);
    fixture.pass(1);
    assert_eq!(fixture.token().await.as_deref(), Some("abc"));
}
