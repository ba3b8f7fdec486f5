//! Tokens that a program hands in: `adopt()`.

use super::consent::{kind, seeded};
use super::scripted_store::*;
use super::*;

fn handed_in(access_token: &str, refresh_token: &str) -> Value {
    json!({ "access_token": access_token, "refresh_token": refresh_token, "expires_in": 3600 })
}

fn adopting(fixture: &TestService, tokens: Value) -> impl Future<Output = Result<()>> + Send + 'static {
    let service = Arc::clone(&fixture.service);
    async move { service.adopt(&tokens).await }
}

async fn field(fixture: &TestService, tokens: Value) -> String {
    let error = fixture.service.adopt(&tokens).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{tokens}: {error}");
    error.field().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_handed_in_is_stored_used_and_followed_by_other_processes() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let config = json!({ "grant": "refresh_token", "onFailure": "throw" });
    let one = configured_process(&config, &store, &clock, [rotating("a2", "r2")]);
    let two = configured_process(&config, &store, &clock, []);
    assert_eq!(kind(&two).await, ErrorKind::Consent);
    one.service.adopt(&handed_in("a1", "r1")).await.unwrap();
    assert!(store.row().await.is_some(), "stored before it resolves");
    assert_eq!(one.at_once().as_deref(), Some("a1"));
    pass(&clock, 3).await;
    assert_eq!(two.at_once().as_deref(), Some("a1"));
    one.service.refresh().await.unwrap();
    assert_eq!(one.server.asked(0), "grant_type=refresh_token&refresh_token=r1");
    let restarted = configured_process(&config, &store, &clock, []);
    assert_eq!(restarted.token().await.as_deref(), Some("a2"));
    assert_eq!(two.server.requests() + restarted.server.requests(), 0);
}

#[tokio::test]
async fn it_ends_a_consent_that_has_ended_and_the_old_seed_is_not_spent_again() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let answers = [rotating("a1", "r1"), refusal(400, "invalid_grant"), rotating("b2", "s2")];
    let one = configured_process(&seeded("seed"), &store, &clock, answers);
    let two = configured_process(&seeded("seed"), &store, &clock, []);
    one.token().await;
    one.service.refresh().await.unwrap_err();
    clock.advance(Duration::from_secs(3600));
    pass(&clock, 3).await;
    assert_eq!((kind(&one).await, kind(&two).await), (ErrorKind::Consent, ErrorKind::Consent));
    one.service.adopt(&json!({ "refreshToken": "s1" })).await.unwrap();
    assert_eq!(one.token().await.as_deref(), Some("b2"));
    assert_eq!(one.server.asked(2), "grant_type=refresh_token&refresh_token=s1");
    let status = one.service.status();
    assert!(status.healthy && status.last_error.is_none() && status.consent_ended_at.is_none());
    assert_eq!(one.heard(EventKind::Recovered), 1);
    pass(&clock, 3).await;
    assert_eq!(two.at_once().as_deref(), Some("b2"));
    let restarted = configured_process(&seeded("seed"), &store, &clock, []);
    assert_eq!(restarted.token().await.as_deref(), Some("b2"));
}

#[tokio::test]
async fn it_ends_the_rejection_of_a_seed_in_every_process() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let answers = [refusal(400, "invalid_grant"), rotating("a2", "r2")];
    let one = configured_process(&seeded("bad"), &store, &clock, answers);
    let two = configured_process(&seeded("bad"), &store, &clock, []);
    assert_eq!((kind(&one).await, kind(&two).await), (ErrorKind::Consent, ErrorKind::Consent));
    two.service.adopt(&handed_in("a1", "r1")).await.unwrap();
    pass(&clock, 3).await;
    for fixture in [&one, &two, &configured_process(&seeded("bad"), &store, &clock, [])] {
        assert_eq!(fixture.token().await.as_deref(), Some("a1"));
        assert!(fixture.service.status().healthy);
    }
    one.service.refresh().await.unwrap();
    assert_eq!(one.server.asked(1), "grant_type=refresh_token&refresh_token=r1");
    let restarted = configured_process(&seeded("bad"), &store, &clock, [rotating("a3", "r3")]);
    restarted.service.refresh().await.unwrap();
    assert_eq!(restarted.server.asked(0), "grant_type=refresh_token&refresh_token=r2");
}

