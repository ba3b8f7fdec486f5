//! What befalls files, and what becomes of the records in them.

mod damage;
#[cfg(unix)]
mod places;
mod processes;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use crate::crypto::{KeyRing, generate_key};
use crate::store::conformance::{service, some_record};
use crate::store::{FileStore, Revision, Saved, SealedStore, Store};

/// A directory with a cache file in it.
struct Disk {
    directory: TempDir,
    path: PathBuf,
}

impl Disk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token-cache.json");
        Self { directory, path }
    }

    fn place(&self) -> FileStore {
        FileStore::new(&self.path)
    }

    fn lock(&self) -> PathBuf {
        self.path.with_file_name("token-cache.json.lock")
    }

    /// Somebody writes this into the lock file, so many seconds after the moment at which tests begin.
    fn writes_lock(&self, content: &[u8], second: u64) {
        fs::write(self.lock(), content).unwrap();
        let moment = UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second);
        fs::File::options().write(true).open(self.lock()).unwrap().set_modified(moment).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn damaged(&self) -> Vec<String> {
        self.names().into_iter().filter(|name| name.contains(".corrupt-")).collect()
    }
}

fn open(path: &Path) -> SealedStore {
    SealedStore::without_sealing(std::sync::Arc::new(FileStore::new(path)))
}

/// One that takes what another program puts there.
fn accepting(path: &Path) -> SealedStore {
    let ring = KeyRing::configured(vec![generate_key().unwrap()]).unwrap();
    SealedStore::new(std::sync::Arc::new(FileStore::new(path)), std::sync::Arc::new(ring))
        .accepting_plain_tokens(true)
}

async fn save(path: &Path, name: &str, token: &str, expected: Option<Revision>) -> Option<Revision> {
    match open(path).save(&service(name), &some_record(token), expected, None).await.unwrap() {
        Saved::Stored(revision) => Some(revision),
        _ => None,
    }
}

async fn token(path: &Path, name: &str) -> Option<String> {
    let loaded = open(path).load(&service(name)).await.unwrap();
    loaded.record.map(|(record, _)| record.access_token.secret().expose().to_owned())
}

#[tokio::test]
async fn another_process_finds_what_was_saved() {
    let disk = Disk::new();
    save(&disk.path, "a", "one", None).await.unwrap();
    assert_eq!(token(&disk.path, "a").await.as_deref(), Some("one"));
    assert_eq!((disk.place().kind(), disk.place().location()), ("file", disk.path.display().to_string()));
}

#[tokio::test]
async fn the_file_has_the_field_names_of_the_prisma_model() {
    let disk = Disk::new();
    save(&disk.path, "a", "one", None).await.unwrap();
    let content: serde_json::Value = serde_json::from_slice(&fs::read(&disk.path).unwrap()).unwrap();
    let record = &content["services"]["a"];
    assert_eq!(content["version"], 1);
    assert!(record["token"].as_str().unwrap().contains("one refresh"), "the whole record is in one text");
    assert_eq!(record["refreshToken"], serde_json::Value::Null);
    assert_eq!(record["tokenType"], "Bearer");
    assert_eq!(record["createdAt"], "2027-01-15T08:00:00.250Z");
    assert_eq!(record["expiresAt"], "2027-01-15T09:00:00.500Z");
    assert_eq!(record["lastUsed"], "2027-01-15T08:00:01.000Z");
}

#[tokio::test]
async fn a_record_put_there_by_hand_needs_a_token_and_an_expiry_only() {
    let disk = Disk::new();
    let by_hand = r#"{ "version": 1, "services": { "a": { "token": "by-hand", "expiresAt": "2099-01-01T00:00:00Z" } } }"#;
    fs::write(&disk.path, format!("\u{feff}{by_hand}")).unwrap();
    let store = accepting(&disk.path);
    let (record, revision) = store.load(&service("a")).await.unwrap().record.unwrap();
    assert_eq!(record.access_token.secret().expose(), "by-hand");
    assert_eq!(record.scheme.as_str(), "Bearer");
    assert!(record.issued_at > crate::domain::Timestamp::from_second(1_700_000_000.0));
    fs::write(&disk.path, by_hand.replace("by-hand", "by-other-hand")).unwrap();
    let saved = store.save(&service("a"), &some_record("two"), Some(revision), None).await.unwrap();
    assert_eq!(saved, Saved::Conflict);
    let (record, _) = store.load(&service("a")).await.unwrap().record.unwrap();
    assert_eq!(record.access_token.secret().expose(), "by-other-hand");
}

#[tokio::test]
async fn what_a_person_added_to_the_file_survives_a_save() {
    let disk = Disk::new();
    fs::write(&disk.path, r#"{ "version": 1, "note": "ours", "services": { "b": { "odd": true } } }"#)
        .unwrap();
    save(&disk.path, "a", "one", None).await.unwrap();
    let content: serde_json::Value = serde_json::from_slice(&fs::read(&disk.path).unwrap()).unwrap();
    assert_eq!((content["note"].as_str(), &content["services"]["b"]["odd"]), (Some("ours"), &true.into()));
}

#[tokio::test]
async fn a_number_that_a_person_added_makes_no_new_revision_of_each_save() {
    let disk = Disk::new();
    let record =
        r#"{ "token": "by-hand", "expiresAt": "2099-01-01T00:00:00Z", "weight": 18446744073799599995 }"#;
    fs::write(&disk.path, format!(r#"{{ "version": 1, "revision": 7, "services": {{ "b": {record} }} }}"#))
        .unwrap();
    let store = accepting(&disk.path);
    let revision = async || store.load(&service("b")).await.unwrap().record.unwrap().1.digest;
    let before = revision().await;
    save(&disk.path, "a", "one", None).await.unwrap();
    assert_eq!(revision().await, before);
}

#[tokio::test]
async fn a_save_is_later_than_a_record_that_runs_ahead_of_its_file() {
    let disk = Disk::new();
    save(&disk.path, "a", "one", None).await.unwrap();
    let mut content: serde_json::Value = serde_json::from_slice(&fs::read(&disk.path).unwrap()).unwrap();
    content["services"]["a"]["revision"] = 9_000_000_000_000_u64.into();
    fs::write(&disk.path, content.to_string()).unwrap();
    let (_, ahead) = open(&disk.path).load(&service("a")).await.unwrap().record.unwrap();
    let saved = save(&disk.path, "a", "two", Some(ahead)).await.unwrap();
    assert!(saved.is_later_than(ahead), "{saved:?} after {ahead:?}: no other process would take it");
}

#[tokio::test]
async fn a_malformed_record_is_set_aside_and_costs_other_services_nothing() {
    let disk = Disk::new();
    save(&disk.path, "a", "one", None).await.unwrap();
    save(&disk.path, "b", "two", None).await.unwrap();
    let mut content: serde_json::Value = serde_json::from_slice(&fs::read(&disk.path).unwrap()).unwrap();
    content["services"]["a"]["token"] = 1.into();
    fs::write(&disk.path, content.to_string()).unwrap();
    let loaded = open(&disk.path).load(&service("a")).await.unwrap();
    assert!(loaded.record.is_none() && loaded.warnings.len() == 1);
    assert_eq!(token(&disk.path, "b").await.as_deref(), Some("two"));
    assert!(disk.damaged().is_empty());
    save(&disk.path, "a", "three", None).await.unwrap();
    assert_eq!(token(&disk.path, "a").await.as_deref(), Some("three"));
}
