//! Many services at one token server.

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
async fn where_nothing_is_answered_a_service_gives_up_after_the_time_of_a_request() {
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
