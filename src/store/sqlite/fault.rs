//! What SQLite refuses, in words that hold nothing of a row: its own texts may quote a trigger's.

use std::path::Path;
use std::time::Duration;

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_BUSY, code_to_str};

use super::defense::LONGEST_WORK;
use crate::error::{Error, ErrorKind};

/// How long one operation waits for whoever holds the database; a write takes milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// Why an operation came to nothing.
///
/// The text continues a sentence that begins with the path: see [`SqliteError::describe`].
#[derive(Debug, thiserror::Error)]
pub(super) enum SqliteError {
    /// An error of SQLite. Its own text is never shown.
    #[error("cannot be used")]
    Sql(#[from] rusqlite::Error),
    /// The content is not a sound database, although SQLite did not report it.
    #[error("is damaged")]
    Damaged,
    /// Something replaces one of our tables or is attached to it: what, in words.
    #[error("has {0}, so it is not used: remove that, or set storage.path to another file")]
    Planted(String),
    /// A newer evertoken wrote it: the version.
    #[error("was written by a newer evertoken (its version is {0}): it is left as it is")]
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

    /// Another connection stands in the way.
    pub(super) fn busy() -> Self {
        Self::Sql(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(SQLITE_BUSY), None))
    }

    /// Whether another connection stood in the way.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }

    /// Whether the content is at fault.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged)
            || matches!(self.code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }

    /// Whether the connection is as good as before. After anything else (a disk that was full, a directory
    /// that was read-only) it may hold on to a state that has passed.
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
                format!("{path} was held by another process for {} s", PATIENCE.as_secs())
            }
            fault => match fault.code() {
                Some(ErrorCode::OperationInterrupted) => {
                    let seconds = LONGEST_WORK.as_secs();
                    format!("{path} kept a statement busy for {seconds} s, and it was stopped")
                }
                Some(ErrorCode::DiskFull) => format!("{path} has no room left on its disk"),
                Some(ErrorCode::ReadOnly) => {
                    format!("{path} cannot be written: it, or its directory, is read-only")
                }
                Some(ErrorCode::CannotOpen) => {
                    format!(
                        "{path} cannot be opened: it, or its directory, is not accessible, or too many files are open"
                    )
                }
                Some(ErrorCode::SystemIoFailure) => {
                    format!("the disk of {path} fails, or is full: {}", fault.words())
                }
                Some(ErrorCode::ConstraintViolation) => {
                    format!("{path} refuses the change: a constraint in it forbids that")
                }
                _ => format!(
                    "{path} cannot be used, its tables may be others than expected: {}",
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
                .map_or("a value of another type", |error| code_to_str(error.extended_code)),
            _ => "",
        }
    }
}
