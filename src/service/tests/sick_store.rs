//! A store that fails, hangs, is busy, or is read and not written.

use super::refused_refresh::Notebook;
use super::scripted_store::*;
use super::*;
use crate::config::Config;
use crate::store::StoreClient;

#[tokio::test]
async fn without_the_store_a_refresh_token_that_others_may_spend_is_kept_while_the_token_lives() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [rotating("a1", "r1"), token("b1", 3600)]);
    fixture.token().await;
    store.breaks(&Call::ALL);
    assert_eq!(fixture.service.refresh().await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!((fixture.at_once().as_deref(), fixture.server.requests()), (Some("a1"), 1));
    clock.advance(Duration::from_secs(3600));
    assert_eq!(fixture.token().await.as_deref(), Some("b1"), "then the credentials are used");
    assert_eq!(fixture.server.asked(1), "grant_type=client_credentials");
}

#[tokio::test]
async fn without_the_store_a_refresh_token_that_no_other_process_has_is_spent() {
    let (store, clock) = (ScriptedStore::new(), clock());
    store.breaks(&Call::ALL);
    let fixture = process(&store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    assert_eq!(fixture.token().await.as_deref(), Some("a1"));
    fixture.service.refresh().await.unwrap();
    assert_eq!(fixture.server.asked(1), "grant_type=refresh_token&refresh_token=r1");
}

#[tokio::test]
async fn without_the_store_a_refresh_token_that_may_have_been_stored_is_kept_while_the_token_lives() {
    let (store, clock) = (ScriptedStore::new(), clock());
    store.loses_answers();
    let fixture = process(&store, &clock, [rotating("a1", "r1")]);
    assert_eq!(fixture.token().await.as_deref(), Some("a1"));
    store.breaks(&Call::ALL);
    assert_eq!(fixture.service.refresh().await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(fixture.server.requests(), 1);
}

#[tokio::test]
async fn without_the_store_the_credentials_are_used_before_the_token_ends_and_not_after_a_pause() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [rotating("a1", "r1"), token("b1", 3600)]);
    fixture.token().await;
    store.breaks(&Call::ALL);
    clock.advance(Duration::from_secs(3550));
    assert_eq!(fixture.at_once().as_deref(), Some("a1"));
    fixture.landed().await;
    assert_eq!(fixture.at_once().as_deref(), Some("b1"));
    assert_eq!(fixture.server.asked(1), "grant_type=client_credentials");
}

#[tokio::test]
async fn a_token_that_may_have_been_stored_does_not_replace_what_followed_from_it() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let behind = Arc::new(ManualClock::new(clock.now().minus(Duration::from_secs(100))));
    store.loses_answers();
    let one = process(&store, &clock, [rotating("a1", "r1")]);
    assert_eq!(one.token().await.as_deref(), Some("a1"));
    store.heals();
    let other = process(&store, &behind, [rotating("a2", "r2")]);
    other.service.refresh().await.unwrap();
    assert_eq!(other.server.asked(0), "grant_type=refresh_token&refresh_token=r1");
    one.service.rooms.sync.look().await;
    other.service.rooms.sync.look().await;
    assert_eq!((one.at_once().as_deref(), other.at_once().as_deref()), (Some("a2"), Some("a2")));
}

#[tokio::test]
async fn without_leases_a_store_that_cannot_be_read_keeps_the_refresh_token_unspent_as_well() {
    let (store, clock) = (ScriptedStore::without_leases(), clock());
    let fixture = process(&store, &clock, [rotating("a1", "r1")]);
    fixture.token().await;
    store.breaks(&[Call::Load, Call::Save]);
    assert_eq!(fixture.service.refresh().await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!((fixture.at_once().as_deref(), fixture.server.requests()), (Some("a1"), 1));
}

#[tokio::test]
async fn a_token_that_the_api_refuses_is_replaced_by_the_credentials_while_the_store_is_away() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [rotating("a1", "r1"), token("b1", 3600)]);
    fixture.token().await;
    store.breaks(&Call::ALL);
    let refused = fixture.service.acquire().await.unwrap().unwrap().generation;
    assert!(fixture.service.rejected(refused).await.unwrap());
    assert_eq!(fixture.at_once().as_deref(), Some("b1"));
    assert_eq!(fixture.server.asked(1), "grant_type=client_credentials", "and not the refresh token");
}

