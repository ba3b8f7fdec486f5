//! The errors of SQLite, in words that contain nothing of a row. SQLite's own texts may quote a trigger.

use std::path::Path;
use std::time::Duration;

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_BUSY, code_to_str};

use super::defense::MAX_QUERY_TIME;
use crate::error::{Error, ErrorKind};

/// How long one operation waits for another process that holds the database. A write takes milliseconds.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(3);

/// Why an operation failed.
///
/// Its text continues a sentence that begins with the path: see [`SqliteError::describe`].
#[derive(Debug, thiserror::Error)]
pub(super) enum SqliteError {
    /// An error of SQLite. Its own text is never shown.
    #[error("cannot be used")]
    Sql(#[from] rusqlite::Error),
    /// The content is not a sound database, although SQLite did not report it.
    #[error("is damaged")]
    Damaged,
    /// Something replaces one of our tables or is attached to it: what, in words.
    #[error("contains {0}, which evertoken does not allow: remove it, or set storage.path to another file")]
    Planted(String),
    /// A newer evertoken wrote it: the version.
    #[error("was written by a newer version of evertoken (format {0}) and stays unchanged: update evertoken")]
    Newer(i64),
    /// An error that is already complete.
    #[error(transparent)]
    Other(#[from] Error),
}

impl SqliteError {
    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sql(error) => error.sqlite_error_code(),
            _ => None,
        }
    }

    /// The error of a database that another connection holds.
    pub(super) fn busy() -> Self {
        Self::Sql(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(SQLITE_BUSY), None))
    }

    /// Whether another connection held the database.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }

    /// Whether the content is damaged.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged)
            || matches!(self.code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }

    /// Whether the connection is as good as before. After other errors (a full disk, a read-only directory) it may
    /// keep a state that has passed.
    pub(super) fn leaves_connection_sound(&self) -> bool {
        self.is_busy() || self.code() == Some(ErrorCode::ConstraintViolation)
    }

    /// The error for users.
    pub(super) fn describe(self, path: &Path) -> Error {
        let path = path.display();
        let message = match &self {
            Self::Other(error) => return error.clone(),
            Self::Newer(_) | Self::Planted(_) => format!("{path} {self}"),
            fault if fault.is_damage() => format!("{path} is damaged"),
            fault if fault.is_busy() => {
                format!("{path} was locked by another process for {} s", BUSY_TIMEOUT.as_secs())
            }
            fault => match fault.code() {
                Some(ErrorCode::OperationInterrupted) => {
                    let seconds = MAX_QUERY_TIME.as_secs();
                    format!("a statement on {path} took longer than {seconds} s and was stopped")
                }
                Some(ErrorCode::DiskFull) => format!("the disk that contains {path} is full"),
                Some(ErrorCode::ReadOnly) => {
                    format!("{path} cannot be written: the file or its directory is read-only")
                }
                Some(ErrorCode::CannotOpen) => {
                    format!(
                        "{path} cannot be opened: the file or its directory is not accessible, or too many files are open"
                    )
                }
                Some(ErrorCode::SystemIoFailure) => {
                    format!("the disk that contains {path} failed or is full: {}", fault.words())
                }
                Some(ErrorCode::ConstraintViolation) => {
                    format!(
                        "{path} rejected the change, because it violates a constraint of a table: use the model from the documentation"
                    )
                }
                _ => format!(
                    "{path} cannot be used: {}. Its tables may differ from those that evertoken creates",
                    fault.words()
                ),
            },
        };
        Error::new(ErrorKind::Storage, message)
    }

    /// SQLite's fixed text for the code.
    fn words(&self) -> &'static str {
        match self {
            Self::Sql(error) => error
                .sqlite_error()
                .map_or("a value has an unexpected type", |error| code_to_str(error.extended_code)),
            _ => "",
        }
    }
}
