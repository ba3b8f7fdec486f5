//! A refresh token that someone's consent brought: it is spent once, lives in the record, and ends when it is refused.

use super::refused_refresh::Notebook;
use super::scripted_store::*;
use super::*;

pub(super) fn seeded(seed: &str) -> Value {
    json!({ "refreshToken": seed, "onFailure": "throw" })
}

fn refused() -> Script {
    refusal(400, "invalid_grant")
}

fn expiring(name: &str, refresh_token: &str, seconds: u64) -> Script {
    let body = json!({
        "access_token": name, "expires_in": 3600, "refresh_token": refresh_token, "refresh_token_expires_in": seconds,
    });
    Script::Http(200, body, None)
}

pub(super) async fn kind(fixture: &TestService) -> ErrorKind {
    fixture.service.acquire().await.unwrap_err().kind()
}

#[tokio::test]
async fn the_configured_refresh_token_is_spent_and_the_rotated_ones_after_it() {
    let fixture = TestService::with(&seeded("seed"), [rotating("a1", "r1"), rotating("a2", "r2")]);
    assert_eq!(fixture.token().await.as_deref(), Some("a1"));
    assert_eq!(fixture.server.asked(0), "grant_type=refresh_token&refresh_token=seed");
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.server.asked(1), "grant_type=refresh_token&refresh_token=r1");
    let strategy = fixture.service.status().strategy.unwrap();
    assert_eq!((strategy.grant.as_str(), strategy.format.as_str()), ("refresh_token", "client_secret_basic"));
}

#[tokio::test]
async fn a_public_client_spends_it_with_its_name_alone() {
    for method in [json!("none"), Value::Null] {
        let mut config = seeded("seed");
        config["clientSecret"] = Value::Null;
        config["clientAuthentication"] = method;
        let fixture = TestService::with(&config, [rotating("a1", "r1")]);
        assert_eq!(fixture.token().await.as_deref(), Some("a1"));
        assert_eq!(fixture.server.asked(0), "grant_type=refresh_token&refresh_token=seed&client_id=app");
        assert_eq!(fixture.service.status().strategy.unwrap().format, "none");
    }
}

#[tokio::test]
async fn after_a_restart_the_stored_refresh_token_is_used_and_a_new_seed_replaces_it() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let first = configured_process(&seeded("seed"), &store, &clock, [rotating("a1", "r1")]);
    first.token().await;
    first.service.shutdown().await;
    let second = configured_process(&seeded("seed"), &store, &clock, [rotating("a2", "r2")]);
    assert_eq!(second.token().await.as_deref(), Some("a1"));
    second.service.refresh().await.unwrap();
    assert_eq!(second.server.asked(0), "grant_type=refresh_token&refresh_token=r1");
    second.service.shutdown().await;
    let third = configured_process(&seeded("new seed"), &store, &clock, [rotating("b1", "s1")]);
    assert_eq!(third.token().await.as_deref(), Some("b1"), "the token of the earlier consent is not used");
    assert_eq!(third.server.asked(0), "grant_type=refresh_token&refresh_token=new+seed");
    third.service.shutdown().await;
    let last = configured_process(&seeded("new seed"), &store, &clock, []);
    assert_eq!(last.token().await.as_deref(), Some("b1"));
}

#[tokio::test]
async fn a_process_with_the_earlier_seed_follows_the_newer_one_and_spends_nothing() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let old = configured_process(&seeded("seed"), &store, &clock, [rotating("a1", "r1")]);
    old.token().await;
    let new = configured_process(&seeded("new seed"), &store, &clock, [rotating("b1", "s1")]);
    assert_eq!(new.token().await.as_deref(), Some("b1"));
    pass(&clock, 3).await;
    assert_eq!(old.at_once().as_deref(), Some("b1"));
    let restarted = configured_process(&seeded("seed"), &store, &clock, []);
    assert_eq!(restarted.token().await.as_deref(), Some("b1"));
    assert_eq!(old.server.requests(), 1);
}

#[tokio::test]
async fn a_record_of_another_grant_is_not_used() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let machine = configured_process(&json!({}), &store, &clock, [rotating("m1", "x1")]);
    machine.token().await;
    let fixture = configured_process(&seeded("seed"), &store, &clock, [rotating("a1", "r1")]);
    assert_eq!(fixture.token().await.as_deref(), Some("a1"));
}

