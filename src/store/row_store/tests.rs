//! What the conformance suite does not say: rows that fail, change and answer in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::super::lease::{LeaseGrant, Owner};
use super::*;
use crate::clock::ManualClock;
use crate::crypto::KeyRing;
use crate::domain::AccessToken;
use crate::store::conformance::service;
use crate::store::{SealedStore, StoredToken};

/// Rows in memory, with the clock of a place or without one.
#[derive(Default)]
pub(in crate::store) struct MapRows {
    rows: Mutex<BTreeMap<String, StoredRow>>,
    /// The clock of the place, if it has one.
    pub(in crate::store) now: Mutex<Option<Timestamp>>,
    /// Whether the answers of changes are lost.
    loses_answers: AtomicBool,
    changes: AtomicUsize,
}

#[async_trait]
impl Rows for MapRows {
    fn kind(&self) -> &'static str {
        "custom"
    }

    fn location(&self) -> String {
        "map".to_owned()
    }

    async fn find(&self, name: &ServiceName) -> Result<Found> {
        tokio::task::yield_now().await;
        let row = self.rows.lock().get(name.as_str()).cloned();
        let content = row.map_or(Content::Nothing, |row| Content::Row { seen: row.token.clone(), row });
        Ok(Found { content, now: *self.now.lock() })
    }

    async fn compare_and_set(
        &self,
        name: &ServiceName,
        expected: Option<&Secret>,
        next: Option<&StoredRow>,
    ) -> Result<bool> {
        tokio::task::yield_now().await;
        let mut rows = self.rows.lock();
        let is_expected = match (rows.get(name.as_str()), expected) {
            (None, None) => true,
            (Some(row), Some(expected)) => row.token.matches(expected),
            _ => false,
        };
        if is_expected {
            match next {
                Some(row) => rows.insert(name.as_str().to_owned(), row.clone()),
                None => rows.remove(name.as_str()),
            };
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
        if self.loses_answers.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Storage, "the connection was closed"));
        }
        Ok(is_expected)
    }

    async fn discard(&self, name: &ServiceName) -> Result<()> {
        self.rows.lock().remove(name.as_str());
        Ok(())
    }

    async fn marks(&self, names: &[Arc<str>]) -> Result<Vec<u64>> {
        let rows = self.rows.lock();
        let mark = |name: &Arc<str>| rows.get(&**name).map_or(0, |row| number_of(row.last_used));
        Ok(names.iter().map(mark).collect())
    }
}

impl MapRows {
    fn text(&self, name: &ServiceName) -> Option<String> {
        self.rows.lock().get(name.as_str()).map(|row| row.token.expose().to_owned())
    }
}

fn claim(owner: Owner, second: u64) -> Claim {
    let now = Timestamp::from_second(1_800_000_000.0);
    Claim { owner, now, elapsed: Duration::from_secs(second), length: Duration::from_secs(10) }
}

fn a_row(text: &str) -> StoredRow {
    let moment = Timestamp::from_second(1_800_000_000.0);
    reserved_row(Secret::new(text), moment, moment)
}

async fn granted(store: &RowStore, claim: Claim) -> Option<LeaseGrant> {
    match store.lease(&service("a"), &claim).await.unwrap() {
        Leasing::Granted(grant) => Some(grant),
        Leasing::Held(_) => None,
        Leasing::Unknown => panic!("it has leases"),
    }
}

/// A store of a process whose clock shows `now`.
fn sealed_at(rows: &Arc<MapRows>, now: Timestamp) -> SealedStore {
    let store = RowStore::on_clock(Arc::clone(rows) as Arc<dyn Rows>, Arc::new(ManualClock::new(now)));
    let ring = KeyRing::from_keys(vec![Secret::new("0123456789abcdef0123456789abcdef")]).unwrap();
    SealedStore::new(Arc::new(store), Arc::new(ring))
}

