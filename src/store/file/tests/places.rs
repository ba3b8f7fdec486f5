//! Modes, and things in the file's place that are no file.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Disk, open, save, some_record, token};
use crate::error::ErrorKind;
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
        assert!(error.message().contains("token-cache.json"), "{error}");
    };
    tokio::time::timeout(Duration::from_secs(10), operations).await.unwrap();
}

#[tokio::test]
async fn the_file_and_the_directories_made_for_it_are_the_owners_alone() {
    let disk = Disk::new();
    let path = disk.directory.path().join("made/here/token-cache.json");
    fs::set_permissions(disk.directory.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(token(&path, "a").await, None);
    assert!(!disk.directory.path().join("made").exists());
    save(&path, "a", "one", None).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_file_name("token-cache.json.lock")), 0o600);
    assert_eq!(mode(&disk.directory.path().join("made")), 0o700);
    assert_eq!(mode(&disk.directory.path().join("made/here")), 0o700);
    assert_eq!(mode(disk.directory.path()), 0o755);
}

#[tokio::test]
async fn a_loose_mode_is_tightened_at_the_next_write_and_on_what_is_set_aside() {
    let disk = Disk::new();
    let revision = save(&disk.path, "a", "one", None).await;
    fs::set_permissions(&disk.path, Permissions::from_mode(0o644)).unwrap();
    save(&disk.path, "a", "two", revision).await.unwrap();
    assert_eq!(mode(&disk.path), 0o600);
    fs::write(&disk.path, "damage").unwrap();
    fs::set_permissions(&disk.path, Permissions::from_mode(0o644)).unwrap();
    save(&disk.path, "a", "three", None).await.unwrap();
    assert_eq!(mode(&disk.directory.path().join(&disk.damaged()[0])), 0o600);
}

#[tokio::test]
async fn a_symbolic_link_is_refused_and_its_target_untouched() {
    let disk = Disk::new();
    let precious = disk.directory.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    fs::set_permissions(&precious, Permissions::from_mode(0o644)).unwrap();
    for target in
        [precious.as_path(), Path::new("nowhere"), Path::new("token-cache.json"), Path::new("/dev/full")]
    {
        symlink(target, &disk.path).unwrap();
        is_refused(&disk.path).await;
        assert_eq!(fs::read_link(&disk.path).unwrap(), target);
        fs::remove_file(&disk.path).unwrap();
    }
    assert_eq!((fs::read_to_string(&precious).unwrap().as_str(), mode(&precious)), ("precious", 0o644));
    assert!(!disk.directory.path().join("nowhere").exists());
}

#[tokio::test]
async fn a_link_in_the_locks_place_is_refused() {
    let disk = Disk::new();
    symlink("nowhere", disk.directory.path().join("token-cache.json.lock")).unwrap();
    let saved = open(&disk.path).save(&service("a"), &some_record("one"), None, None).await;
    assert_eq!(saved.unwrap_err().kind(), ErrorKind::Storage);
    assert!(!disk.directory.path().join("nowhere").exists());
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
    is_refused(&disk.directory.path().join("file/token-cache.json")).await;
}

#[tokio::test]
async fn what_dead_writers_left_is_removed_and_nothing_else() {
    let disk = Disk::new();
    let strangers = [".token-cache.json.notes.tmp", ".other.json.0123456789abcdef.tmp"];
    let left = ".token-cache.json.0123456789abcdef.tmp";
    for name in strangers.into_iter().chain([left]) {
        fs::write(disk.directory.path().join(name), "half").unwrap();
    }
    save(&disk.path, "a", "one", None).await.unwrap();
    let names = disk.names();
    assert!(!names.contains(&left.to_owned()));
    assert!(strangers.iter().all(|stranger| names.contains(&(*stranger).to_owned())));
}
