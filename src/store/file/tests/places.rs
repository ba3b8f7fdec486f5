//! Modes, links and leftovers.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::{new_disk, some_record};
use crate::error::ErrorKind;
use crate::store::conformance::service;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_loose_mode_is_tightened_at_the_next_write_and_on_what_is_set_aside() {
    let disk = new_disk();
    let revision = disk.save("a", "one", None).await;
    fs::set_permissions(&disk.path, Permissions::from_mode(0o644)).unwrap();
    disk.save("a", "two", revision).await.unwrap();
    assert_eq!(mode(&disk.path), 0o600);
    fs::write(&disk.path, "damage").unwrap();
    fs::set_permissions(&disk.path, Permissions::from_mode(0o644)).unwrap();
    disk.save("a", "three", None).await.unwrap();
    assert_eq!(mode(&disk.directory.path().join(&disk.damaged()[0])), 0o600);
}

#[tokio::test]
async fn a_link_in_the_locks_place_is_refused() {
    let disk = new_disk();
    symlink("nowhere", disk.directory.path().join("token-cache.json.lock")).unwrap();
    let saved = disk.open().save(&service("a"), &some_record("one"), None, None).await;
    assert_eq!(saved.unwrap_err().kind(), ErrorKind::Storage);
    assert!(!disk.directory.path().join("nowhere").exists());
}

#[tokio::test]
async fn what_dead_writers_left_is_removed_and_nothing_else() {
    let disk = new_disk();
    let strangers = [".token-cache.json.notes.tmp", ".other.json.0123456789abcdef.tmp"];
    let left = ".token-cache.json.0123456789abcdef.tmp";
    for name in strangers.into_iter().chain([left]) {
        fs::write(disk.directory.path().join(name), "half").unwrap();
    }
    disk.save("a", "one", None).await.unwrap();
    let names = disk.names();
    assert!(!names.contains(&left.to_owned()));
    assert!(strangers.iter().all(|stranger| names.contains(&(*stranger).to_owned())));
}
