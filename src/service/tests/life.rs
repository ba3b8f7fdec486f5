//! A token's life as callers see it.

use super::scripted_store::*;
use super::*;

#[tokio::test]
async fn ten_thousand_cold_callers_make_one_request() {
    let fixture = test_service([token("abc", 3600)]);
    let callers: Vec<_> = (0..10_000)
        .map(|_| {
            let service = Arc::clone(&fixture.service);
            runtime::spawn(async move { service.acquire().await.unwrap().unwrap().generation }).unwrap()
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Generation(1));
    }
    assert_eq!(fixture.server.requests(), 1);
}

#[tokio::test]
async fn a_sixty_second_token_is_requested_once_in_a_thousand_calls() {
    let fixture = test_service([token("abc", 60)]);
    for _ in 0..1000 {
        assert_eq!(fixture.token().await.as_deref(), Some("abc"));
    }
    fixture.pass(40);
    assert_eq!(fixture.token().await.as_deref(), Some("abc"));
    assert_eq!(fixture.server.requests(), 1);
}

#[tokio::test]
async fn no_caller_feels_a_hung_refresh_while_the_token_is_good() {
    let fixture = test_service([token("old", 3600), token("new", 3600)]);
    fixture.token().await;
    fixture.server.gate.acquire().await.unwrap().forget();
    fixture.pass(3400);
    for _ in 0..100 {
        assert_eq!(fixture.at_once().as_deref(), Some("old"));
    }
    fixture.server.gate.add_permits(1);
    fixture.landed().await;
    assert_eq!(fixture.at_once().as_deref(), Some("new"));
    assert_eq!(fixture.server.requests(), 2);
}

#[tokio::test]
async fn past_its_expiry_a_token_is_not_sent() {
    let fixture = test_service([token("old", 3600), token("new", 3600)]);
    fixture.token().await;
    fixture.pass(3594);
    assert_eq!(fixture.at_once().as_deref(), Some("old"));
    fixture.landed().await;
    fixture.pass(3600);
    assert_eq!(fixture.at_once(), None, "the newer one is over as well");
}

#[tokio::test]
async fn a_cleared_token_is_gone_also_when_a_refresh_was_under_way() {
    let fixture = test_service([token("a1", 3600), token("a2", 3600), token("a3", 3600)]);
    fixture.token().await;
    fixture.server.gate.acquire().await.unwrap().forget();
    let arrived = fixture.server.arrived.notified();
    let refresh = tokio::spawn({
        let service = Arc::clone(&fixture.service);
        async move { service.refresh().await }
    });
    arrived.await;
    fixture.service.clear(false).await.unwrap();
    fixture.server.gate.add_permits(1);
    refresh.await.unwrap().unwrap();
    assert_eq!(fixture.at_once(), None);
    assert_eq!(fixture.service.status().state, TokenPhase::Missing);
    assert_eq!(fixture.token().await.as_deref(), Some("a3"));
    assert_eq!(fixture.heard(EventKind::Cleared), 1);
}

#[tokio::test]
async fn after_shutdown_callers_and_waiters_get_an_error() {
    let fixture = test_service([token("abc", 3600)]);
    fixture.server.gate.acquire().await.unwrap().forget();
    let arrived = fixture.server.arrived.notified();
    let waiting = tokio::spawn({
        let service = Arc::clone(&fixture.service);
        async move { service.acquire().await }
    });
    arrived.await;
    let ending = tokio::spawn({
        let service = Arc::clone(&fixture.service);
        async move { service.shutdown().await }
    });
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Shutdown);
    fixture.server.gate.add_permits(1);
    ending.await.unwrap();
    assert_eq!(fixture.service.acquire().await.unwrap_err().kind(), ErrorKind::Shutdown);
    assert_eq!(fixture.service.refresh().await.unwrap_err().kind(), ErrorKind::Shutdown);
}

#[tokio::test]
async fn the_counter_moves_at_the_refresh_point_and_at_the_expiry() {
    use std::sync::atomic::Ordering;
    let fixture = test_service([token("old", 3600), Script::Error(ErrorKind::Credentials)]);
    fixture.token().await;
    fixture.landed().await;
    let cell = fixture.service.attach();
    let moved = async |seconds: u64| {
        let before = cell.load(Ordering::Acquire);
        fixture.pass(seconds);
        for _ in 0..1000 {
            if cell.load(Ordering::Acquire) != before {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        false
    };
    assert!(moved(3300).await, "the refresh point");
    while fixture.heard(EventKind::Expiring) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(moved(295).await, "the end of use");
    assert_eq!(fixture.heard(EventKind::Expiring), 1);
}

#[tokio::test]
async fn a_token_in_the_status_is_never_seen() {
    let fixture = test_service([rotating("the-access-token", "the-refresh-token")]);
    fixture.token().await;
    let text = serde_json::to_string(&fixture.service.status()).unwrap();
    for secret in ["the-access-token", "the-refresh-token", "s3cret"] {
        assert!(!text.contains(secret), "{text}");
    }
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["state"], "valid");
    assert_eq!(value["source"], "request");
    assert_eq!(value["expiresInSeconds"], 3600);
    assert_eq!(
        value["strategy"],
        json!({
            "grant": "client_credentials", "endpoint": "https://h/token", "format": "client_secret_basic",
        })
    );
    assert_eq!(value["counters"]["tokenRequests"], 1);
    assert_eq!(value["history"][0]["outcome"], "refreshed");
}

#[tokio::test]
async fn a_clock_set_by_a_day_serves_no_expired_token_and_makes_no_storm() {
    let fixture = test_service((0..4).map(|n| token(&format!("t{n}"), 3600)));
    fixture.token().await;
    fixture.pass(86_400);
    assert_eq!(fixture.at_once(), None);
    assert_eq!(fixture.token().await.as_deref(), Some("t1"));
    fixture.clock.set(Timestamp::from_second(1_800_000_000.0));
    assert_eq!(fixture.token().await.as_deref(), Some("t2"), "a token from the future is not trusted");
    for _ in 0..100 {
        fixture.token().await;
    }
    assert_eq!(fixture.server.requests(), 3);
}

#[tokio::test]
async fn an_attempt_that_has_not_sent_a_request_yet_sends_none_after_a_shutdown() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [token("a1", 3600)]);
    fixture.landed().await;
    store.parks_a_look();
    let caller = tokio::spawn(refreshing(&fixture));
    until(|| store.has_parked()).await;
    fixture.service.close();
    store.heals();
    fixture.landed().await;
    assert_eq!(caller.await.unwrap().unwrap_err().kind(), ErrorKind::Shutdown);
    assert_eq!(fixture.server.requests(), 0);
    assert!(store.taken_by_another(clock.now()).await.is_some(), "the lease was released");
}

#[tokio::test]
async fn the_status_says_when_the_manual_token_is_in_use() {
    let extra = json!({ "token": "manual", "rateLimit": { "attempts": 1, "perSeconds": 60 } });
    let fixture = TestService::with(&extra, [token("abc", 60)]);
    fixture.token().await;
    fixture.service.clear(false).await.unwrap();
    assert_eq!(fixture.token().await.as_deref(), Some("manual"), "the rate allows no request");
    let status = fixture.service.status();
    assert_eq!((status.state, status.source), (TokenPhase::Manual, Some("manual")));
}
