//! Modes, links, and files that come and go.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::{new_disk, some_record};
use crate::store::Saved;
use crate::store::conformance::service;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn the_mode_of_a_database_that_others_share_is_left() {
    let disk = new_disk();
    fs::write(&disk.path, "").unwrap();
    fs::set_permissions(&disk.path, Permissions::from_mode(0o640)).unwrap();
    disk.save("a", "one", None).await.unwrap();
    assert_eq!(mode(&disk.path), 0o640);
}

#[tokio::test]
async fn a_link_among_the_directories_is_followed() {
    let disk = new_disk();
    let real = disk.directory.path().join("real");
    fs::create_dir(&real).unwrap();
    symlink(&real, disk.directory.path().join("link")).unwrap();
    disk.at("link/token-cache.db").save("a", "one", None).await.unwrap();
    assert_eq!(disk.at("real/token-cache.db").token("a").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_database_deleted_while_it_is_open_is_created_again() {
    let disk = new_disk();
    let running = disk.open();
    running.save(&service("a"), &some_record("one"), None, None).await.unwrap();
    fs::remove_file(&disk.path).unwrap();
    assert!(running.load(&service("a")).await.unwrap().record.is_none());
    let saved = running.save(&service("a"), &some_record("two"), None, None).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
    assert_eq!(disk.tokens(), "two");
}

#[tokio::test]
async fn a_backup_put_in_its_place_is_read_and_is_not_the_later_one() {
    let disk = new_disk();
    let running = disk.open();
    let old = running.save(&service("a"), &some_record("old"), None, None).await.unwrap();
    let Saved::Stored(old) = old else { panic!("there was no record") };
    let backup = disk.directory.path().join("backup.db");
    fs::copy(&disk.path, &backup).unwrap();
    let new = running.save(&service("a"), &some_record("new"), Some(old), None).await.unwrap();
    let Saved::Stored(new) = new else { panic!("there was no other writer") };
    fs::rename(&backup, &disk.path).unwrap();
    let (record, revision) = running.load(&service("a")).await.unwrap().record.unwrap();
    assert_eq!((record.access_token.as_ref().unwrap().secret().expose(), revision), ("old", old));
    assert!(!revision.is_later_than(new));
    assert!(disk.damaged().is_empty());
}

#[tokio::test]
async fn a_log_deleted_while_the_database_is_open_costs_no_saved_token() {
    let disk = new_disk();
    let running = disk.open();
    running.save(&service("a"), &some_record("one"), None, None).await.unwrap();
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(disk.path.with_file_name(format!("token-cache.db{suffix}"))).unwrap();
    }
    running.save(&service("b"), &some_record("two"), None, None).await.unwrap();
    assert_eq!(disk.tokens(), "one,two");
}

#[tokio::test]
async fn a_backup_copied_over_it_in_place_is_read_and_written_without_damage() {
    let disk = new_disk();
    let running = disk.open();
    let old = running.save(&service("a"), &some_record("old"), None, None).await.unwrap();
    let Saved::Stored(old) = old else { panic!("there was no record") };
    let backup = disk.directory.path().join("backup.db");
    fs::copy(&disk.path, &backup).unwrap();
    for n in 0..40 {
        let name = service(&format!("service {n}"));
        running.save(&name, &some_record(&"x".repeat(500)), None, None).await.unwrap();
    }
    running.save(&service("a"), &some_record("new"), Some(old), None).await.unwrap();
    fs::copy(&backup, &disk.path).unwrap();
    let (record, revision) = running.load(&service("a")).await.unwrap().record.unwrap();
    assert_eq!(record.access_token.as_ref().unwrap().secret().expose(), "old");
    let saved = running.save(&service("a"), &some_record("next"), Some(revision), None).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
    assert_eq!(disk.text("PRAGMA integrity_check"), "ok");
    assert!(disk.damaged().is_empty());
}
