mod text_map;

use std::sync::Mutex;

use serde_json::{Map, Value, json};

use super::super::conformance::{service, some_record};
use super::super::{Saved, SealedStore, StoredToken};
use super::*;
use crate::crypto::{KeyRing, generate_key};

pub(in crate::store) use text_map::TextMap;

/// What a provider keeps, in memory; it swaps only where it is `careful`, and fails where it is `broken`.
#[derive(Default)]
pub(in crate::store) struct RowMap {
    careful: bool,
    broken: Mutex<bool>,
    /// The operation that fails.
    broken_at: Mutex<Option<&'static str>>,
    records: Mutex<Map<String, Value>>,
}

impl RowMap {
    pub(in crate::store) fn new(careful: bool) -> Self {
        Self { careful, ..Self::default() }
    }

    fn put(&self, name: &str, record: Value) {
        self.records.lock().unwrap().insert(name.to_owned(), record);
    }

    /// As a cache that evicts it.
    fn lose(&self, name: &str) {
        self.records.lock().unwrap().remove(name);
    }

    fn all(&self) -> Map<String, Value> {
        self.records.lock().unwrap().clone()
    }

    fn edit(&self, name: &str, field: &str, value: Value) {
        self.records.lock().unwrap()[name][field] = value;
    }
}

#[async_trait]
impl StoreCallbacks for RowMap {
    async fn call(&self, request: String) -> Result<String> {
        tokio::task::yield_now().await;
        if *self.broken.lock().unwrap() {
            return Ok(json!({ "error": { "message": "it threw PrismaError (P1001)" } }).to_string());
        }
        let request: Value = serde_json::from_str(&request).unwrap();
        let name = request["service"].as_str().unwrap();
        if *self.broken_at.lock().unwrap() == request["operation"].as_str() {
            return Ok(json!({ "error": { "message": "it threw Error" } }).to_string());
        }
        let mut records = self.records.lock().unwrap();
        let answer = match request["operation"].as_str().unwrap() {
            "get" => records.get(name).cloned().unwrap_or_default(),
            "delete" => {
                let seen = records.get(name).map(|found| found["token"].clone()).unwrap_or_default();
                if request.get("replaced").is_some_and(|expected| *expected != seen) {
                    json!("conflict")
                } else {
                    records.remove(name);
                    json!("stored")
                }
            }
            _ => {
                let stored = records.get(name);
                let seen = stored.map(|found| found["token"].clone());
                let is_expected =
                    request.get("replaced").is_none_or(|expected| *expected == seen.unwrap_or_default());
                if self.careful && !is_expected {
                    json!("conflict")
                } else {
                    records.insert(name.to_owned(), request["record"].clone());
                    json!("stored")
                }
            }
        };
        Ok(json!({ "ok": answer }).to_string())
    }
}

/// Two processes at one rows.
struct Pair {
    rows: Arc<RowMap>,
    ring: Arc<KeyRing>,
    one: SealedStore,
    two: SealedStore,
}

impl Pair {
    /// One more process.
    fn another(&self) -> SealedStore {
        process(&self.rows, &self.ring)
    }
}

fn process(rows: &Arc<RowMap>, ring: &Arc<KeyRing>) -> SealedStore {
    let provider = Arc::clone(rows) as Arc<dyn StoreCallbacks>;
    let store = Arc::new(ExternalStore::new(ExternalStoreKind::Prisma, provider));
    SealedStore::new(store, Arc::clone(ring)).with_plain_tokens(true)
}

fn pair() -> Pair {
    let rows = Arc::new(RowMap::new(true));
    let ring = new_ring();
    let (one, two) = (process(&rows, &ring), process(&rows, &ring));
    Pair { rows, ring, one, two }
}

async fn removal(store: &SealedStore) -> Option<Revision> {
    let loaded = store.load(&service("a")).await.unwrap();
    assert!(loaded.record.is_none());
    loaded.removal
}

async fn found(store: &SealedStore) -> Option<(StoredToken, Revision)> {
    store.load(&service("a")).await.unwrap().record
}

async fn saved(store: &SealedStore, token: &str, expected: Option<Revision>) -> Revision {
    match store.save(&service("a"), &some_record(token), expected, None).await.unwrap() {
        Saved::Stored(revision) => revision,
        other => panic!("{other:?}"),
    }
}

