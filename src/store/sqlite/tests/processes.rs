//! Many writers, and writers that wait, die or run out of room.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Disk, open, save, some_record, token};
use crate::domain::Secret;
use crate::error::ErrorKind;
use crate::store::conformance::service;
use crate::store::{Saved, StoredState, StoredToken};

const PLACE: &str = "EVERTOKEN_TEST_PLACE";
const WRITER: &str = "EVERTOKEN_TEST_WRITER";
const WRITES: u64 = 20;

/// Another process of this very test binary that runs the one test `name`.
fn child(name: &str, path: &Path, writer: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("store::sqlite::tests::processes::{name}")])
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
async fn processes_that_share_a_database_lose_nothing_of_each_other() {
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
    save(&disk.path, "heir", "next", None).await.unwrap();
    assert_eq!(disk.text("PRAGMA integrity_check"), "ok");
}

#[tokio::test]
async fn a_database_that_another_holds_is_an_error_in_bounded_time_and_heals() {
    let disk = Disk::new();
    save(&disk.path, "a", "one", None).await.unwrap();
    let holder = disk.sql();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let store = open(&disk.path);
    let savers: Vec<_> = (0..8)
        .map(|n| {
            let store = store.clone();
            let saving =
                async move { store.save(&service(&format!("s{n}")), &some_record("two"), None, None).await };
            crate::runtime::spawn(saving).unwrap()
        })
        .collect();
    let all = async {
        for saver in savers {
            let error = saver.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Storage);
            assert!(error.message().contains("held by another process"), "{error}");
        }
    };
    tokio::time::timeout(Duration::from_secs(8), all).await.unwrap();
    assert_eq!(token(&disk.path, "a").await.as_deref(), Some("one"));
    holder.execute_batch("ROLLBACK").unwrap();
    assert!(save(&disk.path, "b", "two", None).await.is_some());
}

#[tokio::test]
async fn without_a_log_readers_behind_a_writer_are_told_in_bounded_time_too() {
    let disk = Disk::new();
    let holder = disk.sql();
    holder.execute_batch("CREATE TABLE t (x); BEGIN EXCLUSIVE").unwrap();
    let loaders: Vec<_> = (0..8)
        .map(|n| {
            let store = open(&disk.path);
            crate::runtime::spawn(async move { store.load(&service(&format!("s{n}"))).await }).unwrap()
        })
        .collect();
    let all = async {
        for loader in loaders {
            assert_eq!(loader.await.unwrap().unwrap_err().kind(), ErrorKind::Storage);
        }
    };
    tokio::time::timeout(Duration::from_secs(8), all).await.unwrap();
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(token(&disk.path, "a").await, None);
}

#[tokio::test]
async fn a_reader_that_takes_its_time_stops_no_save() {
    let disk = Disk::new();
    let revision = save(&disk.path, "a", "one", None).await;
    let store = open(&disk.path);
    store.load(&service("a")).await.unwrap();
    let reader = disk.sql();
    reader.execute_batch("BEGIN; SELECT count(*) FROM token_cache;").unwrap();
    let saving = async { store.save(&service("a"), &some_record("two"), revision, None).await };
    let saved = tokio::time::timeout(Duration::from_secs(2), saving).await.unwrap().unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
    assert_eq!(
        reader
            .query_row("SELECT json_extract(token, '$.accessToken') FROM token_cache", [], |row| row
                .get::<_, String>(0))
            .unwrap(),
        "one"
    );
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(token(&disk.path, "a").await.as_deref(), Some("two"));
}

/// In a child whose files may not grow beyond a few pages, the large record fails; elsewhere it is stored.
#[tokio::test]
async fn a_record_that_finds_no_room_leaves_the_old_one() {
    let disk = Disk::new();
    let (path, has_room) = (place(&disk), writer() == "alone");
    if has_room {
        save(&path, "a", "old", None).await.unwrap();
    }
    let store = open(&path);
    let (_, revision) = store.load(&service("a")).await.unwrap().record.unwrap();
    let refresh_token = Some(Secret::new("x".repeat(400_000)));
    let large = StoredToken { refresh_token, ..some_record("large") };
    let saved = store.save(&service("a"), &large, Some(revision), None).await;
    assert_eq!(saved.is_ok(), has_room, "{saved:?}");
    assert!(saved.err().is_none_or(|error| error.kind() == ErrorKind::Storage));
    assert_eq!(token(&path, "a").await.unwrap() == "old", !has_room);
    if !has_room {
        let small = store.save(&service("a"), &some_record("small"), Some(revision), None).await.unwrap();
        assert!(matches!(small, Saved::Stored(_)), "what fits is stored on the same connection");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn without_room_on_the_disk_the_old_record_stays_whole() {
    let disk = Disk::new();
    save(&disk.path, "a", "old", None).await.unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "store::sqlite::tests::processes::a_record_that_finds_no_room_leaves_the_old_one"])
        .env(PLACE, &disk.path)
        .env(WRITER, "cramped")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    assert_eq!(token(&disk.path, "a").await.as_deref(), Some("small"));
    assert!(disk.damaged().is_empty());
    assert_eq!(disk.text("PRAGMA integrity_check"), "ok");
}