#[tokio::test]
async fn replicas_with_wrong_clocks_agree_on_how_long_a_token_lives() {
    let true_time = Timestamp::from_second(1_800_000_000.0);
    let minutes = |count: u64| Duration::from_secs(count * 60);
    let rows = Arc::new(MapRows::default());
    *rows.now.lock() = Some(true_time);
    let clocks = [true_time.plus(minutes(10)), true_time.minus(minutes(10)), true_time];
    for (at, own) in clocks.into_iter().enumerate() {
        let writer = sealed_at(&rows, own);
        let before = writer.load(&service("a")).await.unwrap();
        let is_wrong = own != true_time;
        assert_eq!(before.warnings.iter().any(|it| it.message().contains("clock of map")), is_wrong);
        let record = StoredToken {
            access_token: Some(AccessToken::parse(&format!("token-{at}")).unwrap()),
            scheme: TokenType::bearer(),
            refresh_token: None,
            issued_at: own,
            expires_at: Some(own.plus(minutes(1))),
            last_used: own,
            state: None,
        };
        let expected = before.record.map(|(_, revision)| revision);
        let saved = writer.save(&service("a"), &record, expected, None).await.unwrap();
        assert!(matches!(saved, Saved::Stored(_)), "{saved:?}");
        for reader in clocks {
            let (found, _) = sealed_at(&rows, reader).load(&service("a")).await.unwrap().record.unwrap();
            assert_eq!((found.issued_at, found.expires_at), (reader, Some(reader.plus(minutes(1)))));
        }
    }
}

fn pair() -> (Arc<MapRows>, RowStore, RowStore) {
    let rows = Arc::new(MapRows::default());
    let clock = || Arc::new(ManualClock::new(Timestamp::MIN));
    let store = || RowStore::on_clock(Arc::clone(&rows) as Arc<dyn Rows>, clock());
    (Arc::clone(&rows), store(), store())
}

#[tokio::test]
async fn a_lease_ends_for_whom_it_has_not_changed_for_its_length_however_clocks_are_set() {
    let (_, one, two) = pair();
    let (holder, heir) = (Owner::random(), Owner::random());
    let years = |claim: Claim, years: f64| Claim {
        now: claim.now.plus(Duration::from_secs_f64(years * 3e7)),
        ..claim
    };
    granted(&one, claim(holder, 0)).await.unwrap();
    // The heir's clock is far ahead, and then far behind.
    assert!(granted(&two, years(claim(heir, 500), 10.0)).await.is_none());
    assert!(granted(&two, claim(heir, 509)).await.is_none());
    assert!(granted(&two, claim(heir, 510)).await.is_some());
}

#[tokio::test]
async fn a_lease_that_is_renewed_does_not_end() {
    let (_, one, two) = pair();
    let (holder, heir) = (Owner::random(), Owner::random());
    let grant = granted(&one, claim(holder, 0)).await.unwrap();
    for second in [3, 6, 9, 12, 15] {
        assert!(granted(&two, claim(heir, second)).await.is_none());
        let later =
            Claim { now: claim(holder, 0).now.plus(Duration::from_secs(second)), ..claim(holder, second) };
        assert!(one.renew(&service("a"), &later, grant.fence).await.unwrap());
    }
    assert!(granted(&two, claim(heir, 16)).await.is_none());
}

