//! Modes, and what is not a file in the place of one.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::*;
use crate::error::ErrorKind;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Every operation fails soon, with a storage error, and leaves what is there.
async fn is_refused(disk: &Disk) {
    let store = disk.open();
    let operations = async {
        assert_eq!(store.load(&service("a")).await.unwrap_err().kind(), ErrorKind::Storage);
        let saved = store.save(&service("a"), &some_record("one"), None, None).await;
        let error = saved.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.message().contains(disk.engine.file_name), "{error}");
    };
    tokio::time::timeout(Duration::from_secs(10), operations).await.unwrap();
}

pub(super) async fn the_store_and_the_directories_made_for_it_are_the_owners_alone(disk: Disk) {
    let root = disk.directory.path();
    let disk = disk.at(Path::new("made/here").join(disk.engine.file_name));
    fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(disk.token("a").await, None);
    disk.open().remove(&service("a")).await.unwrap();
    assert!(!root.join("made").exists());
    let store = disk.open();
    store.save(&service("a"), &some_record("one"), None, None).await.unwrap();
    for suffix in [""].iter().chain(disk.engine.side_files) {
        let name = format!("{}{suffix}", disk.engine.file_name);
        assert_eq!(mode(&disk.path.with_file_name(&name)), 0o600, "{name}");
    }
    assert_eq!(mode(&root.join("made")), 0o700);
    assert_eq!(mode(&root.join("made/here")), 0o700);
    assert_eq!(mode(root), 0o755);
}

pub(super) async fn a_symbolic_link_is_refused_and_its_target_untouched(disk: Disk) {
    let precious = disk.directory.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    fs::set_permissions(&precious, Permissions::from_mode(0o644)).unwrap();
    let itself = Path::new(disk.engine.file_name);
    for target in [precious.as_path(), Path::new("nowhere"), itself, Path::new("/dev/full")] {
        symlink(target, &disk.path).unwrap();
        is_refused(&disk).await;
        assert_eq!(fs::read_link(&disk.path).unwrap(), target);
        fs::remove_file(&disk.path).unwrap();
    }
    assert_eq!((fs::read_to_string(&precious).unwrap().as_str(), mode(&precious)), ("precious", 0o644));
    assert!(!disk.directory.path().join("nowhere").exists());
}

pub(super) async fn a_directory_in_its_place_is_an_error_and_stays(disk: Disk) {
    fs::create_dir(&disk.path).unwrap();
    is_refused(&disk).await;
    assert!(disk.path.is_dir() && disk.damaged().is_empty());
}

pub(super) async fn a_pipe_in_its_place_is_refused_without_waiting(disk: Disk) {
    assert!(Command::new("mkfifo").arg(&disk.path).status().unwrap().success());
    is_refused(&disk).await;
}

pub(super) async fn a_file_where_a_directory_should_be_is_an_error(disk: Disk) {
    fs::write(disk.directory.path().join("file"), "").unwrap();
    is_refused(&disk.at(Path::new("file").join(disk.engine.file_name))).await;
}