fn by_hand(token: &str) -> Value {
    json!({ "token": token, "expiresAt": "2030-01-01T00:00:00Z", "createdAt": "2029-01-01T00:00:00Z" })
}

#[tokio::test]
async fn a_record_of_another_process_is_a_later_one() {
    let Pair { one, two, .. } = pair();
    let first = saved(&one, "one", None).await;
    let (_, seen) = found(&two).await.unwrap();
    assert_eq!(seen, first);
    let second = saved(&two, "two", Some(seen)).await;
    let (record, later) = found(&one).await.unwrap();
    assert_eq!(later, second);
    assert!(later.is_later_than(first));
    assert_eq!(record.state.unwrap().identity, some_record("two").state.unwrap().identity);
}

#[tokio::test]
async fn a_plain_token_written_later_is_later_and_the_same_at_each_look() {
    let Pair { rows, one, .. } = pair();
    let first = saved(&one, "one", None).await;
    rows.put("a", by_hand("by-hand"));
    let (record, later) = found(&one).await.unwrap();
    assert_eq!(record.access_token.as_ref().unwrap().secret().expose(), "by-hand");
    assert!(later.is_later_than(first));
    assert_eq!(found(&one).await.unwrap().1, later);
    let next = saved(&one, "two", Some(later)).await;
    assert!(next.is_later_than(later));
    assert!(!rows.records.lock().unwrap()["a"]["token"].as_str().unwrap().contains("two"), "it is sealed");
}

#[tokio::test]
async fn a_record_without_a_token_is_an_error_and_is_saved_over() {
    for value in [json!(""), json!(false), json!(7), Value::Null] {
        let Pair { rows, one, .. } = pair();
        let mut record = by_hand("the-secret");
        record["token"] = value;
        rows.put("a", record);
        let error = one.load(&service("a")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.message().contains("token"), "{error}");
        saved(&one, "good", None).await;
        assert!(found(&one).await.is_some());
    }
    let Pair { rows, one, .. } = pair();
    rows.put("a", json!("text"));
    assert_eq!(one.load(&service("a")).await.unwrap_err().kind(), ErrorKind::Storage);
}

#[tokio::test]
async fn a_record_that_is_too_long_is_saved_over_and_so_is_a_mark_of_a_removal() {
    let Pair { rows, one, two, .. } = pair();
    for name in ["a", " removed a"] {
        rows.put(name, json!({ "token": false, "isTooLong": true }));
    }
    let error = one.load(&service("a")).await.unwrap_err();
    assert!(error.message().contains("longer than 4 MiB"), "{error}");
    saved(&one, "one", None).await;
    assert!(found(&two).await.is_some());
    one.remove(&service("a")).await.unwrap();
    assert!(removal(&two).await.is_some());
    rows.put(" removed a", json!({ "token": false, "isTooLong": true }));
    assert_eq!(removal(&process(&rows, &new_ring())).await, None);
}

fn new_ring() -> Arc<KeyRing> {
    Arc::new(KeyRing::from_keys(vec![generate_key().unwrap()]).unwrap())
}

#[tokio::test]
async fn columns_that_cannot_be_read_spoil_a_plain_token_and_no_sealed_one() {
    let wrong = [
        ("expiresAt", json!("tomorrow")),
        ("expiresAt", Value::Null),
        ("createdAt", json!(7)),
        ("lastUsed", json!(false)),
        ("refreshToken", json!(false)),
        ("tokenType", json!("two words")),
    ];
    for (field, value) in wrong {
        let Pair { rows, one, two, .. } = pair();
        saved(&two, "good", None).await;
        rows.edit("a", field, value.clone());
        assert!(found(&one).await.is_some(), "{field}");
        let mut record = by_hand("the-secret");
        record[field] = value;
        rows.put("a", record);
        let loaded = one.load(&service("a")).await.unwrap();
        let [warning] = &loaded.warnings[..] else { panic!("{field}") };
        assert!(loaded.cannot_be_decrypted && warning.message().contains(field), "{warning}");
        assert!(!warning.message().contains("the-secret"), "{warning}");
    }
}