#[tokio::test]
async fn an_expired_record_does_not_count_as_success_and_does_not_end_a_cool_down() {
    let (store, clock) = (ScriptedStore::new(), clock());
    process(&store, &clock, [token("a1", 60)]).token().await;
    clock.advance(Duration::from_secs(3600));
    store.breaks(&Call::ALL);
    let fixture = process(&store, &clock, [refusal(401, "invalid_client"), refusal(401, "invalid_client")]);
    assert_eq!(fixture.token().await, None);
    let asked = fixture.server.requests();
    store.heals();
    pass(&clock, 5).await;
    assert_eq!(fixture.service.status().consecutive_failures, 1);
    assert_eq!((fixture.token().await, fixture.server.requests()), (None, asked));
}

#[tokio::test]
async fn the_end_of_an_outage_is_logged_at_the_level_of_its_beginning() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [token("a1", 3600)]);
    let notebook = Notebook::of(&fixture);
    store.breaks(&Call::ALL);
    fixture.token().await;
    store.heals();
    pass(&clock, 5).await;
    let lines = notebook.lines_with("the store ");
    let [begin, end] = &lines[..] else { panic!("{lines:?}") };
    assert!(begin.starts_with("the store does not work"), "{begin}");
    assert_eq!(end, "the store works again");
}

#[tokio::test]
async fn whichever_call_of_the_store_fails_callers_get_tokens_and_it_heals() {
    for call in Call::ALL {
        let (store, clock) = (ScriptedStore::new(), clock());
        let fixture = process(&store, &clock, [token("a1", 3600), token("a2", 3600), token("a3", 3600)]);
        store.breaks(&[call]);
        assert_eq!(fixture.token().await.as_deref(), Some("a1"), "{call:?}");
        fixture.service.refresh().await.unwrap();
        assert_eq!(fixture.at_once().as_deref(), Some("a2"), "{call:?}");
        store.heals();
        pass(&clock, 3).await;
        assert!(fixture.service.status().storage.healthy, "{call:?}");
        assert_eq!(
            process(&store, &clock, []).token().await.as_deref(),
            Some("a2"),
            "{call:?}: it is stored"
        );
        fixture.service.refresh().await.unwrap();
        assert_eq!(process(&store, &clock, []).token().await.as_deref(), Some("a3"), "{call:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_read_and_not_written_is_sick_until_what_it_lacks_is_stored() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [token("a1", 3600), token("a2", 3600)]);
    fixture.token().await;
    store.breaks(&[Call::Save]);
    fixture.service.refresh().await.unwrap();
    for look in 0..4 {
        assert!(!fixture.service.status().storage.healthy, "look {look}");
        pass(&clock, 3).await;
    }
    store.heals();
    pass(&clock, 3).await;
    assert!(fixture.service.status().storage.healthy);
    assert_eq!(process(&store, &clock, []).token().await.as_deref(), Some("a2"));
}

#[tokio::test]
async fn a_removal_that_failed_leaves_a_store_that_is_well_when_nothing_is_to_be_written() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [token("a1", 3600)]);
    fixture.token().await;
    store.breaks(&[Call::Remove]);
    assert_eq!(fixture.service.clear(false).await.unwrap_err().kind(), ErrorKind::Storage);
    assert!(!fixture.service.status().storage.healthy);
    pass(&clock, 3).await;
    assert!(fixture.service.status().storage.healthy);
}

#[tokio::test]
async fn a_store_that_hangs_delays_the_first_caller_once_and_no_other() {
    let (store, clock) = (ScriptedStore::new(), clock());
    store.hangs();
    let fixture = process(&store, &clock, [token("a1", 60), token("a2", 60)]);
    assert_eq!(fixture.token().await.as_deref(), Some("a1"));
    assert!(!fixture.service.status().storage.healthy);
    let began = std::time::Instant::now();
    fixture.service.refresh().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "it is known to hang");
    store.heals();
    pass(&clock, 3).await;
    until(|| fixture.service.status().storage.healthy).await;
}

