//! What every store does: one suite, and one line for each store at the end.

#[macro_use]
mod lists;
mod notes;
pub(super) mod on_disk;
mod on_rows;
mod removals;
mod trust;
mod without_clock;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use url::Url;

use super::external::tests::RowMap;
use super::rows::Rows;
use super::{
    Claim, ExternalStore, Fence, LeaseGrant, Leasing, MemoryStore, Owner, Revision, RowStore, Saved,
    SealedStore, Store, StoredRow, StoredState, StoredToken,
};
use crate::clock::ManualClock;
use crate::config::ExternalStoreKind;
use crate::crypto::KeyRing;
use crate::domain::{
    AccessToken, Consent, ConsentExpiry, Secret, SeedDigest, ServiceName, Timestamp, TokenType,
};
use crate::grants::{GrantFormat, GrantRequest};

use notes::*;
use removals::*;
use trust::*;

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
            SealedStore::new(Arc::clone(&place), Arc::new(KeyRing::from_keys(vec![key]).unwrap()))
        } else {
            SealedStore::without_sealing(Arc::clone(&place))
        };
        Self { store, place, _directory: directory }
    }

    fn memory(is_sealed: bool) -> Self {
        Self::new(Arc::new(MemoryStore::new()), None, is_sealed)
    }

    fn on_disk<S: Store>(name: &str, store: fn(std::path::PathBuf) -> S, is_sealed: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::new(Arc::new(store(directory.path().join("data").join(name))), Some(directory), is_sealed)
    }

    fn rows(rows: Arc<dyn Rows>) -> Self {
        // The claims of the cases say how much time has passed.
        let clock = Arc::new(ManualClock::new(Timestamp::MIN));
        Self::new(Arc::new(RowStore::on_clock(rows, clock)), None, true)
    }

    /// What a provider of either kind does: one only keeps records, the other compares and swaps.
    fn external(careful: bool) -> Self {
        let provider = Arc::new(RowMap::new(careful));
        Self::new(Arc::new(ExternalStore::new(ExternalStoreKind::Custom, provider)), None, true)
    }

    async fn save(&self, service: &ServiceName, token: &str, expected: Option<Revision>) -> Option<Revision> {
        match self.store.save(service, &some_record(token), expected, None).await.unwrap() {
            Saved::Stored(revision) => Some(revision),
            Saved::Conflict => None,
            Saved::Fenced => panic!("there was no fence"),
        }
    }

    /// The fence of a lease that `who` gets at a second, for ten seconds.
    async fn lease(&self, who: Owner, second: f64) -> Option<Fence> {
        self.grant(who, second).await.map(|grant| grant.fence)
    }

    async fn grant(&self, who: Owner, second: f64) -> Option<LeaseGrant> {
        match self.store.lease(&service("a"), &claim(who, second)).await.unwrap() {
            Leasing::Granted(grant) => Some(grant),
            Leasing::Held(_) => None,
            Leasing::Unknown => panic!("this store has leases"),
        }
    }

    async fn save_under(&self, fence: Fence, token: &str, expected: Option<Revision>) -> Saved {
        self.store.save(&service("a"), &some_record(token), expected, Some(fence)).await.unwrap()
    }

    async fn token(&self, service: &ServiceName) -> Option<String> {
        let loaded = self.store.load(service).await.unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        loaded.record.map(|(record, _)| record.access_token.as_ref().unwrap().secret().expose().to_owned())
    }
}

/// A record that differs from others by its token.
pub(super) fn some_record(token: &str) -> StoredToken {
    StoredToken {
        access_token: Some(AccessToken::parse(token).unwrap()),
        scheme: TokenType::bearer(),
        refresh_token: Some(Secret::new(format!("{token} refresh"))),
        issued_at: Timestamp::from_second(1_800_000_000.25),
        expires_at: Some(Timestamp::from_second(1_800_003_600.5)),
        last_used: Timestamp::from_second(1_800_000_001.0),
        state: Some(StoredState {
            grant: Some(GrantRequest {
                endpoint: Url::parse("https://api.example/login").unwrap(),
                format: GrantFormat::JsonEmail,
                method: None,
                refresh_name: Some("refreshToken".to_owned()),
                refreshes: true,
            }),
            identity: Some(format!("who {token} is for")),
            ..StoredState::default()
        }),
    }
}

pub(super) fn claim(owner: Owner, second: f64) -> Claim {
    Claim {
        owner,
        now: Timestamp::from_second(1_800_000_000.0 + second),
        elapsed: Duration::from_secs_f64(second),
        length: Duration::from_secs(10),
    }
}

