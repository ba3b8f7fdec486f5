//! Against a real server: the one that `EVERTOKEN_TEST_REDIS` names, and, for what disturbs others, one that a test
//! starts itself.

mod faults;
pub(in crate::store) mod servers;

use std::sync::Weak;
use std::time::Duration;

use super::super::rows::Content;
use super::super::watch::{RecordObserver, Subscription, Watch};
use super::super::{Claim, Leasing, Owner, RowStore, Store};
use super::*;
use crate::domain::TokenType;
use crate::store::conformance::service;

use servers::{OwnServer, redis_rows, skip, test_url};

/// A row that differs from others by its text.
fn row(text: &str) -> StoredRow {
    let second = |second| Timestamp::from_second(f64::from(second));
    StoredRow {
        token: Secret::new(text),
        refresh_token: None,
        token_type: TokenType::bearer(),
        created_at: second(1_800_000_000),
        expires_at: second(1_800_003_600),
        last_used: second(1_800_000_001),
        format: None,
        column_fault: None,
    }
}

fn seen(text: &str) -> Secret {
    Secret::new(text)
}

async fn found(rows: &RedisRows, name: &ServiceName) -> Option<StoredRow> {
    match rows.find(name).await.unwrap().content {
        Content::Row { row, seen } => {
            assert!(row.token.matches(&seen));
            Some(row)
        }
        Content::Nothing => None,
        Content::Malformed { fault, .. } => panic!("{fault}"),
    }
}

#[tokio::test]
async fn a_row_is_replaced_only_while_it_is_what_was_seen() {
    let Some(rows) = redis_rows() else { return skip() };
    let name = service("a");
    assert!(found(&rows, &name).await.is_none());
    let swap = async |expected: Option<&str>, next: Option<&str>| {
        let (expected, next) = (expected.map(Secret::new), next.map(row));
        rows.compare_and_set(&name, expected.as_ref(), next.as_ref()).await.unwrap()
    };
    assert!(!swap(Some("one"), Some("two")).await, "there is nothing");
    assert!(swap(None, Some("one")).await);
    assert!(!swap(None, Some("two")).await, "there is something");
    assert!(!swap(Some("two"), Some("three")).await);
    assert!(swap(Some("one"), Some("two")).await);
    let stored = found(&rows, &name).await.unwrap();
    let expected = row("two");
    assert!(stored.token.matches(&expected.token) && stored.refresh_token.is_none());
    assert_eq!(stored.column_fault, None);
    assert_eq!(
        (stored.created_at, stored.expires_at, stored.last_used),
        (expected.created_at, expected.expires_at, expected.last_used)
    );
    assert!(!swap(Some("one"), None).await);
    assert!(swap(Some("two"), None).await);
    assert!(found(&rows, &name).await.is_none());
}

#[tokio::test]
async fn the_refresh_token_of_a_plain_row_goes_with_it() {
    let Some(rows) = redis_rows() else { return skip() };
    let name = service("a");
    let plain = StoredRow { refresh_token: Some(seen("refresh")), ..row("1234") };
    assert!(rows.compare_and_set(&name, None, Some(&plain)).await.unwrap());
    assert!(found(&rows, &name).await.unwrap().refresh_token.is_some());
    assert!(rows.compare_and_set(&name, Some(&seen("1234")), Some(&row("{}"))).await.unwrap());
    assert!(found(&rows, &name).await.unwrap().refresh_token.is_none());
}

#[tokio::test]
async fn the_time_is_that_of_the_server() {
    let Some(rows) = redis_rows() else { return skip() };
    let before = crate::clock::Clock::now(&crate::clock::SystemClock);
    let now = rows.find(&service("a")).await.unwrap().now.unwrap();
    assert!(before.minus(Duration::from_secs(60)) < now && now < before.plus(Duration::from_secs(60)));
}

#[tokio::test]
async fn a_mark_differs_after_each_change_and_only_then() {
    let Some(rows) = redis_rows() else { return skip() };
    let names: Vec<Arc<str>> = (0..450).map(|n| Arc::from(format!("s{n}"))).collect();
    let before = rows.marks(&names).await.unwrap();
    assert_eq!(before.len(), names.len());
    assert!(rows.compare_and_set(&service("s300"), None, Some(&row("one"))).await.unwrap());
    let then = rows.marks(&names).await.unwrap();
    let changed: Vec<_> = (0..names.len()).filter(|n| before[*n] != then[*n]).collect();
    assert_eq!(changed, [300]);
    // Of the same token, too: each removal has the same text.
    let later = StoredRow { last_used: Timestamp::from_second(1_800_000_009.0), ..row("one") };
    assert!(rows.compare_and_set(&service("s300"), Some(&seen("one")), Some(&later)).await.unwrap());
    assert_ne!(rows.marks(&names).await.unwrap()[300], then[300]);
}