#[tokio::test]
async fn a_lease_that_is_granted_after_its_caller_gave_up_is_free_again() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let config = json!({ "authUrl": "https://h/token", "clientId": "a", "clientSecret": "b", "storage":
        { "kind": "sqlite" } });
    let provided = Some(Arc::clone(&store) as Arc<dyn Store>);
    let client = StoreClient::new(&Config::from_json(config).unwrap(), None, None, provided).unwrap();
    store.hangs();
    let claim = client.lease(clock.moment());
    assert!(tokio::time::timeout(Duration::from_millis(20), claim).await.is_err());
    store.heals();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let first = ScriptedStore::new().taken_by_another(clock.now()).await;
    let taken = store.taken_by_another(clock.now()).await;
    assert!(taken > first, "{taken:?}: it was granted, and released");
}

#[tokio::test]
async fn while_a_spent_refresh_token_cannot_be_replaced_its_lease_is_renewed() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    fixture.token().await;
    store.hangs_at(&[Call::Save]);
    let refreshed = refreshing(&fixture).await;
    assert_eq!((refreshed.is_ok(), fixture.at_once().as_deref()), (true, Some("a2")));
    pass(&clock, 30).await;
    assert_eq!(store.taken_by_another(clock.now()).await, None, "it would send r1");
}

#[tokio::test]
async fn a_caller_waits_once_for_a_store_that_is_busy_and_not_at_every_step() {
    let (store, clock) = (ScriptedStore::new(), clock());
    store.is_busy(Duration::from_secs(3));
    let fixture = process(&store, &clock, [token("a1", 3600)]);
    let began = std::time::Instant::now();
    assert_eq!(fixture.token().await.as_deref(), Some("a1"));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    store.heals();
    until(|| !fixture.service.rooms.sync.store().has_late()).await;
    pass(&clock, 6).await;
    until(|| fixture.service.status().storage.healthy).await;
    assert_eq!(process(&store, &clock, []).token().await.as_deref(), Some("a1"), "it is stored");
}

#[tokio::test]
async fn a_record_that_cannot_be_decrypted_is_logged_once_and_replaced() {
    let (store, clock) = (ScriptedStore::without_leases(), clock());
    let fixture = process(&store, &clock, [token("a1", 3600), token("a2", 3600)]);
    fixture.token().await;
    let notebook = Notebook::of(&fixture);
    hold(&fixture).await;
    let refresh = tokio::spawn(refreshing(&fixture));
    until(|| fixture.server.requests() == 2).await;
    let other = json!({ "encryptionKey": "ff".repeat(32) });
    configured_process(&other, &store, &clock, [token("b1", 3600)]).token().await;
    fixture.server.gate.add_permits(1);
    refresh.await.unwrap().unwrap();
    pass(&clock, 3).await;
    assert_eq!(notebook.lines_with("the stored token is not used").len(), 1);
    assert_eq!(process(&store, &clock, []).token().await.as_deref(), Some("a2"));
}

#[tokio::test]
async fn a_token_obtained_while_the_store_failed_is_not_replaced_by_an_older_one() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let one = process(&store, &clock, [token("a1", 3600), token("a2", 3600)]);
    let other = process(&store, &clock, []);
    one.token().await;
    assert_eq!(other.token().await.as_deref(), Some("a1"));
    store.breaks(&Call::ALL);
    clock.advance(Duration::from_secs(60));
    one.service.refresh().await.unwrap();
    assert_eq!(one.at_once().as_deref(), Some("a2"));
    // The record is lost with its place, and the other process is the first to store its token again.
    store.heals();
    store.loses_the_record().await;
    other.service.rooms.sync.look().await;
    assert!(store.row().await.is_some());
    one.service.rooms.sync.look().await;
    assert_eq!(one.at_once().as_deref(), Some("a2"));
    other.service.rooms.sync.look().await;
    assert_eq!(other.at_once().as_deref(), Some("a2"));
}
