//! What befalls databases, who else uses them, and what becomes of the records in them.

mod damage;
#[cfg(unix)]
mod places;
mod planted;
mod prisma;
mod processes;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::crypto::{KeyRing, generate_key};
use crate::store::conformance::{service, some_record};
use crate::store::{Revision, Saved, SealedStore, SqliteStore, Store};

/// A directory with a database in it.
struct Disk {
    directory: TempDir,
    path: PathBuf,
}

impl Disk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token-cache.db");
        Self { directory, path }
    }

    fn place(&self) -> SqliteStore {
        SqliteStore::new(&self.path)
    }

    /// Somebody else's connection.
    fn sql(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    fn text(&self, query: &str) -> String {
        self.sql().query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// The tokens that are stored unsealed, in the order of their services.
    fn tokens(&self) -> String {
        self.text(
            "SELECT group_concat(json_extract(token, '$.accessToken')) FROM (SELECT * FROM token_cache ORDER BY service)",
        )
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The databases that were set aside, without what stands beside them.
    fn damaged(&self) -> Vec<String> {
        let is_main =
            |name: &String| name.contains(".corrupt-") && !name.ends_with("wal") && !name.ends_with("shm");
        self.names().into_iter().filter(is_main).collect()
    }
}

fn open(path: &Path) -> SealedStore {
    SealedStore::without_sealing(Arc::new(SqliteStore::new(path)))
}

/// One that takes what another program puts there.
fn accepting(path: &Path) -> SealedStore {
    let ring = KeyRing::configured(vec![generate_key().unwrap()]).unwrap();
    SealedStore::new(Arc::new(SqliteStore::new(path)), Arc::new(ring)).accepting_plain_tokens(true)
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
    assert_eq!((disk.place().kind(), disk.place().location()), ("sqlite", disk.path.display().to_string()));
}

#[tokio::test]
async fn a_copy_of_the_database_file_alone_is_whole_after_each_save() {
    let disk = Disk::new();
    let store = open(&disk.path);
    store.save(&service("a"), &some_record("one"), None, None).await.unwrap();
    let copy = disk.directory.path().join("copy.db");
    fs::copy(&disk.path, &copy).unwrap();
    assert_eq!(token(&copy, "a").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn three_hundred_stores_share_a_connection_that_ends_with_the_last() {
    let disk = Disk::new();
    let stores: Vec<_> = (0..300).map(|_| open(&disk.path)).collect();
    for (n, store) in stores.iter().enumerate().step_by(50) {
        store.save(&service(&format!("s{n}")), &some_record("one"), None, None).await.unwrap();
    }
    for store in &stores {
        store.load(&service("s0")).await.unwrap().record.unwrap();
    }
    #[cfg(target_os = "linux")]
    assert!((1..=3).contains(&descriptors(disk.directory.path())), "{}", descriptors(disk.directory.path()));
    drop(stores);
    #[cfg(target_os = "linux")]
    assert_eq!(descriptors(disk.directory.path()), 0);
    assert_eq!(disk.names(), ["token-cache.db"]);
}

/// How many descriptors of this process are open below a directory.
#[cfg(target_os = "linux")]
fn descriptors(directory: &Path) -> usize {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    entries.filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to.starts_with(directory))).count()
}
