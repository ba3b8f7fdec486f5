//! A token that is cleared in one process, as the others find it out.

use super::scripted_store::*;
use super::*;

#[tokio::test]
async fn every_process_drops_a_cleared_token_within_seconds_and_none_requests_another() {
    for store in [ScriptedStore::new(), ScriptedStore::without_leases()] {
        let clock = clock();
        let (one, two) = (process(&store, &clock, [token("a1", 3600)]), process(&store, &clock, []));
        one.token().await;
        assert_eq!(two.token().await.as_deref(), Some("a1"));
        one.service.clear(false).await.unwrap();
        pass(&clock, 3).await;
        assert_eq!(two.at_once(), None);
        pass(&clock, 5).await;
        for fixture in [&one, &two] {
            let lines = fixture.service.status().history;
            assert_eq!(lines.iter().filter(|line| line.outcome == Outcome::Cleared).count(), 1);
            assert_eq!(fixture.heard(EventKind::Cleared), 1);
        }
        assert_eq!((one.server.requests(), two.server.requests()), (1, 0));
    }
}

#[tokio::test]
async fn who_asks_after_the_clear_gets_a_new_token_and_the_refresh_token_is_gone_with_the_old_one() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let (one, two) =
        (process(&store, &clock, [rotating("a1", "r1")]), process(&store, &clock, [rotating("b1", "s1")]));
    one.token().await;
    two.token().await;
    one.service.clear(false).await.unwrap();
    // Before it has looked of itself.
    two.service.refresh().await.unwrap();
    assert_eq!(two.server.asked(0), "grant_type=client_credentials");
    assert_eq!(one.token().await.as_deref(), Some("b1"));
}

#[tokio::test]
async fn what_was_asked_for_before_the_clear_of_another_process_is_neither_stored_nor_kept() {
    for store in [ScriptedStore::new(), ScriptedStore::without_leases()] {
        let clock = clock();
        let (one, two) =
            (process(&store, &clock, [token("a1", 3600), token("a2", 3600)]), process(&store, &clock, []));
        one.token().await;
        hold(&one).await;
        let refresh = tokio::spawn(refreshing(&one));
        until(|| one.server.requests() == 2).await;
        two.service.clear(false).await.unwrap();
        one.server.gate.add_permits(1);
        refresh.await.unwrap().unwrap();
        pass(&clock, 5).await;
        assert_eq!(one.at_once(), None);
        assert!(store.row().await.is_none());
    }
}

#[tokio::test]
async fn a_caller_who_waits_through_the_clear_of_another_process_gets_a_token_that_was_asked_for_after_it() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let answers = [token("a1", 60), token("a2", 3600), token("a3", 3600)];
    let (one, two) = (process(&store, &clock, answers), process(&store, &clock, []));
    one.token().await;
    clock.advance(Duration::from_secs(60));
    hold(&one).await;
    let caller = tokio::spawn(acquiring(&one));
    until(|| one.server.requests() == 2).await;
    two.service.clear(false).await.unwrap();
    one.server.gate.add_permits(1);
    assert_eq!(passing(&clock, caller).await.unwrap().as_deref(), Some("a3"));
    assert_eq!(two.token().await.as_deref(), Some("a3"));
}

#[tokio::test]
async fn a_token_obtained_while_a_look_is_under_way_is_not_taken_for_lost() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [token("a1", 3600)]);
    fixture.landed().await;
    store.parks_a_look();
    let service = Arc::clone(&fixture.service);
    let look = tokio::spawn(async move { service.rooms.sync.look().await });
    until(|| store.has_parked()).await;
    assert_eq!(fixture.token().await.as_deref(), Some("a1"));
    let stored = store.row().await.unwrap().1;
    store.heals();
    look.await.unwrap();
    assert_eq!(fixture.at_once().as_deref(), Some("a1"));
    assert_eq!(store.row().await.unwrap().1, stored, "it is not stored once more");
}

#[tokio::test]
async fn a_record_under_another_key_does_not_mean_that_the_token_was_cleared() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [token("a1", 3600)]);
    fixture.token().await;
    let key = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
    let other = json!({ "encryptionKey": key });
    configured_process(&other, &store, &clock, [token("b1", 3600)]).token().await;
    pass(&clock, 3).await;
    assert_eq!(fixture.at_once().as_deref(), Some("a1"));
}

