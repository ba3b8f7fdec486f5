//! Damaged databases.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::super::disk;
use super::super::lock::Lock;
use super::fault::SqliteError;
use super::schema;
use crate::error::{Error, ErrorKind, Result};

/// Our databases are far smaller, and checking a larger one at each opening would take noticeable time.
const CHECKED_BYTES: u64 = 4 * 1024 * 1024;

/// SQLite's files next to the database. They belong to the damage, and SQLite would use them with the new database.
const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Fails if a quick check finds damage. If others use the database too, only the pages that are read need to be
/// sound.
pub(super) fn check_at_opening(connection: &Connection, path: &Path) -> Result<(), SqliteError> {
    let is_small = bytes(path)? <= CHECKED_BYTES;
    if is_small && !schema::has_foreign_tables(connection)? {
        check(connection, path, "quick_check")
    } else {
        Ok(())
    }
}

/// Renames a database that really is damaged, with its side files, unless it contains tables of others. Returns what
/// was done. Only one process does so at a time, and the next one finds the new database.
pub(super) fn set_aside(
    path: &Path,
    connect: impl FnOnce() -> Result<Connection, SqliteError>,
) -> Result<Option<String>> {
    let _lock = Lock::take(path)?;
    if disk::identity(path)?.is_none() {
        return Ok(None);
    }
    let describe = |fault: SqliteError| fault.describe(path);
    let connection = connect().map_err(describe)?;
    let is_shared = schema::has_foreign_tables(&connection).unwrap_or(false);
    match check(&connection, path, "integrity_check") {
        Ok(()) => return Ok(None),
        Err(fault) if fault.is_damage() => {}
        Err(fault) => return Err(describe(fault)),
    }
    if is_shared {
        let message = format!(
            "{} is damaged. It also contains tables of other programs, so evertoken leaves it unchanged: repair it",
            path.display()
        );
        return Err(Error::new(ErrorKind::Storage, message));
    }
    drop(connection);
    let kept = disk::rename_damaged(path, disk::written_at(path)?, &SIDE_FILES)?;
    Ok(Some(format!(
        "{} is damaged: evertoken renamed it to {} and starts a new database",
        path.display(),
        kept.display()
    )))
}

fn check(connection: &Connection, path: &Path, how: &str) -> Result<(), SqliteError> {
    let page: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    // SQLite reads a missing end of the last page as zeros.
    if page > 0 && !bytes(path)?.is_multiple_of(page.into()) {
        return Err(SqliteError::Damaged);
    }
    let verdict: String = connection.query_row(&format!("PRAGMA {how}(1)"), [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(SqliteError::Damaged) }
}

fn bytes(path: &Path) -> Result<u64> {
    fs::symlink_metadata(path).map(|file| file.len()).map_err(|error| disk::storage("read", path, &error))
}
