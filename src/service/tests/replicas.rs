//! Several processes that share a store.

use super::scripted_store::*;
use super::*;
use crate::domain::Secret;
use crate::store::StoredState;

#[tokio::test]
async fn a_caller_does_not_wait_forever_for_a_process_that_may_take_ten_minutes() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let slow = configured_process(&json!({ "timeoutMs": 600_000 }), &store, &clock, [token("a1", 60)]);
    let other = process(&store, &clock, [token("b1", 60)]);
    hold(&slow).await;
    drop(tokio::spawn(acquiring(&slow)));
    until(|| slow.server.requests() == 1).await;
    let error = passing(&clock, refreshing(&other)).await.unwrap_err();
    assert_eq!((error.kind(), other.server.requests()), (ErrorKind::Timeout, 0));
    assert!(error.message().contains("for 33 s"), "{error}");
}

#[tokio::test]
async fn of_eight_processes_one_asks_and_the_others_adopt() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let tests: Vec<_> = (0..8).map(|_| process(&store, &clock, [token("abc", 3600)])).collect();
    let callers: Vec<_> = tests.iter().map(|fixture| tokio::spawn(acquiring(fixture))).collect();
    while !callers.iter().all(tokio::task::JoinHandle::is_finished) {
        clock.advance(Duration::from_millis(5));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for caller in callers {
        assert_eq!(caller.await.unwrap().as_deref(), Some("abc"));
    }
    assert_eq!(tests.iter().map(|fixture| fixture.server.requests()).sum::<usize>(), 1);
}

#[tokio::test]
async fn a_refresh_that_another_process_makes_is_joined() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let (one, two) =
        (process(&store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]), process(&store, &clock, []));
    one.token().await;
    assert_eq!(two.token().await.as_deref(), Some("a1"));
    hold(&one).await;
    let first = tokio::spawn(refreshing(&one));
    until(|| one.server.requests() == 2).await;
    let second = tokio::spawn(refreshing(&two));
    pass(&clock, 1).await;
    one.server.gate.add_permits(1);
    first.await.unwrap().unwrap();
    passing(&clock, second).await.unwrap().unwrap();
    assert_eq!(two.at_once().as_deref(), Some("a2"));
    assert_eq!(two.server.requests(), 0);
}

#[tokio::test]
async fn a_dead_holder_costs_at_most_its_lease() {
    let (store, clock) = (ScriptedStore::new(), clock());
    store.taken_by_another(clock.now()).await.unwrap();
    let fixture = process(&store, &clock, [token("abc", 3600)]);
    let began = clock.now();
    assert_eq!(passing(&clock, acquiring(&fixture)).await.as_deref(), Some("abc"));
    let waited = began.until(clock.now());
    assert!(waited >= Duration::from_secs(11) && waited < Duration::from_secs(12), "{waited:?}");
}

#[tokio::test]
async fn a_living_holder_renews_its_lease_for_as_long_as_it_asks() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = configured_process(&json!({ "timeoutMs": 60_000 }), &store, &clock, [token("abc", 3600)]);
    hold(&fixture).await;
    let caller = tokio::spawn(acquiring(&fixture));
    until(|| fixture.server.requests() == 1).await;
    for _ in 0..6 {
        pass(&clock, 20).await;
        assert!(store.taken_by_another(clock.now()).await.is_none());
    }
    fixture.server.gate.add_permits(1);
    assert_eq!(caller.await.unwrap().as_deref(), Some("abc"));
    assert!(store.taken_by_another(clock.now()).await.is_some(), "it was released");
}

#[tokio::test]
async fn what_a_stalled_holder_brings_late_is_refused_and_the_newer_token_stands() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let stalled = process(&store, &clock, [token("late", 3600)]);
    hold(&stalled).await;
    let caller = tokio::spawn(acquiring(&stalled));
    until(|| stalled.server.requests() == 1).await;
    // Its renewals do not come through, as if it stood still.
    store.breaks(&[Call::Renew]);
    clock.advance(Duration::from_secs(12));
    let heir = process(&store, &clock, [token("newer", 3600)]);
    assert_eq!(heir.token().await.as_deref(), Some("newer"));
    store.heals();
    stalled.server.gate.add_permits(1);
    assert_eq!(caller.await.unwrap().as_deref(), Some("newer"));
    assert_eq!(process(&store, &clock, []).token().await.as_deref(), Some("newer"));
}

