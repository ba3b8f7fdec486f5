//! What happens to databases, who else uses them, and what becomes of the records in them.

mod damage;
#[cfg(unix)]
mod places;
mod planted;
mod prisma;
mod processes;

use std::fs;
#[cfg(target_os = "linux")]
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::SqliteStore;
use crate::store::conformance::on_disk::{Disk, Engine};
use crate::store::conformance::{service, some_record};

pub(in crate::store) static ENGINE: Engine = Engine {
    kind: "sqlite",
    file_name: "token-cache.db",
    store: |path| Arc::new(SqliteStore::new(path)),
    side_files: &["-wal", "-shm"],
    damages: damage::damages,
    flipped_bits: 64,
    blocks_for_small: 200,
    assert_sound: |disk| assert_eq!(disk.text("PRAGMA integrity_check"), "ok"),
};

fn new_disk() -> Disk {
    Disk::new(&ENGINE)
}

impl Disk {
    fn database(&self) -> SqliteStore {
        SqliteStore::new(&self.path)
    }

    /// Another program's connection.
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
}

#[tokio::test]
async fn a_copy_of_the_database_file_alone_is_whole_after_each_save() {
    let disk = new_disk();
    let store = disk.open();
    store.save(&service("a"), &some_record("one"), None, None).await.unwrap();
    let copy = disk.directory.path().join("copy.db");
    fs::copy(&disk.path, &copy).unwrap();
    assert_eq!(disk.at(&copy).token("a").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn three_hundred_stores_share_a_connection_that_ends_with_the_last() {
    let disk = new_disk();
    let stores: Vec<_> = (0..300).map(|_| disk.open()).collect();
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