#[tokio::test]
async fn a_store_that_cuts_the_time_of_a_write_costs_no_conflict() {
    let Pair { rows, one, .. } = pair();
    let first = saved(&one, "one", None).await;
    rows.edit("a", "lastUsed", json!("2027-01-15T08:00:00Z"));
    assert_eq!(found(&one).await.unwrap().1, first);
    saved(&one, "two", Some(first)).await;
}

#[tokio::test]
async fn what_a_provider_throws_is_a_storage_error() {
    let Pair { rows, one, .. } = pair();
    *rows.broken.lock().unwrap() = true;
    let error = one.load(&service("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert_eq!(error.message(), "the Prisma client: it threw PrismaError (P1001)");
    assert!(one.save(&service("a"), &some_record("one"), None, None).await.is_err());
    *rows.broken.lock().unwrap() = false;
    saved(&one, "one", None).await;
}

#[tokio::test]
async fn a_record_set_aside_stays_where_it_is_until_the_next_save() {
    let Pair { rows, one, two, .. } = pair();
    saved(&one, "one", None).await;
    rows.edit("a", "token", json!("et1.k.AAAAAAAA.AAAA"));
    assert!(one.load(&service("a")).await.unwrap().warnings.len() == 1);
    assert!(one.load(&service("a")).await.unwrap().warnings.is_empty(), "it is reported once");
    assert_eq!(rows.records.lock().unwrap()["a"]["token"], "et1.k.AAAAAAAA.AAAA");
    // Another process saves over it first: this one sees that.
    two.load(&service("a")).await.unwrap();
    let other = saved(&two, "two", None).await;
    let saved = one.save(&service("a"), &some_record("late"), None, None).await.unwrap();
    assert_eq!(saved, Saved::Conflict);
    assert_eq!(found(&one).await.unwrap().1, other);
}

#[tokio::test]
async fn a_record_that_is_lost_was_not_removed_and_may_be_stored_again() {
    let Pair { rows, one, two, .. } = pair();
    let first = saved(&one, "one", None).await;
    found(&two).await.unwrap();
    rows.lose("a");
    assert_eq!((removal(&one).await, removal(&two).await), (None, None));
    assert!(saved(&two, "one", None).await.is_later_than(first));
    assert!(found(&one).await.is_some());
}

#[tokio::test]
async fn every_process_sees_a_removal_and_it_is_later_than_the_record() {
    let pair = pair();
    let first = saved(&pair.one, "one", None).await;
    found(&pair.two).await.unwrap();
    pair.one.remove(&service("a")).await.unwrap();
    let removed = removal(&pair.two).await.unwrap();
    assert!(removed.is_later_than(first));
    assert_eq!(removal(&pair.one).await, Some(removed));
    assert_eq!(removal(&pair.another()).await, Some(removed));
    let late = pair.two.save(&service("a"), &some_record("late"), Some(first), None).await.unwrap();
    assert_eq!(late, Saved::Conflict);
    assert!(saved(&pair.another(), "two", None).await.is_later_than(removed));
}

#[tokio::test]
async fn a_record_that_is_lost_after_a_removal_is_later_than_it() {
    let Pair { rows, one, two, .. } = pair();
    saved(&one, "one", None).await;
    one.remove(&service("a")).await.unwrap();
    let second = saved(&two, "two", None).await;
    rows.lose("a");
    for store in [&one, &two] {
        assert!(removal(store).await.is_none_or(|removed| second.is_later_than(removed)));
    }
}

#[tokio::test]
async fn a_store_that_loses_the_removal_with_the_record_has_lost_the_record() {
    let Pair { rows, one, two, .. } = pair();
    saved(&one, "one", None).await;
    found(&two).await.unwrap();
    one.remove(&service("a")).await.unwrap();
    rows.records.lock().unwrap().clear();
    assert_eq!((removal(&one).await, removal(&two).await), (None, None));
    saved(&two, "two", None).await;
}

#[tokio::test]
async fn the_mark_of_a_removal_holds_nothing_of_the_record() {
    let Pair { rows, one, .. } = pair();
    saved(&one, "one", None).await;
    one.remove(&service("a")).await.unwrap();
    let all = rows.all();
    assert_eq!(all.keys().collect::<Vec<_>>(), [" removed a"]);
    assert_eq!(all[" removed a"]["token"], "removed");
    assert_eq!(all[" removed a"]["refreshToken"], Value::Null);
}

#[tokio::test]
async fn to_remove_what_is_not_there_leaves_no_mark() {
    let Pair { rows, one, .. } = pair();
    one.remove(&service("a")).await.unwrap();
    assert!(rows.all().is_empty());
}

#[tokio::test]
async fn a_removal_after_the_store_lost_the_record_still_reaches_the_others() {
    let Pair { rows, one, two, .. } = pair();
    let first = saved(&one, "one", None).await;
    found(&two).await.unwrap();
    rows.lose("a");
    one.remove(&service("a")).await.unwrap();
    assert!(removal(&two).await.unwrap().is_later_than(first));
}

#[tokio::test]
async fn a_second_removal_of_the_same_record_is_the_first_one() {
    let Pair { one, two, .. } = pair();
    saved(&one, "one", None).await;
    one.remove(&service("a")).await.unwrap();
    let removed = removal(&two).await;
    one.remove(&service("a")).await.unwrap();
    two.remove(&service("a")).await.unwrap();
    assert_eq!(removal(&two).await, removed);
}

#[tokio::test]
async fn a_store_that_keeps_whole_seconds_tells_a_removal() {
    for cut_or_rounded in ["2027-01-15T08:00:01Z", "2027-01-15T08:00:02Z"] {
        let Pair { rows, one, two, .. } = pair();
        let record = StoredToken { last_used: Timestamp::from_second(1_800_000_001.6), ..some_record("one") };
        one.save(&service("a"), &record, None, None).await.unwrap();
        rows.edit("a", "lastUsed", json!(cut_or_rounded));
        let (_, seen) = found(&two).await.unwrap();
        one.remove(&service("a")).await.unwrap();
        let removed = removal(&two).await.unwrap();
        assert!(removed.number > seen.number);
        assert_eq!(removed.number % 1000, 0, "it survives what the store does to moments");
    }
}

#[tokio::test]
async fn a_removed_record_that_a_slow_replica_still_shows_is_not_given_back() {
    let Pair { rows, one, .. } = pair();
    saved(&one, "one", None).await;
    let shown = rows.all()["a"].clone();
    one.remove(&service("a")).await.unwrap();
    rows.put("a", shown);
    assert!(found(&one).await.is_none());
    saved(&one, "two", None).await;
    assert!(found(&one).await.is_some());
}

#[tokio::test]
async fn a_removal_that_cannot_be_marked_or_carried_out_is_an_error_and_what_can_be_done_is_done() {
    for operation in ["get", "set", "delete"] {
        let Pair { rows, one, .. } = pair();
        saved(&one, "one", None).await;
        *rows.broken_at.lock().unwrap() = Some(operation);
        assert_eq!(one.remove(&service("a")).await.unwrap_err().kind(), ErrorKind::Storage, "{operation}");
        let all = rows.all();
        assert_eq!(all.contains_key("a"), operation == "delete");
        assert_eq!(all.contains_key(" removed a"), operation != "set");
    }
}

#[tokio::test]
async fn a_planted_removal_counts_once_and_nothing_of_it_is_used() {
    let far = json!({ "token": "removed", "lastUsed": "9999-12-30T22:00:00Z", "expiresAt": "9999-12-30T22:00:00Z" });
    for planted in [far, json!("text"), json!({ "token": 7 }), json!({ "token": "x", "lastUsed": "y" })] {
        let Pair { rows, one, two, .. } = pair();
        let first = saved(&one, "one", None).await;
        rows.put(" removed a", planted);
        assert!(found(&two).await.is_some(), "where there is a record, it says nothing");
        rows.lose("a");
        let removed = removal(&one).await;
        let second = saved(&one, "two", None).await;
        assert!(second.is_later_than(first) && found(&two).await.is_some());
        rows.lose("a");
        assert_eq!(removal(&one).await, removed);
        assert!(
            removed.is_none_or(|removed| removed.number <= second.number),
            "it is not later a second time"
        );
    }
}