#[tokio::test]
async fn a_stalled_holder_without_an_heir_yet_serves_what_it_got_and_adopts_the_heirs() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let stalled = process(&store, &clock, [token("late", 3600)]);
    hold(&stalled).await;
    let caller = tokio::spawn(acquiring(&stalled));
    until(|| stalled.server.requests() == 1).await;
    store.breaks(&[Call::Renew]);
    clock.advance(Duration::from_secs(12));
    let heir = process(&store, &clock, [token("newer", 3600)]);
    hold(&heir).await;
    let heirs = tokio::spawn(acquiring(&heir));
    until(|| heir.server.requests() == 1).await;
    store.heals();
    stalled.server.gate.add_permits(1);
    assert_eq!(caller.await.unwrap().as_deref(), Some("late"));
    assert!(store.row().await.is_none());
    heir.server.gate.add_permits(1);
    assert_eq!(heirs.await.unwrap().as_deref(), Some("newer"));
    pass(&clock, 3).await;
    assert_eq!(stalled.at_once().as_deref(), Some("newer"));
}

#[tokio::test]
async fn who_waits_for_another_process_shares_its_failure() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let refused = [Script::Error(ErrorKind::Tls)];
    let (one, two) = (process(&store, &clock, refused), process(&store, &clock, []));
    hold(&one).await;
    let first = tokio::spawn(refreshing(&one));
    until(|| one.server.requests() == 1).await;
    let second = tokio::spawn(refreshing(&two));
    pass(&clock, 1).await;
    one.server.gate.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap_err().kind(), ErrorKind::Tls);
    assert_eq!(passing(&clock, second).await.unwrap().unwrap_err().kind(), ErrorKind::Tls);
    assert_eq!(two.server.requests(), 0);
    assert_eq!(two.heard(EventKind::RefreshFailed), 1);
}

#[tokio::test]
async fn who_waits_for_an_answer_without_a_token_does_not_send_the_password_either() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let without = [Script::Http(200, json!({ "success": false }), None)];
    let (one, two) = (process(&store, &clock, without), process(&store, &clock, []));
    hold(&one).await;
    let first = tokio::spawn(acquiring(&one));
    until(|| one.server.requests() == 1).await;
    let second = tokio::spawn(acquiring(&two));
    pass(&clock, 1).await;
    one.server.gate.add_permits(1);
    assert_eq!(first.await.unwrap(), None);
    assert_eq!(passing(&clock, second).await.unwrap(), None);
    assert_eq!(two.token().await, None);
    assert_eq!(two.server.requests(), 0);
}

#[tokio::test]
async fn a_rejected_credential_cools_down_for_every_process_and_over_restarts() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let rejected = || refusal(401, "invalid_client");
    let first = configured_process(
        &json!({ "clientAuthentication": "client_secret_post" }),
        &store,
        &clock,
        [rejected()],
    );
    let settings = json!({ "clientAuthentication": "client_secret_post" });
    assert_eq!(first.token().await, None);
    for _ in 0..3 {
        let later = configured_process(&settings, &store, &clock, []);
        assert_eq!(later.token().await, None);
        assert_eq!(later.heard(EventKind::RefreshFailed), 1);
    }
    clock.advance(Duration::from_secs(60));
    let second = configured_process(&settings, &store, &clock, [rejected()]);
    assert_eq!(second.token().await, None);
    clock.advance(Duration::from_secs(61));
    assert_eq!(
        configured_process(&settings, &store, &clock, []).token().await,
        None,
        "the second pause is longer"
    );
    let other = json!({ "clientAuthentication": "client_secret_post", "clientSecret": "another" });
    let other = configured_process(&other, &store, &clock, [refusal(401, "invalid_client")]);
    assert_eq!(other.token().await, None);
    assert_eq!(other.server.requests(), 1, "another secret is tried at once");
    let asked = configured_process(&settings, &store, &clock, [token("abc", 3600)]);
    asked.service.refresh().await.unwrap();
    assert_eq!(configured_process(&settings, &store, &clock, []).token().await.as_deref(), Some("abc"));
}

#[tokio::test]
async fn another_processes_refresh_is_noticed_within_seconds() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let one = process(&store, &clock, [token("a1", 3600), token("a2", 3600)]);
    one.token().await;
    let two = process(&store, &clock, []);
    assert_eq!(two.token().await.as_deref(), Some("a1"));
    one.service.refresh().await.unwrap();
    pass(&clock, 3).await;
    assert_eq!(two.at_once().as_deref(), Some("a2"));
}