struct Told(tokio::sync::Notify);

impl RecordObserver for Told {
    fn record_may_have_changed(&self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn another_process_gets_a_notice_of_a_record_and_this_one_does_not() {
    let Some(rows) = redis_rows() else { return skip() };
    let watch = Arc::new(Watch::default());
    let told = Arc::new(Told(tokio::sync::Notify::new()));
    let observer: Weak<dyn RecordObserver> = Arc::downgrade(&(Arc::clone(&told) as Arc<dyn RecordObserver>));
    let store = RowStore::new(Arc::clone(&rows) as _);
    let _subscription: Option<Subscription> = store.watch(&service("a"), observer).unwrap();
    // The first look tells in any case.
    tokio::time::timeout(Duration::from_secs(4), told.0.notified()).await.unwrap();
    let within = async |millis| tokio::time::timeout(Duration::from_millis(millis), told.0.notified()).await;
    assert!(rows.compare_and_set(&service("a"), None, Some(&row("one"))).await.unwrap());
    let publish = async |process: &str| {
        let mut admin = servers::admin(&test_url().unwrap()).await;
        let notice = format!("{process} a");
        servers::command(&mut admin, &["PUBLISH", &rows.channel(), &notice]).await;
    };
    // The look after this change, which is this process's own.
    within(4000).await.unwrap();
    publish("another").await;
    within(300).await.unwrap();
    drop(watch);
}

#[tokio::test]
async fn what_another_program_wrote_is_malformed_and_can_be_discarded() {
    let Some(rows) = redis_rows() else { return skip() };
    let mut admin = servers::admin(&test_url().unwrap()).await;
    let long = "x".repeat(LONGEST_TOKEN + 1);
    for (command, fault) in [
        (&["HSET", "KEY", "token", &long][..], "longer than 4 MiB"),
        (&["HSET", "KEY", "token", ""], "is empty"),
        (&["HSET", "KEY", "tokenType", "Bearer"], "has no token"),
    ] {
        let key = rows.key("a");
        let command: Vec<_> = command.iter().map(|word| if *word == "KEY" { &*key } else { word }).collect();
        servers::command(&mut admin, &command).await;
        let Found { content: Content::Malformed { fault: found, seen }, .. } =
            rows.find(&service("a")).await.unwrap()
        else {
            panic!("{fault}")
        };
        assert!(found.contains(fault) && seen.is_none(), "{found}");
        rows.marks(&["a".into()]).await.unwrap();
        rows.discard(&service("a")).await.unwrap();
        assert!(found_nothing(&rows).await);
    }
}

#[tokio::test]
async fn a_key_of_another_program_is_an_error_that_names_it_and_stays_as_it_is() {
    let Some(rows) = redis_rows() else { return skip() };
    let mut admin = servers::admin(&test_url().unwrap()).await;
    let key = rows.key("a");
    let store = RowStore::new(Arc::clone(&rows) as _);
    for words in [
        &["SET", &key, "x"][..],
        &["RPUSH", &key, "order1", "order2"],
        &["HSET", &key, "item", "1"],
        &["HSET", &key, "token", "of a session", "user", "1"],
    ] {
        servers::command(&mut admin, words).await;
        servers::command(&mut admin, &["EXPIRE", &key, "1000"]).await;
        let before = servers::command(&mut admin, &["DUMP", &key]).await;
        let errors = [
            store.load(&service("a")).await.map(drop).unwrap_err(),
            store.save(&service("a"), &row("one"), None, None).await.map(drop).unwrap_err(),
            store.remove(&service("a")).await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.kind() == ErrorKind::Storage && error.message().contains(&key), "{error}");
        }
        rows.marks(&["a".into()]).await.unwrap();
        assert!(servers::command(&mut admin, &["DUMP", &key]).await == before, "{words:?}");
        let left = servers::command(&mut admin, &["TTL", &key]).await;
        assert!(matches!(left, ::redis::Value::Int(900..=1000)), "{words:?} {left:?}");
        servers::command(&mut admin, &["DEL", &key]).await;
    }
    assert!(found_nothing(&rows).await);
}

#[tokio::test]
async fn the_subscription_ends_with_the_watch() {
    let Some(server) = OwnServer::start(&[]) else { return skip() };
    let mut admin = servers::admin(&server.url()).await;
    let rows = server.rows("evertoken:");
    let watch = Arc::new(Watch::default());
    rows.notify(&watch).unwrap();
    let mut subscribers = async |expected: i64| {
        for _ in 0..100 {
            let counted = servers::command(&mut admin, &["PUBSUB", "NUMSUB", &rows.channel()]).await;
            let ::redis::Value::Array(counted) = counted else { panic!() };
            if counted[1] == ::redis::Value::Int(expected) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    };
    assert!(subscribers(1).await);
    drop(watch);
    assert!(subscribers(0).await);
}

async fn found_nothing(rows: &RedisRows) -> bool {
    found(rows, &service("a")).await.is_none()
}

#[tokio::test]
async fn a_token_of_another_program_needs_no_other_field() {
    let Some(rows) = redis_rows() else { return skip() };
    let mut admin = servers::admin(&test_url().unwrap()).await;
    let key = rows.key("a");
    servers::command(&mut admin, &["HSET", &key, "token", "abc", "expiresAt", "1800003600000"]).await;
    servers::command(&mut admin, &["EXPIRE", &key, "1000"]).await;
    let stored = found(&rows, &service("a")).await.unwrap();
    assert_eq!(stored.expires_at, Timestamp::from_second(1_800_003_600.0));
    assert_eq!((stored.created_at, stored.column_fault), (Timestamp::from_second(1_800_000_000.0), None));
    assert_eq!(servers::command(&mut admin, &["TTL", &key]).await, ::redis::Value::Int(-1), "it stays");
}

#[tokio::test]
async fn of_many_that_saw_the_same_row_one_replaces_it() {
    let Some(rows) = redis_rows() else { return skip() };
    for round in 0..20 {
        let before = found(&rows, &service("a")).await.map(|row| row.token);
        let racers: Vec<_> = (0..16)
            .map(|racer| {
                let (rows, before) = (Arc::clone(&rows), before.clone());
                runtime::spawn(async move {
                    let next = row(&format!("{round} {racer}"));
                    rows.compare_and_set(&service("a"), before.as_ref(), Some(&next)).await.unwrap()
                })
                .unwrap()
            })
            .collect();
        let mut winners = 0;
        for racer in racers {
            winners += u32::from(racer.await.unwrap());
        }
        assert_eq!(winners, 1);
    }
}

#[tokio::test]
async fn services_that_name_the_same_server_and_prefix_share_its_connection() {
    let url = |text| RedisUrl::parse(text).unwrap();
    let prefix = |text| RedisPrefix::parse(text).unwrap();
    let tls = StoreTls::default();
    let get = |text, start| RedisRows::of_server(&url(text), &prefix(start), &tls);
    let one = get("redis://u:p@h", "a:");
    assert!(Arc::ptr_eq(&one, &get("redis://u:p@h:6379/0", "a:")));
    for (text, start) in
        [("redis://u:p@h", "b:"), ("redis://u:q@h", "a:"), ("redis://h", "a:"), ("rediss://u:p@h", "a:")]
    {
        assert!(!Arc::ptr_eq(&one, &get(text, start)), "{text}");
    }
    assert_eq!(one.location(), "redis://h:6379/0");
}

#[tokio::test]
async fn a_server_that_deletes_keys_of_any_kind_is_a_warning() {
    let Some(server) = OwnServer::start(&["--maxmemory", "100mb"]) else { return skip() };
    let mut admin = servers::admin(&server.url()).await;
    for (policy, limit, warnings) in [
        ("noeviction", "100mb", 0),
        ("volatile-lru", "100mb", 0),
        ("allkeys-lru", "0", 0),
        ("allkeys-lru", "100mb", 1),
    ] {
        servers::command(&mut admin, &["CONFIG", "SET", "maxmemory-policy", policy]).await;
        servers::command(&mut admin, &["CONFIG", "SET", "maxmemory", limit]).await;
        let rows = server.rows(&format!("{policy}{limit}"));
        for _ in 0..2 {
            found_nothing(&rows).await;
        }
        let said = rows.take_warnings();
        assert_eq!(said.len(), warnings, "{policy} {limit}");
        assert!(said.iter().all(|warning| warning.message().contains("maxmemory-policy allkeys-lru")));
    }
}

#[tokio::test]
async fn a_lease_ends_by_the_clock_of_the_server() {
    let Some(rows) = redis_rows() else { return skip() };
    let replica = || RowStore::new(Arc::clone(&rows) as _);
    let (one, two) = (replica(), replica());
    let claim = |second: i64| Claim {
        owner: Owner::random(),
        // The clocks of replicas may say anything.
        now: Timestamp::from_millisecond(second * 1000),
        elapsed: Duration::ZERO,
        length: Duration::from_secs(1),
    };
    let lease = async |store: &RowStore, claim| store.lease(&service("a"), &claim).await.unwrap();
    assert!(matches!(lease(&one, claim(9_999_999_999)).await, Leasing::Granted(_)));
    assert!(matches!(lease(&two, claim(0)).await, Leasing::Held(_)));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(matches!(lease(&two, claim(0)).await, Leasing::Granted(_)));
    assert!(matches!(lease(&one, claim(9_999_999_999)).await, Leasing::Held(_)));
}
