//! Content that is none.

use std::fs;

use std::time::Duration;

use super::{Disk, open, save, token};
use crate::domain::Timestamp;
use crate::error::ErrorKind;
use crate::store::conformance::service;
use crate::store::{Claim, Leasing, Owner, SealedStore};

#[tokio::test]
async fn a_damaged_file_is_renamed_with_one_warning_and_the_store_goes_on_empty() {
    let disk = Disk::new();
    save(&disk.path, "a", "hunter2", None).await.unwrap();
    let good = fs::read(&disk.path).unwrap();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("half", good[..good.len() / 2].to_vec()),
        ("all but its last two bytes", good[..good.len() - 2].to_vec()),
        ("zeros", vec![0; good.len()]),
        ("not UTF-8", [&good[..], b"\xff"].concat()),
        ("no JSON", b"hunter2".to_vec()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("deeply nested", b"[".repeat(100_000)),
        ("no version", br#"{ "services": {} }"#.to_vec()),
        ("version 0", br#"{ "version": 0, "services": {} }"#.to_vec()),
        ("services is a list", br#"{ "version": 1, "services": [] }"#.to_vec()),
        ("aside is a number", br#"{ "version": 1, "services": {}, "aside": 1 }"#.to_vec()),
        ("larger than any cache", vec![b' '; 8 * 1024 * 1024 + 1]),
    ];
    for (n, (what, content)) in cases.iter().enumerate() {
        fs::write(&disk.path, content).unwrap();
        let loaded = open(&disk.path).load(&service("a")).await.unwrap();
        assert!(loaded.record.is_none(), "{what}");
        let [warning] = &loaded.warnings[..] else { panic!("{what}") };
        assert_eq!(warning.kind(), ErrorKind::Storage, "{what}");
        assert!(!warning.message().contains("hunter2"), "{what}");
        assert_eq!(disk.damaged().len(), n + 1, "{what}");
        let next = open(&disk.path).load(&service("a")).await.unwrap();
        assert!(next.record.is_none() && next.warnings.is_empty(), "{what}");
        save(&disk.path, "a", "fresh", None).await.unwrap();
        assert_eq!(token(&disk.path, "a").await.as_deref(), Some("fresh"), "{what}");
    }
}

#[tokio::test]
async fn a_save_over_a_damaged_file_keeps_the_damage_beside() {
    let disk = Disk::new();
    for content in ["damage one", "damage two"] {
        fs::write(&disk.path, content).unwrap();
        save(&disk.path, "a", "one", None).await.unwrap();
    }
    let mut kept: Vec<_> = disk
        .damaged()
        .iter()
        .map(|name| fs::read_to_string(disk.directory.path().join(name)).unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, ["damage one", "damage two"]);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let disk = Disk::new();
    let newer = r#"{ "version": 999, "shelves": [] }"#;
    fs::write(&disk.path, newer).unwrap();
    let store = open(&disk.path);
    let record = super::some_record("one");
    assert_eq!(store.load(&service("a")).await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(store.save(&service("a"), &record, None, None).await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(store.remove(&service("a")).await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(fs::read_to_string(&disk.path).unwrap(), newer);
    assert!(disk.damaged().is_empty());
}

#[tokio::test]
async fn no_flipped_bit_brings_another_token() {
    let disk = Disk::new();
    let ring = std::sync::Arc::new(
        crate::crypto::KeyRing::configured(vec![crate::crypto::generate_key().unwrap()]).unwrap(),
    );
    let sealed = |path: &std::path::Path| {
        let place = std::sync::Arc::new(super::FileStore::new(path));
        crate::store::SealedStore::new(place, std::sync::Arc::clone(&ring))
    };
    let store = sealed(&disk.path);
    store.save(&service("a"), &super::some_record("one"), None, None).await.unwrap();
    let good = fs::read(&disk.path).unwrap();
    for n in 0..256 {
        let bit = good.len() * 8 * n / 256;
        let mut content = good.clone();
        content[bit / 8] ^= 1 << (bit % 8);
        fs::write(&disk.path, content).unwrap();
        if let Ok(loaded) = sealed(&disk.path).load(&service("a")).await
            && let Some((found, _)) = loaded.record
        {
            assert_eq!(found.access_token.secret().expose(), "one", "bit {bit}");
        }
    }
}

async fn lease(store: &SealedStore, second: u64) -> Result<bool, ErrorKind> {
    let now = Timestamp::from_millisecond(1_800_000_000_000).plus(Duration::from_secs(second));
    let claim = Claim { owner: Owner::random(), now, length: Duration::from_secs(10) };
    let leasing = store.lease(&service("a"), &claim).await.map_err(|error| error.kind())?;
    Ok(matches!(leasing, Leasing::Granted(_)))
}

#[tokio::test]
async fn damaged_leases_are_somebodys_until_they_would_be_over_and_are_then_written_anew_with_one_warning() {
    let contents: [&[u8]; 6] = [
        b"hunter2",
        b"\xff\xfe",
        b"{\"version\":1,\"leases\":{\"a\":{\"fence\":18000",
        b"{\"version\":1,\"leases\":{\"a\":7}}",
        b"{\"a\":{\"fence\":1}}",
        b"[]",
    ];
    for content in contents {
        let disk = Disk::new();
        let store = open(&disk.path);
        assert_eq!(lease(&store, 0).await, Ok(true));
        disk.writes_lock(content, 100);
        assert_eq!(lease(&store, 109).await, Ok(false));
        assert!(store.take_warnings().is_empty());
        assert_eq!(lease(&store, 110).await, Ok(true));
        let [warning] = &store.take_warnings()[..] else { panic!("one warning") };
        assert!(warning.message().contains("lock file") && !warning.message().contains("hunter2"));
        assert_eq!(lease(&store, 119).await, Ok(false), "the new lease is a lease");
        assert_eq!(lease(&store, 120).await, Ok(true));
        assert!(store.take_warnings().is_empty());
        // Written before the clock was set back by a day: that tells nothing.
        disk.writes_lock(content, 86_400);
        assert_eq!(lease(&store, 130).await, Ok(true));
    }
}

#[tokio::test]
async fn leases_of_a_newer_version_are_left_alone() {
    let disk = Disk::new();
    save(&disk.path, "a", "one", None).await.unwrap();
    let newer = br#"{ "version": 2, "leases": [] }"#;
    disk.writes_lock(newer, 0);
    assert_eq!(lease(&open(&disk.path), 86_400).await, Err(ErrorKind::Storage));
    assert_eq!(fs::read(disk.lock()).unwrap(), newer);
    assert_eq!(token(&disk.path, "a").await.as_deref(), Some("one"), "a look needs no lease");
}