pub(super) fn service(name: &str) -> ServiceName {
    ServiceName::parse(name).unwrap()
}

async fn an_empty_store_has_no_record(f: Fixture) {
    assert_eq!(f.token(&service("a")).await, None);
    f.store.remove(&service("a")).await.unwrap();
    f.place.set_aside(&service("a"), Revision { number: 1, digest: 1 }).await.unwrap();
    assert_eq!(f.token(&service("a")).await, None);
}

async fn a_record_comes_back_as_it_was_saved(f: Fixture) {
    let fields = [("instance_url", Some("https://na1.example.com")), ("region", None)];
    let mut record = some_record("one");
    let state = StoredState {
        proof_key: Some(Secret::new("a proof key")),
        consent: Consent {
            seeds: ["one", "two"].map(SeedDigest::new).into_iter().collect(),
            expiry: Some(ConsentExpiry::new(
                record.issued_at,
                record.issued_at.plus(Duration::from_secs(90)),
            )),
            ended_at: Some(record.last_used),
        },
        fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value.map(Secret::new))).collect(),
        ..record.state.take().unwrap()
    };
    record.state = Some(state.clone());
    let saved = f.store.save(&service("a"), &record, None, None).await.unwrap();
    let Saved::Stored(revision) = saved else { panic!("there was no record") };
    let (found, found_revision) = f.store.load(&service("a")).await.unwrap().record.unwrap();
    assert_eq!(found_revision, revision);
    assert!(
        found.access_token.as_ref().unwrap().secret().matches(record.access_token.as_ref().unwrap().secret())
    );
    assert!(found.refresh_token.unwrap().matches(&record.refresh_token.unwrap()));
    assert_eq!(found.scheme, record.scheme);
    assert_eq!(found.issued_at, record.issued_at);
    assert_eq!(found.expires_at, record.expires_at);
    assert_eq!(found.last_used, record.last_used);
    let found = found.state.unwrap();
    assert_eq!((found.grant, found.identity, found.consent), (state.grant, state.identity, state.consent));
    assert!(found.proof_key.unwrap().matches(&state.proof_key.unwrap()));
    let found_fields: Vec<_> =
        found.fields.iter().map(|(name, value)| (name, value.map(Secret::expose))).collect();
    assert_eq!(found_fields, fields);
}

async fn what_a_record_lacks_it_lacks_when_it_comes_back(f: Fixture) {
    let bare = StoredToken { refresh_token: None, state: None, ..some_record("one") };
    let bound = StoredState { proof_key: Some(Secret::new("a proof key")), ..StoredState::default() };
    let mut expected = None;
    for state in [Some(bound), Some(StoredState::default()), None] {
        let record = StoredToken { access_token: None, state, expires_at: None, ..bare.clone() };
        let saved = f.store.save(&service("a"), &record, expected, None).await.unwrap();
        let Saved::Stored(revision) = saved else { panic!("no one else writes") };
        expected = Some(revision);
        let (found, _) = f.store.load(&service("a")).await.unwrap().record.unwrap();
        assert!(found.access_token.is_none() && found.refresh_token.is_none() && found.expires_at.is_none());
        assert_eq!(found.state.is_some(), record.state.is_some());
        let (found, saved) = (found.state.unwrap_or_default(), record.state.unwrap_or_default());
        assert!(found.grant.is_none() && found.identity.is_none() && found.fields.is_empty());
        assert_eq!(found.proof_key.is_some(), saved.proof_key.is_some());
    }
}

async fn a_first_save_does_not_overwrite_a_record(f: Fixture) {
    f.save(&service("a"), "one", None).await.unwrap();
    assert_eq!(f.save(&service("a"), "two", None).await, None);
    assert_eq!(f.token(&service("a")).await.as_deref(), Some("one"));
}

async fn a_save_replaces_the_revision_it_saw_and_no_other(f: Fixture) {
    let first = f.save(&service("a"), "one", None).await.unwrap();
    let second = f.save(&service("a"), "two", Some(first)).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(f.save(&service("a"), "three", Some(first)).await, None);
    assert_eq!(f.token(&service("a")).await.as_deref(), Some("two"));
}

