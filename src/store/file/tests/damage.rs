//! Content that is not a cache, and content of another version.

use std::fs;
use std::time::Duration;

use super::{new_disk, some_record};
use crate::domain::Timestamp;
use crate::error::ErrorKind;
use crate::store::conformance::on_disk::Damage;
use crate::store::conformance::service;
use crate::store::{Claim, Leasing, Owner, SealedStore};

/// What may happen to a sound file of ours.
pub(super) fn damages(good: &[u8]) -> Vec<Damage> {
    vec![
        ("empty", vec![]),
        ("half", good[..good.len() / 2].to_vec()),
        ("all but its last two bytes", good[..good.len() - 2].to_vec()),
        ("zeros", vec![0; good.len()]),
        ("not UTF-8", [good, b"\xff"].concat()),
        ("not JSON", b"hunter2".to_vec()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("deeply nested", b"[".repeat(100_000)),
        ("no version", br#"{ "services": {} }"#.to_vec()),
        ("version 0", br#"{ "version": 0, "services": {} }"#.to_vec()),
        ("services is a list", br#"{ "version": 1, "services": [] }"#.to_vec()),
        ("aside is a number", br#"{ "version": 1, "services": {}, "aside": 1 }"#.to_vec()),
        ("larger than any cache", vec![b' '; 8 * 1024 * 1024 + 1]),
    ]
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let disk = new_disk();
    let newer = r#"{ "version": 999, "shelves": [] }"#;
    fs::write(&disk.path, newer).unwrap();
    let store = disk.open();
    let record = some_record("one");
    assert_eq!(store.load(&service("a")).await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(store.save(&service("a"), &record, None, None).await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(store.remove(&service("a")).await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(fs::read_to_string(&disk.path).unwrap(), newer);
    assert!(disk.damaged().is_empty());
}

async fn lease(store: &SealedStore, second: u64) -> Result<bool, ErrorKind> {
    let now = Timestamp::from_millisecond(1_800_000_000_000).plus(Duration::from_secs(second));
    let claim =
        Claim { owner: Owner::random(), now, elapsed: Duration::ZERO, length: Duration::from_secs(10) };
    let leasing = store.lease(&service("a"), &claim).await.map_err(|error| error.kind())?;
    Ok(matches!(leasing, Leasing::Granted(_)))
}

#[tokio::test]
async fn damaged_leases_count_as_held_until_they_would_have_ended_and_are_then_replaced_with_one_warning() {
    let contents: [&[u8]; 6] = [
        b"hunter2",
        b"\xff\xfe",
        b"{\"version\":1,\"leases\":{\"a\":{\"fence\":18000",
        b"{\"version\":1,\"leases\":{\"a\":7}}",
        b"{\"a\":{\"fence\":1}}",
        b"[]",
    ];
    for content in contents {
        let disk = new_disk();
        let store = disk.open();
        assert_eq!(lease(&store, 0).await, Ok(true));
        disk.write_lock(content, 100);
        assert_eq!(lease(&store, 109).await, Ok(false));
        assert!(store.take_warnings().is_empty());
        assert_eq!(lease(&store, 110).await, Ok(true));
        let [warning] = &store.take_warnings()[..] else { panic!("one warning") };
        assert!(warning.message().contains("lock file") && !warning.message().contains("hunter2"));
        assert_eq!(lease(&store, 119).await, Ok(false), "the new lease is a lease");
        assert_eq!(lease(&store, 120).await, Ok(true));
        assert!(store.take_warnings().is_empty());
        // Written before the clock was set back by a day: that tells nothing.
        disk.write_lock(content, 86_400);
        assert_eq!(lease(&store, 130).await, Ok(true));
    }
}

#[tokio::test]
async fn leases_of_a_newer_version_are_left_alone() {
    let disk = new_disk();
    disk.save("a", "one", None).await.unwrap();
    let newer = br#"{ "version": 2, "leases": [] }"#;
    disk.write_lock(newer, 0);
    assert_eq!(lease(&disk.open(), 86_400).await, Err(ErrorKind::Storage));
    assert_eq!(fs::read(disk.lock()).unwrap(), newer);
    assert_eq!(disk.token("a").await.as_deref(), Some("one"), "a look needs no lease");
}
