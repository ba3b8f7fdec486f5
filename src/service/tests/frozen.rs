//! Holders of a lease that are frozen, or cannot store what they got.

use super::scripted_store::*;
use super::*;

#[tokio::test]
async fn a_holder_that_was_frozen_before_its_request_does_not_spend_what_another_has_spent() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let frozen = process(&store, &clock, [rotating("a1", "r1")]);
    let heir = process(&store, &clock, [rotating("a2", "r2")]);
    frozen.token().await;
    assert_eq!(heir.token().await.as_deref(), Some("a1"));
    // It has the lease, and looks at the record once more.
    store.parks_look(2);
    let refresh = tokio::spawn(refreshing(&frozen));
    until(|| store.has_parked()).await;
    store.breaks(&[Call::Renew]);
    clock.advance(Duration::from_secs(12));
    heir.service.refresh().await.unwrap();
    assert_eq!(heir.at_once().as_deref(), Some("a2"));
    store.heals();
    passing(&clock, refresh).await.unwrap().unwrap();
    assert_eq!(frozen.at_once().as_deref(), Some("a2"));
    assert_eq!(frozen.server.requests(), 1);
}

#[tokio::test]
async fn a_spent_refresh_token_is_kept_from_others_until_the_next_one_is_stored() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let holder = process(&store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    let other = process(&store, &clock, []);
    holder.token().await;
    assert_eq!(other.token().await.as_deref(), Some("a1"));
    store.breaks(&[Call::Save]);
    holder.service.refresh().await.unwrap();
    let second = tokio::spawn(refreshing(&other));
    pass(&clock, 1).await;
    store.heals();
    passing(&clock, second).await.unwrap().unwrap();
    assert_eq!((other.at_once().as_deref(), other.server.requests()), (Some("a2"), 0));
}

#[tokio::test]
async fn a_login_that_cannot_be_stored_keeps_no_one_waiting() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let first = process(&store, &clock, [rotating("a1", "r1")]);
    let other = process(&store, &clock, [rotating("b1", "s1")]);
    store.breaks(&[Call::Save]);
    assert_eq!(first.token().await.as_deref(), Some("a1"));
    assert_eq!(other.token().await.as_deref(), Some("b1"));
}

#[tokio::test]
async fn a_holder_that_was_frozen_and_still_has_the_lease_goes_on() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [rotating("a1", "r1"), rotating("a2", "r2")]);
    fixture.token().await;
    store.parks_look(2);
    let refresh = tokio::spawn(refreshing(&fixture));
    until(|| store.has_parked()).await;
    store.breaks(&[Call::Renew]);
    clock.advance(Duration::from_secs(12));
    store.heals();
    passing(&clock, refresh).await.unwrap().unwrap();
    assert_eq!(fixture.at_once().as_deref(), Some("a2"));
}

#[tokio::test]
async fn a_refresh_token_is_not_spent_while_the_store_cannot_tell_who_has_the_lease() {
    let (store, clock) = (ScriptedStore::new(), clock());
    let fixture = process(&store, &clock, [rotating("a1", "r1")]);
    fixture.token().await;
    // Not on request: what the credentials can do, they then do at once.
    clock.advance(Duration::from_secs(3400));
    // The look that this makes due.
    tokio::time::sleep(Duration::from_millis(200)).await;
    store.parks_look(2);
    let _ = fixture.service.snapshot();
    until(|| store.has_parked()).await;
    clock.advance(Duration::from_secs(12));
    store.breaks(&[Call::Renew]);
    store.ends_the_look();
    fixture.landed().await;
    assert_eq!((fixture.server.requests(), fixture.at_once().as_deref()), (1, Some("a1")));
}
