//! Many writers, and writers that die or run out of room.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Disk, open, save, some_record, token};
use crate::error::ErrorKind;
use crate::store::conformance::service;
use crate::store::{FileStore, Saved, Store, StoredState, StoredToken};

const PLACE: &str = "EVERTOKEN_TEST_PLACE";
const WRITER: &str = "EVERTOKEN_TEST_WRITER";
const WRITES: u64 = 20;

/// Another process of this very test binary that runs the one test `name`.
fn child(name: &str, path: &Path, writer: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("store::file::tests::processes::{name}")])
        .env(PLACE, path)
        .env(WRITER, writer)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The place a parent process named, else one of its own.
#[expect(clippy::disallowed_methods, reason = "a process of this test, started with its variables")]
fn place(disk: &Disk) -> PathBuf {
    std::env::var_os(PLACE).map_or_else(|| disk.path.clone(), PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "a process of this test, started with its variables")]
fn writer() -> String {
    std::env::var_os(WRITER).map_or_else(|| "alone".into(), |name| name.into_string().unwrap())
}

/// Counts up, in what the record remembers, until it was the one to make `WRITES` steps.
async fn count_up(path: &Path, name: &str) {
    let store = open(path);
    let mut done = 0;
    while done < WRITES {
        let found = store.load(&service(name)).await.unwrap().record;
        let (mut record, expected) = match found {
            Some((record, revision)) => (record, Some(revision)),
            None => (some_record("counted"), None),
        };
        let identity = Some((counted(&record) + 1).to_string());
        record.state = Some(StoredState { identity, ..StoredState::default() });
        if let Saved::Stored(_) = store.save(&service(name), &record, expected, None).await.unwrap() {
            done += 1;
        }
    }
}

fn counted(record: &StoredToken) -> u64 {
    let identity = record.state.as_ref().and_then(|state| state.identity.as_ref());
    identity.and_then(|count| count.parse().ok()).unwrap_or(0)
}

async fn count(path: &Path, name: &str) -> Option<u64> {
    open(path).load(&service(name)).await.unwrap().record.map(|(record, _)| counted(&record))
}

#[tokio::test]
async fn a_writer_makes_all_its_steps() {
    let disk = Disk::new();
    let (path, name) = (place(&disk), writer());
    count_up(&path, "shared").await;
    count_up(&path, &name).await;
    assert_eq!(count(&path, &name).await, Some(WRITES));
}

#[tokio::test]
async fn processes_that_share_a_file_lose_nothing_of_each_other() {
    let disk = Disk::new();
    let writers = ["one", "two", "three", "four"];
    let children = writers.map(|name| child("a_writer_makes_all_its_steps", &disk.path, name));
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    for name in writers {
        assert_eq!(count(&disk.path, name).await, Some(WRITES), "{name}");
    }
    assert_eq!(count(&disk.path, "shared").await, Some(WRITES * 4));
    assert!(disk.damaged().is_empty());
}

#[tokio::test]
async fn services_of_one_process_lose_nothing_of_each_other() {
    let disk = Disk::new();
    let writers: Vec<_> = (0..6)
        .map(|n| {
            let path = disk.path.clone();
            crate::runtime::spawn(async move { count_up(&path, &format!("service {n}")).await }).unwrap()
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for n in 0..6 {
        assert_eq!(count(&disk.path, &format!("service {n}")).await, Some(WRITES));
    }
}

#[tokio::test]
async fn a_process_killed_at_any_moment_leaves_a_whole_record() {
    let disk = Disk::new();
    save(&disk.path, "shared", "first", None).await.unwrap();
    for round in 0..30 {
        let mut child = child("a_writer_makes_all_its_steps", &disk.path, "victim");
        tokio::time::sleep(Duration::from_millis(3 + round * 2)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(token(&disk.path, "shared").await.is_some(), "round {round}");
        assert!(disk.damaged().is_empty(), "round {round}");
    }
    assert!(count(&disk.path, "shared").await > Some(0), "none came to write");
    // The dead hold no lock, and what they left is swept.
    save(&disk.path, "heir", "next", None).await.unwrap();
    assert_eq!(disk.names(), ["token-cache.json", "token-cache.json.lock"]);
}

#[tokio::test]
async fn a_lock_that_is_never_released_is_an_error_in_bounded_time() {
    let disk = Disk::new();
    save(&disk.path, "a", "one", None).await.unwrap();
    let held = std::fs::File::open(disk.path.with_file_name("token-cache.json.lock")).unwrap();
    held.lock().unwrap();
    let saving = async { open(&disk.path).save(&service("b"), &some_record("two"), None, None).await };
    let error = tokio::time::timeout(Duration::from_secs(20), saving).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert_eq!(token(&disk.path, "a").await.as_deref(), Some("one"));
    held.unlock().unwrap();
    save(&disk.path, "b", "two", None).await.unwrap();
}

/// In a child whose files may not grow beyond a block, the large record fails; elsewhere both are stored.
#[tokio::test]
async fn a_record_that_finds_no_room_leaves_the_old_one() {
    let disk = Disk::new();
    let (path, has_room) = (place(&disk), writer() == "alone");
    let place = FileStore::new(&path);
    if has_room {
        save(&path, "a", "old", None).await.unwrap();
    }
    let (_, revision) = place.load(&service("a")).await.unwrap().record().unwrap();
    let saved =
        open(&path).save(&service("a"), &some_record(&"x".repeat(50_000)), Some(revision), None).await;
    assert_eq!(saved.is_ok(), has_room, "{saved:?}");
    assert!(saved.err().is_none_or(|error| error.kind() == ErrorKind::Storage));
    assert_eq!(token(&path, "a").await.unwrap() == "old", !has_room);
}

#[cfg(unix)]
#[tokio::test]
async fn without_room_on_the_disk_the_old_record_stays_whole_and_no_rest_is_left() {
    let disk = Disk::new();
    save(&disk.path, "a", "old", None).await.unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "store::file::tests::processes::a_record_that_finds_no_room_leaves_the_old_one"])
        .env(PLACE, &disk.path)
        .env(WRITER, "cramped")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    assert_eq!(token(&disk.path, "a").await.as_deref(), Some("old"));
    assert_eq!(disk.names(), ["token-cache.json", "token-cache.json.lock"]);
}
