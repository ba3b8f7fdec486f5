//! A refresh endpoint that fails without a verdict: the service is never dead while its credential is good.

use super::refused_refresh::Notebook;
use super::scripted_store::{ScriptedStore, clock, configured_process};
use super::*;

/// A login with a refresh endpoint of its own.
fn login() -> Value {
    json!({
        "authUrl": "https://h/login", "email": "a@b.c", "password": "hunter2", "clientId": null,
        "clientSecret": null, "refreshUrl": "https://h/renew", "onFailure": "throw", "retry": { "attempts": 1 },
    })
}

/// The same with one endpoint for both.
fn one_endpoint() -> Value {
    json!({ "onFailure": "throw", "retry": { "attempts": 1 } })
}

/// Responses of a refresh endpoint that do not refuse the refresh token.
fn failures() -> Vec<Script> {
    vec![
        Script::Http(500, json!({ "message": "jwt expired" }), None),
        Script::Http(502, json!({}), None),
        Script::Http(503, json!({}), None),
        Script::Http(429, json!({}), Some("3600")),
        Script::Http(200, json!({ "success": false, "message": "refresh token expired" }), None),
        Script::Http(200, json!({ "error": "invalid_code" }), None),
        Script::Http(204, json!({}), None),
        Script::Http(401, json!({}), None),
        Script::Http(401, json!({ "error": "invalid_client" }), None),
        Script::Http(403, json!({ "message": "blocked" }), Some("3600")),
        Script::Http(409, json!({}), None),
        Script::Error(ErrorKind::Timeout),
        Script::Error(ErrorKind::Network),
        Script::Error(ErrorKind::Endpoint),
        Script::Error(ErrorKind::Tls),
        Script::Unsent,
    ]
}

/// A call that finds a refresh to be due, and the end of that refresh.
async fn due(fixture: &TestService) {
    fixture.at_once();
    fixture.landed().await;
}

fn sends_refresh_token(fixture: &TestService, index: usize) -> bool {
    fixture.server.asked(index).contains("r1")
}

#[tokio::test]
async fn once_the_token_has_expired_any_failed_refresh_leads_to_the_credentials() {
    for failure in failures() {
        let fixture = TestService::with(&login(), [rotating("a1", "r1"), failure, token("b1", 3600)]);
        fixture.token().await;
        fixture.pass(3600);
        assert_eq!(fixture.token().await.as_deref(), Some("b1"));
        assert!(sends_refresh_token(&fixture, 1) && fixture.server.asked(2).contains("hunter2"));
    }
}

#[tokio::test]
async fn while_the_token_works_a_failed_refresh_backs_off_and_keeps_the_token() {
    for failure in failures() {
        let fixture = TestService::with(&login(), [rotating("a1", "r1"), failure]);
        fixture.token().await;
        fixture.pass(3400);
        assert_eq!(fixture.at_once().as_deref(), Some("a1"));
        fixture.landed().await;
        for _ in 0..20 {
            assert_eq!(fixture.token().await.as_deref(), Some("a1"));
        }
        assert_eq!(fixture.server.requests(), 2);
    }
}

