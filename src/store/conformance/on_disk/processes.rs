//! Many writers, and writers that die or run out of room.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;
use crate::domain::Secret;
use crate::error::ErrorKind;
use crate::store::{StoredState, StoredToken};

const PLACE: &str = "EVERTOKEN_TEST_PLACE";
const WRITER: &str = "EVERTOKEN_TEST_WRITER";
const WRITES: u64 = 20;

/// The full name of a case, for a process that is to run it alone.
fn name_of(case: &str, disk: &Disk) -> String {
    format!("store::conformance::on_disk::{}::{case}", disk.engine.kind)
}

/// Another process of this very test binary that runs one case on this disk.
pub(super) fn child(case: &str, disk: &Disk, writer: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name_of(case, disk)])
        .env(PLACE, &disk.path)
        .env(WRITER, writer)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The place that a parent process named, and the name it gave; else a place of its own.
#[expect(clippy::disallowed_methods, reason = "a process of this test, started with its variables")]
pub(super) fn assignment(disk: &Disk) -> (Disk, String) {
    let place = std::env::var_os(PLACE).map_or_else(|| disk.path.clone(), PathBuf::from);
    let writer = std::env::var_os(WRITER).map_or_else(|| "alone".into(), |name| name.into_string().unwrap());
    (disk.at(place), writer)
}

/// Counts up, in the state of the record, until it was the one to make `WRITES` steps.
async fn count_up(disk: &Disk, name: &str) {
    let store = disk.open();
    let mut done = 0;
    while done < WRITES {
        let found = store.load(&service(name)).await.unwrap().record;
        let (mut record, expected) = match found {
            Some((record, revision)) => (record, Some(revision)),
            None => (StoredToken { state: None, ..some_record("counted") }, None),
        };
        let identity = Some((count_in(&record) + 1).to_string());
        record.state = Some(StoredState { identity, ..StoredState::default() });
        if let Saved::Stored(_) = store.save(&service(name), &record, expected, None).await.unwrap() {
            done += 1;
        }
    }
}

fn count_in(record: &StoredToken) -> u64 {
    let identity = record.state.as_ref().and_then(|state| state.identity.as_ref());
    identity.and_then(|count| count.parse().ok()).unwrap_or(0)
}

async fn count(disk: &Disk, name: &str) -> Option<u64> {
    disk.open().load(&service(name)).await.unwrap().record.map(|(record, _)| count_in(&record))
}

pub(super) async fn a_writer_makes_all_its_steps(disk: Disk) {
    let (disk, writer) = assignment(&disk);
    count_up(&disk, "shared").await;
    count_up(&disk, &writer).await;
    assert_eq!(count(&disk, &writer).await, Some(WRITES));
}

pub(super) async fn processes_that_share_a_store_lose_nothing_of_each_other(disk: Disk) {
    let writers = ["one", "two", "three", "four"];
    let children = writers.map(|name| child("a_writer_makes_all_its_steps", &disk, name));
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    for name in writers {
        assert_eq!(count(&disk, name).await, Some(WRITES), "{name}");
    }
    assert_eq!(count(&disk, "shared").await, Some(WRITES * 4));
    assert!(disk.damaged().is_empty());
}

pub(super) async fn services_of_one_process_lose_nothing_of_each_other(disk: Disk) {
    let writers: Vec<_> = (0..6)
        .map(|n| {
            let disk = disk.clone();
            crate::runtime::spawn(async move { count_up(&disk, &format!("service {n}")).await }).unwrap()
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for n in 0..6 {
        assert_eq!(count(&disk, &format!("service {n}")).await, Some(WRITES));
    }
}

pub(super) async fn a_process_killed_at_any_moment_leaves_a_whole_record(disk: Disk) {
    disk.save("shared", "first", None).await.unwrap();
    for round in 0..30 {
        let mut child = child("a_writer_makes_all_its_steps", &disk, "victim");
        tokio::time::sleep(Duration::from_millis(3 + round * 2)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(disk.token("shared").await.is_some(), "round {round}");
        assert!(disk.damaged().is_empty(), "round {round}");
    }
    assert!(count(&disk, "shared").await > Some(0), "no process came to write");
    disk.save("heir", "next", None).await.unwrap();
    (disk.engine.assert_sound)(&disk);
}

/// In a child whose files may not grow, the large record fails; elsewhere it is stored.
pub(super) async fn a_record_that_finds_no_room_leaves_the_old_one(disk: Disk) {
    let (disk, writer) = assignment(&disk);
    let has_room = writer == "alone";
    if has_room {
        disk.save("a", "old", None).await.unwrap();
    }
    let store = disk.open();
    let (_, revision) = store.load(&service("a")).await.unwrap().record.unwrap();
    let refresh_token = Some(Secret::new("x".repeat(400_000)));
    let large = StoredToken { refresh_token, ..some_record("large") };
    let saved = store.save(&service("a"), &large, Some(revision), None).await;
    assert_eq!(saved.is_ok(), has_room, "{saved:?}");
    assert!(saved.err().is_none_or(|error| error.kind() == ErrorKind::Storage));
    assert_eq!(disk.token("a").await.unwrap() == "old", !has_room);
    if !has_room {
        let small = store.save(&service("a"), &some_record("small"), Some(revision), None).await.unwrap();
        assert!(matches!(small, Saved::Stored(_)), "the same store takes what fits");
    }
}

#[cfg(unix)]
pub(super) async fn without_room_on_the_disk_the_old_record_stays_whole_and_no_rest_is_left(disk: Disk) {
    disk.save("a", "old", None).await.unwrap();
    let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", disk.engine.blocks_for_small);
    let output = Command::new("sh")
        .args(["-c", &limit, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &name_of("a_record_that_finds_no_room_leaves_the_old_one", &disk)])
        .env(PLACE, &disk.path)
        .env(WRITER, "cramped")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    assert_eq!(disk.token("a").await.as_deref(), Some("small"));
    assert!(disk.damaged().is_empty());
    (disk.engine.assert_sound)(&disk);
}
