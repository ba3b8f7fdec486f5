//! What goes wrong, and what callers feel of it.

use super::scripted_store::{Call, ScriptedStore, clock, process, refreshing, until};
use super::*;

#[tokio::test]
async fn a_failed_refresh_keeps_a_valid_token_and_backs_off() {
    let fixture = test_service([token("old", 3600), refusal(400, "invalid_grant"), token("new", 3600)]);
    fixture.token().await;
    fixture.pass(3400);
    assert_eq!(fixture.at_once().as_deref(), Some("old"));
    fixture.landed().await;
    for _ in 0..50 {
        assert_eq!(fixture.at_once().as_deref(), Some("old"), "during the cool-down");
    }
    assert_eq!(fixture.server.requests(), 2);
    assert_eq!(fixture.service.status().consecutive_failures, 1);
    fixture.pass(61);
    fixture.at_once();
    fixture.landed().await;
    assert_eq!(fixture.at_once().as_deref(), Some("new"));
    assert_eq!(fixture.service.status().consecutive_failures, 0);
}

#[tokio::test]
async fn a_rejected_credential_is_sent_once_and_again_only_after_the_cool_down_or_when_asked() {
    let fixture = test_service([refusal(401, "invalid_grant"), token("abc", 3600)]);
    for _ in 0..100 {
        assert_eq!(fixture.token().await, None);
    }
    assert_eq!(fixture.server.requests(), 1);
    assert_eq!(fixture.service.status().last_error.unwrap().code, "ERR_TOKEN_CREDENTIALS");
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.token().await.as_deref(), Some("abc"));
}

#[tokio::test]
async fn without_a_token_the_manual_one_stands_in_and_with_throw_the_error_comes() {
    let manual = TestService::with(&json!({ "token": "manual" }), [refusal(401, "invalid_grant")]);
    assert_eq!(manual.token().await.as_deref(), Some("manual"));
    assert_eq!(manual.at_once().as_deref(), Some("manual"), "during the cool-down no caller waits");
    assert_eq!(manual.service.status().state, TokenPhase::Manual);

    let throwing = TestService::with(&json!({ "onFailure": "throw" }), [refusal(401, "invalid_grant")]);
    assert_eq!(throwing.service.acquire().await.unwrap_err().kind(), ErrorKind::Credentials);
    assert_eq!(throwing.service.acquire().await.unwrap_err().kind(), ErrorKind::Credentials);
    assert_eq!(throwing.server.requests(), 1);
}

#[tokio::test]
async fn a_failing_server_is_asked_again_within_the_attempt() {
    let retry = json!({ "retry": { "attempts": 3, "baseMs": 1 } });
    let fixture = TestService::with(
        &retry,
        [Script::Error(ErrorKind::Network), Script::Http(503, json!({}), None), token("abc", 3600)],
    );
    let waiting = tokio::spawn({
        let service = Arc::clone(&fixture.service);
        async move { service.acquire().await.unwrap().is_some() }
    });
    while !waiting.is_finished() {
        fixture.clock.advance(Duration::from_millis(1));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(waiting.await.unwrap());
    assert_eq!(fixture.server.requests(), 3);
}

#[tokio::test]
async fn retry_after_is_waited_for_and_not_a_moment_less() {
    let fixture = test_service([Script::Http(503, json!({}), Some("2")), token("abc", 3600)]);
    let arrived = fixture.server.arrived.notified();
    let waiting = tokio::spawn({
        let service = Arc::clone(&fixture.service);
        async move { service.acquire().await.unwrap().is_some() }
    });
    arrived.await;
    // The lease waits to be renewed, and the attempt for its next try.
    while fixture.clock.sleepers() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fixture.clock.advance(Duration::from_millis(1999));
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(fixture.server.requests(), 1);
    fixture.clock.advance(Duration::from_millis(1));
    assert!(waiting.await.unwrap());
    assert_eq!(fixture.server.requests(), 2);
}

#[tokio::test]
async fn a_refresh_token_is_spent_first_and_a_rotated_one_next() {
    let fixture =
        test_service([rotating("a1", "r1"), rotating("a2", "r2"), token("a3", 3600), token("a4", 3600)]);
    fixture.token().await;
    for _ in 0..3 {
        fixture.service.refresh().await.unwrap();
    }
    let sent: Vec<_> = (0..4).map(|index| fixture.server.asked(index)).collect();
    assert_eq!(
        sent,
        [
            "grant_type=client_credentials",
            "grant_type=refresh_token&refresh_token=r1",
            "grant_type=refresh_token&refresh_token=r2",
            "grant_type=refresh_token&refresh_token=r2",
        ]
    );
}

#[tokio::test]
async fn a_refused_refresh_token_falls_back_to_the_credentials_once() {
    let fixture = test_service([rotating("a1", "r1"), refusal(400, "invalid_grant"), token("b1", 3600)]);
    fixture.token().await;
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.token().await.as_deref(), Some("b1"));
    assert_eq!(fixture.server.asked(2), "grant_type=client_credentials");
}

