//! Databases that are none any more.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::super::disk;
use super::super::lock::Lock;
use super::database;
use super::defense::Operations;
use super::fault::SqliteError;
use super::schema;
use crate::error::{Error, ErrorKind, Result};

/// A database of ours is far smaller; to read a larger one through at each opening would be felt.
const CHECKED_BYTES: u64 = 4 * 1024 * 1024;

/// What SQLite keeps beside the file: it belongs to the damage, and would be taken for the successor's.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Fails if the file is damaged, as far as a quick look tells. In one that others use, too, only the pages
/// that are read need be sound.
pub(super) fn check_at_opening(connection: &Connection, path: &Path) -> Result<(), SqliteError> {
    let is_small = bytes(path)? <= CHECKED_BYTES;
    if is_small && !schema::has_foreign_tables(connection)? {
        check(connection, path, "quick_check")
    } else {
        Ok(())
    }
}

/// Renames the database and what belongs to it, if it is damaged indeed and holds nothing of others; says what
/// was done. One process does so at a time, and whoever comes next finds the successor.
pub(super) fn set_aside(path: &Path) -> Result<Option<String>> {
    let _lock = Lock::take(path)?;
    if disk::identity(path)?.is_none() {
        return Ok(None);
    }
    let describe = |fault: SqliteError| fault.describe(path);
    let connection = database::connect(path, &Operations::default()).map_err(describe)?;
    let is_shared = schema::has_foreign_tables(&connection).unwrap_or(false);
    match check(&connection, path, "integrity_check") {
        Ok(()) => return Ok(None),
        Err(fault) if fault.is_damage() => {}
        Err(fault) => return Err(describe(fault)),
    }
    if is_shared {
        let message = format!(
            "{} is damaged and holds tables of others: it is left as it is, for a person to repair",
            path.display()
        );
        return Err(Error::new(ErrorKind::Storage, message));
    }
    drop(connection);
    let kept = disk::rename_damaged(path, disk::written_at(path)?, &BESIDE)?;
    Ok(Some(format!("{} is damaged: it was renamed to {}", path.display(), kept.display())))
}

fn check(connection: &Connection, path: &Path, how: &str) -> Result<(), SqliteError> {
    let page: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    // SQLite takes the missing end of a last page for zeros.
    if page > 0 && !bytes(path)?.is_multiple_of(page.into()) {
        return Err(SqliteError::Damaged);
    }
    let verdict: String = connection.query_row(&format!("PRAGMA {how}(1)"), [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(SqliteError::Damaged) }
}

fn bytes(path: &Path) -> Result<u64> {
    fs::symlink_metadata(path).map(|file| file.len()).map_err(|error| disk::storage("read", path, &error))
}