#[tokio::test]
async fn where_the_place_has_a_clock_a_lease_ends_by_it_at_once() {
    let (rows, one, two) = pair();
    let start = Timestamp::from_second(1_900_000_000.0);
    *rows.now.lock() = Some(start);
    let (holder, heir) = (Owner::random(), Owner::random());
    granted(&one, claim(holder, 0)).await.unwrap();
    *rows.now.lock() = Some(start.plus(Duration::from_millis(9_999)));
    assert!(granted(&two, claim(heir, 77)).await.is_none());
    *rows.now.lock() = Some(start.plus(Duration::from_secs(10)));
    assert!(granted(&two, claim(heir, 77)).await.is_some());
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_has_happened() {
    let (rows, one, _) = pair();
    rows.loses_answers.store(true, Ordering::Relaxed);
    let grant = granted(&one, claim(Owner::random(), 0)).await.unwrap();
    let saved = one.save(&service("a"), &a_row("one"), None, Some(grant.fence)).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
    assert_eq!(rows.text(&service("a")).as_deref(), Some("one"));
    one.remove(&service("a")).await.unwrap();
    assert!(matches!(one.load(&service("a")).await.unwrap(), Slot::Removed(_)));
    let until = Timestamp::from_second(1_900_000_000.0);
    one.save_note(&service("a"), Some(&Secret::new("note")), until).await.unwrap();
    one.save_note(&service("a"), None, until).await.unwrap();
    assert!(one.load_note(&service("a")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_login_that_began_without_a_record_is_not_stored_after_a_removal() {
    let (rows, one, two) = pair();
    let grant = granted(&one, claim(Owner::random(), 0)).await.unwrap();
    two.remove(&service("a")).await.unwrap();
    assert!(rows.text(&service("a")).unwrap().starts_with("removed "));
    let saved = one.save(&service("a"), &a_row("one"), None, Some(grant.fence)).await.unwrap();
    assert_eq!(saved, Saved::Fenced);
}

#[tokio::test]
async fn a_second_removal_is_later_than_the_first() {
    let (_, one, two) = pair();
    let mut removals = Vec::new();
    for _ in 0..2 {
        granted(&one, claim(Owner::random(), 0)).await.unwrap();
        two.remove(&service("a")).await.unwrap();
        let Slot::Removed(removal) = one.load(&service("a")).await.unwrap() else { panic!("it was removed") };
        removals.push(removal.number);
    }
    assert!(removals[1] > removals[0]);
}

#[tokio::test]
async fn a_removal_where_nothing_is_stored_and_no_one_logs_in_writes_nothing() {
    let (rows, one, _) = pair();
    one.remove(&service("a")).await.unwrap();
    assert_eq!(rows.changes.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_another_program_writes_in_the_place_of_a_lease_is_replaced() {
    let (rows, one, _) = pair();
    let name = service("a").reserved_for_lease();
    rows.compare_and_set(&name, None, Some(&a_row("no lease"))).await.unwrap();
    granted(&one, claim(Owner::random(), 0)).await.unwrap();
    assert!(rows.text(&name).unwrap().starts_with('{'));
}

#[tokio::test]
async fn while_a_record_is_removed_no_one_gets_the_lease_that_its_holder_had() {
    let (rows, one, two) = pair();
    let grant = granted(&one, claim(Owner::random(), 0)).await.unwrap();
    let saved = one.save(&service("a"), &a_row("one"), None, Some(grant.fence)).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
    granted(&one, claim(Owner::random(), 1)).await.unwrap();
    // The removal stops between its two steps.
    assert!(matches!(one.leases.take_away(&service("a")).await.unwrap(), TakenAway::Held(_)));
    assert!(granted(&two, claim(Owner::random(), 2)).await.is_none());
    one.remove(&service("a")).await.unwrap();
    assert!(granted(&two, claim(Owner::random(), 3)).await.is_some());
    assert!(rows.text(&service("a")).unwrap().starts_with("removed "));
}

#[tokio::test]
async fn a_login_of_a_frozen_process_is_not_stored_after_a_removal_that_found_nothing() {
    let (_, one, two) = pair();
    let grant = granted(&one, claim(Owner::random(), 0)).await.unwrap();
    let seen = one.find(&service("a")).await.unwrap().seen;
    // Its lease ends, another process takes and returns it, and then the token is cleared.
    two.release(&service("a"), grant.fence, None).await.unwrap();
    two.remove(&service("a")).await.unwrap();
    assert!(!swap(&*one.rows, &service("a"), seen.as_ref(), Some(&a_row("one"))).await.unwrap());
}

#[tokio::test]
async fn a_lease_that_was_written_while_a_claim_waited_is_as_young_as_it_is() {
    let rows = Arc::new(MapRows::default());
    let clock = Arc::new(ManualClock::new(Timestamp::MIN));
    let one = RowStore::on_clock(Arc::clone(&rows) as _, Arc::new(ManualClock::new(Timestamp::MIN)));
    let two = RowStore::on_clock(Arc::clone(&rows) as _, Arc::clone(&clock) as _);
    granted(&one, claim(Owner::random(), 0)).await.unwrap();
    // The claim of second 0 waits for the place until second 5, and finds what was written just before.
    clock.advance(Duration::from_secs(5));
    assert!(granted(&two, claim(Owner::random(), 0)).await.is_none());
    clock.advance(Duration::from_secs(6));
    assert!(granted(&two, claim(Owner::random(), 11)).await.is_none());
    assert!(granted(&two, claim(Owner::random(), 15)).await.is_some());
}