#[tokio::test]
async fn after_a_401_a_later_generation_is_used_and_only_else_requested() {
    let fixture = test_service([token("same", 3600), token("same", 3600), token("same", 3600)]);
    let first = fixture.service.acquire().await.unwrap().unwrap().generation;
    assert!(fixture.service.rejected(first).await.unwrap());
    assert_eq!(fixture.server.requests(), 2);
    assert!(fixture.service.rejected(first).await.unwrap(), "a later one is there already");
    assert_eq!(fixture.server.requests(), 2);
    let second = fixture.service.acquire().await.unwrap().unwrap().generation;
    assert!(second > first);
    let error = fixture.service.rejected(second).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited, "an upstream that always answers 401");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(fixture.server.requests(), 2);
    assert_eq!(fixture.service.status().counters.retries_on_401, 2);
}

#[tokio::test]
async fn a_panic_in_an_attempt_is_an_error_and_the_next_attempt_works() {
    let fixture = TestService::with(&json!({ "onFailure": "throw" }), [Script::Panic, token("abc", 3600)]);
    assert_eq!(fixture.service.acquire().await.unwrap_err().kind(), ErrorKind::Internal);
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.token().await.as_deref(), Some("abc"));
}

#[tokio::test]
async fn an_incident_is_announced_once_and_so_is_its_end() {
    let down = || Script::Http(500, json!({}), None);
    let settings = json!({ "retry": { "attempts": 1 }, "alerts": { "afterFailures": 2 } });
    let fixture = TestService::with(&settings, [down(), down(), down(), token("abc", 3600)]);
    for _ in 0..3 {
        fixture.service.refresh().await.unwrap_err();
    }
    assert_eq!(fixture.heard(EventKind::RefreshFailed), 3);
    assert_eq!(fixture.heard(EventKind::Alert), 1);
    assert!(!fixture.service.status().healthy);
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.heard(EventKind::Recovered), 1);
    assert_eq!(fixture.heard(EventKind::Refreshed), 1);
    assert!(fixture.service.status().healthy);
}

#[tokio::test]
async fn forced_refreshes_are_held_to_the_configured_rate() {
    let settings = json!({ "rateLimit": { "attempts": 2, "perSeconds": 60 } });
    let fixture = TestService::with(&settings, [token("a1", 3600), token("a2", 3600), token("a3", 3600)]);
    fixture.token().await;
    fixture.service.refresh().await.unwrap();
    let error = fixture.service.refresh().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(fixture.at_once().as_deref(), Some("a2"), "the token in hand is untouched");
    assert_eq!(fixture.service.status().counters.failures, 0);
    fixture.pass(60);
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.at_once().as_deref(), Some("a3"));
}

#[tokio::test]
async fn a_caller_does_not_wait_for_ever_for_tokens_that_end_at_once() {
    let short = || Script::Http(200, json!({ "access_token": "abc", "expires_in": 0.5 }), None);
    let fixture = TestService::with(&json!({ "onFailure": "throw" }), (0..20).map(|_| short()));
    *fixture.listener.clock.lock().unwrap() = Some(Arc::clone(&fixture.clock));
    assert_eq!(fixture.service.acquire().await.unwrap_err().kind(), ErrorKind::Response);
    assert!(fixture.server.requests() < 6);
}

#[tokio::test]
async fn a_refresh_that_is_asked_for_is_not_satisfied_by_a_look_under_way() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [token("a1", 3600), token("a2", 3600)]);
    fixture.token().await;
    fixture.landed().await;
    store.parks_a_look();
    fixture.service.upkeep().look();
    until(|| store.has_parked()).await;
    let refresh = tokio::spawn(refreshing(&fixture));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(fixture.server.requests(), 1, "it waits for the look");
    store.heals();
    refresh.await.unwrap().unwrap();
    assert_eq!(fixture.at_once().as_deref(), Some("a2"));
}

#[tokio::test]
async fn a_refresh_token_that_comes_with_an_expired_token_is_the_next_one_to_be_spent() {
    let over = json!({ "access_token": "a2", "expires_in": 0, "refresh_token": "r2" });
    for store in [ScriptedStore::new(), ScriptedStore::without_leases()] {
        let clock = clock();
        let answers = [rotating("a1", "r1"), Script::Http(200, over.clone(), None)];
        let one = process(&store, &clock, answers);
        one.token().await;
        clock.advance(Duration::from_secs(3400));
        one.at_once();
        one.landed().await;
        assert_eq!(one.at_once().as_deref(), Some("a1"), "the token in hand is still good");
        let two = process(&store, &clock, [rotating("b1", "s1")]);
        two.service.refresh().await.unwrap();
        assert_eq!(two.server.asked(0), "grant_type=refresh_token&refresh_token=r2");
    }
    let (store, clock) = (ScriptedStore::new(), clock());
    let answers = [rotating("a1", "r1"), Script::Http(200, over, None), rotating("a3", "r3")];
    let fixture = process(&store, &clock, answers);
    fixture.token().await;
    store.breaks(&[Call::Save]);
    clock.advance(Duration::from_secs(3400));
    fixture.at_once();
    fixture.landed().await;
    store.heals();
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.server.asked(2), "grant_type=refresh_token&refresh_token=r2");
}