#[tokio::test]
async fn what_a_look_takes_from_the_store_while_it_is_cleared_is_given_up_with_the_record() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [token("a1", 3600)]);
    fixture.token().await;
    let turn = fixture.service.rooms.sync.store().turn().await;
    let service = Arc::clone(&fixture.service);
    let clear = tokio::spawn(async move { service.clear(false).await });
    until(|| fixture.at_once().is_none()).await;
    fixture.service.rooms.sync.look().await;
    drop(turn);
    clear.await.unwrap().unwrap();
    assert_eq!(fixture.at_once(), None);
}

#[tokio::test]
async fn a_record_that_is_lost_with_its_place_is_stored_again_within_seconds() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let (one, two) = (process(&store, &clock, [token("a1", 3600)]), process(&store, &clock, []));
    one.token().await;
    two.token().await;
    store.loses_the_record().await;
    pass(&clock, 5).await;
    assert!(store.row().await.is_some());
    for fixture in [one, two, process(&store, &clock, [])] {
        assert_eq!(fixture.token().await.as_deref(), Some("a1"));
        assert_eq!(fixture.heard(EventKind::Cleared), 0);
    }
}

#[tokio::test]
async fn a_token_cleared_long_ago_does_not_keep_a_process_from_a_new_one() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let one = process(&store, &clock, [token("a1", 3600)]);
    one.token().await;
    one.service.clear(false).await.unwrap();
    let two = process(&store, &clock, [token("b1", 3600)]);
    two.landed().await;
    assert!(two.service.upkeep().next_refresh().is_some(), "the scheduler fetches one");
    assert_eq!(two.token().await.as_deref(), Some("b1"));
    pass(&clock, 3).await;
    assert_eq!(one.at_once().as_deref(), Some("b1"));
}

/// A service whose issuer has a revocation endpoint.
fn revocable(
    store: &Arc<ScriptedStore>,
    clock: &Arc<ManualClock>,
    answers: impl IntoIterator<Item = Script>,
) -> TestService {
    let metadata = json!({
        "issuer": "https://id.example.com",
        "token_endpoint": "https://id.example.com/token",
        "revocation_endpoint": "https://id.example.com/revoke",
    });
    let answers = std::iter::once(Script::Http(200, metadata, None)).chain(answers);
    configured_process(&json!({ "authUrl": null, "issuer": "https://id.example.com" }), store, clock, answers)
}

#[tokio::test]
async fn a_clear_before_the_first_look_revokes_the_stored_token() {
    let (store, clock) = (ScriptedStore::new(), clock());
    revocable(&store, &clock, [token("a1", 3600)]).token().await;
    let second = revocable(&store, &clock, [Script::Http(200, json!({}), None)]);
    second.service.clear(true).await.unwrap();
    assert!(second.server.asked(1).contains("token=a1"));
    assert!(store.row().await.is_none());
}

#[tokio::test]
async fn a_token_whose_record_cannot_be_removed_is_revoked_all_the_same_and_is_not_adopted_again() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let answers = [token("a1", 3600), Script::Http(200, json!({}), None), token("a2", 3600)];
    let fixture = revocable(&store, &clock, answers);
    fixture.token().await;
    store.breaks(&[Call::Remove]);
    assert_eq!(fixture.service.clear(true).await.unwrap_err().kind(), ErrorKind::Storage);
    assert!(fixture.server.asked(2).contains("token=a1"));
    assert_eq!(fixture.token().await.as_deref(), Some("a2"));
}

#[tokio::test]
async fn a_look_of_the_scheduler_that_finds_a_clear_does_not_bring_a_token_back_and_a_caller_gets_one() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let (one, two) =
        (process(&store, &clock, [token("a1", 3600)]), process(&store, &clock, [token("b1", 3600)]));
    one.token().await;
    assert_eq!(two.token().await.as_deref(), Some("a1"));
    two.landed().await;
    one.service.clear(false).await.unwrap();
    two.service.upkeep().look();
    two.landed().await;
    assert_eq!((two.server.requests(), two.at_once()), (0, None));
    assert_eq!(two.token().await.as_deref(), Some("b1"));
}

#[tokio::test]
async fn a_clearing_by_another_process_is_noticed_while_a_request_takes_long() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let one = process(&store, &clock, [token("a1", 3600), token("a2", 3600)]);
    one.token().await;
    let other = process(&store, &clock, []);
    hold(&one).await;
    let refresh = tokio::spawn(refreshing(&one));
    until(|| one.server.requests() == 2).await;
    other.service.clear(false).await.unwrap();
    pass(&clock, 3).await;
    assert_eq!(one.at_once(), None);
    one.server.gate.add_permits(1);
    let _ = passing(&clock, refresh).await;
    assert!(store.row().await.is_none(), "what was requested before is not kept");
}