#[tokio::test]
async fn a_seed_is_spent_by_one_of_three_processes_that_start_together() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let tests: Vec<_> =
        (0..3).map(|_| configured_process(&seeded("seed"), &store, &clock, [rotating("a1", "r1")])).collect();
    let callers: Vec<_> = tests.iter().map(|fixture| tokio::spawn(acquiring(fixture))).collect();
    while !callers.iter().all(tokio::task::JoinHandle::is_finished) {
        clock.advance(Duration::from_millis(5));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(tests.iter().map(|fixture| fixture.server.requests()).sum::<usize>(), 1);
    for fixture in &tests {
        assert_eq!(fixture.at_once().as_deref(), Some("a1"));
    }
}

#[tokio::test]
async fn a_refused_refresh_token_ends_the_consent_for_every_process_and_over_restarts() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let one = configured_process(&seeded("seed"), &store, &clock, [rotating("a1", "r1"), refused()]);
    let two = configured_process(&seeded("seed"), &store, &clock, []);
    one.token().await;
    assert_eq!(two.token().await.as_deref(), Some("a1"));
    let error = one.service.refresh().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Consent, Some(400)));
    assert!(error.message().contains("someone has to sign in again"), "{error}");
    assert_eq!(error.server_error().unwrap().error.as_deref(), Some("invalid_grant"));
    assert_eq!(one.at_once().as_deref(), Some("a1"), "the access token lives on");
    pass(&clock, 3).await;
    for fixture in [&one, &two] {
        assert_eq!((fixture.heard(EventKind::ConsentEnded), fixture.heard(EventKind::Alert)), (1, 1));
        let status = fixture.service.status();
        assert!(!status.healthy && status.consent_ended_at.is_some());
        assert_eq!(status.last_error.unwrap().code, "ERR_TOKEN_CONSENT");
    }
    clock.advance(Duration::from_secs(3600));
    let three = configured_process(&seeded("seed"), &store, &clock, []);
    for fixture in [&one, &two, &three] {
        for _ in 0..3 {
            assert_eq!(kind(fixture).await, ErrorKind::Consent);
            pass(&clock, 1).await;
        }
        assert_eq!(fixture.service.refresh().await.unwrap_err().kind(), ErrorKind::Consent);
    }
    clock.advance(Duration::from_secs(30 * 86_400));
    pass(&clock, 2).await;
    assert_eq!(kind(&three).await, ErrorKind::Consent);
    assert_eq!(three.heard(EventKind::ConsentEnded), 1);
    let requests = [&one, &two, &three].map(|fixture| fixture.server.requests());
    assert_eq!(requests, [2, 0, 0]);
    let renewed = configured_process(&seeded("another"), &store, &clock, [rotating("b1", "s1")]);
    assert_eq!(renewed.token().await.as_deref(), Some("b1"));
    pass(&clock, 3).await;
    assert_eq!(two.at_once().as_deref(), Some("b1"));
    assert!(two.service.status().healthy);
    assert_eq!(two.heard(EventKind::Recovered), 1);
}

#[tokio::test]
async fn a_seed_that_is_refused_at_once_is_not_sent_again_and_harms_no_other_consent() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let good =
        configured_process(&seeded("good"), &store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    good.token().await;
    let bad = configured_process(&seeded("bad"), &store, &clock, [refused()]);
    assert_eq!(kind(&bad).await, ErrorKind::Consent);
    assert_eq!(bad.heard(EventKind::ConsentEnded), 1);
    pass(&clock, 3).await;
    good.service.refresh().await.unwrap();
    for _ in 0..2 {
        let again = configured_process(&seeded("bad"), &store, &clock, []);
        assert_eq!(kind(&again).await, ErrorKind::Consent);
        assert_eq!(again.service.refresh().await.unwrap_err().kind(), ErrorKind::Consent);
        clock.advance(Duration::from_secs(90 * 86_400));
    }
}

#[tokio::test]
async fn what_says_nothing_about_the_refresh_token_does_not_end_the_consent() {
    for failure in [
        Script::Error(ErrorKind::Timeout),
        Script::Http(500, json!({}), None),
        Script::Http(404, json!({}), None),
        Script::Http(403, json!({}), None),
        refusal(400, "unauthorized_client"),
        refusal(400, "invalid_scope"),
        refusal(401, "invalid_client"),
        Script::Http(200, json!({}), None),
        Script::Http(429, json!({}), Some("3")),
    ] {
        let mut config = seeded("seed");
        config["clientAuthentication"] = "client_secret_post".into();
        config["retry"] = json!({ "attempts": 1 });
        let fixture = TestService::with(&config, [rotating("a1", "r1"), failure, rotating("a2", "r2")]);
        fixture.token().await;
        fixture.pass(3600);
        assert_ne!(kind(&fixture).await, ErrorKind::Consent);
        assert_eq!(fixture.heard(EventKind::ConsentEnded), 0);
        fixture.pass(86_400);
        assert_eq!(fixture.token().await.as_deref(), Some("a2"));
        assert!(fixture.server.asked(2).contains("refresh_token=r1"), "{}", fixture.server.asked(2));
    }
}