#[tokio::test]
async fn a_refresh_under_way_in_another_process_does_not_replace_what_is_handed_in() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let one =
        configured_process(&seeded("seed"), &store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    let two = configured_process(&seeded("seed"), &store, &clock, [rotating("b2", "s2")]);
    one.token().await;
    two.token().await;
    hold(&one).await;
    let refresh = tokio::spawn(refreshing(&one));
    until(|| one.server.requests() == 2).await;
    let adoption = tokio::spawn(adopting(&two, handed_in("b1", "s1")));
    pass(&clock, 1).await;
    assert!(!adoption.is_finished(), "it waits for the request that has the lease");
    one.server.gate.add_permits(1);
    refresh.await.unwrap().unwrap();
    passing(&clock, adoption).await.unwrap().unwrap();
    pass(&clock, 3).await;
    assert_eq!((one.at_once().as_deref(), two.at_once().as_deref()), (Some("b1"), Some("b1")));
    two.service.refresh().await.unwrap();
    assert!(two.server.asked(0).contains("refresh_token=s1"));
}

#[tokio::test]
async fn a_refresh_under_way_in_this_process_does_not_either() {
    for store in [ScriptedStore::new(), ScriptedStore::without_leases()] {
        let clock = clock();
        let answers = [rotating("a1", "r1"), rotating("a2", "r2")];
        let fixture = configured_process(&seeded("seed"), &store, &clock, answers);
        fixture.token().await;
        hold(&fixture).await;
        let refresh = tokio::spawn(refreshing(&fixture));
        until(|| fixture.server.requests() == 2).await;
        let adoption = tokio::spawn(adopting(&fixture, handed_in("b1", "s1")));
        pass(&clock, 1).await;
        fixture.server.gate.add_permits(1);
        passing(&clock, adoption).await.unwrap().unwrap();
        passing(&clock, refresh).await.unwrap().unwrap();
        pass(&clock, 3).await;
        assert_eq!(fixture.at_once().as_deref(), Some("b1"));
        let restarted = configured_process(&seeded("seed"), &store, &clock, []);
        assert_eq!(restarted.token().await.as_deref(), Some("b1"));
    }
}

#[tokio::test]
async fn a_stalled_holder_brings_its_token_late_and_in_vain() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let stalled =
        configured_process(&seeded("seed"), &store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    let two = configured_process(&seeded("seed"), &store, &clock, []);
    stalled.token().await;
    two.token().await;
    hold(&stalled).await;
    let refresh = tokio::spawn(refreshing(&stalled));
    until(|| stalled.server.requests() == 2).await;
    store.breaks(&[Call::Renew]);
    clock.advance(Duration::from_secs(12));
    two.service.adopt(&handed_in("b1", "s1")).await.unwrap();
    store.heals();
    stalled.server.gate.add_permits(1);
    refresh.await.unwrap().unwrap();
    assert_eq!(stalled.at_once().as_deref(), Some("b1"));
    let restarted = configured_process(&seeded("seed"), &store, &clock, []);
    assert_eq!(restarted.token().await.as_deref(), Some("b1"));
}

#[tokio::test]
async fn of_several_at_once_one_is_the_last_and_all_processes_have_it() {
    for store in [ScriptedStore::new(), ScriptedStore::without_leases()] {
        let clock = clock();
        let tests: Vec<_> = (0..3).map(|_| configured_process(&seeded("seed"), &store, &clock, [])).collect();
        let adoptions: Vec<_> = tests
            .iter()
            .enumerate()
            .flat_map(|(index, fixture)| {
                [0, 1].map(|round| {
                    let name = format!("{index}{round}");
                    tokio::spawn(adopting(fixture, handed_in(&format!("a{name}"), &format!("r{name}"))))
                })
            })
            .collect();
        for adoption in adoptions {
            passing(&clock, adoption).await.unwrap().unwrap();
        }
        pass(&clock, 3).await;
        let held: Vec<_> = tests.iter().map(TestService::at_once).collect();
        assert!(held[0].is_some() && held.iter().all(|one| *one == held[0]), "{held:?}");
    }
}

