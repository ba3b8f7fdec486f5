//! What every store does, whatever it is: one suite, and one line for each store at the end.

use std::future::Future;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::{FileStore, MemoryStore, Record, Revision, Saved, SealedStore, Store};
use crate::crypto::KeyRing;
use crate::domain::{AccessToken, Scheme, Secret, ServiceName, Timestamp};

/// A store under test, and what must outlive it.
pub(super) struct Fixture {
    pub(super) store: SealedStore,
    pub(super) place: Arc<dyn Store>,
    _directory: Option<TempDir>,
}

impl Fixture {
    fn new(place: Arc<dyn Store>, directory: Option<TempDir>, is_sealed: bool) -> Self {
        let store = if is_sealed {
            let key = crate::crypto::generate_key().unwrap();
            SealedStore::new(Arc::clone(&place), Arc::new(KeyRing::configured(vec![key]).unwrap()))
        } else {
            SealedStore::unsealed(Arc::clone(&place))
        };
        Self { store, place, _directory: directory }
    }

    fn memory(is_sealed: bool) -> Self {
        Self::new(Arc::new(MemoryStore::new()), None, is_sealed)
    }

    fn file(is_sealed: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::new(directory.path().join("data").join("token-cache.json"));
        Self::new(Arc::new(store), Some(directory), is_sealed)
    }

    async fn saved(
        &self,
        service: &ServiceName,
        token: &str,
        expected: Option<Revision>,
    ) -> Option<Revision> {
        match self.store.save(service, &some_record(token), expected).await.unwrap() {
            Saved::Stored(revision) => Some(revision),
            Saved::Conflict => None,
        }
    }

    async fn token(&self, service: &ServiceName) -> Option<String> {
        let loaded = self.store.load(service).await.unwrap();
        assert!(loaded.warning.is_none(), "{:?}", loaded.warning);
        loaded.record.map(|(record, _)| record.access_token.secret().expose().to_owned())
    }
}

/// A record that differs from others by its token.
pub(super) fn some_record(token: &str) -> Record {
    Record {
        access_token: AccessToken::parse(token).unwrap(),
        scheme: Scheme::bearer(),
        refresh_token: Some(Secret::new(format!("{token} refresh"))),
        issued_at: Timestamp::from_second(1_800_000_000.25),
        expires_at: Timestamp::from_second(1_800_003_600.5),
        last_used: Timestamp::from_second(1_800_000_001.0),
        strategy: Some(json!({ "grant": "login", "endpoint": "https://api.example/login" })),
        generation: 7,
    }
}

pub(super) fn service(name: &str) -> ServiceName {
    ServiceName::parse(name).unwrap()
}

async fn an_empty_store_has_no_record(f: Fixture) {
    assert_eq!(f.token(&service("a")).await, None);
    f.store.remove(&service("a")).await.unwrap();
    f.place.set_aside(&service("a"), Revision(1)).await.unwrap();
    assert_eq!(f.token(&service("a")).await, None);
}

async fn a_record_comes_back_as_it_was_saved(f: Fixture) {
    let record = some_record("one");
    let revision = f.saved(&service("a"), "one", None).await.unwrap();
    let (found, found_revision) = f.store.load(&service("a")).await.unwrap().record.unwrap();
    assert_eq!(found_revision, revision);
    assert!(found.access_token.secret().matches(record.access_token.secret()));
    assert!(found.refresh_token.unwrap().matches(&record.refresh_token.unwrap()));
    assert_eq!(found.scheme, record.scheme);
    assert_eq!(found.issued_at, record.issued_at);
    assert_eq!(found.expires_at, record.expires_at);
    assert_eq!(found.last_used, record.last_used);
    assert_eq!(found.strategy, record.strategy);
    assert_eq!(found.generation, record.generation);
}

async fn what_a_record_lacks_it_lacks_when_it_comes_back(f: Fixture) {
    let record = Record { refresh_token: None, strategy: None, ..some_record("one") };
    f.store.save(&service("a"), &record, None).await.unwrap();
    let (found, _) = f.store.load(&service("a")).await.unwrap().record.unwrap();
    assert!(found.refresh_token.is_none() && found.strategy.is_none());
}

async fn a_first_save_does_not_overwrite_a_record(f: Fixture) {
    f.saved(&service("a"), "one", None).await.unwrap();
    assert_eq!(f.saved(&service("a"), "two", None).await, None);
    assert_eq!(f.token(&service("a")).await.as_deref(), Some("one"));
}

async fn a_save_replaces_the_revision_it_saw_and_no_other(f: Fixture) {
    let first = f.saved(&service("a"), "one", None).await.unwrap();
    let second = f.saved(&service("a"), "two", Some(first)).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(f.saved(&service("a"), "three", Some(first)).await, None);
    assert_eq!(f.token(&service("a")).await.as_deref(), Some("two"));
}

async fn a_removed_record_is_gone_and_its_revision_never_comes_again(f: Fixture) {
    let first = f.saved(&service("a"), "one", None).await.unwrap();
    f.store.remove(&service("a")).await.unwrap();
    assert_eq!(f.token(&service("a")).await, None);
    assert_eq!(f.saved(&service("a"), "late", Some(first)).await, None);
    let second = f.saved(&service("a"), "one", None).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(f.saved(&service("a"), "late", Some(first)).await, None);
}