#[tokio::test]
async fn a_refusal_in_the_words_of_login_endpoints_ends_it_too() {
    for refusal in [
        refusal(401, "invalid_grant"),
        Script::Http(401, json!({ "message": "Refresh token expired" }), None),
        Script::Http(
            400,
            json!({ "error": "invalid_grant", "error_description": "Token has been revoked" }),
            None,
        ),
        refusal(400, "consent_required"),
        refusal(400, "interaction_required"),
    ] {
        let fixture = TestService::with(&seeded("seed"), [rotating("a1", "r1"), refusal]);
        fixture.token().await;
        assert_eq!(fixture.service.refresh().await.unwrap_err().kind(), ErrorKind::Consent);
    }
}

#[tokio::test]
async fn the_winner_of_another_process_is_adopted_after_a_refusal() {
    let (store, clock) = (ScriptedStore::without_leases(), clock());
    let one = configured_process(&seeded("seed"), &store, &clock, [rotating("a1", "r1"), refused()]);
    let two = configured_process(&seeded("seed"), &store, &clock, [rotating("a2", "r2")]);
    one.token().await;
    two.token().await;
    hold(&one).await;
    let late = tokio::spawn(refreshing(&one));
    until(|| one.server.requests() == 2).await;
    two.service.refresh().await.unwrap();
    one.server.gate.add_permits(1);
    late.await.unwrap().unwrap();
    assert_eq!(one.at_once().as_deref(), Some("a2"));
    assert_eq!(one.heard(EventKind::ConsentEnded), 0);
}

#[tokio::test]
async fn an_expired_token_that_comes_with_the_next_refresh_token_loses_none() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let over =
        Script::Http(200, json!({ "access_token": "x", "expires_in": 0, "refresh_token": "r1" }), None);
    let one = configured_process(&seeded("seed"), &store, &clock, [over]);
    assert_eq!(kind(&one).await, ErrorKind::Response);
    let two = configured_process(&seeded("seed"), &store, &clock, [rotating("a2", "r2")]);
    assert_eq!(two.token().await.as_deref(), Some("a2"));
    assert_eq!(two.server.asked(0), "grant_type=refresh_token&refresh_token=r1");
}

#[tokio::test]
async fn without_the_store_a_stored_consent_waits_and_a_seed_too() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let one =
        configured_process(&seeded("seed"), &store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    one.token().await;
    store.breaks(&Call::ALL);
    clock.advance(Duration::from_secs(3600));
    assert_eq!(kind(&one).await, ErrorKind::Storage);
    let two = configured_process(&seeded("seed"), &store, &clock, []);
    assert_eq!(kind(&two).await, ErrorKind::Storage);
    assert_eq!((one.server.requests(), two.server.requests()), (1, 0));
    store.heals();
    clock.advance(Duration::from_secs(60));
    assert_eq!(one.token().await.as_deref(), Some("a2"));
}

#[tokio::test]
async fn a_seed_is_not_spent_while_the_record_cannot_be_decrypted() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let one =
        configured_process(&seeded("seed"), &store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    one.token().await;
    let mut other = seeded("seed");
    other["encryptionKey"] = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100".into();
    let two = configured_process(&other, &store, &clock, [rotating("b1", "s1")]);
    assert_eq!(kind(&two).await, ErrorKind::Decrypt);
    assert_eq!(two.server.requests(), 0);
    one.service.refresh().await.unwrap();
    two.service.clear(false).await.unwrap();
    clock.advance(Duration::from_secs(60));
    assert_eq!(two.token().await.as_deref(), Some("b1"));
}

#[tokio::test]
async fn without_any_refresh_token_nothing_is_requested_and_the_service_is_not_sick() {
    let config = json!({ "grant": "refresh_token", "onFailure": "throw" });
    let fixture = TestService::with(&config, []);
    let notebook = Notebook::of(&fixture);
    fixture.landed().await;
    let error = fixture.service.acquire().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Consent);
    assert!(error.message().starts_with("there is no refresh token"), "{error}");
    assert!(fixture.service.status().healthy);
    assert_eq!(fixture.service.status().state, TokenPhase::Missing);
    assert_eq!((fixture.heard(EventKind::ConsentEnded), fixture.heard(EventKind::RefreshFailed)), (0, 0));
    assert!(notebook.lines_with("no refresh token").len() <= 1);
}

