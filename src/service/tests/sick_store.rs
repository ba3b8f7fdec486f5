//! A store that fails, hangs, is busy, or is read and not written.

use super::refused_refresh::Notebook;
use super::shelf::*;
use super::*;

#[tokio::test]
async fn without_the_store_a_refresh_token_that_others_may_spend_is_kept_while_the_token_lives() {
    let (shelf, clock) = (Shelf::new(), clock());
    let house = beside(&shelf, &clock, [rotating("a1", "r1"), token("b1", 3600)]);
    house.token().await;
    shelf.breaks(&Call::ALL);
    assert_eq!(house.service.refresh().await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!((house.at_once().as_deref(), house.server.requests()), (Some("a1"), 1));
    clock.advance(Duration::from_secs(3600));
    assert_eq!(house.token().await.as_deref(), Some("b1"), "then the credentials are used");
    assert_eq!(house.server.asked(1), "grant_type=client_credentials");
}

#[tokio::test]
async fn without_the_store_a_refresh_token_that_nobody_else_has_is_spent() {
    let (shelf, clock) = (Shelf::new(), clock());
    shelf.breaks(&Call::ALL);
    let house = beside(&shelf, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    assert_eq!(house.token().await.as_deref(), Some("a1"));
    house.service.refresh().await.unwrap();
    assert_eq!(house.server.asked(1), "grant_type=refresh_token&refresh_token=r1");
}

#[tokio::test]
async fn without_leases_a_store_that_cannot_be_read_keeps_the_refresh_token_unspent_as_well() {
    let (shelf, clock) = (Shelf::without_leases(), clock());
    let house = beside(&shelf, &clock, [rotating("a1", "r1")]);
    house.token().await;
    shelf.breaks(&[Call::Load, Call::Save]);
    assert_eq!(house.service.refresh().await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!((house.at_once().as_deref(), house.server.requests()), (Some("a1"), 1));
}

#[tokio::test]
async fn a_token_that_the_api_refuses_is_replaced_by_the_credentials_while_the_store_is_away() {
    let (shelf, clock) = (Shelf::new(), clock());
    let house = beside(&shelf, &clock, [rotating("a1", "r1"), token("b1", 3600)]);
    house.token().await;
    shelf.breaks(&Call::ALL);
    let refused = house.service.acquire().await.unwrap().unwrap().generation;
    assert!(house.service.rejected(refused).await.unwrap());
    assert_eq!(house.at_once().as_deref(), Some("b1"));
    assert_eq!(house.server.asked(1), "grant_type=client_credentials", "and not the refresh token");
}

#[tokio::test]
async fn an_expired_record_is_no_success_and_ends_no_cool_down() {
    let (shelf, clock) = (Shelf::new(), clock());
    beside(&shelf, &clock, [token("a1", 60)]).token().await;
    clock.advance(Duration::from_secs(3600));
    shelf.breaks(&Call::ALL);
    let house = beside(&shelf, &clock, [refusal(401, "invalid_client"), refusal(401, "invalid_client")]);
    assert_eq!(house.token().await, None);
    let asked = house.server.requests();
    shelf.heals();
    pass(&clock, 5).await;
    assert_eq!(house.service.status().consecutive_failures, 1);
    assert_eq!((house.token().await, house.server.requests()), (None, asked));
}

#[tokio::test]
async fn whichever_call_of_the_store_fails_callers_get_tokens_and_it_heals() {
    for call in Call::ALL {
        let (shelf, clock) = (Shelf::new(), clock());
        let house = beside(&shelf, &clock, [token("a1", 3600), token("a2", 3600), token("a3", 3600)]);
        shelf.breaks(&[call]);
        assert_eq!(house.token().await.as_deref(), Some("a1"), "{call:?}");
        house.service.refresh().await.unwrap();
        assert_eq!(house.at_once().as_deref(), Some("a2"), "{call:?}");
        shelf.heals();
        pass(&clock, 3).await;
        assert!(house.service.status().storage.healthy, "{call:?}");
        assert_eq!(beside(&shelf, &clock, []).token().await.as_deref(), Some("a2"), "{call:?}: it is stored");
        house.service.refresh().await.unwrap();
        assert_eq!(beside(&shelf, &clock, []).token().await.as_deref(), Some("a3"), "{call:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_read_and_not_written_is_sick_until_what_it_lacks_is_stored() {
    let (shelf, clock) = (Shelf::new(), clock());
    let house = beside(&shelf, &clock, [token("a1", 3600), token("a2", 3600)]);
    house.token().await;
    shelf.breaks(&[Call::Save]);
    house.service.refresh().await.unwrap();
    for look in 0..4 {
        assert!(!house.service.status().storage.healthy, "look {look}");
        pass(&clock, 3).await;
    }
    shelf.heals();
    pass(&clock, 3).await;
    assert!(house.service.status().storage.healthy);
    assert_eq!(beside(&shelf, &clock, []).token().await.as_deref(), Some("a2"));
}

#[tokio::test]
async fn a_removal_that_failed_leaves_a_store_that_is_well_when_nothing_is_to_be_written() {
    let (shelf, clock) = (Shelf::new(), clock());
    let house = beside(&shelf, &clock, [token("a1", 3600)]);
    house.token().await;
    shelf.breaks(&[Call::Remove]);
    assert_eq!(house.service.clear(false).await.unwrap_err().kind(), ErrorKind::Storage);
    assert!(!house.service.status().storage.healthy);
    pass(&clock, 3).await;
    assert!(house.service.status().storage.healthy);
}

#[tokio::test]
async fn a_store_that_hangs_delays_the_first_caller_once_and_no_other() {
    let (shelf, clock) = (Shelf::new(), clock());
    shelf.hangs();
    let house = beside(&shelf, &clock, [token("a1", 60), token("a2", 60)]);
    assert_eq!(house.token().await.as_deref(), Some("a1"));
    assert!(!house.service.status().storage.healthy);
    let began = std::time::Instant::now();
    house.service.refresh().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "it is known to hang");
    shelf.heals();
    pass(&clock, 3).await;
    until(|| house.service.status().storage.healthy).await;
}

#[tokio::test]
async fn a_caller_waits_once_for_a_store_that_is_busy_and_not_at_every_step() {
    let (shelf, clock) = (Shelf::new(), clock());
    shelf.is_busy(Duration::from_secs(3));
    let house = beside(&shelf, &clock, [token("a1", 3600)]);
    let began = std::time::Instant::now();
    assert_eq!(house.token().await.as_deref(), Some("a1"));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    shelf.heals();
    until(|| !house.service.vault.has_late()).await;
    pass(&clock, 6).await;
    until(|| house.service.status().storage.healthy).await;
    assert_eq!(beside(&shelf, &clock, []).token().await.as_deref(), Some("a1"), "it is stored");
}

#[tokio::test]
async fn a_record_that_a_save_finds_not_to_open_is_said_once_and_replaced() {
    let (shelf, clock) = (Shelf::without_leases(), clock());
    let house = beside(&shelf, &clock, [token("a1", 3600), token("a2", 3600)]);
    house.token().await;
    let notebook = Notebook::of(&house);
    hold(&house).await;
    let refresh = tokio::spawn(refreshing(&house));
    until(|| house.server.requests() == 2).await;
    let other = json!({ "encryptionKey": "ff".repeat(32) });
    beside_configured(&other, &shelf, &clock, [token("b1", 3600)]).token().await;
    house.server.gate.add_permits(1);
    refresh.await.unwrap().unwrap();
    pass(&clock, 3).await;
    assert_eq!(notebook.lines_with("the stored token is not used").len(), 1);
    assert_eq!(beside(&shelf, &clock, []).token().await.as_deref(), Some("a2"));
}