async fn every_save_is_later_than_those_before_it_removals_or_not(f: Fixture) {
    let mut last = f.save(&service("a"), "one", None).await.unwrap();
    for round in 0..3 {
        let next = f.save(&service("a"), "one", Some(last)).await.unwrap();
        assert!(next.is_later_than(last) && !last.is_later_than(next) && !next.is_later_than(next));
        let found = f.store.load(&service("a")).await.unwrap().record.unwrap().1;
        assert_eq!(found, next);
        f.store.remove(&service("a")).await.unwrap();
        let record = StoredToken {
            last_used: some_record("one").last_used.plus(Duration::from_secs(60 * (round + 1))),
            ..some_record("one")
        };
        let Saved::Stored(first) = f.store.save(&service("a"), &record, None, None).await.unwrap() else {
            panic!("there was no record")
        };
        assert!(first.is_later_than(next));
        last = first;
    }
}

async fn an_edit_by_hand_is_a_later_revision(f: Fixture) {
    let first = f.save(&service("a"), "one", None).await.unwrap();
    let edited = Revision { digest: first.digest ^ 1, ..first };
    assert!(edited.is_later_than(first));
}

async fn a_lease_belongs_to_one_owner_until_it_ends(f: Fixture) {
    let (one, two) = (Owner::random(), Owner::random());
    let first = f.lease(one, 0.0).await.unwrap();
    assert_eq!(f.lease(two, 9.999).await, None);
    let second = f.lease(two, 10.0).await.unwrap();
    assert!(second > first);
    assert_eq!(f.lease(one, 11.0).await, None);
}

async fn a_lease_needs_no_record_and_is_not_one(f: Fixture) {
    f.lease(Owner::random(), 0.0).await.unwrap();
    assert_eq!(f.token(&service("a")).await, None);
}

async fn services_have_leases_of_their_own(f: Fixture) {
    f.lease(Owner::random(), 0.0).await.unwrap();
    let other = f.store.lease(&service("b"), &claim(Owner::random(), 0.0)).await.unwrap();
    assert!(matches!(other, Leasing::Granted(_)));
}

async fn its_owner_takes_a_lease_again_under_a_new_fence(f: Fixture) {
    let one = Owner::random();
    let first = f.lease(one, 0.0).await.unwrap();
    let second = f.lease(one, 1.0).await.unwrap();
    assert!(second > first);
    assert_eq!(f.save_under(first, "late", None).await, Saved::Fenced);
    assert!(!f.store.renew(&service("a"), &claim(one, 2.0), first).await.unwrap());
    assert!(matches!(f.save_under(second, "in-time", None).await, Saved::Stored(_)));
}

async fn a_renewed_lease_lasts_from_its_renewal(f: Fixture) {
    let (one, two) = (Owner::random(), Owner::random());
    let fence = f.lease(one, 0.0).await.unwrap();
    assert!(f.store.renew(&service("a"), &claim(one, 5.0), fence).await.unwrap());
    assert_eq!(f.lease(two, 14.999).await, None);
    f.lease(two, 15.0).await.unwrap();
    assert!(!f.store.renew(&service("a"), &claim(one, 16.0), fence).await.unwrap());
}

async fn a_released_lease_is_free_at_once_and_only_its_own_fence_releases_it(f: Fixture) {
    let (one, two) = (Owner::random(), Owner::random());
    let fence = f.lease(one, 0.0).await.unwrap();
    f.store.release(&service("a"), Fence(fence.0 - 1), None).await.unwrap();
    f.store.release(&service("b"), fence, None).await.unwrap();
    assert_eq!(f.lease(two, 1.0).await, None);
    f.store.release(&service("a"), fence, None).await.unwrap();
    f.lease(two, 1.0).await.unwrap();
    f.store.release(&service("a"), fence, None).await.unwrap();
    assert_eq!(f.lease(one, 2.0).await, None);
}

async fn a_late_save_of_a_former_holder_is_refused(f: Fixture) {
    let (stalled, heir) = (Owner::random(), Owner::random());
    let late = f.lease(stalled, 0.0).await.unwrap();
    let fence = f.lease(heir, 10.0).await.unwrap();
    assert_eq!(f.save_under(late, "late", None).await, Saved::Fenced);
    let Saved::Stored(revision) = f.save_under(fence, "newer", None).await else { panic!("it was refused") };
    assert_eq!(f.save_under(late, "late", Some(revision)).await, Saved::Fenced);
    assert_eq!(f.token(&service("a")).await.as_deref(), Some("newer"));
}

async fn a_save_under_a_fence_ends_the_lease_and_a_conflict_does_not(f: Fixture) {
    let seen = f.save(&service("a"), "one", None).await.unwrap();
    let (one, two) = (Owner::random(), Owner::random());
    let fence = f.lease(one, 0.0).await.unwrap();
    assert_eq!(f.save_under(fence, "two", None).await, Saved::Conflict);
    assert_eq!(f.lease(two, 1.0).await, None);
    assert!(matches!(f.save_under(fence, "two", Some(seen)).await, Saved::Stored(_)));
    f.lease(two, 1.0).await.unwrap();
    assert_eq!(f.token(&service("a")).await.as_deref(), Some("two"));
}