#[tokio::test]
async fn a_refresh_token_whose_answer_was_lost_is_not_sent_again_and_the_next_attempt_logs_in() {
    let lost = [
        Script::Error(ErrorKind::Network),
        Script::Error(ErrorKind::Timeout),
        Script::Http(500, json!({}), None),
        Script::Http(502, json!({}), None),
        Script::Http(200, json!({ "error": "invalid_code" }), None),
    ];
    for failure in lost {
        let fixture = TestService::with(&login(), [rotating("a1", "r1"), failure, token("b1", 3600)]);
        fixture.token().await;
        fixture.pass(3400);
        due(&fixture).await;
        fixture.pass(120);
        due(&fixture).await;
        assert_eq!(fixture.at_once().as_deref(), Some("b1"));
        assert!(fixture.server.asked(2).contains("hunter2"), "{}", fixture.server.asked(2));
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_certainly_unspent_is_sent_again_while_the_token_works() {
    for failure in [Script::Http(503, json!({}), None), Script::Http(429, json!({}), None), Script::Unsent] {
        let fixture = TestService::with(&login(), [rotating("a1", "r1"), failure, rotating("a2", "r2")]);
        fixture.token().await;
        fixture.pass(3400);
        due(&fixture).await;
        fixture.pass(120);
        due(&fixture).await;
        assert_eq!(fixture.at_once().as_deref(), Some("a2"));
        assert!(sends_refresh_token(&fixture, 2));
    }
}

#[tokio::test]
async fn the_responses_of_a_refresh_endpoint_say_nothing_about_the_credentials() {
    for failure in failures() {
        let fixture = TestService::with(
            &login(),
            [rotating("a1", "r1"), failure, token("b1", 3600), token("b2", 3600)],
        );
        fixture.token().await;
        fixture.pass(3400);
        due(&fixture).await;
        fixture.pass(200);
        assert!(fixture.token().await.is_some(), "the old token has just expired");
    }
}

#[tokio::test]
async fn however_long_a_refresh_endpoint_asks_to_wait_the_credentials_are_used_before_the_token_expires() {
    let wait = Script::Http(429, json!({}), Some("3600"));
    let fixture = TestService::with(&login(), [rotating("a1", "r1"), wait.clone(), wait, token("b1", 3600)]);
    fixture.token().await;
    for seconds in [3330, 210] {
        fixture.pass(seconds);
        assert_eq!(fixture.at_once().as_deref(), Some("a1"));
        fixture.landed().await;
    }
    assert_eq!(fixture.at_once().as_deref(), Some("b1"), "55 seconds before the end");
}

#[tokio::test]
async fn a_token_that_does_not_outlast_a_back_off_is_replaced_with_the_credentials_at_once() {
    let fixture = TestService::with(
        &login(),
        [rotating("a1", "r1"), Script::Http(503, json!({}), None), token("b1", 3600)],
    );
    fixture.token().await;
    fixture.pass(3550);
    assert_eq!(fixture.at_once().as_deref(), Some("a1"));
    fixture.landed().await;
    assert_eq!(fixture.at_once().as_deref(), Some("b1"));
}

#[tokio::test]
async fn a_refresh_token_that_may_be_spent_leaves_the_store_although_the_login_fails_too() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let lost = Script::Error(ErrorKind::Network);
    let first = configured_process(
        &login(),
        &store,
        &clock,
        [rotating("a1", "r1"), lost, Script::Http(500, json!({}), None)],
    );
    first.token().await;
    clock.advance(Duration::from_secs(3600));
    first.service.acquire().await.unwrap_err();
    first.service.rooms.sync.look().await;
    let second = configured_process(&login(), &store, &clock, [token("b1", 3600)]);
    assert_eq!(second.token().await.as_deref(), Some("b1"));
    assert!(second.server.asked(0).contains("hunter2"), "{}", second.server.asked(0));
}

#[tokio::test]
async fn a_lost_answer_is_remembered_in_the_store_so_that_no_process_sends_the_token_again() {
    for store in [ScriptedStore::new(), ScriptedStore::without_leases()] {
        let clock = clock();
        let first = configured_process(
            &login(),
            &store,
            &clock,
            [rotating("a1", "r1"), Script::Error(ErrorKind::Timeout)],
        );
        first.token().await;
        clock.advance(Duration::from_secs(3400));
        first.at_once();
        first.landed().await;
        let second = configured_process(&login(), &store, &clock, [token("b1", 3600)]);
        second.landed().await;
        assert_eq!(second.at_once().as_deref(), Some("a1"), "the access token still works");
        second.service.refresh().await.unwrap();
        assert!(second.server.asked(0).contains("hunter2"), "{}", second.server.asked(0));
    }
}

#[tokio::test]
async fn an_asked_for_refresh_whose_answer_is_lost_logs_in_at_once() {
    let fixture = TestService::with(
        &login(),
        [rotating("a1", "r1"), Script::Error(ErrorKind::Network), token("b1", 3600)],
    );
    fixture.token().await;
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.at_once().as_deref(), Some("b1"));
}

#[tokio::test]
async fn an_endpoint_that_is_busy_is_asked_once_more_with_the_credentials_and_then_left_alone() {
    for status in [429, 503] {
        let busy = || Script::Http(status, json!({}), Some("60"));
        let fixture =
            TestService::with(&one_endpoint(), [rotating("a1", "r1"), busy(), busy(), token("b1", 3600)]);
        fixture.token().await;
        fixture.pass(3600);
        for _ in 0..5 {
            let error = fixture.service.acquire().await.unwrap_err();
            assert_eq!(error.status(), Some(status));
        }
        assert_eq!(fixture.server.requests(), 3);
        fixture.pass(60);
        assert_eq!(fixture.token().await.as_deref(), Some("b1"));
        assert_eq!(fixture.server.asked(3), "grant_type=client_credentials");
    }
}

#[tokio::test]
async fn a_requested_refresh_logs_in_however_the_refresh_endpoint_fails() {
    for failure in failures() {
        let fixture = TestService::with(&login(), [rotating("a1", "r1"), failure, token("b1", 3600)]);
        fixture.token().await;
        fixture.service.refresh().await.unwrap();
        assert_eq!(fixture.at_once().as_deref(), Some("b1"));
    }
}

