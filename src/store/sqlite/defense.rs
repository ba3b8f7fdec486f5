//! Protection against those who can write to a database: this process does not run what they put there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;

/// An operation's statements take milliseconds. Waiting for another process does not count.
pub(super) const MAX_QUERY_TIME: Duration = Duration::from_secs(2);

/// How many steps of SQLite's virtual machine pass between two looks at the clock.
const STEPS: i32 = 1000;

/// Several records fit into one value.
const MAX_BYTES: i32 = 16 * 1024 * 1024;

/// Switched off: code in the schema (views, triggers, functions with effects), and writing to the schema itself.
const SETTINGS: [(DbConfig, bool); 6] = [
    (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
    (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
];

const LIMITS: [(Limit, i32); 4] = [
    (Limit::SQLITE_LIMIT_LENGTH, MAX_BYTES),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// Cells are checked when they are read, and deleted content is overwritten. Nothing is put into temporary files: to
/// find their directory, SQLite would read the environment on one of our threads.
const PRAGMAS: &str = "PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; \
                       PRAGMA mmap_size = 0";

/// Counts the operations on a database. Each has its own time limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Operations(Arc<AtomicU64>);

impl Operations {
    /// Starts the next one.
    pub(super) fn begin(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Configures a connection, and stops operations that take too long.
pub(super) fn set_up(connection: &mut Connection, operations: &Operations) -> rusqlite::Result<()> {
    for (setting, value) in SETTINGS {
        connection.set_db_config(setting, value)?;
    }
    for (limit, value) in LIMITS {
        connection.set_limit(limit, value)?;
    }
    connection.execute_batch(PRAGMAS)?;
    let operations = operations.clone();
    let mut began: Option<(u64, Instant)> = None;
    let has_timed_out = move || {
        let operation = operations.0.load(Ordering::Relaxed);
        match began {
            Some((known, start)) if known == operation => start.elapsed() > MAX_QUERY_TIME,
            _ => {
                began = Some((operation, now()));
                false
            }
        }
    };
    connection.progress_handler(STEPS, Some(has_timed_out))
}

#[expect(
    clippy::disallowed_methods,
    reason = "SQLite asks in the middle of a statement, where no clock is handed in"
)]
fn now() -> Instant {
    Instant::now()
}
