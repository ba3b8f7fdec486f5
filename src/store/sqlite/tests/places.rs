//! Modes, things in the database's place that are none, and files that come and go.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Disk, open, save, some_record, token};
use crate::error::ErrorKind;
use crate::store::Saved;
use crate::store::conformance::service;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Every operation fails with a storage error, soon, and leaves what is there.
async fn is_refused(path: &Path) {
    let store = open(path);
    let operations = async {
        assert_eq!(store.load(&service("a")).await.unwrap_err().kind(), ErrorKind::Storage);
        let saved = store.save(&service("a"), &some_record("one"), None, None).await;
        let error = saved.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.message().contains("token-cache.db"), "{error}");
    };
    tokio::time::timeout(Duration::from_secs(10), operations).await.unwrap();
}

#[tokio::test]
async fn the_database_and_the_directories_made_for_it_are_the_owners_alone() {
    let disk = Disk::new();
    let path = disk.directory.path().join("made/here/token-cache.db");
    fs::set_permissions(disk.directory.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(token(&path, "a").await, None);
    open(&path).remove(&service("a")).await.unwrap();
    assert!(!disk.directory.path().join("made").exists());
    let store = open(&path);
    store.save(&service("a"), &some_record("one"), None, None).await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&path.with_file_name(format!("token-cache.db{suffix}"))), 0o600, "{suffix}");
    }
    assert_eq!(mode(&disk.directory.path().join("made")), 0o700);
    assert_eq!(mode(&disk.directory.path().join("made/here")), 0o700);
    assert_eq!(mode(disk.directory.path()), 0o755);
}

#[tokio::test]
async fn the_mode_of_a_database_that_others_share_is_left() {
    let disk = Disk::new();
    fs::write(&disk.path, "").unwrap();
    fs::set_permissions(&disk.path, Permissions::from_mode(0o640)).unwrap();
    save(&disk.path, "a", "one", None).await.unwrap();
    assert_eq!(mode(&disk.path), 0o640);
}

#[tokio::test]
async fn a_symbolic_link_is_refused_and_its_target_untouched() {
    let disk = Disk::new();
    let precious = disk.directory.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    for target in [precious.as_path(), Path::new("nowhere"), Path::new("token-cache.db")] {
        symlink(target, &disk.path).unwrap();
        is_refused(&disk.path).await;
        assert_eq!(fs::read_link(&disk.path).unwrap(), target);
        fs::remove_file(&disk.path).unwrap();
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert!(!disk.directory.path().join("nowhere").exists());
}

#[tokio::test]
async fn a_link_among_the_directories_is_followed() {
    let disk = Disk::new();
    let real = disk.directory.path().join("real");
    fs::create_dir(&real).unwrap();
    symlink(&real, disk.directory.path().join("link")).unwrap();
    save(&disk.directory.path().join("link/token-cache.db"), "a", "one", None).await.unwrap();
    assert_eq!(token(&real.join("token-cache.db"), "a").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_directory_in_its_place_is_an_error_and_stays() {
    let disk = Disk::new();
    fs::create_dir(&disk.path).unwrap();
    is_refused(&disk.path).await;
    assert!(disk.path.is_dir() && disk.damaged().is_empty());
}

#[tokio::test]
async fn a_pipe_in_its_place_is_refused_without_waiting() {
    let disk = Disk::new();
    assert!(Command::new("mkfifo").arg(&disk.path).status().unwrap().success());
    is_refused(&disk.path).await;
}

#[tokio::test]
async fn a_file_where_a_directory_should_be_is_an_error() {
    let disk = Disk::new();
    fs::write(disk.directory.path().join("file"), "").unwrap();
    is_refused(&disk.directory.path().join("file/token-cache.db")).await;
}

#[tokio::test]
async fn a_database_deleted_while_it_is_open_is_made_anew() {
    let disk = Disk::new();
    let running = open(&disk.path);
    running.save(&service("a"), &some_record("one"), None, None).await.unwrap();
    fs::remove_file(&disk.path).unwrap();
    assert!(running.load(&service("a")).await.unwrap().record.is_none());
    let saved = running.save(&service("a"), &some_record("two"), None, None).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
    assert_eq!(disk.tokens(), "two");
}

#[tokio::test]
async fn a_backup_put_in_its_place_is_read_and_is_not_the_later_one() {
    let disk = Disk::new();
    let running = open(&disk.path);
    let old = running.save(&service("a"), &some_record("old"), None, None).await.unwrap();
    let Saved::Stored(old) = old else { panic!("there was no record") };
    let backup = disk.directory.path().join("backup.db");
    fs::copy(&disk.path, &backup).unwrap();
    let new = running.save(&service("a"), &some_record("new"), Some(old), None).await.unwrap();
    let Saved::Stored(new) = new else { panic!("there was no other writer") };
    fs::rename(&backup, &disk.path).unwrap();
    let (record, revision) = running.load(&service("a")).await.unwrap().record.unwrap();
    assert_eq!((record.access_token.secret().expose(), revision), ("old", old));
    assert!(!revision.is_later_than(new));
    assert!(disk.damaged().is_empty());
}

#[tokio::test]
async fn a_log_deleted_while_the_database_is_open_costs_no_saved_token() {
    let disk = Disk::new();
    let running = open(&disk.path);
    running.save(&service("a"), &some_record("one"), None, None).await.unwrap();
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(disk.path.with_file_name(format!("token-cache.db{suffix}"))).unwrap();
    }
    running.save(&service("b"), &some_record("two"), None, None).await.unwrap();
    assert_eq!(disk.tokens(), "one,two");
}

#[tokio::test]
async fn a_backup_copied_over_it_in_place_is_read_and_written_without_damage() {
    let disk = Disk::new();
    let running = open(&disk.path);
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
    assert_eq!(record.access_token.secret().expose(), "old");
    let saved = running.save(&service("a"), &some_record("next"), Some(revision), None).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
    assert_eq!(disk.text("PRAGMA integrity_check"), "ok");
    assert!(disk.damaged().is_empty());
}