#[tokio::test]
async fn of_two_rotations_to_expired_tokens_the_latest_refresh_token_is_sent_and_none_twice() {
    let expired = |next: &str| {
        Script::Http(200, json!({ "access_token": "over", "expires_in": 0, "refresh_token": next }), None)
    };
    let down = || Script::Http(503, json!({}), None);
    let (store, clock) = (ScriptedStore::new(), clock());
    let answers = [rotating("a1", "r1"), expired("r2"), down(), down(), down()];
    let fixture = configured_process(&login(), &store, &clock, answers);
    fixture.token().await;
    clock.advance(Duration::from_secs(3600));
    for _ in 0..3 {
        fixture.service.acquire().await.unwrap_err();
        clock.advance(Duration::from_secs(120));
    }
    assert_eq!((1..5).filter(|index| sends_refresh_token(&fixture, *index)).count(), 1);
    let again = configured_process(&login(), &store, &clock, [rotating("b1", "r3")]);
    assert_eq!(again.token().await.as_deref(), Some("b1"));
    assert!(again.server.asked(0).contains("r2"), "{}", again.server.asked(0));
}

#[tokio::test]
async fn a_refused_refresh_token_leaves_the_store_although_the_login_fails() {
    for store in [ScriptedStore::new(), ScriptedStore::without_leases()] {
        let clock = clock();
        let answers =
            [rotating("a1", "r1"), refusal(400, "invalid_grant"), Script::Http(503, json!({}), None)];
        let fixture = configured_process(&login(), &store, &clock, answers);
        fixture.token().await;
        clock.advance(Duration::from_secs(3600));
        fixture.service.acquire().await.unwrap_err();
        let again = configured_process(&login(), &store, &clock, [token("b1", 3600)]);
        assert_eq!(again.token().await.as_deref(), Some("b1"));
        assert!(again.server.asked(0).contains("hunter2"), "{}", again.server.asked(0));
    }
}

#[tokio::test]
async fn an_api_that_refuses_the_token_makes_it_as_good_as_expired() {
    let fixture = TestService::with(
        &login(),
        [rotating("a1", "r1"), Script::Http(500, json!({}), None), token("b1", 3600)],
    );
    let refused = fixture.service.acquire().await.unwrap().unwrap().generation;
    assert!(fixture.service.rejected(refused).await.unwrap());
    assert_eq!(fixture.at_once().as_deref(), Some("b1"));
}

#[tokio::test]
async fn a_restart_with_an_expired_token_heals() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let first = configured_process(&login(), &store, &clock, [rotating("a1", "r1")]);
    first.token().await;
    first.service.shutdown().await;
    clock.advance(Duration::from_secs(4000));
    for failure in failures() {
        let again = configured_process(&login(), &store, &clock, [failure, rotating("b1", "r1")]);
        assert_eq!(again.token().await.as_deref(), Some("b1"));
        again.service.shutdown().await;
        clock.advance(Duration::from_secs(4000));
    }
}

#[tokio::test]
async fn recovery_logs_in_although_the_token_works() {
    let down = || Script::Http(503, json!({}), None);
    let fixture =
        TestService::with(&login(), [rotating("a1", "r1"), down(), down(), down(), token("b1", 3600)]);
    fixture.token().await;
    fixture.pass(3400);
    for _ in 0..3 {
        due(&fixture).await;
        fixture.pass(40);
    }
    fixture.service.upkeep().check_health(3).await;
    fixture.landed().await;
    assert_eq!(fixture.at_once().as_deref(), Some("b1"));
    assert!(fixture.server.asked(4).contains("hunter2"), "{}", fixture.server.asked(4));
}

#[tokio::test]
async fn the_log_says_that_the_credentials_are_used_instead_and_why() {
    let fixture = TestService::with(
        &login(),
        [rotating("a1", "r1"), Script::Http(500, json!({}), None), token("b1", 3600)],
    );
    let notebook = Notebook::of(&fixture);
    fixture.token().await;
    fixture.pass(3600);
    fixture.token().await;
    assert_eq!(notebook.lines_with("logging in with the credentials instead").len(), 1);
}

#[tokio::test]
async fn a_refresh_that_hangs_leaves_the_login_its_own_time() {
    let fixture = TestService::with(
        &login(),
        [rotating("a1", "r1"), Script::Error(ErrorKind::Timeout), token("b1", 3600)],
    );
    fixture.token().await;
    fixture.pass(3600);
    hold_and_pass(&fixture, 10).await;
    assert_eq!(fixture.at_once().as_deref(), Some("b1"));
}

/// Lets the next request take so many seconds.
async fn hold_and_pass(fixture: &TestService, seconds: u64) {
    fixture.server.gate.acquire().await.unwrap().forget();
    let caller = tokio::spawn({
        let service = Arc::clone(&fixture.service);
        async move { service.acquire().await }
    });
    while fixture.server.requests() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fixture.pass(seconds);
    fixture.server.gate.add_permits(1);
    caller.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refresh_that_brings_only_expired_tokens_leads_to_the_credentials() {
    let expired =
        Script::Http(200, json!({ "access_token": "a2", "expires_in": 0, "refresh_token": "r2" }), None);
    let fixture = TestService::with(&login(), [rotating("a1", "r1"), expired, token("b1", 3600)]);
    fixture.token().await;
    fixture.pass(3600);
    assert_eq!(fixture.token().await.as_deref(), Some("b1"));
    assert!(fixture.server.asked(2).contains("hunter2"));
}