#[tokio::test]
async fn after_a_401_the_stores_later_token_is_taken_before_any_is_requested() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let one = process(&store, &clock, [token("a1", 3600), token("a2", 3600)]);
    one.token().await;
    let two = process(&store, &clock, [token("a3", 3600)]);
    let rejected = two.service.acquire().await.unwrap().unwrap().generation;
    one.service.refresh().await.unwrap();
    assert!(two.service.rejected(rejected).await.unwrap());
    assert_eq!((two.at_once().as_deref(), two.server.requests()), (Some("a2"), 0));
    let rejected = two.service.acquire().await.unwrap().unwrap().generation;
    assert!(two.service.rejected(rejected).await.unwrap());
    assert_eq!((two.at_once().as_deref(), two.server.requests()), (Some("a3"), 1));
}

#[tokio::test]
async fn a_refused_refresh_token_that_another_process_rotated_is_no_reason_to_log_in() {
    let (store, clock) = (ScriptedStore::without_leases(), clock());
    let winner = process(&store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    winner.token().await;
    let loser = process(&store, &clock, [refusal(400, "invalid_grant")]);
    assert_eq!(loser.token().await.as_deref(), Some("a1"));
    hold(&loser).await;
    let refresh = tokio::spawn(refreshing(&loser));
    until(|| loser.server.requests() == 1).await;
    winner.service.refresh().await.unwrap();
    loser.server.gate.add_permits(1);
    refresh.await.unwrap().unwrap();
    assert_eq!((loser.at_once().as_deref(), loser.server.requests()), (Some("a2"), 1));
}

#[tokio::test]
async fn a_plain_token_that_is_accepted_is_used_and_sealed_at_the_next_save() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let accepting = json!({ "storage": { "kind": "file", "acceptPlainTokens": true } });
    let one = configured_process(&accepting, &store, &clock, [rotating("a1", "r1"), token("a2", 3600)]);
    one.token().await;
    let (row, _) = store.row().await.unwrap();
    assert!(crate::crypto::is_envelope(row.token.expose()));
    store.put(&crate::store::StoredRow { token: Secret::new("by-hand"), refresh_token: None, ..row }).await;
    pass(&clock, 3).await;
    assert_eq!(one.at_once().as_deref(), Some("by-hand"));
    one.service.refresh().await.unwrap();
    let (row, _) = store.row().await.unwrap();
    assert!(crate::crypto::is_envelope(row.token.expose()));
}

#[tokio::test]
async fn a_refresh_token_that_is_accepted_is_spent_once_its_token_has_expired() {
    let (store, clock) = (ScriptedStore::new(), clock());
    process(&store, &clock, [token("a1", 3600)]).token().await;
    let (row, _) = store.row().await.unwrap();
    let (plain, refresh_token) = (Secret::new("by-hand"), Some(Secret::new("seed")));
    store.put(&crate::store::StoredRow { token: plain, refresh_token, ..row }).await;
    clock.advance(Duration::from_secs(4000));
    let settings = json!({ "storage": { "kind": "custom", "acceptPlainTokens": true } });
    let fixture = configured_process(&settings, &store, &clock, [rotating("a2", "next")]);
    assert_eq!(fixture.token().await.as_deref(), Some("a2"));
    assert_eq!(fixture.server.asked(0), "grant_type=refresh_token&refresh_token=seed");
}

#[tokio::test]
async fn a_planted_token_is_not_sent_and_a_planted_refresh_token_is_not_spent() {
    let (store, clock) = (ScriptedStore::new(), clock());
    process(&store, &clock, [token("a1", 3600)]).token().await;
    let (row, _) = store.row().await.unwrap();
    let planted = (Secret::new("planted"), Some(Secret::new("planted refresh")));
    store.put(&crate::store::StoredRow { token: planted.0, refresh_token: planted.1, ..row }).await;
    let fixture = process(&store, &clock, [token("a2", 3600)]);
    assert_eq!(fixture.token().await.as_deref(), Some("a2"));
    assert_eq!(fixture.server.asked(0), "grant_type=client_credentials");
    let (row, _) = store.row().await.unwrap();
    assert!(crate::crypto::is_envelope(row.token.expose()) && row.refresh_token.is_none());
}

#[tokio::test]
async fn another_configurations_token_is_not_taken_over_and_its_refresh_token_not_spent() {
    let (store, clock) = (ScriptedStore::new(), clock());
    process(&store, &clock, [rotating("a1", "r1")]).token().await;
    for other in [
        json!({ "authUrl": "https://other/token" }),
        json!({ "scope": "more" }),
        json!({ "clientId": "another" }),
        json!({ "clientSecret": null, "clientId": null, "username": "bob", "password": "s3cret", "grant": "password" }),
    ] {
        let fixture = configured_process(&other, &store, &clock, [token("b1", 3600), token("b2", 3600)]);
        assert_eq!(fixture.token().await.as_deref(), Some("b1"), "{other}");
        assert!(!fixture.server.asked(0).contains("refresh_token"));
        let again = configured_process(&other, &store, &clock, []);
        assert_eq!(again.token().await.as_deref(), Some("b1"), "it took the place of the other");
        process(&store, &clock, [rotating("a1", "r1")]).service.refresh().await.unwrap();
    }
}