#[tokio::test]
async fn without_the_store_it_rejects_and_changes_nothing() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture =
        configured_process(&seeded("seed"), &store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    fixture.token().await;
    for calls in [&Call::ALL[..], &[Call::Save], &[Call::Load], &[Call::Lease]] {
        store.breaks(calls);
        let error = fixture.service.adopt(&handed_in("b1", "s1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage, "{calls:?}");
        assert_eq!(fixture.at_once().as_deref(), Some("a1"));
        store.heals();
    }
    pass(&clock, 3).await;
    fixture.service.refresh().await.unwrap();
    assert!(fixture.server.asked(1).contains("refresh_token=r1"), "the lease was released, too");
    fixture.service.shutdown().await;
    let error = fixture.service.adopt(&handed_in("b1", "s1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shutdown);
}

#[tokio::test]
async fn an_access_token_alone_keeps_the_refresh_token_and_a_refresh_token_alone_keeps_nothing() {
    let fixture = TestService::with(&seeded("seed"), [rotating("a1", "r1"), rotating("c1", "t1")]);
    fixture.token().await;
    fixture.service.adopt(&json!({ "accessToken": "b1" })).await.unwrap();
    assert_eq!(fixture.at_once().as_deref(), Some("b1"));
    let status = fixture.service.status();
    assert_eq!((status.expires_in_seconds, status.source), (Some(3600), Some("store")));
    fixture.service.adopt(&json!({ "refreshToken": "s1" })).await.unwrap();
    assert_eq!(fixture.at_once(), None);
    assert_eq!(fixture.service.status().state, TokenPhase::Missing);
    fixture.pass(1);
    assert_eq!(fixture.token().await.as_deref(), Some("c1"));
    assert!(fixture.server.asked(1).contains("refresh_token=s1"));
}

#[tokio::test]
async fn with_another_grant_it_is_used_first_and_the_credentials_after_it() {
    let fixture = test_service([rotating("b1", "s1"), refusal(400, "invalid_grant"), token("m1", 3600)]);
    fixture.service.adopt(&handed_in("a1", "r1")).await.unwrap();
    assert_eq!(fixture.token().await.as_deref(), Some("a1"));
    fixture.service.refresh().await.unwrap();
    assert!(fixture.server.asked(0).contains("refresh_token=r1"));
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.server.asked(2), "grant_type=client_credentials");
    assert_eq!(fixture.heard(EventKind::ConsentEnded), 0);
}

#[tokio::test]
async fn every_way_to_write_an_expiry_is_understood() {
    let now = 1_800_000_000_u64;
    for (tokens, left) in [
        (json!({ "access_token": "a", "expires_in": 600 }), 600),
        (json!({ "access_token": "a", "expires_in": "600" }), 600),
        (json!({ "accessToken": "a", "expiresInSeconds": 600.5 }), 600),
        (json!({ "access_token": "a", "expires_at": now + 600 }), 600),
        (json!({ "access_token": "a", "expiresAt": (now + 600) * 1000 }), 600),
        (json!({ "accessToken": "a", "expiresAt": "2027-01-15T08:10:00Z" }), 600),
        (json!({ "accessToken": "a", "accessTokenExpiresAt": "2027-01-15T08:10:00.000Z" }), 600),
        (json!({ "accessToken": "a", "expiresInSeconds": 900, "expiresAt": now + 600 }), 600),
        (
            json!({ "accessToken": "a", "expiresInSeconds": null, "tokenType": "bearer", "scope": "x y" }),
            3600,
        ),
        (
            json!({ "access_token": "a", "provider": "google", "id_token": "x.y.z", "session_state": "" }),
            3600,
        ),
    ] {
        let fixture = test_service([]);
        fixture.service.adopt(&tokens).await.unwrap();
        assert_eq!(fixture.service.status().expires_in_seconds, Some(left), "{tokens}");
    }
    for (name, value, at) in [
        ("refresh_token_expires_in", json!(86_400), Some("2027-01-16T08:00:00.000Z")),
        ("refresh_expires_in", json!(0), None),
        ("refreshTokenExpiresInSeconds", json!(86_400), Some("2027-01-16T08:00:00.000Z")),
        ("refreshTokenExpiresAt", json!("2027-02-01T00:00:00Z"), Some("2027-02-01T00:00:00.000Z")),
    ] {
        let fixture = test_service([]);
        fixture
            .service
            .adopt(&json!({ "access_token": "a", "refresh_token": "r", name: value }))
            .await
            .unwrap();
        let expiry = fixture.service.status().refresh_token_expires_at.map(|at| at.to_string());
        assert_eq!(expiry.as_deref(), at, "{name}");
    }
    let fixture = TestService::with(&seeded("seed"), [token("b", 3600)]);
    fixture
        .service
        .adopt(&json!({ "access_token": "a", "refresh_token": "r", "expires_at": now - 5 }))
        .await
        .unwrap();
    assert_eq!(
        fixture.token().await.as_deref(),
        Some("b"),
        "an expired one is replaced with the refresh token"
    );
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_lost() {
    let fixture = TestService::with(&seeded("seed"), [rotating("a1", "r1"), rotating("a2", "r2")]);
    fixture.token().await;
    let long = "x".repeat(65_537);
    for (tokens, name) in [
        (json!({}), "tokens"),
        (json!(null), "tokens"),
        (json!("a1"), "tokens"),
        (json!([]), "tokens"),
        (json!({ "access-token": "a" }), "tokens"),
        (json!({ "accessToken": null, "refreshToken": null }), "tokens"),
        (json!({ "accessToken": 7 }), "accessToken"),
        (json!({ "access_token": "" }), "access_token"),
        (json!({ "accessToken": "a\r\nX: 1" }), "accessToken"),
        (json!({ "accessToken": "a\u{7f}b" }), "accessToken"),
        (json!({ "accessToken": "undefined" }), "accessToken"),
        (json!({ "accessToken": "s3cret" }), "accessToken"),
        (json!({ "accessToken": "seed" }), "accessToken"),
        (json!({ "accessToken": "a", "access_token": "b" }), "access_token"),
        (json!({ "refreshToken": "s3cret" }), "refreshToken"),
        (json!({ "refresh_token": "a\nb" }), "refresh_token"),
        (json!({ "refresh_token": ["r"] }), "refresh_token"),
        (json!({ "refreshToken": long }), "refreshToken"),
        (json!({ "accessToken": "same", "refreshToken": "same" }), "refreshToken"),
        (json!({ "accessToken": "a", "expiresInSeconds": -1 }), "expiresInSeconds"),
        (json!({ "accessToken": "a", "expiresInSeconds": 0 }), "expiresInSeconds"),
        (json!({ "accessToken": "a", "expires_in": "soon" }), "expires_in"),
        (json!({ "accessToken": "a", "expiresAt": 3600 }), "expiresAt"),
        (json!({ "accessToken": "a", "expiresAt": "tomorrow" }), "expiresAt"),
        (json!({ "accessToken": "a", "expires_at": 1_700_000_000 }), "expires_at"),
        (json!({ "refreshToken": "r", "refreshTokenExpiresInSeconds": -1 }), "refreshTokenExpiresInSeconds"),
        (json!({ "refreshToken": "r", "refreshTokenExpiresAt": "2020-01-01" }), "refreshTokenExpiresAt"),
        (json!({ "accessToken": "a", "tokenType": "DPoP" }), "tokenType"),
        (json!({ "accessToken": "a", "token_type": "mac" }), "token_type"),
        (json!({ "accessToken": "a", "scope": 7 }), "scope"),
    ] {
        assert_eq!(field(&fixture, tokens.clone()).await, name, "{tokens}");
    }
    assert_eq!(fixture.at_once().as_deref(), Some("a1"));
    fixture.service.refresh().await.unwrap();
    assert!(fixture.server.asked(1).contains("refresh_token=r1"));
    // A server may issue the configured refresh token once more.
    fixture.service.adopt(&json!({ "refreshToken": "seed" })).await.unwrap();
}
