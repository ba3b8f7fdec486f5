//! One connection for each database file. All stores of the process that name the file share it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::super::disk::{self, Identity, Stamp};
use super::super::lease_files::LeaseFiles;
use super::super::warnings::Warnings;
use super::super::watch::Watch;
use super::damage;
use super::defense::{self, Operations};
use super::fault::{BUSY_TIMEOUT, SqliteError};
use super::schema;
use crate::error::{Error, ErrorKind, Result};
use crate::gate::Gate;
use crate::sync::{Mutex, MutexGuard, WeakMap};

/// Three hundred services that share a file need the descriptors of one connection, not of three hundred.
static DATABASES: LazyLock<Mutex<WeakMap<PathBuf, Database>>> = LazyLock::new(Mutex::default);

/// How many prepared statements are kept.
const STATEMENTS: usize = 32;

/// A database file. It is opened when it is first needed, and again whenever the path leads to another file.
pub(super) struct Database {
    path: PathBuf,
    open: Mutex<Option<Open>>,
    operations: Operations,
    /// How many operations have waited for another process in vain. They are counted separately, as a log lets
    /// readers pass while writers wait.
    readers_in_vain: AtomicU64,
    writers_in_vain: AtomicU64,
    warnings: Warnings,
    pub(super) lease_files: LeaseFiles,
    is_swept: AtomicBool,
    pub(super) gate: Arc<Gate>,
    pub(super) watch: Watch,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    seen: Seen,
}

/// The files that a connection works on: the database, and the index of its log, without which this connection and a
/// later one would not know about each other. A backup may be copied over the file in place. If others wrote to the
/// file, the connection is opened again, as its cached pages would be mixed with theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    main: Identity,
    stamp: Stamp,
    shared: Option<Identity>,
}

/// What a change must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    PowerLoss,
    /// A power loss may undo it.
    Crash,
}

/// What to do if there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IfMissing {
    Create,
    Skip,
}

impl Database {
    /// The database at `path`, which is absolute. Nothing is opened yet.
    pub(super) fn at(path: &Path) -> Arc<Self> {
        let open = || {
            Arc::new(Self {
                path: path.to_owned(),
                open: Mutex::default(),
                operations: Operations::default(),
                readers_in_vain: AtomicU64::new(0),
                writers_in_vain: AtomicU64::new(0),
                warnings: Warnings::default(),
                lease_files: LeaseFiles::new(path),
                is_swept: AtomicBool::new(false),
                // There is one connection.
                gate: Gate::new(1),
                watch: Watch::default(),
            })
        };
        DATABASES.lock().get_or_insert_with(path.to_owned(), open)
    }