async fn a_removal_ends_the_lease_so_that_what_its_holder_brings_is_not_stored(f: Fixture) {
    let fence = f.lease(Owner::random(), 0.0).await.unwrap();
    f.store.remove(&service("a")).await.unwrap();
    assert_eq!(f.save_under(fence, "late", None).await, Saved::Fenced);
    assert!(f.lease(Owner::random(), 1.0).await.unwrap() > fence);
}

async fn a_note_goes_to_the_next_holders_until_a_save(f: Fixture) {
    let (one, two) = (Owner::random(), Owner::random());
    let grant = f.grant(one, 0.0).await.unwrap();
    assert!(grant.note.is_none());
    f.store.release(&service("a"), grant.fence, Some(Secret::new("refused"))).await.unwrap();
    let grant = f.grant(two, 1.0).await.unwrap();
    assert_eq!(grant.note.as_ref().map(Secret::expose), Some("refused"));
    // This holder dies without a word, and the note stays.
    let grant = f.grant(one, 20.0).await.unwrap();
    assert_eq!(grant.note.as_ref().map(Secret::expose), Some("refused"));
    f.save_under(grant.fence, "one", None).await;
    assert!(f.grant(two, 21.0).await.unwrap().note.is_none());
}

async fn a_claim_that_waited_for_its_turn_does_not_take_a_lease_granted_meanwhile(f: Fixture) {
    let (one, late) = (Owner::random(), Owner::random());
    f.lease(one, 3.0).await.unwrap();
    assert_eq!(f.lease(late, 0.0).await, None);
}

async fn a_clock_set_back_by_a_day_does_not_hold_a_lease_for_a_day(f: Fixture) {
    let (one, two) = (Owner::random(), Owner::random());
    let first = f.lease(one, 86_400.0).await.unwrap();
    let claim = Claim { elapsed: Duration::from_secs(86_410), ..claim(two, 0.0) };
    let Leasing::Granted(second) = f.store.lease(&service("a"), &claim).await.unwrap() else {
        panic!("it is held")
    };
    assert!(second.fence > first, "the fence grows even if the clock goes back");
}

async fn of_claimants_at_once_one_gets_the_lease(f: Fixture) {
    let f = Arc::new(f);
    let claimants: Vec<_> = (0..8)
        .map(|_| {
            let f = Arc::clone(&f);
            crate::runtime::spawn(async move { f.lease(Owner::random(), 0.0).await }).unwrap()
        })
        .collect();
    let mut granted = 0;
    for claimant in claimants {
        granted += usize::from(claimant.await.unwrap().is_some());
    }
    assert_eq!(granted, 1);
}

async fn services_with_any_names_have_records_of_their_own(f: Fixture) {
    let names = ["a", "A", "a.b", "../a", "__proto__", "billing (eu)", "\"quoted\\", "ключ", "services"];
    for (n, name) in names.iter().enumerate() {
        f.save(&service(name), &format!("token-{n}"), None).await.unwrap();
    }
    f.store.remove(&service("a")).await.unwrap();
    for (n, name) in names.iter().enumerate().skip(1) {
        assert_eq!(f.token(&service(name)).await, Some(format!("token-{n}")), "{name}");
    }
    assert_eq!(f.token(&service("a")).await, None);
}

async fn of_writers_that_saw_the_same_revision_one_wins(f: Fixture) {
    let seen = f.save(&service("a"), "zero", None).await;
    let f = Arc::new(f);
    let writers: Vec<_> = (0..8)
        .map(|n| {
            let f = Arc::clone(&f);
            crate::runtime::spawn(async move { f.save(&service("a"), &format!("w{n}"), seen).await }).unwrap()
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

/// A case ends, or its store hangs.
async fn in_time(case: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(30), case).await.unwrap();
}

conformance! {
    memory: Fixture::memory(false);
    sealed_memory: Fixture::memory(true);
    file: Fixture::on_disk("token-cache.json", crate::store::FileStore::new, false);
    sealed_file: Fixture::on_disk("token-cache.json", crate::store::FileStore::new, true);
    sqlite: Fixture::on_disk("token-cache.db", crate::store::SqliteStore::new, false);
    sealed_sqlite: Fixture::on_disk("token-cache.db", crate::store::SqliteStore::new, true);
}

conformance_without_leases! {
    external: Fixture::external(false);
    external_that_swaps: Fixture::external(true);
}