#[tokio::test]
async fn the_store_does_not_say_where_the_credentials_go() {
    let (store, clock) = (ScriptedStore::new(), clock());
    process(&store, &clock, [rotating("a1", "r1")]).token().await;
    // Under the very key: a record of another configuration, or of an earlier one.
    let sealed = store.sealed();
    let (mut record, seen) = sealed.load(&ServiceName::default()).await.unwrap().record.unwrap();
    let grant = record.state.as_mut().unwrap().grant.as_mut().unwrap();
    grant.endpoint.set_host(Some("elsewhere")).unwrap();
    sealed.save(&ServiceName::default(), &record, Some(seen), None).await.unwrap();
    let fixture = process(&store, &clock, [token("a2", 3600)]);
    assert_eq!(fixture.token().await.as_deref(), Some("a1"));
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.server.asked(0), "grant_type=client_credentials");
}

#[tokio::test]
async fn a_token_whose_state_cannot_be_read_is_used_and_its_refresh_token_is_not() {
    let (store, clock) = (ScriptedStore::new(), clock());
    process(&store, &clock, [rotating("a1", "r1")]).token().await;
    let sealed = store.sealed();
    let (mut record, seen) = sealed.load(&ServiceName::default()).await.unwrap().record.unwrap();
    record.state = Some(StoredState::default());
    sealed.save(&ServiceName::default(), &record, Some(seen), None).await.unwrap();
    let fixture = process(&store, &clock, [token("a2", 3600)]);
    assert_eq!(fixture.token().await.as_deref(), Some("a1"));
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.server.asked(0), "grant_type=client_credentials");
}

#[tokio::test]
async fn clock_steps_of_a_day_serve_no_dead_token_and_start_no_storm() {
    let day = Duration::from_secs(86_400);
    let (store, clock) = (ScriptedStore::new(), clock());
    let answers = (0..20).map(|n| token(&format!("t{n}"), 3600));
    let fixture = process(&store, &clock, answers);
    fixture.token().await;
    for step in 0..8 {
        let requests = fixture.server.requests();
        let now = clock.now();
        clock.set(if step % 2 == 0 { now.plus(day) } else { now.minus(day) });
        for _ in 0..50 {
            let token = passing(&clock, acquiring(&fixture)).await;
            assert!(token.is_some());
            let status = fixture.service.status();
            assert!(status.expires_at.unwrap() > clock.now(), "a dead token was served");
        }
        assert!(fixture.server.requests() - requests <= 1, "step {step}");
        let other = process(&store, &clock, [token("other", 3600)]);
        assert!(passing(&clock, acquiring(&other)).await.is_some(), "no lease is held for a day");
    }
}

#[tokio::test]
async fn in_ten_thousand_races_nothing_older_than_the_401_is_handed_out() {
    let (store, clock) = (ScriptedStore::new(), clock());
    // Every answer is a later token; the server takes only the latest.
    let answers = (0..30_000).map(|n| token(&format!("{n}"), 3600));
    let settings = json!({ "rateLimit": { "attempts": 10_000, "perSeconds": 1 } });
    let fixture = configured_process(&settings, &store, &clock, answers);
    fixture.token().await;
    for race in 0..10_000 {
        let rejected = fixture.service.acquire().await.unwrap().unwrap();
        let number = |snapshot: &Snapshot| snapshot.token.secret().expose().parse::<u64>().unwrap();
        let service = Arc::clone(&fixture.service);
        let refresh = (race % 2 == 0).then(|| tokio::spawn(refreshing(&fixture)));
        let generation = rejected.generation;
        let retry = tokio::spawn(async move { service.rejected(generation).await.unwrap() });
        if retry.await.unwrap() {
            let later = fixture.service.acquire().await.unwrap().unwrap();
            assert!(number(&later) > number(&rejected), "race {race}");
            assert!(later.generation > rejected.generation, "race {race}");
        }
        if let Some(refresh) = refresh {
            refresh.await.unwrap().unwrap();
        }
        clock.advance(Duration::from_secs(6));
    }
}