    /// Reads. Returns `None` if there is no file.
    pub(super) fn read<T>(&self, work: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<Option<T>> {
        self.perform(&self.readers_in_vain, IfMissing::Skip, |connection| Ok(work(connection)?))
    }

    /// Makes all the changes of `work`, or none. Returns `None` if there is no file and none is created.
    pub(super) fn change<T>(
        &self,
        missing: IfMissing,
        durability: Durability,
        work: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        self.perform(&self.writers_in_vain, missing, |connection| {
            let level = if durability == Durability::PowerLoss { "FULL" } else { "NORMAL" };
            connection.execute_batch(&format!("PRAGMA synchronous = {level}"))?;
            let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            if durability == Durability::PowerLoss {
                checkpoint(connection);
            }
            Ok(done)
        })
    }

    /// The files, as their metadata shows them: each change of the database changes one of them.
    pub(super) fn file_states(&self) -> Result<String> {
        let log = disk::sibling(&self.path, "-wal");
        let log = disk::identity(&log)?.map(|_| disk::stamp(&log));
        Ok(format!("{:?} {log:?}", self.look()?))
    }

    /// The owners that have a lease file when a lease is first taken here. Later there are none.
    pub(super) fn owners_left(&self) -> Vec<u64> {
        if self.is_swept.swap(true, Ordering::Relaxed) {
            return Vec::new();
        }
        let mut left = disk::leftovers(disk::directory(&self.path));
        left.remove(&disk::name(&self.path)).unwrap_or_default().owners
    }

    pub(super) fn warn(&self, message: String) {
        self.warnings.add(message);
    }

    pub(super) fn take_warnings(&self) -> Vec<Error> {
        self.warnings.take()
    }

    /// Works on the connection. A database that turns out to be damaged is set aside, and the work is done on a new
    /// one.
    fn perform<T>(
        &self,
        in_vain: &AtomicU64,
        missing: IfMissing,
        work: impl Fn(&Connection) -> Result<T, SqliteError>,
    ) -> Result<Option<T>> {
        let before = in_vain.load(Ordering::Relaxed);
        let mut open = self.open();
        if in_vain.load(Ordering::Relaxed) != before {
            // The operation before this one has waited for another process. Every one in the queue would wait as
            // long.
            return Err(SqliteError::busy().describe(&self.path));
        }
        let mut attempt = || {
            self.operations.begin();
            let done =
                self.connect(&mut open, missing).and_then(|connection| connection.map(&work).transpose());
            if done.as_ref().is_err_and(|fault| !fault.leaves_connection_sound()) {
                *open = None;
            }
            self.look_again(open.as_mut());
            done
        };
        let done = match attempt() {
            Err(fault) if fault.is_damage() => {
                if let Some(warning) =
                    damage::set_aside(&self.path, || connect(&self.path, &Operations::default()))?
                {
                    self.warn(warning);
                }
                attempt()
            }
            done => done,
        };
        done.map_err(|fault| {
            in_vain.fetch_add(u64::from(fault.is_busy()), Ordering::Relaxed);
            fault.describe(&self.path)
        })
    }

    fn connect<'o>(
        &self,
        open: &'o mut Option<Open>,
        missing: IfMissing,
    ) -> Result<Option<&'o Connection>, SqliteError> {
        let mut seen = self.look()?;
        if open.as_ref().is_some_and(|open| Some(open.seen) != seen) {
            // Close it before a new file is created: what closing writes belongs to the old one.
            *open = None;
        }
        if seen.is_none() {
            if missing == IfMissing::Skip {
                return Ok(None);
            }
            disk::create_directory(&self.path)?;
            disk::create_file(&self.path)?;
            seen = self.look()?;
        }
        if open.is_none() {
            let connection = connect(&self.path, &self.operations)?;
            schema::refuse_newer(&connection)?;
            damage::check_at_opening(&connection, &self.path)?;
            use_log(&connection)?;
            schema::make_current(&connection)?;
            // Now the index of the log exists.
            let now = self.look()?.filter(|now| Some(now.main) == seen.map(|seen| seen.main));
            let Some(seen) = now else { return Err(replaced_error(&self.path).into()) };
            *open = Some(Open { connection, seen });
        }
        let connection = open.as_ref().map(|open| &open.connection);
        connection.map_or(Ok(()), schema::make_current)?;
        Ok(connection)
    }

    fn look(&self) -> Result<Option<Seen>> {
        let Some(main) = disk::identity(&self.path)? else { return Ok(None) };
        let stamp = disk::stamp(&self.path)?;
        let shared = disk::identity(&disk::sibling(&self.path, "-shm"))?;
        Ok(Some(Seen { main, stamp, shared }))
    }

    /// Records the present state of the file: this connection made the changes since the last look.
    fn look_again(&self, open: Option<&mut Open>) {
        if let Some(open) = open
            && let Ok(Some(now)) = self.look()
            && now.main == open.seen.main
        {
            open.seen.stamp = now.stamp;
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock()
    }
}

/// Opens an existing file.
pub(super) fn connect(path: &Path, operations: &Operations) -> Result<Connection, SqliteError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(disk::without_links_above(path), flags)?;
    defense::set_up(&mut connection, operations)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// With a write-ahead log, readers do not block a writer. Some file systems do not support one, and everything also
/// works without it.
fn use_log(connection: &Connection) -> Result<(), SqliteError> {
    connection.busy_timeout(Duration::ZERO)?;
    let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(SqliteError::from);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    mode.or_else(|fault| if fault.is_damage() { Err(fault) } else { Ok(()) })
}

/// Moves the log into the database, unless a reader prevents it. A copy of the database file alone is then complete,
/// and a log that is lost or left next to a restored file changes nothing. The change is stored in any case.
fn checkpoint(connection: &Connection) {
    let _ = connection
        .busy_timeout(Duration::ZERO)
        .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    let _ = connection.busy_timeout(BUSY_TIMEOUT);
}

fn replaced_error(path: &Path) -> Error {
    Error::new(ErrorKind::Storage, format!("{} was replaced while it was being opened", path.display()))
}
