//! What happens to files, and what becomes of the records in them.

mod damage;
#[cfg(unix)]
mod places;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::FileStore;
use crate::error::ErrorKind;
use crate::store::Saved;
use crate::store::conformance::on_disk::{Disk, Engine};
use crate::store::conformance::{service, some_record};

pub(in crate::store) static ENGINE: Engine = Engine {
    kind: "file",
    file_name: "token-cache.json",
    store: |path| Arc::new(FileStore::new(path)),
    side_files: &[".lock"],
    damages: damage::damages,
    flipped_bits: 256,
    blocks_for_small: 8,
    assert_sound: |disk| assert_eq!(disk.names(), ["token-cache.json", "token-cache.json.lock"]),
};

fn new_disk() -> Disk {
    Disk::new(&ENGINE)
}

impl Disk {
    fn lock(&self) -> PathBuf {
        self.path.with_file_name("token-cache.json.lock")
    }

    /// Writes this into the lock file, so many seconds after the moment at which tests begin.
    fn write_lock(&self, content: &[u8], second: u64) {
        fs::write(self.lock(), content).unwrap();
        let moment = UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second);
        fs::File::options().write(true).open(self.lock()).unwrap().set_modified(moment).unwrap();
    }
}

#[tokio::test]
async fn the_file_has_the_field_names_of_the_prisma_model() {
    let disk = new_disk();
    disk.save("a", "one", None).await.unwrap();
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
    let disk = new_disk();
    let by_hand = r#"{ "version": 1, "services": { "a": { "token": "by-hand", "expiresAt": "2099-01-01T00:00:00Z" } } }"#;
    fs::write(&disk.path, format!("\u{feff}{by_hand}")).unwrap();
    let store = disk.open_accepting();
    let (record, revision) = store.load(&service("a")).await.unwrap().record.unwrap();
    assert_eq!(record.access_token.as_ref().unwrap().secret().expose(), "by-hand");
    assert_eq!(record.scheme.as_str(), "Bearer");
    assert!(record.issued_at > crate::domain::Timestamp::from_second(1_700_000_000.0));
    fs::write(&disk.path, by_hand.replace("by-hand", "by-other-hand")).unwrap();
    let saved = store.save(&service("a"), &some_record("two"), Some(revision), None).await.unwrap();
    assert_eq!(saved, Saved::Conflict);
    let (record, _) = store.load(&service("a")).await.unwrap().record.unwrap();
    assert_eq!(record.access_token.as_ref().unwrap().secret().expose(), "by-other-hand");
}

#[tokio::test]
async fn what_an_operator_added_to_the_file_survives_a_save() {
    let disk = new_disk();
    fs::write(&disk.path, r#"{ "version": 1, "note": "ours", "services": { "b": { "odd": true } } }"#)
        .unwrap();
    disk.save("a", "one", None).await.unwrap();
    let content: serde_json::Value = serde_json::from_slice(&fs::read(&disk.path).unwrap()).unwrap();
    assert_eq!((content["note"].as_str(), &content["services"]["b"]["odd"]), (Some("ours"), &true.into()));
}

#[tokio::test]
async fn a_number_that_an_operator_added_does_not_change_the_revision_of_each_save() {
    let disk = new_disk();
    let record =
        r#"{ "token": "by-hand", "expiresAt": "2099-01-01T00:00:00Z", "weight": 18446744073799599995 }"#;
    fs::write(&disk.path, format!(r#"{{ "version": 1, "revision": 7, "services": {{ "b": {record} }} }}"#))
        .unwrap();
    let store = disk.open_accepting();
    let revision = async || store.load(&service("b")).await.unwrap().record.unwrap().1.digest;
    let before = revision().await;
    disk.save("a", "one", None).await.unwrap();
    assert_eq!(revision().await, before);
}

#[tokio::test]
async fn a_save_is_later_than_a_record_that_runs_ahead_of_its_file() {
    let disk = new_disk();
    disk.save("a", "one", None).await.unwrap();
    let mut content: serde_json::Value = serde_json::from_slice(&fs::read(&disk.path).unwrap()).unwrap();
    content["services"]["a"]["revision"] = 9_000_000_000_000_u64.into();
    fs::write(&disk.path, content.to_string()).unwrap();
    let (_, ahead) = disk.open().load(&service("a")).await.unwrap().record.unwrap();
    let saved = disk.save("a", "two", Some(ahead)).await.unwrap();
    assert!(saved.is_later_than(ahead), "{saved:?} after {ahead:?}: no other process would take it");
}

#[tokio::test]
async fn a_malformed_record_is_set_aside_and_costs_other_services_nothing() {
    let disk = new_disk();
    disk.save("a", "one", None).await.unwrap();
    disk.save("b", "two", None).await.unwrap();
    let mut content: serde_json::Value = serde_json::from_slice(&fs::read(&disk.path).unwrap()).unwrap();
    content["services"]["a"]["token"] = 1.into();
    fs::write(&disk.path, content.to_string()).unwrap();
    let loaded = disk.open().load(&service("a")).await.unwrap();
    assert!(loaded.record.is_none() && loaded.warnings.len() == 1);
    assert_eq!(disk.token("b").await.as_deref(), Some("two"));
    assert!(disk.damaged().is_empty());
    disk.save("a", "three", None).await.unwrap();
    assert_eq!(disk.token("a").await.as_deref(), Some("three"));
}

#[tokio::test]
async fn a_lock_that_is_never_released_is_an_error_in_bounded_time() {
    let disk = new_disk();
    disk.save("a", "one", None).await.unwrap();
    let held = fs::File::open(disk.lock()).unwrap();
    held.lock().unwrap();
    let saving = async { disk.open().save(&service("b"), &some_record("two"), None, None).await };
    let error = tokio::time::timeout(Duration::from_secs(20), saving).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert_eq!(disk.token("a").await.as_deref(), Some("one"));
    held.unlock().unwrap();
    disk.save("b", "two", None).await.unwrap();
}