#[tokio::test]
async fn a_clear_begins_again_with_the_configured_refresh_token() {
    let fixture = TestService::with(&seeded("seed"), [rotating("a1", "r1"), rotating("b1", "s1")]);
    fixture.token().await;
    fixture.service.clear(false).await.unwrap();
    assert_eq!(fixture.token().await.as_deref(), Some("b1"));
    assert!(fixture.server.asked(1).contains("refresh_token=seed"));
}

#[tokio::test]
async fn the_manual_token_stands_in_while_someone_has_to_consent() {
    let fixture = TestService::with(&json!({ "refreshToken": "seed", "token": "manual" }), [refused()]);
    assert_eq!(fixture.token().await.as_deref(), Some("manual"));
    assert_eq!(fixture.service.status().state, TokenPhase::Manual);
    assert_eq!(fixture.at_once().as_deref(), Some("manual"));
}

#[tokio::test]
async fn a_restart_that_would_lose_the_consent_is_warned_of_once() {
    let answers = [rotating("a1", "r1"), rotating("a2", "r2"), rotating("a3", "r3")];
    let fixture = TestService::with(&seeded("seed"), answers);
    let notebook = Notebook::of(&fixture);
    fixture.token().await;
    fixture.service.refresh().await.unwrap();
    fixture.service.refresh().await.unwrap();
    assert_eq!(notebook.lines_with("a restart loses it").len(), 1);
    let stored = configured_process(&seeded("seed"), &ScriptedStore::new(), &clock(), []);
    drop(stored);
    let same = TestService::with(&seeded("seed"), [rotating("a1", "seed")]);
    let notebook = Notebook::of(&same);
    same.token().await;
    assert_eq!(notebook.lines_with("a restart loses it").len(), 0, "it was not rotated");
}

#[tokio::test]
async fn the_alert_goes_out_once_for_all_processes_before_the_consent_ends() {
    const DAY: u64 = 86_400;
    let (store, clock) = (ScriptedStore::new(), clock());
    let answers = [expiring("a1", "r1", 90 * DAY), expiring("a2", "r2", 7 * DAY - 100)];
    let mut config = seeded("seed");
    config["alerts"] = json!({ "webhookUrl": "https://h/hook" });
    let one = configured_process(&config, &store, &clock, answers);
    let two = configured_process(&config, &store, &clock, []);
    one.token().await;
    assert_eq!(two.token().await.as_deref(), Some("a1"));
    let end = one.service.status().refresh_token_expires_at.unwrap();
    assert_eq!(end, clock.now().plus(Duration::from_secs(90 * DAY)));
    assert_eq!(two.service.status().refresh_token_expires_at, Some(end));
    clock.advance(Duration::from_secs(83 * DAY - 1));
    pass(&clock, 1).await;
    let alerts = || one.heard(EventKind::Alert) + two.heard(EventKind::Alert);
    clock.advance(Duration::from_secs(100));
    one.service.refresh().await.unwrap();
    pass(&clock, 12).await;
    assert_eq!(alerts(), 1);
    let hooked = [&one, &two].map(|fixture| fixture.server.hooked.lock().unwrap().clone()).concat();
    assert_eq!(hooked.len(), 1);
    let text = hooked[0]["text"].as_str().unwrap();
    assert!(text.contains("ERR_TOKEN_CONSENT: the consent ends at 2027-"), "{text}");
    let three = configured_process(&config, &store, &clock, []);
    three.token().await;
    clock.advance(Duration::from_secs(60));
    pass(&clock, 8).await;
    assert_eq!(alerts() + three.heard(EventKind::Alert), 1, "a restart does not repeat it");
}

#[tokio::test]
async fn a_record_that_is_overwritten_with_garbage_costs_no_consent() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let one =
        configured_process(&seeded("seed"), &store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    one.token().await;
    let (mut row, _) = store.row().await.unwrap();
    row.token = Secret::new("et1.k.AAAAAAAA.garbage");
    row.last_used = clock.now().plus(Duration::from_secs(1));
    store.put(&row).await;
    pass(&clock, 3).await;
    assert_eq!(one.at_once().as_deref(), Some("a1"));
    one.service.refresh().await.unwrap();
    assert!(one.server.asked(1).contains("refresh_token=r1"));
    let restarted = configured_process(&seeded("seed"), &store, &clock, []);
    assert_eq!(restarted.token().await.as_deref(), Some("a2"));
}