async fn a_record_set_aside_is_not_loaded_and_makes_room_for_the_next(f: Fixture) {
    for _ in 0..6 {
        let revision = f.saved(&service("a"), "bad", None).await.unwrap();
        f.place.set_aside(&service("a"), revision).await.unwrap();
        assert_eq!(f.token(&service("a")).await, None);
    }
    f.saved(&service("a"), "good", None).await.unwrap();
    assert_eq!(f.token(&service("a")).await.as_deref(), Some("good"));
}

async fn a_record_written_meanwhile_is_not_set_aside(f: Fixture) {
    let seen = f.saved(&service("a"), "bad", None).await.unwrap();
    f.saved(&service("a"), "good", Some(seen)).await.unwrap();
    f.place.set_aside(&service("a"), seen).await.unwrap();
    assert_eq!(f.token(&service("a")).await.as_deref(), Some("good"));
}

async fn services_have_records_of_their_own_whatever_their_names(f: Fixture) {
    let names = ["a", "A", "a.b", "../a", "__proto__", "billing (eu)", "\"quoted\\", "ключ", "services"];
    for (n, name) in names.iter().enumerate() {
        f.saved(&service(name), &format!("token-{n}"), None).await.unwrap();
    }
    f.store.remove(&service("a")).await.unwrap();
    for (n, name) in names.iter().enumerate().skip(1) {
        assert_eq!(f.token(&service(name)).await, Some(format!("token-{n}")), "{name}");
    }
    assert_eq!(f.token(&service("a")).await, None);
}

async fn of_writers_that_saw_the_same_revision_one_wins(f: Fixture) {
    let seen = f.saved(&service("a"), "zero", None).await;
    let f = Arc::new(f);
    let writers: Vec<_> = (0..8)
        .map(|n| {
            let f = Arc::clone(&f);
            crate::runtime::spawn(async move { f.saved(&service("a"), &format!("w{n}"), seen).await })
                .unwrap()
        })
        .collect();
    let mut winners = Vec::new();
    for (n, writer) in writers.into_iter().enumerate() {
        if writer.await.unwrap().is_some() {
            winners.push(format!("w{n}"));
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(f.token(&service("a")).await, winners.pop());
}

async fn a_damaged_sealed_record_is_set_aside_with_one_warning(f: Fixture) {
    f.saved(&service("a"), "one", None).await.unwrap();
    let (mut row, revision) = f.place.load(&service("a")).await.unwrap().unwrap();
    row.token = Secret::new("et1.k.AAAAAAAA.AAAA");
    f.place.save(&service("a"), &row, Some(revision)).await.unwrap();
    let loaded = f.store.load(&service("a")).await.unwrap();
    assert!(loaded.record.is_none());
    assert_eq!(loaded.warning.unwrap().kind(), crate::error::ErrorKind::Decrypt);
    assert_eq!(f.token(&service("a")).await, None);
    f.saved(&service("a"), "two", None).await.unwrap();
    assert_eq!(f.token(&service("a")).await.as_deref(), Some("two"));
}

async fn a_plain_token_put_there_by_hand_is_used(f: Fixture) {
    f.saved(&service("a"), "one", None).await.unwrap();
    let (mut row, revision) = f.place.load(&service("a")).await.unwrap().unwrap();
    row.token = Secret::new("Bearer by-hand");
    row.refresh_token = None;
    f.place.save(&service("a"), &row, Some(revision)).await.unwrap();
    assert_eq!(f.token(&service("a")).await.as_deref(), Some("by-hand"));
}

/// A case ends, or its store hangs.
async fn in_time(case: impl Future<Output = ()>) {
    tokio::time::timeout(std::time::Duration::from_secs(30), case).await.unwrap();
}

macro_rules! cases {
    ($fixture:expr; $($case:ident)*) => {
        $(#[tokio::test] async fn $case() { super::in_time(super::$case($fixture)).await; })*
    };
}

macro_rules! conformance {
    ($($store:ident: $fixture:expr;)*) => {
        $(mod $store {
            use super::Fixture;
            cases! { $fixture;
                an_empty_store_has_no_record
                a_record_comes_back_as_it_was_saved
                what_a_record_lacks_it_lacks_when_it_comes_back
                a_first_save_does_not_overwrite_a_record
                a_save_replaces_the_revision_it_saw_and_no_other
                a_removed_record_is_gone_and_its_revision_never_comes_again
                a_record_set_aside_is_not_loaded_and_makes_room_for_the_next
                a_record_written_meanwhile_is_not_set_aside
                services_have_records_of_their_own_whatever_their_names
                of_writers_that_saw_the_same_revision_one_wins
                a_damaged_sealed_record_is_set_aside_with_one_warning
                a_plain_token_put_there_by_hand_is_used
            }
        })*
    };
}

conformance! {
    memory: Fixture::memory(false);
    sealed_memory: Fixture::memory(true);
    file: Fixture::file(false);
    sealed_file: Fixture::file(true);
}
