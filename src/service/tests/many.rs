//! Many services at one token server.

use super::scripted_store::*;
use super::*;

#[tokio::test]
async fn a_service_waits_while_as_many_requests_as_allowed_are_under_way() {
    let fixture = TestService::with(&json!({ "maxConcurrentRequests": 1 }), [token("abc", 3600)]);
    let other = fixture.gate.enter(Duration::from_secs(1)).await.unwrap();
    let service = Arc::clone(&fixture.service);
    let caller = tokio::spawn(async move { service.acquire().await.unwrap().is_some() });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(fixture.server.requests(), 0);
    drop(other);
    assert!(caller.await.unwrap());
    assert!(fixture.gate.enter(Duration::from_secs(1)).await.is_some(), "its place is free again");
}

#[tokio::test]
async fn where_nothing_is_answered_a_service_gives_up_in_time() {
    let settings = json!({ "maxConcurrentRequests": 1, "timeoutMs": 50, "onFailure": "throw" });
    let fixture = TestService::with(&settings, [token("abc", 3600)]);
    let hung = fixture.gate.enter(Duration::from_secs(1)).await.unwrap();
    let error = fixture.service.acquire().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("maxConcurrentRequests"), "{error}");
    assert_eq!(fixture.server.requests(), 0);
    drop(hung);
    fixture.pass(3600);
    assert_eq!(fixture.token().await.as_deref(), Some("abc"));
}

#[tokio::test]
async fn a_service_that_ends_while_it_waits_sends_nothing() {
    let fixture = TestService::with(&json!({ "maxConcurrentRequests": 1 }), []);
    let other = fixture.gate.enter(Duration::from_secs(1)).await.unwrap();
    let service = Arc::clone(&fixture.service);
    let caller = tokio::spawn(async move { service.acquire().await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    fixture.service.close();
    drop(other);
    assert_eq!(caller.await.unwrap().unwrap_err().kind(), ErrorKind::Shutdown);
    fixture.landed().await;
    assert_eq!(fixture.server.requests(), 0);
}

#[tokio::test]
async fn a_token_that_was_cleared_while_its_refresh_waited_does_not_come_back() {
    let settings = json!({ "maxConcurrentRequests": 1 });
    let fixture = TestService::with(&settings, [token("abc", 3600)]);
    fixture.token().await;
    let other = fixture.gate.enter(Duration::from_secs(1)).await.unwrap();
    fixture.pass(3400);
    fixture.at_once();
    fixture.service.clear(false).await.unwrap();
    drop(other);
    fixture.landed().await;
    assert_eq!((fixture.server.requests(), fixture.at_once()), (1, None));
}

#[tokio::test]
async fn a_service_that_waits_for_another_process_does_not_occupy_the_place_of_a_request() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let settings = json!({ "maxConcurrentRequests": 1 });
    let holder = process(&store, &clock, [token("abc", 3600)]);
    holder.server.gate.acquire().await.unwrap().forget();
    let service = Arc::clone(&holder.service);
    let held = tokio::spawn(async move { service.acquire().await.unwrap().is_some() });
    until(|| holder.server.requests() == 1).await;
    let waiting = configured_process(&settings, &store, &clock, []);
    let service = Arc::clone(&waiting.service);
    let caller = tokio::spawn(async move { service.acquire().await.unwrap().is_some() });
    // It tries for the lease now and then, and leaves in between.
    for _ in 0..20 {
        assert!(waiting.gate.enter(Duration::from_secs(5)).await.is_some());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    holder.server.gate.add_permits(1);
    assert!(held.await.unwrap());
    pass(&clock, 1).await;
    assert!(caller.await.unwrap());
    assert_eq!(waiting.server.requests(), 0);
}
